"""Profiles become graphs of stages; what can't be made is refused before anything is."""

from __future__ import annotations

from pathlib import Path

import pytest

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import ConfigError
from storm.pipeline.assemble import assemble
from storm.pipeline.graph import Graph
from storm.profiles import load, names
from storm.runtime import Runtime
from storm.student.importing import PretrainedConfig
from storm.training.stage import Base
from storm.videos.decoding.sampling import FrameSampling

CURRICULUM = (
    "student={kind: tiny_random}",
    "curriculum=[{kind: curriculum_vision, steps: 1, learning_rate: 0.1}]",
)


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.json"
    path.write_text("[]")
    return str(path)


@pytest.mark.parametrize("name", names())
def test_every_profile_assembles(name: str, questions: str) -> None:
    of_a_file = name not in ("shell", "shell_base", "smoke")
    graph = assemble(load(name, [f"videos.questions={questions}"] if of_a_file else []))
    titles = [stage.title for stage in graph]
    assert len(titles) == len(set(titles)), "a title names one stage"
    assert titles[-1] == "results"
    assert {"base", "latent_targets", "stage_two", "fine_tuning/direct"} <= set(titles)
    assert ("stage_two/shuffled" in titles) == (name not in ("shell", "shell_base"))


def test_inputs_come_before_their_users() -> None:
    graph = assemble(load("shell"))
    seen: set[int] = set()
    for stage in graph:
        assert {id(needed) for needed in stage.inputs.values()} <= seen, stage.title
        seen.add(id(stage))


def test_a_stage_is_found_by_its_title() -> None:
    graph = assemble(load("smoke"))
    assert graph.find("stage_one/shuffled").title == "stage_one/shuffled"
    assert graph.find("stage_one") is not graph.find("stage_one/shuffled")
    with pytest.raises(ConfigError, match=r"base.*found 'stage_three'"):
        graph.find("stage_three")
    part = graph.up_to("latent_targets")
    assert part.stages[-1] is graph.find("latent_targets")
    assert not {"stage_one", "video_features"} & {stage.title for stage in part}


def test_how_it_runs_enters_no_identity() -> None:
    def fingerprints(*overrides: str) -> dict[str, str]:
        return {s.title: s.fingerprint() for s in assemble(load("smoke", overrides))}

    usual = fingerprints()
    assert fingerprints("runtime.workers=7", "shards.keyframes=5", "quarantine_share=0.5") == usual
    changed = fingerprints("keyframes.k=9")
    differ = {title for title in usual if usual[title] != changed[title]}
    assert {"keyframes", "thought_prompts", "latent_targets", "stage_one", "results"} <= differ
    assert not {"videos", "base", "video_features"} & differ
    assert "fine_tuning/direct" not in differ


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
    with pytest.raises(ConfigError, match=f"k = {k} .* 8 time steps") as caught:
        assemble(load("shell", [f"student.latent={{k: {k}}}"]))
    assert "\n" not in str(caught.value)
    assemble(load("shell", [f"student.latent.k={k}", "pooling.kind=flat"]))


def test_a_k_that_divides_the_frames_is_accepted() -> None:
    for k in (1, 2, 4, 8):
        assemble(load("shell", [f"student.latent={{k: {k}}}"]))
    with pytest.raises(ConfigError, match="9 time steps"):
        assemble(load("shell", ["thought_sampling.frames=17"]))  # the last pair is padded


def test_the_time_steps_of_a_pretrained_student_are_checked_too(questions: str) -> None:
    overrides = [f"videos.questions={questions}", "pooling.kind=temporal", "student.latent.k=3"]
    config = load("qwen2_5_vl_7b", overrides)
    with pytest.raises(ConfigError, match="k = 3"):
        assemble(config)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["runtime.ranks=3", *CURRICULUM],
            r"multiple of 12 \(runtime.ranks = 3, 4 parts .* 256: .* 252 or 264",
        ),
        (["runtime.ranks=5"], r"multiple of 5 .* found 32: set it to 30 or 35"),
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
        title for title, found in recipes("training.lora={r: 4}").items() if found != full[title]
    }
    assert changed == {title for title in full if title.startswith(("stage_", "fine_tuning"))}


