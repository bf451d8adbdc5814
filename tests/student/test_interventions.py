"""Interventions do what they say, for a batch as for its rows."""

from __future__ import annotations

import pytest
import torch
from student_helpers import K, answer_logits, confidences, gap, generated, latents_of

from storm.errors import ConfigError, DataError
from storm.student import (
    Example,
    HideLatents,
    HideVideo,
    Intervention,
    Mean,
    Noise,
    Oracle,
    Patch,
    Permute,
    Reinsert,
    RemoveAll,
    Replace,
    Student,
    Swap,
    Sweeps,
    Truncate,
    Zero,
)
from storm.student.attention import causal_mask
from storm.student.named_interventions import NAMES, parse_intervention

VALUES = 5e-6


def test_keeping_the_latents_is_a_no_op(student: Student, examples: list[Example]):
    plain, kept = generated(student, examples), generated(student, examples, Reinsert())
    assert [a.token_ids for a in kept] == [a.token_ids for a in plain]
    assert gap(confidences(kept), confidences(plain)) < VALUES


def test_oracle_is_teacher_forcing(student: Student, examples: list[Example]):
    answers = generated(student, examples, Oracle())
    for example, answer in zip(examples, answers, strict=True):
        logits = answer_logits(student, [example], "teacher")
        assert int(logits[0].argmax()) == answer.token_ids[0]
        assert abs(float(logits[0].detach().softmax(0).max()) - answer.confidence) < VALUES


def test_interventions_put_in_what_they_say(student: Student, examples: list[Example]):
    batch = student.collate(examples)
    own = latents_of(generated(student, examples))
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
    plain = confidences(generated(student, examples))
    given = (Zero(), Noise(0), Swap([1, 2, 0]), Permute(), Truncate(2), RemoveAll(), HideLatents())
    for done in given:
        found = generated(student, examples, done)
        assert gap(confidences(found), plain) > 1e-5, done
        assert gap(latents_of(found), latents_of(generated(student, examples))) == 0


def test_the_video_is_hidden_from_the_answer(student: Student, examples: list[Example]):
    if not student.adapter.can_hide:
        with pytest.raises(ConfigError, match="mixed the video into their state"):
            generated(student, examples, HideVideo())
        return
    plain, hidden = (
        confidences(generated(student, examples)),
        generated(student, examples, HideVideo()),
    )
    assert gap(confidences(hidden), plain) > 1e-5
    assert gap(latents_of(hidden), latents_of(generated(student, examples))) == 0
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
        Sweeps(2),
    ],
    ids=lambda done: type(done).__name__,
)
def test_an_intervention_does_the_same_to_a_batch_as_to_its_rows(
    student: Student, examples: list[Example], done: Intervention
):
    if done.hides_video and not student.adapter.can_hide:
        pytest.skip("linear layers can't hide the video; that this is said is tested")
    for example, found in zip(examples, generated(student, examples, done), strict=True):
        (alone,) = generated(student, [example], done)
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
    (answer,) = generated(student, examples[:1], done)
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
    own = latents_of(generated(student, examples))
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
        "sweeps:3": Sweeps(3),
    }
    assert parse_intervention("none") is None
    for name, made in expected.items():
        assert parse_intervention(name) == made
    mean, swap = parse_intervention("mean", own), parse_intervention("swap", own)
    assert isinstance(mean, Mean)
    assert isinstance(swap, Replace)
    assert gap(mean.latents, own.mean(0)) == 0
    assert gap(swap.latents, own) == 0
    patch = parse_intervention(f"patch:{K}", own)
    assert isinstance(patch, Patch)
    assert (patch.slot, gap(patch.latents, own)) == (K, 0)
    known = {name.partition(":")[0] for name in NAMES}
    assert known == {"none", "mean", "swap", "patch", *(n.partition(":")[0] for n in expected)}
    for wrong in ("zeros", "truncate", "truncate:-1", "zero:1", "noise:x", "patch", "swap:1", ""):
        with pytest.raises(ConfigError, match="expected an intervention of none, keep, zero"):
            parse_intervention(wrong)
    for needy in ("swap", "mean", "patch:1"):
        with pytest.raises(ConfigError, match="a whole question set"):
            parse_intervention(needy)


def test_swap_of_a_batch_is_given_latents(student: Student, examples: list[Example]):
    own = latents_of(generated(student, examples))
    swapped = generated(student, examples, Swap([1, 2, 0]))
    given = generated(student, examples, Replace(own[[1, 2, 0]]))
    assert gap(confidences(swapped), confidences(given)) == 0


def test_a_patch_leaves_what_came_before_and_changes_what_comes_after(
    student: Student, examples: list[Example]
):
    own = latents_of(generated(student, examples))
    donors = own[[1, 2, 0]]
    for slot in range(1, K + 1):
        found = generated(student, examples, Patch(donors, slot))
        latents = latents_of(found)
        assert gap(latents[:, : slot - 1], own[:, : slot - 1]) < VALUES
        assert gap(latents[:, slot - 1], donors[:, slot - 1]) == 0
        if slot < K:
            assert gap(latents[:, slot:], own[:, slot:]) > 1e-3
        assert gap(confidences(found), confidences(generated(student, examples))) > 1e-5
    whole = generated(student, examples, Patch(own, 2))
    assert gap(latents_of(whole), own) < VALUES, "one's own latent changes nothing"


def test_a_patch_of_a_batch_is_that_of_its_rows(student: Student, examples: list[Example]):
    donors = latents_of(generated(student, examples))[[1, 2, 0]]
    of_all = Patch(donors, 2)
    for row, found in enumerate(generated(student, examples, of_all)):
        (alone,) = generated(student, [examples[row]], of_all.of_rows([row]))
        assert found.token_ids == alone.token_ids
        assert abs(found.confidence - alone.confidence) < VALUES
    one = generated(student, examples, Patch(donors[0], 2))
    assert all(gap(a.latents[1], donors[0, 1]) == 0 for a in one if a.latents is not None)


def test_sweeps_over_a_patched_span_reach_the_patched_rollout(
    student: Student, examples: list[Example]
):
    donors = latents_of(generated(student, examples))[[1, 2, 0]]
    patch, batch = Patch(donors, 2), student.collate(examples)
    steps = student.generate(batch, intervention=patch, max_new_tokens=6)
    swept = student.generate(batch, intervention=patch, max_new_tokens=6, sweeps=K)
    assert gap(latents_of(swept), latents_of(steps)) < 2e-5
    assert gap(confidences(swept), confidences(steps)) < 2e-5


def test_a_patch_that_does_not_fit_is_refused(student: Student, examples: list[Example]):
    donors = latents_of(generated(student, examples))
    for slot in (0, K + 1):
        with pytest.raises(DataError, match=f"a slot of 1 to {K} to patch, found {slot}"):
            Patch(donors, slot)
    shorter, narrower, fewer = donors[:, :2], donors[..., :8], donors[:2]
    for wrong in (shorter, narrower, fewer):
        with pytest.raises(DataError, match="to put in, found"):
            generated(student, examples, Patch(wrong, 2))


def test_sweeps_are_asked_for_once(student: Student, examples: list[Example]):
    batch = student.collate(examples)
    with pytest.raises(ConfigError, match=r"sweeps = 2 and Sweeps\(sweeps=3\)"):
        student.generate(batch, sweeps=2, intervention=Sweeps(3))
    with pytest.raises(ConfigError, match="at least one sweep"):
        student.generate(batch, intervention=Sweeps(0))
