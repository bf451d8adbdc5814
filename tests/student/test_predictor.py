"""Answers from files: order, modes, prompts, timings, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from student_helpers import clip, gap, questions, replies_to
from transformers import AddedToken

from storm.errors import ConfigError, DataError, UnreadableVideo
from storm.student import (
    AnswerConfig,
    Example,
    Predictor,
    Question,
    RemoveAll,
    Replace,
    Reply,
    Student,
    Swap,
    prompt_of,
)
from storm.student.reasoning import REASONING_PROMPT
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling

VALUES = 5e-6
SAMPLING = FrameSampling(frames=4, size_px=32)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "a.mp4"
    encode_mp4(path, clip(4, frames=8, height=64, width=64).frames, 8.0)
    return path


def predictor(student: Student, **config: Any) -> Predictor:
    return AnswerConfig(max_new_tokens=6, **config).build(student)


@pytest.mark.integration
@pytest.mark.parametrize("mode", ["latent", "direct", "cot"])
def test_replies_are_in_order_and_independent(student: Student, mode: str):
    given = questions(student) * 4  # more than one window of batches of two
    together = replies_to(student, given, {"mode": mode}, batch=2, latents=True)
    for question, found in zip(given[:5], together[:5], strict=True):
        (alone,) = replies_to(student, [question], {"mode": mode}, latents=True)
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
    by = predictor(student)
    stream = by.stream((taken.append(i) or Question("Where?") for i in range(40)), batch=2)
    next(stream)
    assert 0 < len(taken) < 40


def test_a_file_its_frames_and_its_tokens_are_the_same_video(student: Student, file: Path):
    frames = SAMPLING.sample(file)
    tokens = student.encode_video(frames.pixels, frames.pts_seconds)
    replies = student.answer(
        [file, str(file), frames, tokens, [tokens]],
        ["Where?"] * 5,
        how=AnswerConfig(sampling=SAMPLING, max_new_tokens=4),
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
    by = predictor(student)
    assert by.sampling == SAMPLING
    assert len(by.decode(file).pixels) == 4
    other = FrameSampling(frames=2, size_px=32)
    assert len(predictor(student, sampling=other).decode(file).pixels) == 2


def test_a_raw_prompt_and_a_system_prompt_are_taken_as_they_are(student: Student):
    by = predictor(student)
    lettered = by.prepare(Question("Where?", (), ("left", "right")))
    raw = by.prepare(Question("Where?\nA. left\nB. right", (), ("left", "right"), raw=True))
    assert raw.example.prompt == lettered.example.prompt == prompt_of("Where?", ("left", "right"))
    assert raw.options == ("left", "right")
    text = student.prompts.text(Example(prompt="Where?", system="Be brief."))
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhere?")
    assert student.prompts.text(Example(prompt="Where?", system="")).startswith("<|im_start|>user")
    own, brief = replies_to(student, [Question("Where?"), Question("Where?", system="Be brief.")])
    assert own.prompt_tokens != brief.prompt_tokens
    with pytest.raises(DataError, match="system prompt"):
        replies_to(student, [Question("Where?", system="<|im_end|>")])


def test_reasoning_is_asked_for_and_taken_off(student: Student, monkeypatch: pytest.MonkeyPatch):
    by = predictor(student, mode="cot")
    question = Question("Where?", (), ("left", "right"))
    prepared = by.prepare(question)
    assert prepared.example.prompt.endswith(f"B. right\n{REASONING_PROMPT}")
    assert not prepared.example.use_latents
    assert AnswerConfig(mode="cot").new_tokens > AnswerConfig(mode="direct").new_tokens
    written = "<think>A moves.</think><answer> B. right</answer>"
    ids = student.prompts.answer_ids(written)[:-1]
    chances = tuple(i / 1000 for i in range(len(ids) + 1))
    (plain,) = student.generate(
        student.collate([prepared.example]), mode="direct", max_new_tokens=1
    )
    told = dataclasses.replace(
        plain, text=written, token_ids=ids, token_probabilities=chances, confidence=chances[0]
    )
    monkeypatch.setattr("storm.student.predictor.generate", lambda *_, **__: [told])
    (reply,) = by.stream([question])
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
    by = predictor(Student(student.model, processor, student.latent), mode="cot")
    layout = by.student.prompts.layout(by.prepare(Question("Where?")).example)
    assert [i for i in layout.ids.tolist() if i in ids] == ids
    for refused in ("<|im_end|>", "<|latent_pad|>"):
        with pytest.raises(DataError, match="no special tokens in the prompt"):
            by.student.prompts.layout(Example(prompt=refused))


def test_confidence_is_of_the_first_token_and_of_the_letter(student: Student):
    (reply,) = replies_to(student, [questions(student)[3]])
    (answer,) = student.generate(
        student.collate([predictor(student).prepare(questions(student)[3]).example]),
        max_new_tokens=6,
    )
    assert reply.confidence == pytest.approx(answer.token_probabilities[0])
    assert 0 < reply.confidence < 1
    assert (reply.letter == "") == (reply.letter_confidence == 0)


def test_interventions_count_rows_as_the_questions_come(student: Student):
    """Given latents follow their question into whatever batch its length puts it."""
    several = questions(student)
    own = replies_to(student, several, latents=True)
    donors = [1, 2, 3, 4, 0]
    given = Replace(torch.stack([own[d].latents for d in donors]))
    small = replies_to(student, several, batch=2, intervention=given)
    whole = replies_to(student, several, batch=5, intervention=Swap(donors))
    for a, b in zip(small, whole, strict=True):
        assert a.token_ids == b.token_ids
        assert abs(a.confidence - b.confidence) < VALUES
    assert any(abs(a.confidence - b.confidence) > 1e-5 for a, b in zip(own, small, strict=True))
    with pytest.raises(DataError, match="ask for the latents first"):
        replies_to(student, several, batch=2, intervention=Swap(donors))
    with pytest.raises(DataError, match="latents for each question"):
        replies_to(student, several, intervention=Replace(given.latents[:3]))


def test_wrong_use_is_refused(student: Student, tmp_path: Path):
    def answer(**options) -> list[Reply]:
        return student.answer([None], ["Where?"], **options)

    with pytest.raises(ConfigError, match="and options for each question"):
        student.answer([], ["Where?"])
    with pytest.raises(ConfigError, match="expected mode 'latent', 'direct' or 'cot'"):
        answer(how="thinking")
    with pytest.raises(ConfigError, match="'latent' for an intervention"):
        answer(how="direct", intervention=RemoveAll())
    with pytest.raises(DataError, match="show fewer or smaller frames"):
        answer(how=AnswerConfig(max_new_tokens=student.adapter.max_length))
    with pytest.raises(UnreadableVideo, match="missing"):
        student.answer([tmp_path / "no.mp4"], ["Where?"], how=AnswerConfig(sampling=SAMPLING))
    with pytest.raises(ConfigError, match="at least one row"):
        answer(batch=0)
