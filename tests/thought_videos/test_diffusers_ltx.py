"""LTX through diffusers: a tiny random pipeline, saved, read again and run for real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from storm.errors import ConfigError
from storm.records import Rejected
from storm.thought_videos.base import Drawn
from storm.thought_videos.diffusers_ltx import LTXConditionGenerator, _plan

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*")

SMALL: dict[str, Any] = {
    "pipeline": {"kind": "tiny_random"},
    "frames": 9,
    "height_px": 64,
    "width_px": 64,
    "steps": 2,
    "dtype": "float32",
}


def config(**changes: Any) -> LTXConditionGenerator.Config:
    return LTXConditionGenerator.Config(**(SMALL | changes))


@pytest.mark.parametrize(
    "wrong",
    [{"frames": 16}, {"height_px": 48}, {"pipeline": {"kind": "random"}}, {"pipeline": None}],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        config(**wrong)
    with pytest.raises(ValidationError):
        config(unknown=1)


def test_keyframes_stand_at_their_times_first_and_last_before_others(ask):
    keyframes = ask(brightness=(1, 2, 3, 4), times=(1.0, 1.5, 2.5, 3.0)).keyframes
    assert _plan(keyframes, config(conditions=4)) == {0: 0, 2: 1, 6: 2, 8: 3}
    assert _plan(keyframes, config(conditions=3)) == {0: 0, 6: 2, 8: 3}  # the higher score
    assert _plan(keyframes, config(conditions=1)) == {0: 0}
    alone = ask(brightness=(1,), times=(1.0,)).keyframes
    assert _plan(alone, config()) == {0: 0}


@pytest.mark.slow
def test_a_missing_checkpoint_is_an_error(tmp_path):
    for pipeline in (
        {"path": str(tmp_path / "none")},
        {"path": str(tmp_path)},
        {"path": "somebody/some-model", "revision": "main"},
    ):
        with pytest.raises(ConfigError, match=r"expected an LTX checkpoint .*tiny_random alone"):
            config(pipeline={"kind": "pretrained"} | pipeline).build("cpu")


@pytest.fixture(scope="module")
def generator() -> LTXConditionGenerator:
    return config().build("cpu")


@pytest.mark.slow
def test_clips_are_drawn_each_from_its_own_seed(generator, ask):
    requests = [ask("one", 1), ask("two", 2), ask("one", 1)]
    one, two, again = generator.draw(requests)
    assert isinstance(one, Drawn)
    assert one.frames.shape == (9, 64, 64, 3)
    assert one.frames.dtype == np.uint8
    assert one.fps == 24
    assert one.frames.std() > 1
    assert not np.array_equal(one.frames, two.frames)
    assert np.array_equal(one.frames, again.frames)
    (alone,) = generator.draw([ask("two", 2)])
    assert np.array_equal(alone.frames, two.frames), "neighbours change nothing"


@pytest.mark.slow
def test_keyframes_seed_and_prompt_each_matter(generator, ask):
    requests = [
        ask("q", 1),
        ask("q", 2),
        ask("other", 1),
        ask("q", 1, brightness=(60, 120, 250)),
        ask("q", 1, times=(0.0, 1.7, 2.0)),
    ]
    plain, *changed = (drawn.frames.tobytes() for drawn in generator.draw(requests))
    assert plain not in changed


@pytest.mark.slow
def test_the_same_seed_of_weights_gives_the_same_pipeline(generator, ask):
    (expected,) = generator.draw([ask()])
    (again,) = config().build("cpu").draw([ask()])
    (other,) = config(pipeline={"kind": "tiny_random", "seed": 1}).build("cpu").draw([ask()])
    assert np.array_equal(again.frames, expected.frames)
    assert not np.array_equal(other.frames, expected.frames)


@pytest.mark.slow
def test_batches_give_nearly_the_same_clips(generator, ask):
    requests = [ask(f"q{i}", i) for i in range(3)] + [ask("q3", 3, times=(0.0, 0.3, 2.0))]
    single = generator.draw(requests)
    batched = config(batch=2).build("cpu").draw(requests)
    for a, b in zip(single, batched, strict=True):
        assert np.abs(a.frames.astype(int) - b.frames).max() <= 2


@pytest.mark.slow
def test_a_saved_pipeline_is_read_as_pretrained(generator, ask, tmp_path):
    from storm.thought_videos.tiny_ltx import save_tiny_ltx

    save_tiny_ltx(tmp_path / "ltx", seed=0)
    path = {"kind": "pretrained", "path": str(tmp_path / "ltx")}
    (drawn,) = config(pipeline=path).build("cpu").draw([ask()])
    assert drawn.frames.shape == (9, 64, 64, 3)
    (tiled,) = config(tiling=True, dtype="bfloat16").build("cpu").draw([ask()])
    assert tiled.frames.shape == (9, 64, 64, 3)


class Scripted:
    """A pipeline that fails as told, then draws grey."""

    tokenizer_max_length = 128

    def __init__(self, failures: int, value: float = 0.5):
        self.failures, self.value, self.vae = failures, value, self
        self.said: list[str] = []

    def __call__(self, prompt: list[str], num_frames: int, **_: Any) -> Any:
        import torch

        if self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError("out of memory: tried to allocate 9 GiB\nmore")
        self.frames = np.full((len(prompt), num_frames, 64, 64, 3), self.value, np.float32)
        return self

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.said.append(name)


def scripted(failures: int, value: float = 0.5, **changes: Any) -> LTXConditionGenerator:
    generator = LTXConditionGenerator.__new__(LTXConditionGenerator)
    generator.config, generator.device = config(**changes), "cuda"
    generator.pipeline = Scripted(failures, value)
    return generator


@pytest.mark.slow
def test_out_of_memory_tries_tiles_then_offload_then_refuses(ask):
    for failures, tried in ((1, "enable_tiling"), (2, "enable_sequential_cpu_offload")):
        generator = scripted(failures)
        (drawn,) = generator.draw([ask()])
        assert isinstance(drawn, Drawn)
        assert generator.pipeline.said[-1] == tried
    refused, drawn = scripted(3).draw([ask("a"), ask("b")])
    assert isinstance(refused, Rejected)
    assert (refused.id, refused.reason) == ("a", "out_of_memory")
    assert "\n" not in refused.detail
    assert isinstance(drawn, Drawn)
    halves = scripted(1, batch=2).draw([ask("a"), ask("b")])
    assert all(isinstance(d, Drawn) for d in halves)


@pytest.mark.slow
def test_nan_is_refused_by_name(ask):
    (refused,) = scripted(0, float("nan")).draw([ask("a")])
    assert isinstance(refused, Rejected)
    assert refused.reason == "nan"
