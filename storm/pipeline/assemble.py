"""Build the graph of stages from a profile.

videos --+-> keyframes -> thought_prompts -> thought_videos --+
         |                                                    v
         +-> base --------------------------------------> latent_targets
         |     |                                              v
         +-----+-> video_features -----> stage_one -> stage_two -> predictions -> results
                                   `---> the same of each arm  -> predictions --^
"""

from __future__ import annotations

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.intervention_names import ORACLE
from storm.evaluation.results import ArmLabel, ResultsStage
from storm.pipeline.arms import Arm, ArmBuilder
from storm.pipeline.benchmarks import benchmark_stages
from storm.pipeline.config import PipelineConfig
from storm.pipeline.graph import Graph
from storm.pipeline.interning import Interning
from storm.student.tiny.tiny import TinyConfig
from storm.training.spec import check_training

MAIN = "storm"  # the name of a profile's own arm


def assemble(config: PipelineConfig) -> Graph:
    """Return every stage of a profile; the last one is `results`.

    Raises:
        ConfigError: If the profile asks for something that can't be made.
    """
    arms = build_arms(config)
    results = results_of(config, arms)
    benchmarks: list[Stage] = []
    for stages in benchmark_stages(config, arms[MAIN].checkpoint):
        benchmarks += stages.evaluations
        if stages.latency is not None:
            benchmarks.append(stages.latency)
    base = arms[MAIN].base  # first: most stages wait for it
    graph = Graph.of(base, *benchmarks, results)
    check_shards(config, graph)
    return graph


def build_arms(config: PipelineConfig, intern: Interning | None = None) -> dict[str, Arm]:
    """Return the profile's own arm and those beside it, by name.

    Raises:
        ConfigError: If the profile asks for something that can't be made.
    """
    intern = intern or Interning()
    configs = {MAIN: config, **config.arms}
    arms: dict[str, Arm] = {}
    waiting: list[str] = []

    def build(name: str) -> Arm:
        if name in arms:
            return arms[name]
        arm, after = configs[name], configs[name].training.after
        if after and (after not in configs or after in (*waiting, name)):
            raise ConfigError(
                f"expected training.after of {name!r} to name another arm, one that does not wait "
                f"for this one, of {sorted(configs)}, found {after!r}"
            )
        waiting.append(name)
        start = build(after).checkpoint if after else None
        waiting.pop()
        check_time_steps(arm)
        check_oracle(arm)
        check_training(arm.training.phases, arm.runtime, arm.dtype)
        label = "" if name == MAIN else name
        arms[name] = ArmBuilder(arm, intern, label, start).build()
        return arms[name]

    check_training(config.curriculum, config.runtime, config.dtype)
    for name in configs:
        build(name)
    return {name: arms[name] for name in configs}


def results_of(config: PipelineConfig, arms: dict[str, Arm]) -> ResultsStage:
    """Return the stage that compares arms."""
    return ResultsStage(
        videos=arms[MAIN].predictions.videos,
        predictions=tuple(arm.predictions for arm in arms.values()),
        arms=tuple(ArmLabel(name=name, role=arm.config.role) for name, arm in arms.items()),
        seed=config.seed,
    )


def check_time_steps(config: PipelineConfig) -> None:
    """Refuse a K that thought videos can't be pooled to. Raises ConfigError."""
    student = config.student
    patch = student.vision.temporal_patch if isinstance(student, TinyConfig) else 2  # Qwen's
    steps = -(-config.thought_sampling.frames // patch)  # the last patch is padded
    if config.training.stage_one:
        config.pooling.check(config.latent.k, steps)


def check_oracle(config: PipelineConfig) -> None:
    """Refuse oracle latents without targets of the test questions. Raises ConfigError."""
    if ORACLE in config.interventions and "test" not in config.target_splits:
        raise ConfigError(
            "expected `test` in target_splits for the intervention `oracle`, found "
            f"{list(config.target_splits)}: add it, or leave the intervention out"
        )


def check_shards(config: PipelineConfig, graph: Graph) -> None:
    """Refuse `shards` of stages that the graph doesn't have. Raises ConfigError."""
    names = sorted({stage.name for stage in graph})
    if unknown := sorted(config.shards.keys() - names):
        raise ConfigError(f"expected stages of {names} in `shards`, found {unknown}")
