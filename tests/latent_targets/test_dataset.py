"""Targets read back: the same bits, nothing copied, every row once an epoch."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from toy_helpers import RUNTIME
from toy_stages import chain

from storm.artifacts.artifact import write_shard
from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import DataError, NotSealed, StoreError
from storm.latent_targets import load
from storm.latent_targets.dataset import Targets, epoch_order
from storm.records import LatentTarget
from storm.tensors import from_numpy, to_numpy

ROWS, K, HIDDEN = 50, 2, 3


def rows(dtype: torch.dtype, start: int = 0) -> list[LatentTarget]:
    generator = torch.Generator().manual_seed(start)
    return [
        LatentTarget(
            id=f"é{start + n}",
            latents=to_numpy(torch.randn(K, HIDDEN, generator=generator).to(dtype)),
        )
        for n in range(ROWS // 2)
    ]


def written(folder: Path, dtype: torch.dtype = torch.bfloat16) -> Targets:
    """Two shards of several record batches."""
    paths = []
    for start in (0, ROWS // 2):
        made = rows(dtype, start)
        paths.append(folder / f"{start}.arrow")
        write_shard(paths[-1], made, ["key"] * len(made))
    return Targets(paths)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_come_back_as_they_were_in_any_order(
    tmp_path: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storm.artifacts.shard._BATCH_ROWS", 7)
    targets, made = written(tmp_path, dtype), [*rows(dtype), *rows(dtype, ROWS // 2)]
    assert (len(targets), targets.dtype, tuple(targets.shape)) == (ROWS, dtype, (K, HIDDEN))
    assert len(targets.blocks) == 2 * 4
    for n in (49, 0, 6, 7, 24, 25, 31):
        assert targets[n]["id"] == made[n].id
        assert torch.equal(targets[n]["latents"], from_numpy(made[n].latents))
    with pytest.raises(IndexError, match="from 0 to 49, found 50"):
        targets[ROWS]
    found = targets.find(["é30", "nobody", "é0"])
    assert found.tolist() == [30, -1, 0]


def test_nothing_is_copied_and_the_files_cannot_be_written(tmp_path: Path) -> None:
    targets = written(tmp_path)
    before = [path.read_bytes() for path in targets.paths]
    view = targets.latents(3)
    assert view.data_ptr() == targets.latents(3).data_ptr()
    inside = targets.blocks[0]
    assert 0 < view.data_ptr() - inside.data_ptr() < inside.numel() * 2
    view.fill_(7)
    assert torch.equal(targets.latents(3), torch.full((K, HIDDEN), 7, dtype=torch.bfloat16))
    assert [path.read_bytes() for path in targets.paths] == before


@given(
    n=st.integers(1, 200), seed=st.integers(0, 9), epoch=st.integers(0, 9), ranks=st.integers(1, 9)
)
def test_an_epoch_shows_each_row_once_over_all_ranks(
    n: int, seed: int, epoch: int, ranks: int
) -> None:
    order = epoch_order(n, seed, epoch)
    parts = [order[rank::ranks] for rank in range(ranks)]
    assert sorted(np.concatenate(parts)) == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    np.testing.assert_array_equal(order, epoch_order(n, seed, epoch))


def test_epochs_are_shuffled_over_the_shards_and_differ(tmp_path: Path) -> None:
    targets = written(tmp_path)
    orders = [[item["id"] for item in targets.epoch(seed, e)] for seed in (0, 1) for e in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    first_half = {f"é{n}" for n in range(ROWS // 2)}
    assert 5 < len(first_half & set(orders[0][: ROWS // 2])) < 20
    with pytest.raises(DataError, match="rank from 0 to 1, found 2"):
        targets.epoch(0, 0, rank=2, ranks=2)


@pytest.mark.integration
@pytest.mark.parametrize("workers", [0, 2])
def test_a_data_loader_takes_both_kinds(tmp_path: Path, workers: int) -> None:
    targets = written(tmp_path)
    for data in (targets, targets.epoch(0, 0)):
        batches = list(DataLoader(data, batch_size=8, num_workers=workers))  # pyright: ignore
        ids = [i for batch in batches for i in batch["id"]]
        assert sorted(ids) == sorted(targets.ids.to_pylist())
        assert batches[0]["latents"].shape == (8, K, HIDDEN)
    again = pickle.loads(pickle.dumps(targets))
    assert torch.equal(again.latents(9), targets.latents(9))


def test_datasets_sees_the_same_bits_without_copying(tmp_path: Path) -> None:
    targets = written(tmp_path)
    before = pa.total_allocated_bytes()
    data = targets.dataset()
    column = data.data.column("latents")
    assert (column.type.list_size, len(data)) == (K * HIDDEN, ROWS)
    assert pa.total_allocated_bytes() - before < 1000
    bits = data.with_format("numpy")[31]
    assert bits["id"] == "é31"
    np.testing.assert_array_equal(bits["latents"], to_numpy(targets.latents(31)).reshape(-1))


def test_targets_of_several_shapes_or_types_are_refused(tmp_path: Path) -> None:
    one = rows(torch.float32)
    wide = [dataclasses.replace(r, latents=np.zeros((K, 4), np.float32)) for r in one]
    for name, made in (("a", one), ("b", wide), ("c", rows(torch.bfloat16)), ("d", one + wide)):
        write_shard(tmp_path / name, made, ["key"] * len(made))
    for names in (("a", "b"), ("a", "c"), ("d",)):
        with pytest.raises(DataError, match="expected targets of one shape"):
            Targets([tmp_path / name for name in names])


@pytest.mark.integration
def test_load_checks_what_it_opens(tmp_path: Path) -> None:
    stage, store = chain([str(n) for n in range(9)], shards=2), Store(tmp_path)
    artifact = stage.artifact(store)
    with pytest.raises(NotSealed):
        load(artifact.path)
    execute(stage, store, RUNTIME)
    targets = load(artifact.path)
    assert sorted(targets.ids.to_pylist()) == sorted(artifact.index())
    path = artifact.shard_paths()[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"as it was written.*verify --repair"):
        load(artifact.path)


def test_a_target_that_is_not_finite_is_refused_in_bfloat16_too() -> None:
    for bad in (float("nan"), float("inf")):
        with pytest.raises(DataError, match="finite"):
            LatentTarget(id="q", latents=to_numpy(torch.tensor([[1, bad]]).bfloat16()))
    LatentTarget(id="q", latents=to_numpy(torch.tensor([[-3.3e38, 0]]).bfloat16()))
