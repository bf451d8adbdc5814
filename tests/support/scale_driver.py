"""Makes N items in a process of its own, and tells its peak of memory: `-m scale_driver ROOT N`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scale_stages import chain

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.runtime import Runtime


def main(root: str, count: str) -> None:
    execute(chain(int(count)), Store(root), Runtime())
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(peak_kb)


if __name__ == "__main__":
    main(*sys.argv[1:])
