"""What each diffusers pipeline is handed, how it is loaded, and which settings it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small_generators import MODELS, config

from storm.artifacts.stage import canonical
from storm.errors import BackendMissing, ConfigError
from storm.thought_videos.diffusers_base import assign_keyframes

EACH_MODEL = pytest.mark.parametrize("name", MODELS)
integration = pytest.mark.integration
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers.*")


def test_keyframes_are_at_their_times_first_and_last_before_others(ask):
    keyframes = ask(brightness=(1, 2, 3, 4), times=(1.0, 1.5, 2.5, 3.0)).keyframes
    assert assign_keyframes(keyframes, 9, 4) == {0: 0, 2: 1, 6: 2, 8: 3}
    assert assign_keyframes(keyframes, 9, 3) == {0: 0, 6: 2, 8: 3}  # the higher score
    assert assign_keyframes(keyframes, 9, 1) == {0: 0}
    assert assign_keyframes(ask(brightness=(1,), times=(1.0,)).keyframes, 9, 4) == {0: 0}


class Recorder:
    """A pipeline that notes what it is called with."""

    def __init__(self, pipeline: Any):
        self.pipeline, self.given = pipeline, {}

    def __call__(self, **given: Any) -> Any:
        self.given = given
        return self.pipeline(**given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipeline, name)


def recorded(name: str, *requests: Any, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the pipeline and then its transformer are called with, the first time."""
    generator = config(name, **changes).build("cpu")
    generator.pipeline = recorder = Recorder(generator.pipeline)
    seen: list[dict[str, Any]] = []
    generator.pipeline.transformer.register_forward_pre_hook(
        lambda _, args, given: seen.append(given), with_kwargs=True
    )
    list(generator.generate(requests))
    return recorder.given, seen[0]


def level(image: Any) -> int:
    return round(float(np.asarray(image).mean()))


@integration
def test_ltx_is_given_each_keyframe_at_its_time(ask):
    given, _ = recorded("ltx", ask(times=(0.0, 0.6, 2.0)))
    found = [(c.frame_index, [level(i) for i in c.image]) for c in given["conditions"]]
    assert found == [(0, [60]), (2, [120]), (8, [180])]
    assert given["frame_rate"] == 24


@integration
def test_wan_is_given_the_first_and_the_last_frame(ask):
    given, seen = recorded("wan", ask())
    assert (level(given["image"]), level(given["last_image"])) == (60, 180)
    assert given["image"].size == (48, 32)
    mask = seen["hidden_states"][0, 16:20]  # 3 latent frames, of 1 + 4 + 4 frames
    assert mask[:, 0].min() == 1, "the first frame is kept"
    assert mask[:, 1].max() == 0, "what lies between is drawn"
    assert [float(mask[n, 2].mean()) for n in range(4)] == [0, 0, 0, 1], "the last one is kept"
    assert seen["encoder_hidden_states_image"].shape[0] == 2, "both go through the image encoder"


@integration
def test_wan_of_the_first_frame_is_given_no_other(ask):
    given, seen = recorded("wan_first", ask())
    assert "last_image" not in given
    mask = seen["hidden_states"][0, 16:20]
    assert (mask[:, 0].min(), mask[:, 1:].max()) == (1, 0)


@integration
def test_vace_keeps_the_keyframes_under_a_black_mask_and_draws_the_rest(ask):
    given, seen = recorded("vace", ask(times=(0.0, 0.6, 2.0)))
    kept = [n for n, mask in enumerate(given["mask"]) if level(mask) == 0]
    assert kept == [0, 2, 8]
    assert [level(given["video"][n]) for n in kept] == [60, 120, 180]
    others = [n for n in range(9) if n not in kept]
    assert {level(given["mask"][n]) for n in others} == {255}
    assert {level(given["video"][n]) for n in others} == {128}
    assert seen["control_hidden_states"].shape[1:3] == (2 * 16 + 64, 3)


@integration
def test_cogvideox_is_given_the_first_frame_of_each_clip(ask):
    given, _ = recorded("cogvideox", ask("a"), ask("b", brightness=(90, 1, 1)), batch=2)
    assert [level(image) for image in given["image"]] == [60, 90]
    assert given["max_sequence_length"] == 64, "what its positions are for"


@integration
@EACH_MODEL
def test_parts_that_half_precision_harms_stay_in_float32(ask, name: str):
    settings = config(name, dtype="bfloat16", tiling=True)
    generator = settings.build("cpu")
    dtypes = {
        part: str(module.dtype).removeprefix("torch.")
        for part, module in generator.pipeline.components.items()
        if hasattr(module, "dtype")
    }
    exact = {"wan": {"vae", "image_encoder"}, "wan_first": {"vae", "image_encoder"}}
    exact["vace"] = {"vae"}
    assert {p for p, d in dtypes.items() if d == "float32"} == exact.get(name, set())
    assert {dtypes["transformer"], dtypes["text_encoder"]} == {"bfloat16"}
    assert generator.pipeline.vae.use_tiling
    (drawn,) = generator.generate([ask()])
    assert drawn.nan == 0


