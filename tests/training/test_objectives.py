import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from storm.artifacts.artifact import read_rows, write_shard
from storm.errors import DataError
from storm.records import LatentTarget, VideoSample
from storm.student import Jacobi, Student
from storm.training.diagnostics import diagnose, explained_variance
from storm.training.objectives import build_objective
from storm.training.questions import load_questions
from storm.training.spec import AlignPhase, AnswerPhase, TrainingSpec, Until


@pytest.fixture
def make(tmp_path, start, small):
    return lambda **fields: small.spec(tmp_path, start, small.rows(tmp_path / "rows"), **fields)


def test_only_training_questions_that_have_all_are_used(make, small):
    spec = make()
    path = spec.rows.targets[0]
    kept = [t for t in read_rows([path], LatentTarget) if t.id != "q5"]
    path.unlink()
    write_shard(path, kept, ["key"] * len(kept))
    ids = [q.sample.id for q in load_questions(spec, small.HIDDEN)]
    assert ids == sorted(f"q{i}" for i in range(24) if i != 5)


def test_shuffled_targets_are_those_of_another_video(make, small):
    own, shuffled = (
        load_questions(make(targets_from=t), small.HIDDEN) for t in ("own", "shuffled")
    )
    of = {q.target.numpy().tobytes(): q.sample.video_id for q in own}
    donors = {q.sample.video_id: of[q.target.numpy().tobytes()] for q in shuffled}
    assert sorted(donors.values()) == sorted(donors)
    assert all(video != donor for video, donor in donors.items())


def test_a_target_of_another_shape_is_refused(make, start, small):
    spec = make()
    student = Student.from_pretrained(start)
    path = spec.rows.targets[0]
    rows = read_rows([path], LatentTarget)
    path.unlink()
    wrong = [LatentTarget(id=r.id, latents=np.zeros((3, small.HIDDEN), np.float32)) for r in rows]
    write_shard(path, wrong, ["key"] * len(rows))
    with pytest.raises(DataError, match=r"expected a target of shape \(2, 32\)"):
        build_objective(spec.phases[0], spec, student)


def test_validation_questions_are_only_for_validation(make, start, small, tmp_path):
    spec = make().model_copy(update={"rows": small.rows(tmp_path / "more", val=5)})
    assert len(load_questions(spec, small.HIDDEN)) == 24
    objective = build_objective(spec.phases[-1], spec, Student.from_pretrained(start))
    asked = objective.validation_questions
    assert [q.sample.id for q in asked] == [f"val-q{i}" for i in range(5)]
    assert objective.validate() in [i / 5 for i in range(6)]
    assert build_objective(spec.phases[-1], make(), objective.student).validate() is None


def test_until_needs_validation_questions(make, start):
    spec = make()
    phase = spec.phases[-1].model_copy(update={"until": Until(accuracy=0.9)})
    with pytest.raises(DataError, match="expected questions of the split `val`"):
        build_objective(phase, spec, Student.from_pretrained(start))


def test_micro_batches_and_ranks_share_a_step_and_its_loss(make, start):
    student = Student.from_pretrained(start).train()

    def losses(ranks, micro_batch):
        spec = make(runtime={"micro_batch": micro_batch})
        objective = build_objective(spec.phases[0], spec, student)
        parts = [b for rank in range(ranks) for b in objective.micro_batches(1, rank, ranks)]
        assert len(parts) == ranks * objective.grad_accum_steps(0, ranks)
        assert sum(b.rows for b in parts) == 8
        return sum(objective.module(b.data)[0].item() * b.rows / 8 for b in parts)

    whole = losses(1, None)
    assert losses(1, 3) == pytest.approx(whole, rel=1e-5)
    assert losses(2, 2) == pytest.approx(whole, rel=1e-5)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["teacher", "rollout", "answer"])
def test_each_objective_learns_its_questions(make, start, small, kind):
    common = {"steps": 80, "learning_rate": 1e-2, "batch": 24}
    phase = (
        AnswerPhase(**common) if kind == "answer" else AlignPhase(feeding=kind, **common)  # pyright: ignore
    )
    spec = make(phases=(phase,)).model_copy(update={"option_orders": 1})
    torch.manual_seed(0)
    student = Student.from_pretrained(start).train()
    student.freeze_vision()
    objective = build_objective(phase, spec, student)
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(phase.steps):
        (batch,) = objective.micro_batches(step, 0, 1)
        loss, logs = objective.module(batch.data)
        assert ("align_loss" in logs) == (kind != "answer")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    found = objective.diagnose()
    assert found["questions"] == 24
    assert 0 <= found["rolled_out_accuracy"] <= 1
    assert len(found["explained_variance"]) == small.K


