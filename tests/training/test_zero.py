"""ZeRO 0 to 3, fp32 and bf16, full and LoRA, one rank and two: one student, exactly resumed."""

import functools
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from storm.student import Student
from storm.training.spec import AnswerPhase

pytestmark = pytest.mark.long

WIDTH = 384  # so wide that ZeRO-3 takes matrices away: it leaves those under 100,000 in place
LORA = {"r": 4, "alpha": 8}
STEPS = 3  # saved after the second

# name: dtype, ZeRO stage, other fields of the spec
WAYS = {
    "plain": ("float32", 0, {}),
    "zero_2": ("float32", 2, {}),
    "zero_3": ("float32", 3, {}),
    "bf16_1": ("bfloat16", 1, {}),
    "bf16_2": ("bfloat16", 2, {}),
    "bf16_3": ("bfloat16", 3, {}),
    "lora": ("float32", 0, {"lora": LORA}),
    "lora_zero_3": ("float32", 3, {"lora": LORA}),
    "lora_bf16_2": ("bfloat16", 2, {"lora": LORA}),  # as in the profile qwen2_5_vl_3b_lora
}
ON_TWO_RANKS = ("plain", "zero_2", "zero_3", "lora_bf16_2")
RESUMED = {  # a rank's part of a checkpoint is the harder one
    1: ("plain", "bf16_1", "bf16_3", "lora_zero_3"),
    2: ("zero_2", "zero_3", "lora_bf16_2"),
}
RECOMPUTED = ("zero_3", "bf16_2", "lora_zero_3", "lora_bf16_2")


@pytest.fixture(scope="session")
def wide(small, tmp_path_factory) -> SimpleNamespace:
    """A student, its rows, and how a spec is written."""
    root = tmp_path_factory.mktemp("ways")
    start = small.student(root / "start", hidden=WIDTH)
    rows = small.rows(root / "rows", 8, hidden=WIDTH)
    steady = {"warmup_steps": 0, "final_lr_share": 1.0}

    def write(folder: Path, dtype: str, stage: int, ranks: int, rate: float = 1e-3, **fields):
        runtime = {
            "zero_stage": stage,
            "ranks": ranks,
            "micro_batch": 4 // ranks,  # two of them a step
            **fields.pop("runtime", {}),
        }
        phase = AnswerPhase(steps=STEPS, learning_rate=rate, batch=8, **steady)
        spec = small.spec(
            folder, start, rows, phases=(phase,), dtype=dtype, runtime=runtime, **fields
        )
        (folder / "spec.json").write_text(spec.model_dump_json())
        return str(folder / "spec.json")

    return SimpleNamespace(root=root, start=start, write=write)


@pytest.fixture(scope="session")
def trained(wide, small, environment):
    """A function: the folder of what so many ranks trained, in one start of DeepSpeed."""

    @functools.cache
    def of(ranks: int) -> Path:
        root = wide.root / str(ranks)
        root.mkdir()
        cases = []
        for name in WAYS if ranks == 1 else ON_TWO_RANKS:
            dtype, stage, fields = WAYS[name]
            runtime = {"gradient_checkpointing": name in RECOMPUTED}
            # once whole, once given up after the last step
            twins = (("", 0), ("_resumed", STEPS))
            for suffix, last in twins if name in RESUMED[ranks] else twins[:1]:
                folder = root / (name + suffix)
                path = wide.write(folder, dtype, stage, ranks, runtime=runtime, **fields)
                cases.append((path, last))
        if ranks == 1:
            for dtype, stage in (("float32", 0), ("bfloat16", 1), ("bfloat16", 2)):
                folder = root / f"slow_{dtype}_{stage}"
                cases.append((wide.write(folder, dtype, stage, ranks, rate=1e-5), 0))
        (root / "cases.json").write_text(json.dumps(cases))
        done = subprocess.run(
            small.program("train_each_spec.py", ranks, root / "cases.json"),
            env=environment,
            capture_output=True,
            text=True,
            timeout=880,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return root

    return of


def on_ranks(names: Mapping[int, Iterable[str]]) -> pytest.MarkDecorator:
    pairs = [(ranks, name) for ranks in names for name in names[ranks]]
    return pytest.mark.parametrize(("ranks", "name"), pairs)


def curve(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))
    return [line["loss"] for line in lines]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@on_ranks(RESUMED)