def test_the_profile_of_wan_changes_only_the_generator(questions: str, tmp_path: Path) -> None:
    folder = tmp_path / "wan"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    overrides = [f"videos.questions={questions}", f"generator.pipeline.path={folder}"]
    wan, ltx = (load(name, overrides) for name in ("wan2_1_i2v", "qwen2_5_vl_7b"))
    differing = {f for f in type(wan).model_fields if getattr(wan, f) != getattr(ltx, f)}
    arms = {"arms"}  # they follow the profile
    assert differing - arms == {"name", "generator", "quality", "runtime"}
    assert wan.quality.frames == wan.generator.frames == 81
    stage = assemble(wan).find("thought_videos")
    assert stage.recipe != assemble(ltx).find("thought_videos").recipe
    assert "checkpoints" not in str(stage.configuration), "contents stand for a path"
    folder.rename(tmp_path / "gone")
    with pytest.raises(ConfigError, match="diffusers, found no folder"):
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


def test_the_default_is_the_method_and_one_baseline_of_as_many_steps() -> None:
    config = load("shell")
    assert set(config.arms) >= {"direct"}
    direct = config.arms["direct"]
    assert (direct.role, direct.training.mode) == ("direct", "direct")
    steps = sum(phase.steps for phase in config.training.phases)
    assert sum(phase.steps for phase in direct.training.phases) >= steps
    assert {"none", "swap"} <= set(config.interventions)


def arms(*overrides: str, profile: str = "smoke") -> Graph:
    alone = ("arms={}", "interventions=[none]", "target_splits=[train]")
    return assemble(load(profile, [*alone, *overrides]))


def added(*overrides: str) -> set[str]:
    usual = {stage.title for stage in arms()}
    return {stage.title for stage in arms(*overrides)} - usual


def test_an_arm_makes_only_what_no_other_makes() -> None:
    assert added("arms.again={}") == set(), "equal stages are one"
    assert added("arms.other={training: {targets_from: mean}}") == {
        "stage_one/other",
        "stage_two/other",
        "predictions/other",
    }
    assert added("arms.still={generator: {kind: keyframes, frames: 16}}") == {
        f"{name}/still"
        for name in (
            "thought_videos",
            "latent_targets",
            "stage_one",
            "stage_two",
            "predictions",
        )
    }
    assert added("arms.k4={training: {latent: {k: 4}}}") == {
        f"{name}/k4" for name in ("latent_targets", "stage_one", "stage_two", "predictions")
    }, "K belongs to the training: base and video features are shared"
    assert added("arms.cot={training: {mode: cot}}") == {"chain_of_thought/cot", "predictions/cot"}


def test_an_arm_may_start_from_another_ones_student() -> None:
    graph = arms(
        "arms.second={training: {mode: direct, after: first}}",
        "arms.first={training: {mode: direct}}",
    )
    second = graph.find("fine_tuning/second")
    assert second.inputs["init_from"] is graph.find("fine_tuning/first")
    for wrong in ("arms.a={training: {after: nobody}}", "arms.a={training: {after: a}}"):
        with pytest.raises(ConfigError, match=r"expected training.after of 'a' to name another"):
            arms(wrong)


def test_oracle_latents_take_targets_of_the_test_questions() -> None:
    graph = arms("interventions=[none, oracle]", "target_splits=[train, test]")
    assert graph.find("predictions").inputs["targets"] is graph.find("latent_targets")
    with pytest.raises(ConfigError, match=r"target_splits .* `oracle`"):
        arms("interventions=[none, oracle]")


def test_rates_are_scaled_together() -> None:
    one, ten = (arms(f"training.rate_scale={scale}").find("stage_one") for scale in (1, 10))
    for phase, faster in zip(one.phases, ten.phases, strict=True):  # pyright: ignore
        assert faster.learning_rate == pytest.approx(10 * phase.learning_rate)
