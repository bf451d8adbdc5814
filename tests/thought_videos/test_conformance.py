"""One suite for every generator: same request, same clip; seeds, keyframes and batches."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small_generators import CONFIGS, MODELS, config

from storm.shell_game.scene import World, sample_scenes
from storm.shell_game.script import script_of, write_script
from storm.thought_videos.base import GeneratedClip

ALL = pytest.mark.parametrize("name", CONFIGS)
EACH_MODEL = pytest.mark.parametrize("name", MODELS)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*"),
]
Draw = Callable[..., list[np.ndarray]]


@pytest.fixture(scope="module")
def built() -> Callable[[str], Any]:
    """A generator, which is built once."""
    return functools.cache(lambda name: config(name).build("cpu"))


@pytest.fixture
def draw(built: Callable[[str], Any]) -> Draw:
    def clips(name: str, *requests: Any) -> list[np.ndarray]:
        outcomes = list(built(name).generate(requests))
        assert all(isinstance(drawn, GeneratedClip) for drawn in outcomes)
        return [drawn.frames for drawn in outcomes]

    return clips


@contextlib.contextmanager
def first_inputs(generator: Any) -> Iterator[list[bytes]]:
    """What the generator's transformer is called with the first time, all tensors in one."""
    seen: list[bytes] = []

    def note(_: Any, args: Any, given: dict[str, Any]) -> None:
        tensors = [value for value in given.values() if hasattr(value, "numpy")]
        seen.append(b"".join(tensor.numpy().tobytes() for tensor in tensors))

    hook = generator.pipeline.transformer.register_forward_pre_hook(note, with_kwargs=True)
    yield seen
    hook.remove()


@pytest.fixture
def request_of(ask: Any) -> Callable[..., Any]:
    """A request in the words that the generator reads."""

    def build(name: str, **changes: Any) -> Any:
        request = ask(**changes)
        if name != "shell":
            return request
        (scene,) = sample_scenes(World(), "train", 1, seed=0)
        prompt = replace(request.prompt, prompt=write_script(script_of(scene, World())))
        return replace(request, prompt=prompt)

    return build


@ALL
def test_a_clip_has_its_length_size_and_type(draw: Draw, request_of, name: str):
    settings = config(name)
    (drawn,) = settings.build("cpu").generate([request_of(name)])
    height = getattr(settings, "height_px", 32)
    width = getattr(settings, "width_px", 32)
    assert drawn.frames.shape == (settings.frames, height, width, 3)
    assert drawn.frames.dtype == np.uint8
    assert drawn.frames.std() > 1
    assert (drawn.fps, drawn.nan) == (settings.fps, 0)
    (again,) = draw(name, request_of(name))
    assert np.array_equal(again, drawn.frames), "another one that is built draws the same"


@ALL
def test_the_same_request_gives_the_same_clip_among_any_neighbours(draw: Draw, request_of, name):
    first, other, again = draw(
        name, request_of(name, seed=1), request_of(name, seed=2), request_of(name, seed=1)
    )
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name not in MODELS), "models draw from the seed"


USED = {  # which keyframes a clip depends on
    "ltx": ("first", "middle", "last"),
    "wan": ("first", "last"),
    "wan_first": ("first",),
    "vace": ("first", "middle", "last"),
    "cogvideox": ("first",),
    "keyframes": ("first", "middle", "last"),
    "source": (),
    "shell": (),
}


@ALL
def test_the_keyframes_that_a_model_is_given_matter_and_no_others(built, draw, request_of, name):
    """Seen in what reaches the transformer: what random weights make of it may round away."""

    def outcome(brightness: tuple[int, int, int]) -> bytes:
        request = request_of(name, brightness=brightness)
        if name not in MODELS:
            return draw(name, request)[0].tobytes()
        with first_inputs(built(name)) as seen:
            draw(name, request)
        return seen[0]

    plain = outcome((60, 120, 180))
    changed = {"first": (90, 120, 180), "middle": (60, 20, 180), "last": (60, 120, 20)}
    used = [n for n, brightness in changed.items() if outcome(brightness) != plain]
    assert used == list(USED[name])


@pytest.mark.parametrize("name", ["ltx", "wan", "cogvideox"])
def test_a_batch_gives_nearly_the_same_clips(draw: Draw, request_of, name: str):
    """Nearly: matrix products of another shape round otherwise, here by a level of 255."""
    requests = [request_of(name, seed=seed) for seed in range(3)]
    requests += [request_of(name, seed=3, times=(0.0, 0.3, 2.0), brightness=(90, 90, 90))]
    batched = config(name, batch=2).build("cpu").generate(requests)
    for single, drawn in zip(draw(name, *requests), batched, strict=True):
        assert np.abs(single.astype(int) - drawn.frames).max() <= 1


@ALL
def test_unknown_and_impossible_settings_are_refused(name: str):
    for wrong in ({"colour": 1}, {"frames": 0}, {"kind": "none"}):
        with pytest.raises(ValidationError):
            config(name, **wrong)


@EACH_MODEL
def test_lengths_and_sizes_that_a_pipeline_would_round_are_refused(name: str):
    group = type(config(name)).frame_group
    for wrong in ({"frames": 9 + group - 1}, {"frames": 8}, {"height_px": 40}, {"pipeline": None}):
        with pytest.raises(ValidationError):
            config(name, **wrong)
    assert config(name, frames=9 + group).frames == 9 + group


@EACH_MODEL
def test_identity_is_all_but_where_weights_wait(name: str):
    from storm.artifacts.stage import canonical

    same = canonical(config(name, offload="sequential"))
    assert same == canonical(config(name))
    for change in ({"tiling": True}, {"steps": 3}, {"dtype": "bfloat16"}, {"guidance": 1.5}):
        assert canonical(config(name, **change)) != same
    assert {"kind", "frames", "batch", "negative_prompt", "pipeline"} <= same.keys()
