"""A rank that trains many specs one after another, for test_zero.py: DeepSpeed starts once for all.

Reads a JSON list of (spec, step). A training is given up after that step (0: never) and started
again. What its engine was like, and left, is written beside it as `engine.json`.
"""

import gc
import json
import sys
import weakref
from pathlib import Path
from typing import Any, ClassVar

import torch

from storm.training import engine, metrics, rank, trainer


class GivenUp(Exception):
    pass


def give_up_after(last: int, spec, place: int, places: int) -> None:
    def step(self, phase, name, step, *args):
        real(self, phase, name, step, *args)
        if step + 1 == last:
            raise GivenUp

    real, metrics.Metrics.step = metrics.Metrics.step, step
    try:
        trainer.Trainer(spec, lambda event: None, place, places).run()
        raise AssertionError("expected a training that is given up, found a whole one")
    except GivenUp:
        gc.collect()
    finally:
        metrics.Metrics.step = real


class NotedEngine(engine.Engine):
    """Knows how many weights are away from this rank, and in what type those that learn are."""

    facts: ClassVar[dict[str, Any]]
    held: ClassVar[list[weakref.ref]]  # what the newest one needs memory for

    def __init__(self, module, phase, spec, grad_accum_steps):
        super().__init__(module, phase, spec, grad_accum_steps)
        optimizer = self._engine.optimizer
        masters = [p for group in optimizer.param_groups for p in group["params"]]
        masters += getattr(optimizer, "fp32_partitioned_groups_flat", [])  # ZeRO-3's
        NotedEngine.facts = {
            "away": sum(p.numel() == 0 for p in module.parameters()),
            "masters": sorted({str(p.dtype) for p in masters}),
        }
        weighty = [*module.modules(), *masters, optimizer, self._engine]
        NotedEngine.held = [weakref.ref(x) for x in weighty]


def main(cases: Path) -> None:
    torch.set_num_threads(1)
    place, places = engine.start_distributed("cpu", 60)
    trainer.Engine = NotedEngine
    for path, last in json.loads(cases.read_text()):
        spec = rank.read_spec(Path(path))
        if last:
            give_up_after(last, spec, place, places)
        trainer.Trainer(spec, lambda event: None, place, places).run()
        left = sum(x() is not None for x in NotedEngine.held)
        (spec.work_dir / "engine.json").write_text(json.dumps({**NotedEngine.facts, "left": left}))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    rank._prepare_process("cpu")
    main(Path(sys.argv[1]))
