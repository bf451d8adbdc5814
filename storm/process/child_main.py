"""The child side of `storm.process.run_child`: `python -m storm.process.child_main`."""

from __future__ import annotations

import errno
import importlib
import json
import os
import pickle
import sys

from storm.errors import StormError
from storm.process.environment import set_environment
from storm.process.run_child import watch_owner

# of the machine, not of an item: the stage fails and nothing is quarantined
_NO_RESOURCES = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EMFILE, errno.ENFILE),
    *(errno.ESTALE, errno.ENOTCONN),  # a network file system that went away
}


def main() -> int:
    set_environment()
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars are the parent's business
    watch_owner()
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log

    def emit(event: dict) -> None:
        events.write(json.dumps(event) + "\n")

    module, name, args = pickle.load(sys.stdin.buffer)  # from our own parent
    try:
        getattr(importlib.import_module(module), name)(*args, emit)
    except StormError as e:
        emit({"error": f"{type(e).__name__}: {e}"})
        return e.exit_code
    except OSError as e:
        if e.errno in _NO_RESOURCES:
            emit({"error": f"{e.strerror}: {e.filename or 'no file named'}"})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
