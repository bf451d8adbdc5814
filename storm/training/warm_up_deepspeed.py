"""Set-up, once: build the small op that DeepSpeed compiles at its first start (half a minute).

`python -m storm.training.warm_up_deepspeed`, with the same TORCH_EXTENSIONS_DIR that trainings get.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from storm.process.environment import set_environment


def main() -> None:
    """Compile the op, or find it compiled."""
    set_environment()
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    ShareMemCommBuilder().load(verbose=False)  # pyright: ignore[reportCallIssue]


if __name__ == "__main__":
    main()
