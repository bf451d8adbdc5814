"""Answers: the same latents as in training, any batch, interventions that do what they say."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from student_helpers import K, gap

from storm.errors import ConfigError, DataError
from storm.student import (
    Example,
    HideLatents,
    HideVideo,
    Intervention,
    Mean,
    Noise,
    Oracle,
    Permute,
    Reinsert,
    RemoveAll,
    Replace,
    Student,
    Swap,
    Truncate,
    Zero,
)
from storm.student.attention import causal_mask
from storm.student.interventions import NAMES, parse_intervention

VALUES = 5e-6


def _ask(student: Student, examples: list[Example], intervention: Intervention | None = None):
    return student.generate(student.collate(examples), "latent", intervention, 6)


def _latents(answers: list) -> torch.Tensor:
    return torch.stack([a.latents for a in answers])


def _logits(student: Student, examples: list[Example], feeding: str) -> torch.Tensor:
    return student(student.collate(examples), feeding=feeding).answer_logits


def _confidences(answers: list) -> torch.Tensor:
    return torch.tensor([a.confidence for a in answers])


def test_inference_latents_are_training_latents(student: Student, examples: list[Example]):
    trained = student(student.collate(examples), feeding="rollout").latents
    answers = _ask(student, examples)
    assert gap(_latents(answers), trained) < VALUES
    assert not answers[0].latents.requires_grad


@pytest.mark.parametrize("mode", ["latent", "direct"])
def test_tokens_are_the_greedy_ones_of_training(
    student: Student, examples: list[Example], mode: str
):
    """Shown its own answer, the training pass prefers each of its tokens."""
    answers = student.generate(student.collate(examples), mode, max_new_tokens=6)
    for example, answer in zip(examples, answers, strict=True):
        assert 0 < len(answer.token_ids) <= 6
        told = dataclasses.replace(example, use_latents=mode == "latent", answer=answer.text)
        if student.prompts.answer_ids(answer.text)[:-1] != answer.token_ids:
            continue  # this text is written with other tokens
        feeding = "rollout" if mode == "latent" else "none"
        logits = _logits(student, [told], feeding)[: len(answer.token_ids)]
        assert tuple(logits.argmax(1).tolist()) == answer.token_ids
        assert abs(float(logits[0].detach().softmax(0).max()) - answer.confidence) < VALUES
        assert (answer.latents is None) == (mode == "direct")


@pytest.mark.parametrize("mode", ["latent", "direct"])
def test_batch_answers_as_its_rows(student: Student, examples: list[Example], mode: str):
    together = student.generate(student.collate(examples), mode, max_new_tokens=6)
    for example, found in zip(examples, together, strict=True):
        (alone,) = student.generate(student.collate([example]), mode, max_new_tokens=6)
        assert found.token_ids == alone.token_ids
        assert found.text == alone.text
        assert abs(found.confidence - alone.confidence) < VALUES


def test_answers_and_markers_of_the_examples_are_not_looked_at(
    student: Student, examples: list[Example]
):
    bare = [dataclasses.replace(e, answer=None, targets=None) for e in examples]
    plain = [dataclasses.replace(e, use_latents=False) for e in examples]
    expected = [a.token_ids for a in _ask(student, examples)]
    assert [a.token_ids for a in _ask(student, bare)] == expected
    assert [a.token_ids for a in _ask(student, plain)] == expected


def test_keeping_the_latents_is_a_no_op(student: Student, examples: list[Example]):
    plain, kept = _ask(student, examples), _ask(student, examples, Reinsert())
    assert [a.token_ids for a in kept] == [a.token_ids for a in plain]
    assert gap(_confidences(kept), _confidences(plain)) < VALUES


def test_oracle_is_teacher_forcing(student: Student, examples: list[Example]):
    answers = _ask(student, examples, Oracle())
    for example, answer in zip(examples, answers, strict=True):
        logits = _logits(student, [example], "teacher")
        assert int(logits[0].argmax()) == answer.token_ids[0]
        assert abs(float(logits[0].detach().softmax(0).max()) - answer.confidence) < VALUES


def test_interventions_put_in_what_they_say(student: Student, examples: list[Example]):
    batch = student.collate(examples)
    own = _latents(_ask(student, examples))
    some = torch.randn(K, student.hidden_size)

    def put_in(intervention: Intervention) -> torch.Tensor:
        return intervention.apply(own, batch)

    assert gap(put_in(Zero()), torch.zeros_like(own)) == 0
    assert gap(put_in(Mean(some)), some.expand_as(own)) == 0
    assert gap(put_in(Replace(own + 1)), own + 1) == 0
    assert gap(put_in(Swap([1, 2, 0])), own[[1, 2, 0]]) == 0
    assert gap(put_in(Permute([3, 2, 1, 0])), own.flip(1)) == 0
    assert gap(put_in(Permute()), own.flip(1)) == 0
    assert gap(put_in(Truncate(1)), own[:, :1]) == 0
    assert put_in(RemoveAll()).shape[1] == 0
    noise = put_in(Noise(3))
    assert gap(noise, put_in(Noise(3))) == 0
    assert gap(noise, put_in(Noise(4))) > 0.1
    ratio = noise.square().mean() / own.square().mean()
    assert 0.5 < float(ratio) < 2


@pytest.mark.integration
def test_interventions_reach_the_answer(student: Student, examples: list[Example]):
    plain = _confidences(_ask(student, examples))
    given = (Zero(), Noise(0), Swap([1, 2, 0]), Permute(), Truncate(2), RemoveAll(), HideLatents())
    for done in given:
        found = _ask(student, examples, done)
        assert gap(_confidences(found), plain) > 1e-5, done
        assert gap(_latents(found), _latents(_ask(student, examples))) == 0


def test_the_video_is_hidden_from_the_answer(student: Student, examples: list[Example]):
    if not student.adapter.can_hide:
        with pytest.raises(ConfigError, match="mixed the video into their state"):
            _ask(student, examples, HideVideo())
        return
    plain, hidden = _confidences(_ask(student, examples)), _ask(student, examples, HideVideo())
    assert gap(_confidences(hidden), plain) > 1e-5
    assert gap(_latents(hidden), _latents(_ask(student, examples))) == 0
    assert abs(hidden[2].confidence - float(plain[2])) < VALUES, "there was no video to hide"


@pytest.mark.integration
@pytest.mark.parametrize(
    "done",
    [
        Reinsert(),
        Zero(),
        Noise(5),
        Permute(),
        Truncate(2),
        RemoveAll(),
        Oracle(),
        HideVideo(),
        HideLatents(),
    ],
    ids=lambda done: type(done).__name__,
)
def test_an_intervention_does_the_same_to_a_batch_as_to_its_rows(
    student: Student, examples: list[Example], done: Intervention
):
    if done.hides_video and not student.adapter.can_hide:
        pytest.skip("linear layers can't hide the video; that this is said is tested")
    for example, found in zip(examples, _ask(student, examples, done), strict=True):
        (alone,) = _ask(student, [example], done)
        assert found.token_ids == alone.token_ids
        assert abs(found.confidence - alone.confidence) < VALUES


@pytest.mark.parametrize("done", [Reinsert(), HideVideo(), HideLatents()])
def test_what_is_hidden_is_masked_in_one_full_pass(
    student: Student, examples: list[Example], done: Intervention
):
    """The end marker's row of a plain 4-D mask, over prompt, own latents and end marker."""
    if not student.adapter.can_hide:
        pytest.skip("a mask hides nothing from linear layers")
    batch = student.collate(examples[:1])
    (answer,) = _ask(student, examples[:1], done)
    width = batch.prompt_width
    embeds = student.embed(batch)[:, : width + K + 2]
    embeds[:, width + 1 : width + 1 + K] = answer.latents
    mask = causal_mask(batch.valid[:, : width + K + 2], embeds.dtype)
    hidden = done.hides_video * batch.video_mask + done.hides_latents * batch.latent_mask
    mask[:, :, -1].masked_fill_(hidden[:, None, : width + K + 2].bool(), float("-inf"))
    with torch.no_grad():
        states = student.model.model.language_model(
            inputs_embeds=embeds,
            position_ids=batch.positions[:, :, : width + K + 2],
            attention_mask=mask,
            use_cache=False,
            **student.visual(batch, width + K + 2),
        ).last_hidden_state
        chance = student.model.lm_head(states[:, -1]).softmax(1).max()
    assert abs(float(chance) - answer.confidence) < VALUES


