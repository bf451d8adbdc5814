"""The stages that encode thought videos: kept tokens give the same bits, and only what counts is
identity."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from storm.artifacts.make import execute
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.errors import DataError
from storm.latent_targets import load
from storm.latent_targets.pooling import FlatPooling, TemporalPooling
from storm.latent_targets.stage import LatentTargetsStage, PooledTargetsStage
from storm.pipeline.assemble import assemble
from storm.profiles import load as load_profile
from storm.runtime import Runtime
from storm.student.vision_encoder_digest import vision_encoder_digest
from storm.testing import make_student

SETTINGS = [
    *("videos.counts.base=4", "videos.counts.train=2", "videos.counts.test=2", "curriculum=[]"),
    *("dtype=bfloat16", "runtime.zero_stage=1"),  # bfloat16 trains with no other
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("root"))


def targets(*settings: str) -> Any:
    return assemble(load_profile("smoke", [*SETTINGS, *settings])).find("latent_targets")


def latents(stage: Stage[Any], store: Store) -> dict[str, np.ndarray]:
    execute(stage, store, Runtime(batch=2))
    return {row.id: row.latents for row in stage.rows(store)}


@pytest.mark.integration
def test_kept_tokens_give_the_same_targets_bit_for_bit(store: Store) -> None:
    straight, kept = targets(), targets("keep_tokens=true")
    assert type(straight) is LatentTargetsStage
    assert type(kept) is PooledTargetsStage
    one, other = latents(straight, store), latents(kept, store)
    assert len(one) == 2
    assert one.keys() == other.keys()
    for item_id, array in one.items():
        assert array.dtype == other[item_id].dtype == np.uint16
        np.testing.assert_array_equal(array, other[item_id])
    assert load(kept.artifact(store).path).dtype == torch.bfloat16


@pytest.mark.integration
def test_another_pooling_or_k_encodes_nothing_again(store: Store) -> None:
    kept = targets("keep_tokens=true")
    latents(kept, store)
    sealed = kept.features.artifact(store).path / "manifest.json"
    before = sealed.stat().st_mtime_ns
    for change in ({"k": 4}, {"pooling": FlatPooling.Config()}):
        other = dataclasses.replace(kept, **change)
        assert other.features.fingerprint() == kept.features.fingerprint()
        made = latents(other, store)
        assert {a.shape[0] for a in made.values()} == {other.k}
    assert sealed.stat().st_mtime_ns == before
    assert isinstance(kept.pooling, TemporalPooling.Config)


@pytest.mark.integration
def test_a_student_with_another_k_takes_features_over(store: Store) -> None:
    """Its base is another artifact; the vision encoder in it is the same."""
    eight = targets("keep_tokens=true")
    four = targets("keep_tokens=true", "student.latent.k=4")
    latents(eight, store)
    for stage in (four.base, four.thought_videos.prompts, four.thought_videos):
        execute(stage, store, Runtime())
    assert four.base.fingerprint() != eight.base.fingerprint()
    assert four.features.recipe == eight.features.recipe
    assert list(four.features.items(store)) == list(eight.features.items(store))


@pytest.mark.integration
@pytest.mark.parametrize("of", [targets, lambda: targets("keep_tokens=true").features])
def test_a_clip_that_cannot_be_read_is_quarantined_and_the_rest_is_made(
    store: Store, tmp_path: Path, of: Callable[[], Any]
) -> None:
    stage = of()
    for needed in stage.inputs.values():
        execute(needed, store, Runtime())
    clips = stage.thought_videos.artifact(store).path
    lost, kept = stage.thought_videos.rows(store)
    context = Context(
        store=store,
        artifact=stage.artifact(store),
        runtime=Runtime(),
        emit=print,
        begin=print,
        batch=2,
    )
    away = (clips / lost.blob).rename(tmp_path / "clip")
    try:
        bad, good = stage.make([lost.id, kept.id], context)
    finally:
        away.rename(clips / lost.blob)
    assert (bad.id, bad.reason, good.id) == (lost.id, "missing", kept.id)
    assert isinstance(good, stage.row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_student(tmp_path_factory.mktemp("student"))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("k", True),
        ("a weight of the language model", True),
        ("a weight of the encoder", False),
        ("how pixels are shown", False),
    ],
)
def test_the_encoder_is_what_makes_features(
    folder: Path, tmp_path: Path, change: str, same: bool
) -> None:
    before = vision_encoder_digest(folder)
    folder = shutil.copytree(folder, tmp_path / "changed")
    if change == "k":
        config = json.loads((folder / "config.json").read_text())
        config["storm"]["k"] = 7
        (folder / "config.json").write_text(json.dumps(config))
    elif change == "how pixels are shown":
        path = folder / "processor_config.json"
        text = path.read_text()
        assert "0.4814" in text
        path.write_text(text.replace("0.4814", "0.4815"))
    else:
        weights = load_file(folder / "model.safetensors")
        visual = "encoder" in change
        name = next(n for n in weights if ("visual." in n) == visual)
        weights[name].view(-1)[0] += 1
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert (vision_encoder_digest(folder) == before) is same


def test_a_folder_without_an_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    save_file({"model.embed.weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="no tensor named visual"):
        vision_encoder_digest(tmp_path)
    data = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(data[:-100])
    with pytest.raises(DataError, match="more bytes of a tensor"):
        vision_encoder_digest(tmp_path)