@integration
@EACH_MODEL
def test_smaller_tiles_fit_together(name: str):
    """A clip in tiles has the size of one without."""
    import torch

    generator = config(name).build("cpu")
    vae, tiles = generator.pipeline.vae, generator.config.small_tiles
    height, width = tiles["tile_sample_min_height"] + 32, tiles["tile_sample_min_width"] + 32
    image = torch.linspace(-1, 1, width).expand(1, 3, 1, height, width)
    with torch.inference_mode():
        latents = vae.encode(image).latent_dist.mode()
        plain = vae.decode(latents, return_dict=False)[0]
        vae.enable_tiling(**tiles)
        tiled = vae.decode(latents, return_dict=False)[0]
        assert tiled.shape == plain.shape
        assert not torch.equal(tiled, plain)
        before = dict(vars(vae))
        with generator._own_tiles():
            vae.enable_tiling(tile_sample_min_height=48)
        assert vars(vae) == before


@integration
def test_wan_sets_the_flow_shift_and_refuses_what_the_checkpoint_has_not():
    assert config("wan").build("cpu").pipeline.scheduler.config.flow_shift == 3
    assert config("wan", flow_shift=5.0).build("cpu").pipeline.scheduler.config.flow_shift == 5
    with pytest.raises(ConfigError, match="without a boundary"):
        config("vace", guidance_2=3.0).build("cpu")


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    """A saved Wan checkpoint as a profile names it."""
    from storm.thought_videos.tiny_pipelines import save_tiny_wan

    def save(**kind: bool) -> dict[str, Any]:
        folder = tmp_path / "-".join(f"{k}-{v}" for k, v in kind.items())
        save_tiny_wan(folder, 0, **kind)
        return {"kind": "pretrained", "path": str(folder)}

    return save


@integration
def test_a_saved_pipeline_is_read_as_pretrained_and_known_by_its_contents(saved, ask):
    path = saved(last_frame=True)
    (drawn,) = config("wan", pipeline=path).build("cpu").generate([ask()])
    (expected,) = config("wan").build("cpu").generate([ask()])
    assert np.array_equal(drawn.frames, expected.frames)
    before = canonical(config("wan", pipeline=path))["pipeline"]
    weights = Path(path["path"]) / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert canonical(config("wan", pipeline=path))["pipeline"] != before
    assert "path" not in before


@integration
@pytest.mark.parametrize("last_frame", [True, False])
def test_a_wan_checkpoint_of_the_other_kind_is_refused(saved, last_frame: bool):
    path = saved(last_frame=not last_frame)
    with pytest.raises(ConfigError, match=f"last_frame: {str(not last_frame).lower()}"):
        config("wan", pipeline=path, last_frame=last_frame).build("cpu")


@integration
def test_wan_2_2_uses_two_transformers_with_or_without_the_last_frame(saved, ask):
    path = saved(last_frame=True, two=True)
    clips = []
    for changes in ({}, {"last_frame": False}, {"guidance_2": 1.5}):
        settings = config("wan", pipeline=path, steps=4, **changes)
        clips += [drawn.frames for drawn in settings.build("cpu").generate([ask()])]
    assert not np.array_equal(clips[0], clips[1])
    assert not np.array_equal(clips[0], clips[2]), "the second one's guidance counts"


@integration
def test_cogvideox_refuses_a_size_that_it_has_learned_no_positions_for():
    generator = config("cogvideox").build("cpu")
    transformer = generator.pipeline.transformer
    transformer.register_to_config(use_learned_positional_embeddings=True)
    with pytest.raises(ConfigError, match=r"\(64, 64\) .*found \(32, 48\)"):
        generator.prepare()


@integration
def test_a_missing_checkpoint_is_an_error(tmp_path):
    for pipeline in (
        {"path": str(tmp_path / "none")},
        {"path": str(tmp_path)},
        {"path": "somebody/some-model", "revision": "0" * 40},
    ):
        with pytest.raises(ConfigError, match=r"expected a checkpoint .*tiny_random"):
            config("ltx", pipeline={"kind": "pretrained"} | pipeline).build("cpu")


def test_a_name_on_the_hub_needs_a_commit_since_branches_move():
    pinned = {"kind": "pretrained", "path": "somebody/some-model", "revision": "0" * 40}
    assert canonical(config("ltx", pipeline=pinned))["pipeline"] == pinned
    with pytest.raises(ValidationError, match="pattern"):
        config("ltx", pipeline=pinned | {"revision": "main"})


@integration
def test_where_weights_wait_changes_no_pixel(ask):
    """The hooks run for real, from the CPU to the CPU (accelerate can't do that layer by layer)."""
    plain = config("ltx").build("cpu:0")
    (expected,) = plain.generate([ask()])
    plain._offload("model")  # as when memory runs out
    for generator in (plain, config("ltx", offload="model").build("cpu:0")):
        for _ in range(2):
            (drawn,) = generator.generate([ask()])
            assert np.array_equal(drawn.frames, expected.frames)
        assert generator.pipeline._all_hooks
        weights = generator.pipeline.transformer.parameters()
        assert not any(w.is_inference() for w in weights), "they may be moved again"


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    settings = config("wan", pipeline={"kind": "pretrained", "path": str(tmp_path)})
    monkeypatch.setattr(type(settings), "packages", ("no_such_package",))
    with pytest.raises(BackendMissing, match=r"wan_i2v .*pip install no_such_package"):
        settings.build("cpu")


def test_vace_draws_one_clip_at_a_time():
    with pytest.raises(ValidationError):
        config("vace", batch=2)
