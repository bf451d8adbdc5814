"""Latent targets as tensors and data sets over memory-mapped shards.

targets = storm.latent_targets.load("artifacts/latent_targets/<fingerprint>")
targets[7]                       {"id": ..., "latents": (K, hidden)}: a view, nothing is copied
DataLoader(targets, ...)         targets are a map-style data set
targets.epoch(seed, 0, rank, n)  a rank's part of an epoch, shuffled over all shards
targets.dataset()                a `datasets.Dataset` over the same files
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import IterableDataset, get_worker_info

from storm.artifacts.arrow import array_of
from storm.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

Item = dict[str, Any]  # id: str, latents: (K, hidden)


class Targets:
    """Rows of `LatentTarget` in the order of their shards.

    Pages of the files are mapped copy-on-write: writing into a tensor changes only that process's
    copy.
    """

    def __init__(self, paths: Sequence[Path | str]):
        """Open sealed shards.

        Raises:
            DataError: Unless all rows have one shape and element type.
        """
        self.paths = tuple(Path(path) for path in paths)
        shards = [_open(path) for path in self.paths]
        forms = {(block.dtype, block.shape[1:]) for _, blocks in shards for block in blocks}
        if len(forms) != 1:
            raise DataError(
                f"expected targets of one shape and element type, found {sorted(map(str, forms))}"
            )
        ((self.dtype, self.shape),) = forms  # of a row: (K, hidden)
        self.blocks = [block for _, blocks in shards for block in blocks]  # (rows, K, hidden) each
        self.ids = pa.chunked_array([c for ids, _ in shards for c in ids.chunks], pa.string())
        self._ends = np.cumsum([len(block) for block in self.blocks])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, row: int) -> Item:
        latents = self.latents(row)  # first: it raises the clear IndexError
        return {"id": self.ids[row].as_py(), "latents": latents}

    def latents(self, row: int) -> torch.Tensor:
        """Return the latents (K, hidden) of a row: a view of the mapped file."""
        if not 0 <= row < len(self):
            raise IndexError(f"expected a row from 0 to {len(self) - 1}, found {row}")
        block = int(np.searchsorted(self._ends, row, side="right"))
        return self.blocks[block][row - int(self._ends[block])]  # counted from the block's end

    def find(self, ids: Sequence[str] | pa.Array) -> np.ndarray:
        """Return the row of each id, int64; -1 for an unknown id."""
        options = pc.SetLookupOptions(self.ids)
        rows = pc.call_function("index_in", [pa.array(ids, pa.string())], options)
        return rows.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

    def epoch(self, seed: int, epoch: int, rank: int = 0, ranks: int = 1) -> Epoch:
        """Return the part of an epoch that `rank` of `ranks` sees, as an iterable data set.

        All ranks together see each row once; workers of a DataLoader share their rank's part.
        """
        if not 0 <= rank < ranks:
            raise DataError(f"expected a rank from 0 to {ranks - 1}, found {rank}")
        return Epoch(self, epoch_order(len(self), seed, epoch)[rank::ranks])

    def dataset(self) -> Dataset:
        """Return the rows as a memory-mapped `datasets.Dataset`.

        Columns are `id` and `latents`, a list of fixed size K * hidden (bits as uint16 for
        bfloat16). `ds.data.column("latents")` copies nothing.
        """
        from datasets import Dataset, concatenate_datasets

        parts = [Dataset.from_file(str(path)) for path in self.paths]
        return concatenate_datasets(parts).select_columns(["id", "latents"])

    def __reduce__(self):
        return Targets, (self.paths,)  # a worker maps the files itself


class Epoch(IterableDataset):
    """Rows of `Targets` in a given order; see `Targets.epoch`."""

    def __init__(self, targets: Targets, rows: np.ndarray):
        self.targets, self.rows = targets, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Item]:
        worker = get_worker_info()
        rows = self.rows if worker is None else self.rows[worker.id :: worker.num_workers]
        return (self.targets[int(row)] for row in rows)


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of all rows in one epoch: it depends only on the arguments."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def _open(path: Path) -> tuple[pa.ChunkedArray, list[torch.Tensor]]:
    """Return a shard's ids and its blocks of latents (rows, K, hidden), views of one mapping."""
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    data = torch.frombuffer(mapped, dtype=torch.uint8)
    table = pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()
    field = table.schema.field("latents")
    _, dtype, shape = array_of(field)
    if shape is None:
        raise DataError(f"expected targets of one shape in {path}, found several")
    kind, blocks = getattr(torch, dtype), []
    for chunk in table.column("latents").chunks:
        flat = chunk.flatten()
        start = flat.buffers()[1].address - data.data_ptr() + flat.offset * kind.itemsize
        block = data[start : start + len(flat) * kind.itemsize].view(kind)
        blocks.append(block.view(len(chunk), *shape))
    return table.column("id"), blocks
