"""The child's side of `run_child`: `python -m storm.process.child_main`, its call on stdin."""

from __future__ import annotations

import errno
import importlib
import json
import os
import pickle
import sys
from typing import Any

from storm.errors import StormError
from storm.process.environment import set_environment
from storm.process.owner import watch_owner

# faults of the machine, not of an item: the stage fails and nothing is quarantined
_MACHINE_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EMFILE, errno.ENFILE),
    *(errno.ESTALE, errno.ENOTCONN),  # a network file system that went away
}


def main() -> int:
    """Run the call on stdin, its events on stdout; return the exit code."""
    set_environment()
    os.environ.setdefault("TQDM_DISABLE", "1")  # the parent draws the progress bars
    watch_owner()
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log

    def emit(event: dict[str, Any]) -> None:
        events.write(json.dumps(event) + "\n")

    module, name, args = pickle.load(sys.stdin.buffer)  # from our own parent
    try:
        getattr(importlib.import_module(module), name)(*args, emit)
    except StormError as e:
        emit({"error": f"{type(e).__name__}: {e}"})
        return e.exit_code
    except OSError as e:
        if e.errno in _MACHINE_FAULTS:
            emit({"error": f"{e.strerror}: {e.filename or 'no file named'}"})
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
