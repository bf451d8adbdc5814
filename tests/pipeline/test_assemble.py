"""Profiles become graphs; what is wrong with one is said in a line; the splits are fair."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import ConfigError
from storm.pipeline.assemble import assemble
from storm.profiles import load, names
from storm.runtime import Runtime
from storm.shell_game.scene import color_cell
from storm.shell_game.videos import ShellVideos
from storm.student.importing import PretrainedConfig
from storm.training.stage import Base
from storm.videos.decoding.sampling import FrameSampling

SPLITS = ("base", "train", "test")


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.json"
    path.write_text("[]")
    return str(path)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def profile(text: str, name: str = "mine") -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    return profile


@pytest.mark.parametrize("name", names())
def test_every_profile_assembles(name: str, questions: str) -> None:
    of_a_file = name not in ("shell", "smoke")
    graph = assemble(load(name, [f"videos.questions={questions}"] if of_a_file else []))
    titles = [stage.title for stage in graph]
    assert len(titles) == len(set(titles)), "a title names one stage"
    assert titles[-1] == "results"
    assert {"base", "latent_targets", "stage_two", "stage_two/shuffled"} <= set(titles)
    assert any(title.startswith("direct/") for title in titles)


def test_inputs_stand_before_their_users() -> None:
    graph = assemble(load("shell"))
    seen: set[int] = set()
    for stage in graph:
        assert {id(needed) for needed in stage.inputs.values()} <= seen, stage.title
        seen.add(id(stage))


def test_a_stage_is_found_by_its_title() -> None:
    graph = assemble(load("smoke"))
    assert graph.find("stage_one/shuffled").title == "stage_one/shuffled"
    assert graph.find("stage_one") is not graph.find("stage_one/shuffled")
    with pytest.raises(
        ConfigError, match=r"expected one of the stages .*base.*found 'stage_three'"
    ):
        graph.find("stage_three")
    part = graph.up_to("latent_targets")
    assert part.stages[-1] is graph.find("latent_targets")
    assert not {"stage_one", "video_features"} & {stage.title for stage in part}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nosuch=1", "nosuch: unknown key"),
        ("keyframes.kk=1", "keyframes.kk: unknown key"),
        ("videos.counts.trein=1", "videos.counts.trein: unknown key"),
        ("generator.kind=crayons", "generator.kind: .*keyframes.*found 'crayons'"),
        ("videos.kind=shel", "videos.kind: .*'shel'"),
        ("videos=3", "videos: .*found 3"),
        ("videos=null", "videos: .*found None"),
        ("keyframes=4", "keyframes: .*found 4"),
        ("seed=often", "seed: .*found 'often'"),
        ("arms.stage_one=[]", "arms.stage_one: .*at least 1"),
        ("runtime.device=abacus", "runtime.device: .*found 'abacus'"),
        ("videos.counts.base=-1", "videos.counts.base: .*found -1"),
        ("videos.world.swaps=9", "videos.world: .*at most one swap a beat"),
        ("seed.x=1", "expected a section at 'seed'"),
        ("=3", "expected --set key.path=value, found '=3'"),
        ("seed", "expected --set key.path=value, found 'seed'"),
        ("seed=[", "expected YAML in --set 'seed=\\['"),
        ("shards.keyfames=2", "'keyframes'.*in `shards`, found \\['keyfames'\\]"),
        (
            "arms.direct.easier=[{swaps: 9, steps: 1, counts: {}}]",
            "at most 8 swaps.*found 9.*arms.direct",
        ),
    ],
)
def test_a_bad_override_is_one_line_that_names_the_key(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        assemble(load("shell", [override]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: mine.yaml", "extending itself"),
        ("extends: nope", "expected a profile of .*shell.*found 'nope'"),
        ("extends: 3", "expected a profile of .*found 3"),
        ("extends: shell\nvideos: 3", "videos: .*found 3"),
        ("extends: shell\nkeyframes: {k: many}", "keyframes.k: .*found 'many'"),
        ("[1, 2]", "expected a mapping in .*mine.yaml, found list"),
        ("a: [", "expected YAML in .*mine.yaml"),
        ("", "expected a mapping"),
        ("seed: 1", "videos: Field required"),
    ],
)
def test_a_bad_profile_file_is_one_line(
    text: str, said: str, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        load("mine.yaml")
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"clips.*shell.*smoke.*found 'schell'"):
        load("schell")


def test_the_command_says_it_in_one_line_and_exits_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "storm.cli", "status", "--profile", "shell", "--set", "nosuch=1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "error: the profile 'shell' is wrong: nosuch: unknown key\n"


def test_extends_gives_what_differs(write: Any) -> None:
    below = load("shell")
    config = load(write("extends: shell\nseed: 7\nvideos: {counts: {train: 5}}\n"))
    assert config.name == "mine"
    assert config.seed == 7
    assert config.videos == below.videos.model_copy(
        update={"counts": below.videos.counts.model_copy(update={"train": 5})}
    )
    assert config.arms == below.arms


def test_extends_over_two_files(write: Any) -> None:
    middle = write("extends: smoke\nseed: 1\noption_orders: 3\n", "middle")
    config = load(write(f"extends: {middle}\nseed: 2\n"))
    assert (config.seed, config.option_orders) == (2, 3)
    assert config.arms == load("smoke").arms


def test_another_kind_replaces_the_section(write: Any) -> None:
    path = write("extends: clips\ngenerator: {kind: keyframes, frames: 9, fps: 4}\n")
    generator = load(path, ["videos.questions=q.json"]).generator
    assert (generator.kind, generator.frames) == ("keyframes", 9)


def test_overrides_set_values_and_whole_sections() -> None:
    config = load(
        "shell",
        ["videos.counts.train=3", "seed=4", "generator={kind: keyframes, frames: 8, fps: 2.0}"],
    )
    assert (config.videos.counts.train, config.seed) == (3, 4)
    assert config.videos.counts.test == load("shell").videos.counts.test
    assert (config.generator.kind, config.generator.frames) == ("keyframes", 8)


def test_how_it_runs_enters_no_identity() -> None:
    def fingerprints(*overrides: str) -> dict[str, str]:
        return {s.title: s.fingerprint() for s in assemble(load("smoke", overrides))}

    usual = fingerprints()
    assert fingerprints("runtime.workers=7", "shards.keyframes=5", "quarantine_share=0.5") == usual
    changed = fingerprints("keyframes.k=9")
    differ = {title for title in usual if usual[title] != changed[title]}
    assert {"keyframes", "thought_prompts", "latent_targets", "stage_one", "results"} <= differ
    assert not {"videos", "base", "video_features"} & differ
    assert not any(title.startswith("direct") for title in differ)


def test_two_benchmarks_of_one_kind_need_names() -> None:
    def asking(*named: str) -> str:
        entries = (f"{{kind: own, data: q.jsonl, {more}}}" for more in named)
        return f"benchmarks=[{', '.join(entries)}]"

    with pytest.raises(ConfigError, match="'own' 2 times: give each a `name`"):
        assemble(load("smoke", [asking("frames: 8", "frames: 64")]))
    graph = assemble(load("smoke", [asking("name: few, frames: 8", "frames: 64")]))
    asked = {stage.title for stage in graph if stage.name == "evaluations"}
    assert asked == {
        f"evaluations/{name} {mode}" for name in ("few", "own") for mode in ("latent", "direct")
    }


@pytest.mark.parametrize("k", [3, 5, 16])
def test_a_k_that_does_not_divide_the_frames_is_refused_before_anything_is_made(k: int) -> None:
    with pytest.raises(ConfigError, match=f"expected k = {k} to divide .* 8 time steps") as caught:
        assemble(load("shell", [f"student.latent.k={k}"]))
    assert "\n" not in str(caught.value)
    assemble(load("shell", [f"student.latent.k={k}", "pooling.kind=flat"]))


def test_a_k_that_divides_the_frames_is_accepted() -> None:
    for k in (1, 2, 4, 8):
        assemble(load("shell", [f"student.latent.k={k}"]))
    with pytest.raises(ConfigError, match="9 time steps"):
        assemble(load("shell", ["thought_sampling.frames=17"]))  # the last pair is padded


def test_the_time_steps_of_a_pretrained_student_are_checked_too(questions: str) -> None:
    overrides = [f"videos.questions={questions}", "pooling.kind=temporal", "student.latent.k=3"]
    config = load("qwen2_5_vl_7b", overrides)
    with pytest.raises(ConfigError, match="expected k = 3 to divide"):
        assemble(config)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["runtime.ranks=3"], r"multiple of 12 \(runtime.ranks = 3, 4 parts .* 256: .* 252 or 264"),
        (["runtime.ranks=5", "curriculum=[]"], r"multiple of 5 .* found 32: set it to 30 or 35"),
        (["dtype=bfloat16"], r"zero_stage 1, 2 or 3 for dtype bfloat16 .* set runtime"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_made(
    overrides: list[str], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        assemble(load("shell", overrides))
    assert "\n" not in str(caught.value)


def test_lora_belongs_to_what_is_made_and_the_runtime_does_not(questions: str) -> None:
    def recipes(*overrides: str) -> dict[str, str]:
        config = load("clips", [f"videos.questions={questions}", *overrides])
        return {stage.title: stage.recipe for stage in assemble(config)}

    full = recipes()
    assert recipes("runtime.zero_stage=3", "runtime.micro_batch=2") == full
    changed = {
        title for title, found in recipes("arms.lora={r: 4}").items() if found != full[title]
    }
    assert changed == {title for title in full if title.startswith(("stage_", "direct"))}


def test_the_profile_of_wan_changes_the_generator_alone(questions: str, tmp_path: Path) -> None:
    folder = tmp_path / "wan"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    overrides = [f"videos.questions={questions}", f"generator.pipeline.path={folder}"]
    wan, ltx = (load(name, overrides) for name in ("wan2_1_i2v", "qwen2_5_vl_7b"))
    differing = {f for f in type(wan).model_fields if getattr(wan, f) != getattr(ltx, f)}
    assert differing == {"name", "generator", "quality", "runtime"}
    assert wan.quality.frames == wan.generator.frames == 81
    stage = assemble(wan).find("thought_videos")
    assert stage.recipe != assemble(ltx).find("thought_videos").recipe
    assert "checkpoints" not in str(stage.configuration), "contents stand for a path"
    folder.rename(tmp_path / "gone")
    with pytest.raises(ConfigError, match="expected a checkpoint of diffusers, found no folder"):
        assemble(wan).find("thought_videos").recipe  # noqa: B018


def test_a_missing_pretrained_student_is_an_error_and_never_a_random_model(tmp_path: Path) -> None:
    missing = tmp_path / "no-such-checkpoint"
    base = Base(
        phases=(),
        seed=0,
        dtype="float32",
        student=PretrainedConfig(path=missing),
        sampling=FrameSampling(),
    )
    store = Store(tmp_path / "artifacts")
    with pytest.raises(ConfigError, match=str(missing)) as caught:
        execute(base, store, Runtime())
    assert "expected a checkpoint folder" in str(caught.value)
    assert not any(tmp_path.glob("artifacts/base/*"))


def test_the_baseline_has_twice_the_steps_and_two_rates() -> None:
    arms = load("shell").arms
    assert arms.direct is not None
    steps = sum(phase.steps for phase in (*arms.stage_one, *arms.stage_two))
    assert arms.direct.phase.steps >= 2 * steps
    assert len(set(arms.direct.learning_rates)) >= 2
    assert {easier.swaps for easier in arms.direct.easier} == {2, 4}
    assert arms.shuffled
    assert set(arms.interventions) == {"none", "zero", "mean", "swap"}


# The splits of the profile whose numbers stand in the README.


@pytest.fixture(scope="module")
def worlds() -> dict[str, dict[str, dict[str, Any]]]:
    """Title of each stage that makes videos: split: video id: scene."""
    stages = [stage for stage in assemble(load("shell")) if isinstance(stage, ShellVideos)]
    return {stage.title: {split: stage.scenes(split) for split in SPLITS} for stage in stages}


def pooled(worlds: dict[str, Any], split: str) -> list[Any]:
    return [scene for splits in worlds.values() for scene in splits[split].values()]


@pytest.mark.integration
def test_the_stages_hold_the_splits_that_they_should(worlds: dict[str, Any]) -> None:
    sizes = {t: {s: len(scenes) for s, scenes in w.items() if scenes} for t, w in worlds.items()}
    assert sizes["videos/base"].keys() == {"base"}
    assert sizes["videos"].keys() == {"train", "test"}
    assert sizes["videos/2 swaps"].keys() == sizes["videos/4 swaps"].keys() == {"train", "test"}


def test_no_script_is_in_two_splits(worlds: dict[str, Any]) -> None:
    scripts = {split: {(s.start, s.swaps) for s in pooled(worlds, split)} for split in SPLITS}
    assert all(scripts.values())
    assert not scripts["base"] & scripts["train"]
    assert not scripts["base"] & scripts["test"]
    assert not scripts["train"] & scripts["test"]


def test_colors_of_the_test_are_its_own(worlds: dict[str, Any]) -> None:
    cells = {split: {color_cell(s.look) for s in pooled(worlds, split)} for split in SPLITS}
    assert len(cells["test"]) > 3
    assert not cells["test"] & (cells["base"] | cells["train"])


def test_there_are_a_thousand_distinct_test_videos(worlds: dict[str, Any]) -> None:
    scenes = worlds["videos"]["test"]
    assert len(scenes) >= 1000
    assert len({(s.start, s.swaps) for s in scenes.values()}) == len(scenes)
    assert not scenes.keys() & worlds["videos"]["train"].keys()
    everything = [*scenes.values(), *worlds["videos"]["train"].values()]
    assert len({s.seed for s in everything}) == len(everything)


def test_option_orders_of_a_video_stay_in_its_split() -> None:
    """A row is a video with its split; training turns the options of its training rows alone."""
    from storm.config import LETTERS
    from storm.testing import make_sample
    from storm.training.questions import reordered

    sample = make_sample(
        video_id="train-0", options=("cup 2", "cup 4", "cup 1", "cup 3"), answer="B"
    )
    turned = [reordered(sample, n, seed=0) for n in range(4)]
    assert {(t.video_id, t.split) for t in turned} == {("train-0", "train")}
    assert {t.options[LETTERS.index(t.answer)] for t in turned} == {"cup 4"}
    assert {frozenset(t.options) for t in turned} == {frozenset(sample.options)}
    assert len({t.options for t in turned}) > 1
