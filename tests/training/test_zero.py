"""ZeRO 0 to 3, fp32 and bf16, full and LoRA, one rank and two: one student, exactly resumed."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from storm.student import Student
from storm.training.spec import AnswerPhase

pytestmark = pytest.mark.slow

WIDTH = 384  # so wide that ZeRO-3 takes matrices away: it leaves those under 100,000 in place
LORA = {"r": 4, "alpha": 8.0}
STEPS = 4

# name: dtype, ZeRO stage, other fields of the spec
WAYS = {
    "plain": ("float32", 0, {}),
    "zero_1": ("float32", 1, {}),
    "zero_2": ("float32", 2, {}),
    "zero_3": ("float32", 3, {}),
    "bf16_1": ("bfloat16", 1, {}),
    "bf16_2": ("bfloat16", 2, {}),
    "bf16_3": ("bfloat16", 3, {}),
    "lora": ("float32", 0, {"lora": LORA}),
    "lora_zero_3": ("float32", 3, {"lora": LORA}),
    "lora_bf16_2": ("bfloat16", 2, {"lora": LORA}),  # as in the profile qwen2_5_vl_3b_lora
}
RECOMPUTED = ("zero_3", "bf16_2", "lora_zero_3", "lora_bf16_2")


@pytest.fixture(scope="session")
def wide(small, tmp_path_factory) -> SimpleNamespace:
    """A student, its rows, and how a spec is written."""
    root = tmp_path_factory.mktemp("ways")
    start = small.student(root / "start", hidden=WIDTH)
    rows = small.rows(root / "rows", hidden=WIDTH)
    steady = {"warmup_steps": 0, "final_lr_share": 1.0}

    def write(folder: Path, dtype: str, stage: int, ranks: int, rate: float = 1e-3, **fields):
        runtime = {
            "zero_stage": stage,
            "ranks": ranks,
            "micro_batch": 2,
            **fields.pop("runtime", {}),
        }
        phase = AnswerPhase(steps=STEPS, learning_rate=rate, batch=8, **steady)
        spec = small.spec(
            folder, start, rows, phases=(phase,), dtype=dtype, runtime=runtime, **fields
        )
        (folder / "spec.json").write_text(spec.model_dump_json())
        return str(folder / "spec.json")

    return SimpleNamespace(root=root, start=start, write=write)


@pytest.fixture(scope="session", params=[1, 2], ids=["one_rank", "two_ranks"])
def trained(request, wide, small, environment) -> tuple[int, Path]:
    """Every way, once whole and once given up after step 3, one step after a save."""
    ranks = request.param
    root = wide.root / str(ranks)
    root.mkdir()
    cases = []
    for name, (dtype, stage, fields) in WAYS.items():
        runtime = {"gradient_checkpointing": name in RECOMPUTED}
        for suffix, last in (("", 0), ("_resumed", 3)):
            folder = root / (name + suffix)
            path = wide.write(folder, dtype, stage, ranks, runtime=runtime, **fields)
            cases.append((path, last))
    if ranks == 1:
        for dtype, stage in (("float32", 0), ("bfloat16", 1), ("bfloat16", 3)):
            folder = root / f"slow_{dtype}_{stage}"
            cases.append((wide.write(folder, dtype, stage, ranks, rate=1e-5), 0))
    (root / "cases.json").write_text(json.dumps(cases))
    done = subprocess.run(
        small.program("every_way.py", ranks, root / "cases.json"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return ranks, root


def curve(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(STEPS))
    return [line["loss"] for line in lines]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("name", WAYS)
def test_a_resumed_training_repeats_it_digit_for_digit(trained, name):
    _, root = trained
    assert curve(root / name) == curve(root / f"{name}_resumed")
    whole, again = weights(root / name / "out"), weights(root / f"{name}_resumed" / "out")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)


@pytest.mark.parametrize("name", WAYS)
def test_every_way_leaves_an_ordinary_student(trained, wide, name):
    _, root = trained
    expected, found = weights(wide.start), weights(root / name / "out")
    assert found.keys() == expected.keys()
    changed = {
        key
        for key in found
        if not torch.equal(found[key].float(), expected[key].to(found[key].dtype).float())
    }
    assert changed
    assert not any("visual" in key for key in changed)
    student = Student.from_pretrained(root / name / "out", dtype=WAYS[name][0])
    start, _, end = student.prompts.latent_ids
    moved = (
        student.model.get_input_embeddings().weight
        - expected[next(k for k in expected if "embed_tokens" in k)]
    )
    assert moved[[start, end]].abs().min(1).values.all(), "the markers' embeddings must learn"
    if "lora" in WAYS[name][2]:
        assert not moved[: min(student.prompts.latent_ids)].any(), "the other tokens' must not"


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way[1]])
def test_every_zero_stage_trains_the_same_student(trained, name):
    _, root = trained
    dtype, stage, fields = WAYS[name]
    expected = "lora" if fields else "plain"
    assert curve(root / name) == pytest.approx(
        curve(root / expected), rel=1e-5 if dtype == "float32" else 3e-2
    )
    facts = json.loads((root / name / "engine.json").read_text())
    assert (facts["away"] > 0) == (stage == 3)
    if stage < 3:
        assert facts["masters"] == ["torch.float32"]


def test_two_ranks_train_what_one_trains(trained, wide):
    ranks, root = trained
    if ranks == 1:
        return
    for name in ("plain", "zero_2", "zero_3", "lora_zero_3"):
        assert curve(root / name) == pytest.approx(curve(wide.root / "1" / name), rel=1e-5), name
        one, two = weights(wide.root / "1" / name / "out"), weights(root / name / "out")
        for key, value in one.items():
            assert torch.allclose(two[key], value, atol=2e-4), (name, key)


@pytest.mark.parametrize("stage", [1, 3])
def test_bf16_keeps_updates_that_are_smaller_than_its_rounding(trained, wide, stage):
    """Four steps of 1e-5 on weights whose bf16 neighbours are 6e-5 or more away.

    With fp32 masters their sum shows in the saved weights, as the mean over many; in pure bf16
    each step would round to nothing.
    """
    ranks, root = trained
    if ranks > 1:
        return
    start = weights(wide.start)
    exact, low = (
        weights(root / f"slow_{way}" / "out") for way in ("float32_0", f"bfloat16_{stage}")
    )
    along = total = 0.0
    for key, value in start.items():
        large = value.abs() > 2**-6
        moved = (exact[key] - value)[large]
        along += float(((low[key].float() - value.bfloat16().float())[large] * moved.sign()).sum())
        total += float(moved.abs().sum())
    assert total > 0
    assert along / total == pytest.approx(1, abs=0.2)