@pytest.mark.parametrize(
    ("options", "answer", "said"),
    [(("x", "y"), "B", "(B) cup"), ((), "UNDER THE CUP ON THE LEFT", "under the cup on the left")],
)
def test_rolled_out_accuracy_reads_whole_answers(
    make, start, small, monkeypatch, options, answer, said
):
    """As predictions do: a letter where there are options, else the text in any case."""
    student, spec = Student.from_pretrained(start), make()
    asked = load_questions(spec, small.HIDDEN)[:6]
    sample = dataclasses.replace(asked[0].sample, options=options, answer=answer)
    asked = [dataclasses.replace(question, sample=sample) for question in asked]
    wrong = "A" if options else f"{said}s"  # one token more shows that it is another
    monkeypatch.setattr("storm.training.questions.reordered", lambda sample, *_: sample)
    monkeypatch.setattr(student, "collate", len)

    def says(rows, max_new_tokens, mode):
        texts = [said] * (rows - 2) + [wrong] * 2
        cut = [student.prompts.answer_ids(text)[:-1][:max_new_tokens] for text in texts]
        return [SimpleNamespace(text=student.tokenizer.decode(c), latents=None) for c in cut]

    monkeypatch.setattr(student, "generate", says)
    new_tokens = len(student.prompts.answer_ids(answer))
    assert diagnose(student, asked, spec, new_tokens)["rolled_out_accuracy"] == 4 / 6


@pytest.mark.parametrize("kind", [AlignPhase, AnswerPhase])
def test_a_phase_may_sweep_instead_of_stepping(make, start, small, kind):
    student = Student.from_pretrained(start)

    def module(feeding):
        phase = kind(steps=1, learning_rate=1e-2, batch=4, feeding=feeding)
        objective = build_objective(phase, make(phases=(phase,)), student)
        return objective.module, objective.micro_batches(0, 0, 1)[0].data

    stepping, batch = module("rollout")
    sweeping, _ = module({"kind": "jacobi", "sweeps": small.K})
    assert sweeping.feeding == Jacobi(small.K)
    assert sweeping(batch)[0].item() == pytest.approx(stepping(batch)[0].item(), abs=1e-5)


def test_explained_variance_is_one_for_the_targets_and_zero_for_their_mean():
    targets = np.random.default_rng(0).standard_normal((10, 3, 4))
    assert explained_variance(targets, targets) == [1.0, 1.0, 1.0]
    mean = np.broadcast_to(targets.mean(0), targets.shape)
    assert explained_variance(mean, targets) == pytest.approx([0, 0, 0])


def test_a_spec_that_cannot_be_trained_is_refused(make):
    values = make().model_dump()
    with pytest.raises(ValueError, match="needs `rows`"):
        TrainingSpec.model_validate({**values, "rows": None})
    with pytest.raises(ValueError, match="feeding 'none'"):
        TrainingSpec.model_validate({**values, "mode": "direct"})
    with pytest.raises(ValueError, match="step_s"):
        TrainingSpec.model_validate({**values, "step_s": 1})


@pytest.mark.parametrize("reasoning", ["<|im_end|>", "", "far too long " * 3000])
def test_a_question_that_the_student_cannot_be_asked_is_left_out_by_name(
    make, start, small, reasoning
):
    """The rest trains: a special token of the tokenizer, or more tokens than the context has."""
    spec = make()
    path = spec.rows.samples[0]
    samples = read_rows([path], VideoSample)
    odd = {"q5": reasoning or "What is <|video_pad|>?"}
    changed = [dataclasses.replace(s, question=odd.get(s.id, s.question)) for s in samples]
    path.unlink()
    write_shard(path, changed, ["key"] * len(changed))
    objective = build_objective(spec.phases[-1], spec, Student.from_pretrained(start))
    assert [q.sample.id for q in objective.questions] == sorted(
        f"q{i}" for i in range(24) if i != 5
    )
    (id,) = objective.left_out
    assert id == "q5"
    assert objective.left_out[id].split(":")[0] == (
        "too_long" if reasoning.startswith("far") else "special_token"
    )
    assert objective.diagnose()["left_out"] == objective.left_out


def test_no_question_that_the_student_can_be_asked_is_one_error(make, start):
    spec = make()
    path = spec.rows.samples[0]
    samples = read_rows([path], VideoSample)
    path.unlink()
    changed = [dataclasses.replace(s, question="<|im_end|>") for s in samples]
    write_shard(path, changed, ["key"] * len(changed))
    with pytest.raises(DataError, match="can be asked, found none"):
        build_objective(spec.phases[-1], spec, Student.from_pretrained(start))
