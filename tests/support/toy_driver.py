"""A run to be killed: `python -m toy_driver ROOT JSON`, JSON: what `toy_stages.chain` takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from toy_stages import chain

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import StormError
from storm.runtime import Runtime

RUNTIME = Runtime(batch=4)


def main(root: str, arguments: str) -> int:
    try:
        made = execute(chain(**json.loads(arguments)), Store(Path(root)), RUNTIME)
    except StormError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(made.path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
