"""Answers from files: order, modes, prompts, timings, attention, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from student_helpers import K, clip, gap, shown
from transformers import AddedToken

from storm.errors import ConfigError, DataError, UnreadableVideo
from storm.student import (
    Answering,
    Example,
    Question,
    RemoveAll,
    Replace,
    Reply,
    Student,
    Swap,
    prompt_of,
)
from storm.student.generate import Answer
from storm.student.predictor import REASONING_PROMPT, final_answer
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.frames import VideoFrames

VALUES = 5e-6
SAMPLING = FrameSampling(frames=4, size_px=32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "a.mp4"
    encode_mp4(path, clip(4, frames=8, height=64, width=64).frames, 8.0)
    return path


def questions(student: Student) -> list[Question]:
    """Lengths that batches of two have to sort, with none, one and two videos."""
    one = shown(student, 1)
    return [
        Question("What is drawn on the table in the middle of the room?", (one, one)),
        Question("Where?", (), ("left", "right")),
        Question("Where is the ball? Where?", (VideoFrames(clip(2).frames, clip(2).pts_seconds),)),
        Question("Which cup hides the ball?", (one,), ("cup 1", "cup 2", "cup 3")),
        Question("Where?"),
    ]


def answering(student: Student, **config: object) -> Answering:
    return Answering.Config(max_new_tokens=6, **config).build(student)  # pyright: ignore


def ask(student: Student, asked: list[Question], config: dict | None = None, **options) -> list:
    by = answering(student, **(config or {}))
    return list(by.stream(map(by.prepare, asked), **options))


@pytest.mark.integration
@pytest.mark.parametrize("mode", ["latent", "direct", "cot"])
def test_replies_are_in_order_and_independent(student: Student, mode: str):
    asked = questions(student) * 4  # more than one window of batches of two
    together = ask(student, asked, {"mode": mode}, batch=2, latents=True)
    for question, found in zip(asked[:5], together[:5], strict=True):
        (alone,) = ask(student, [question], {"mode": mode}, latents=True)
        assert found.token_ids == alone.token_ids
        assert (found.text, found.letter) == (alone.text, alone.letter)
        assert abs(found.confidence - alone.confidence) < VALUES
        assert found.prompt_tokens == alone.prompt_tokens
        assert (found.latents is None) == (mode != "latent")
        if found.latents is not None:
            assert gap(found.latents, alone.latents) < VALUES
    assert [r.token_ids for r in together[15:]] == [r.token_ids for r in together[:5]]


def test_questions_are_taken_as_the_model_needs_them(student: Student):
    taken = []
    by = answering(student)
    stream = by.stream(
        (taken.append(i) or by.prepare(Question("Where?")) for i in range(40)), batch=2
    )
    next(stream)
    assert 0 < len(taken) < 40


def test_a_file_its_frames_and_its_tokens_are_the_same_video(student: Student, file: Path):
    frames = SAMPLING.sample(file)
    tokens = student.encode_video(frames.pixels, frames.pts_seconds)
    replies = student.answer(
        [file, str(file), frames, tokens, [tokens]],
        ["Where?"] * 5,
        sampling=SAMPLING,
        max_new_tokens=4,
    )
    assert len({r.token_ids for r in replies}) == 1
    assert replies[0].timings.decode > 0
    assert replies[0].timings.vision > 0
    assert replies[3].timings.decode == replies[3].timings.vision == 0
    timings = replies[0].timings
    assert min(timings.prefill, timings.latents, timings.answer) > 0
    assert timings.rows == 5
    parts = (timings.decode, timings.vision, timings.prefill, timings.latents, timings.answer)
    assert timings.total == pytest.approx(sum(parts))


def test_sampling_is_the_checkpoints_unless_it_is_given(
    student: Student, file: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ConfigError, match="give the sampling it was trained with"):
        student.answer([file], ["Where?"])
    monkeypatch.setattr(student, "sampling", SAMPLING)
    by = answering(student)
    assert by.sampling == SAMPLING
    assert len(by.decode(file).pixels) == 4
    other = FrameSampling(frames=2, size_px=32)
    assert len(answering(student, sampling=other).decode(file).pixels) == 2


def test_a_raw_prompt_and_a_system_prompt_are_taken_as_they_are(student: Student):
    by = answering(student)
    lettered = by.prepare(Question("Where?", (), ("left", "right")))
    raw = by.prepare(Question("Where?\nA. left\nB. right", (), ("left", "right"), raw=True))
    assert raw.example.prompt == lettered.example.prompt == prompt_of("Where?", ("left", "right"))
    assert raw.options == 2
    text = student.prompts.text(Example(prompt="Where?", system="Be brief."))
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhere?")
    assert student.prompts.text(Example(prompt="Where?", system="")).startswith("<|im_start|>user")
    own, brief = ask(student, [Question("Where?"), Question("Where?", system="Be brief.")])
    assert own.prompt_tokens != brief.prompt_tokens
    with pytest.raises(DataError, match="system prompt"):
        ask(student, [Question("Where?", system="<|im_end|>")])


def test_prompts_are_remembered_up_to_so_many_tokens(
    student: Student, monkeypatch: pytest.MonkeyPatch
):
    prompts = Student(student.model, student.processor, student.latent).prompts
    asked = [Example((shown(student, i),), "Where? " * i) for i in range(1, 6)]
    lengths = [len(prompts.layout(example).ids) for example in asked]
    assert all(prompts.layout(example) is prompts.layout(example) for example in asked)
    monkeypatch.setattr("storm.student.prompts.REMEMBERED", sum(lengths[-2:]) + 1)
    prompts = Student(student.model, student.processor, student.latent).prompts
    made = [prompts.layout(example) for example in asked]
    assert len(prompts.answer_ids("a " * sum(lengths))) > sum(lengths)
    assert [a is b for a, b in zip(made[3:], map(prompts.layout, asked[3:]), strict=True)] == [1, 1]
    for memo in (prompts._layouts, prompts._positions, prompts._answers):  # pyright: ignore[reportPrivateUsage]
        assert memo.tokens == sum(memo.count(value) for value in memo.kept.values())
        assert memo.tokens <= sum(lengths[-2:]) + 1
    assert prompts.layout(asked[2]) is not made[2]


def test_reasoning_is_asked_for_and_taken_off(student: Student, monkeypatch: pytest.MonkeyPatch):
    by = answering(student, mode="cot")
    prepared = by.prepare(Question("Where?", (), ("left", "right")))
    assert prepared.example.prompt.endswith(f"B. right\n{REASONING_PROMPT}")
    assert not prepared.example.use_latents
    assert Answering.Config(mode="cot").new_tokens > Answering.Config(mode="direct").new_tokens
    written = "<think>A moves.</think><answer> B. right</answer>"
    ids = student.prompts.answer_ids(written)[:-1]
    chances = tuple(i / 1000 for i in range(len(ids) + 1))
    (plain,) = student.generate(student.collate([prepared.example]), "direct", max_new_tokens=1)
    told = dataclasses.replace(
        plain, text=written, token_ids=ids, token_probabilities=chances, confidence=chances[0]
    )
    monkeypatch.setattr("storm.student.predictor.generate", lambda *_, **__: [told])
    (reply,) = by.stream([prepared])
    assert (reply.text, reply.response, reply.letter) == ("B. right", written, "B")
    token = round(1000 * reply.letter_confidence)
    before = student.tokenizer.decode(ids[:token])
    assert "B" not in before
    assert "B" in student.tokenizer.decode(ids[: token + 1])


def test_reasoning_is_asked_of_a_tokenizer_with_added_tokens_that_are_text(student: Student):
    """Qwen3's `<think>` and `</think>` are tokens, but not special."""
    processor = copy.deepcopy(student.processor)
    added = [AddedToken(mark, special=False) for mark in ("<think>", "</think>")]
    assert processor.tokenizer.add_tokens(added) == 2
    ids = processor.tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    by = answering(Student(student.model, processor, student.latent), mode="cot")
    layout = by.student.prompts.layout(by.prepare(Question("Where?")).example)
    assert [i for i in layout.ids.tolist() if i in ids] == ids
    for refused in ("<|im_end|>", "<|latent_pad|>"):
        with pytest.raises(DataError, match="no special tokens in the prompt"):
            by.student.prompts.layout(Example(prompt=refused))


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think>x</think><answer>B</answer>", "B"),
        ("<answer>A</answer> no: <answer> the left\ncup </answer> done", "the left\ncup"),
        ("so it is <answer> C", "C"),
        ("first this\nthen that\nB. right\n\n", "B. right"),
        ("B", "B"),
        ("<answer></answer>", ""),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_the_final_answer_of_a_reasoning(response: str, answer: str):
    start, text = final_answer(response)
    assert text == answer
    assert response[start:].startswith(text)


