"""A rank that keeps what a kill would leave at every file it writes, then goes on from each.

For test_save_faults.py; reads a spec and a folder. `whole` there is the training without a kill;
each `kept-NN` is one that found the work folder as it was then.
"""

import shutil
import sys
from pathlib import Path

import torch

from storm.training import checkpoints, engine, rank, trainer


class Keeper:
    """Copies of a work folder, one before and one after each call that writes a file."""

    def __init__(self, work: Path, root: Path):
        self.work, self.root, self.count = work, root, 0

    def keep(self) -> Path:
        folder = self.root / f"kept-{self.count:02d}"
        shutil.copytree(self.work, folder)
        # what DeepSpeed itself would have read to find its newest checkpoint
        (folder / "checkpoints" / "latest").write_text("nothing-7" if self.count % 2 else "")
        self.count += 1
        return folder

    def around(self, owner, name: str, *, torn: bool = False) -> None:
        real = getattr(owner, name)

        def keeping(*args, **kwargs):
            paths = [a for a in args if isinstance(a, str | Path)]
            if not any(self.work in Path(p).parents for p in paths):
                return real(*args, **kwargs)
            self.keep()
            result = real(*args, **kwargs)
            folder = self.keep()
            if torn:
                (path,) = (folder / Path(p).relative_to(self.work) for p in paths)
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            return result

        setattr(owner, name, keeping)


def main(path: Path, root: Path) -> None:
    torch.set_num_threads(1)
    engine.start_distributed("cpu", 60)
    spec = rank.read_spec(path)
    reals = torch.save, checkpoints.write_json
    keeper = Keeper(spec.work_dir, root)
    keeper.around(torch, "save", torn=True)
    keeper.around(checkpoints, "write_json")
    trainer.Trainer(spec, lambda event: None, 0, 1).run()
    torch.save, checkpoints.write_json = reals
    for work in sorted(root.glob("kept-*")):
        again = spec.model_copy(update={"work_dir": work, "output_dir": work / "out"})
        trainer.Trainer(again, lambda event: None, 0, 1).run()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    rank._prepare_process("cpu")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