def test_interventions_are_made_by_name(student: Student, examples: list[Example]):
    own = _latents(_ask(student, examples))
    expected = {
        "keep": Reinsert(),
        "zero": Zero(),
        "noise": Noise(0),
        "noise:3": Noise(3),
        "permute": Permute(),
        "truncate:2": Truncate(2),
        "drop": RemoveAll(),
        "oracle": Oracle(),
        "hide_video": HideVideo(),
        "hide_latents": HideLatents(),
    }
    assert parse_intervention("none") is None
    for name, made in expected.items():
        assert parse_intervention(name) == made
    mean, swap = parse_intervention("mean", own), parse_intervention("swap", own)
    assert isinstance(mean, Mean)
    assert isinstance(swap, Replace)
    assert gap(mean.latents, own.mean(0)) == 0
    assert gap(swap.latents, own) == 0
    known = {name.partition(":")[0] for name in NAMES}
    assert known == {"none", "mean", "swap", *(n.partition(":")[0] for n in expected)}
    for wrong in ("zeros", "truncate", "truncate:-1", "zero:1", "noise:x", ""):
        with pytest.raises(ConfigError, match="expected an intervention of none, keep, zero"):
            parse_intervention(wrong)
    with pytest.raises(ConfigError, match="a whole question set"):
        parse_intervention("swap")


def test_swap_of_a_batch_is_given_latents(student: Student, examples: list[Example]):
    own = _latents(_ask(student, examples))
    swapped = _ask(student, examples, Swap([1, 2, 0]))
    given = _ask(student, examples, Replace(own[[1, 2, 0]]))
    assert gap(_confidences(swapped), _confidences(given)) == 0


def test_wrong_use_is_refused(student: Student, examples: list[Example]):
    batch = student.collate(examples)
    with pytest.raises(ConfigError, match="mode"):
        student.generate(batch, "thinking")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="latent"):
        student.generate(batch, "direct", Zero())
    with pytest.raises(ConfigError, match="sweeps = 2"):
        student.generate(batch, "direct", sweeps=2)
    with pytest.raises(ConfigError, match="at least one sweep"):
        student.generate(batch, "latent", sweeps=0)
    with pytest.raises(DataError, match="at most 4096 tokens"):
        student.generate(batch, "latent", max_new_tokens=4096)
    for wrong in (
        Swap([0, 1]),
        Swap([0, 1, 3]),
        Permute([0, 0, 1, 2]),
        Mean(torch.zeros(2, 32)),
        Truncate(K + 1),
    ):
        with pytest.raises(DataError):
            student.generate(batch, "latent", wrong)
    bare = [dataclasses.replace(e, targets=None) for e in examples]
    with pytest.raises(DataError, match="oracle"):
        student.generate(student.collate(bare), "latent", Oracle())
