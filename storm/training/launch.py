"""Start the ranks of a training: `python -m storm.training.launch RANKS SPEC.json`.

This is torch's launcher on one machine, without restarts: a rank's death ends the others at once,
and a new start continues from the newest checkpoint.
"""

from __future__ import annotations

import json
import sys
from signal import SIGKILL, SIGTERM, Signals

from storm.process.environment import set_environment
from storm.process.owner import watch_owner


def main(ranks: int, spec: str) -> int:
    """Run all ranks; return 0, or 1 after printing which rank failed first."""
    set_environment()
    watch_owner()
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        run_id="storm",
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
    )
    try:
        elastic_launch(config, sys.executable)("-u", "-m", "storm.training.rank", spec)
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        print(json.dumps({"error": reason(codes, ranks)}), flush=True)
        return 1
    return 0


def reason(codes: dict[int, int], ranks: int) -> str:
    """Return which rank failed first, from the exit codes of all that failed.

    A killed rank comes first: others fail because they can't reach it. Ranks that the launcher
    then ends by SIGTERM come last.
    """
    rank = min(codes, key=lambda rank: (codes[rank] == -SIGTERM, codes[rank] > 0, rank))
    code = codes[rank]
    end = f"was killed by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    hint = " (the kernel does so when memory runs out)" if code == -SIGKILL else ""
    return f"rank {rank} of {ranks} {end}{hint}: run it again to go on from its newest checkpoint"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
