"""Attention of the first answer token."""

from __future__ import annotations

import pytest
import torch
from student_helpers import K, gap, questions, replies_to, shown

from storm.student import Answer, Example, RemoveAll, Student

VALUES = 5e-6


def _attended(student: Student, example: Example, mode: str) -> tuple[Answer, Answer]:
    batch = student.collate([example])
    plain, seen = (
        student.generate(batch, mode=mode, max_new_tokens=4, attention=attention)[0]  # pyright: ignore
        for attention in (False, True)
    )
    return plain, seen


@pytest.mark.parametrize("mode", ["latent", "direct"])
def test_attention_is_what_transformers_eager_gives(student: Student, mode: str):
    """The same row through transformers' own eager attention, latents put in by hand."""
    example = Example((shown(student, 1),), "Where is it?", use_latents=mode == "latent")
    plain, seen = _attended(student, example, mode)
    assert plain.attention is None
    assert plain.token_ids == seen.token_ids
    assert seen.attention is not None
    layout = student.prompts.layout(example)
    ids = torch.from_numpy(layout.ids)
    embeds = student.embed_ids(ids)
    embeds[torch.from_numpy(layout.video_mask)] = example.videos[0].tokens
    if mode == "latent":
        start, _, end = (student.embed_ids(ids.new_tensor([i])) for i in student.prompts.latent_ids)
        assert seen.latents is not None
        embeds = torch.cat([embeds, start, seen.latents, end])
    more = len(embeds) - len(ids)
    after = layout.next_position + torch.arange(more)
    positions = torch.cat([torch.from_numpy(layout.positions), after.expand(3, -1)], 1)
    mask = torch.zeros(more, dtype=torch.bool)
    visual = student.adapter.trunk_extras(
        torch.cat([torch.from_numpy(layout.video_mask), mask])[None], example.videos[0].deepstack
    )
    text = student.model.model.language_model
    try:
        student.model.set_attn_implementation({"text_config": "eager"})
        with torch.no_grad():
            expected = text(
                inputs_embeds=embeds[None],
                position_ids=positions[:, None],
                output_attentions=True,
                use_cache=False,
                **visual,
            ).attentions
        expected = [layer for layer in expected if layer is not None]  # linear layers have none
    finally:
        student.model.set_attn_implementation({"text_config": "storm"})
    expected = torch.stack([layer[0, :, -1] for layer in expected])
    assert gap(seen.attention.weights, expected) < VALUES
    assert int(seen.attention.video.sum()) == int(layout.video_mask.sum())
    assert int(seen.attention.latents.sum()) == (K if mode == "latent" else 0)
    shares = seen.attention.shares()
    assert gap(sum(shares.values()), torch.ones(len(expected))) < VALUES
    assert (float(shares["latents"].min()) > 0) == (mode == "latent")


def test_attention_of_a_batch_is_that_of_its_rows(student: Student):
    several = questions(student)
    together = replies_to(student, several, attention=True)
    for question, found in zip(several, together, strict=True):
        (alone,) = replies_to(student, [question], attention=True)
        assert gap(found.attention.weights, alone.attention.weights) < VALUES
        assert torch.equal(found.attention.video, alone.attention.video)
        assert torch.equal(found.attention.latents, alone.attention.latents)
    (dropped,) = replies_to(student, several[:1], attention=True, intervention=RemoveAll())
    assert not dropped.attention.latents.any()