def test_confidence_is_of_the_first_token_and_of_the_letter(student: Student):
    (reply,) = ask(student, [questions(student)[3]])
    (answer,) = student.generate(
        student.collate([answering(student).prepare(questions(student)[3]).example]),
        max_new_tokens=6,
    )
    assert reply.confidence == pytest.approx(answer.token_probabilities[0])
    assert 0 < reply.confidence < 1
    assert (reply.letter == "") == (reply.letter_confidence == 0)


def _attended(student: Student, example: Example, mode: str) -> tuple[Answer, Answer]:
    batch = student.collate([example])
    plain, seen = (
        student.generate(batch, mode, None, 4, attention=attention)[0]  # pyright: ignore
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
    asked = questions(student)
    together = ask(student, asked, attention=True)
    for question, found in zip(asked, together, strict=True):
        (alone,) = ask(student, [question], attention=True)
        assert gap(found.attention.weights, alone.attention.weights) < VALUES
        assert torch.equal(found.attention.video, alone.attention.video)
        assert torch.equal(found.attention.latents, alone.attention.latents)
    (dropped,) = ask(student, asked[:1], attention=True, intervention=RemoveAll())
    assert not dropped.attention.latents.any()


def test_interventions_count_rows_as_the_questions_come(student: Student):
    """Given latents follow their question into whatever batch its length puts it."""
    asked = questions(student)
    own = ask(student, asked, latents=True)
    donors = [1, 2, 3, 4, 0]
    given = Replace(torch.stack([own[d].latents for d in donors]))
    small = ask(student, asked, batch=2, intervention=given)
    whole = ask(student, asked, batch=5, intervention=Swap(donors))
    for a, b in zip(small, whole, strict=True):
        assert a.token_ids == b.token_ids
        assert abs(a.confidence - b.confidence) < VALUES
    assert any(abs(a.confidence - b.confidence) > 1e-5 for a, b in zip(own, small, strict=True))
    with pytest.raises(DataError, match="ask for the latents first"):
        ask(student, asked, batch=2, intervention=Swap(donors))
    with pytest.raises(DataError, match="latents for each question"):
        ask(student, asked, intervention=Replace(given.latents[:3]))


def test_wrong_use_is_refused(student: Student, tmp_path: Path):
    def answer(**options) -> list[Reply]:
        return student.answer([None], ["Where?"], sampling=SAMPLING, **options)

    with pytest.raises(ConfigError, match=f"K = {K}, found k = 9"):
        answer(k=9)
    with pytest.raises(ConfigError, match="and options for each question"):
        student.answer([], ["Where?"])
    with pytest.raises(ConfigError, match="expected mode 'latent', 'direct' or 'cot'"):
        answer(mode="thinking")
    with pytest.raises(ConfigError, match="'latent' for an intervention"):
        answer(mode="direct", intervention=RemoveAll())
    with pytest.raises(DataError, match="show fewer or smaller frames"):
        answer(max_new_tokens=student.adapter.max_length)
    with pytest.raises(UnreadableVideo, match="missing"):
        student.answer([tmp_path / "no.mp4"], ["Where?"], sampling=SAMPLING)
    with pytest.raises(ConfigError, match="at least one row"):
        answer(batch=0)