def test_a_resumed_training_repeats_it_digit_for_digit(trained, ranks, name):
    root = trained(ranks)
    assert curve(root / name) == curve(root / f"{name}_resumed")
    whole, again = weights(root / name / "out"), weights(root / f"{name}_resumed" / "out")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


@on_ranks({1: WAYS, 2: ON_TWO_RANKS})
def test_every_training_leaves_an_ordinary_student(trained, wide, ranks, name):
    dtype, _, fields = WAYS[name]
    folder = trained(ranks) / name / "out"
    start, found = weights(wide.start), weights(folder)
    assert found.keys() == start.keys()
    moved = {key: value - start[key].to(value.dtype) for key, value in found.items()}
    learned = {key for key, value in moved.items() if value.any()}
    assert learned
    assert not any("visual" in key for key in learned)
    (tokens,) = (value for key, value in moved.items() if "embed_tokens" in key)
    student = Student.from_pretrained(folder, dtype=dtype)
    begin, pad, end = student.prompts.latent_ids
    assert tokens[[begin, end]].any(1).all(), "expected the markers' embeddings to learn"
    left = json.loads((folder.parent / "engine.json").read_text())["left"]
    assert left == 0, "expected nothing of a phase's student, engine and optimiser beside the next"
    if "lora" in fields:
        moving = tokens.any(1).nonzero().flatten().tolist()
        assert set(moving) <= {begin, pad, end}, "expected the other tokens' to rest"


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way[1]])
def test_every_zero_stage_trains_the_same_student(trained, name):
    root = trained(1)
    dtype, stage, fields = WAYS[name]
    expected = "lora" if fields else "plain"
    assert curve(root / name) == pytest.approx(
        curve(root / expected), rel=1e-5 if dtype == "float32" else 3e-2
    )
    facts = json.loads((root / name / "engine.json").read_text())
    assert (facts["away"] > 0) == (stage == 3)
    assert facts["masters"] == ["torch.float32"]


@pytest.mark.parametrize("name", ON_TWO_RANKS)
def test_two_ranks_train_what_one_trains(trained, name):
    one, two = trained(1) / name, trained(2) / name
    exact = WAYS[name][0] == "float32"
    assert curve(two) == pytest.approx(curve(one), rel=1e-5 if exact else 3e-2)
    if exact:
        found = weights(two / "out")
        for key, value in weights(one / "out").items():
            assert torch.allclose(found[key], value, atol=2e-4), key


@pytest.mark.parametrize("stage", [1, 2])
def test_bf16_keeps_updates_that_are_smaller_than_its_rounding(trained, wide, stage):
    """Steps of 1e-5, on weights that in bf16 would each round back to where they were.

    Their sum is more than half of the way to the next bf16 number: with fp32 master weights the
    saved ones are the fp32 training's, rounded once.
    """
    root, start = trained(1), weights(wide.start)
    exact, low = (
        weights(root / f"slow_{way}" / "out") for way in ("float32_0", f"bfloat16_{stage}")
    )
    along = rounded = total = 0.0
    for key, value in start.items():
        first = value.bfloat16().float()
        chosen = (first.abs() > 2**-8) & (first.abs() < 2**-7)  # 2**-15 apart
        moved = exact[key] - value
        once = (first + moved).bfloat16().float() - first
        along += float(((low[key].float() - first) * moved.sign())[chosen].sum())
        rounded += float((once * moved.sign())[chosen].sum())
        total += float(moved[chosen].abs().sum())
    assert along > total / 2 > 0
    assert along == pytest.approx(rounded, rel=0.1)
