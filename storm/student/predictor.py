"""Answers to any number of questions about videos, batched by length.

    predictor = AnswerConfig(mode="direct").build(student)
    for reply in predictor.stream(questions, batch=8): ...   # in order, as they come

`Student.answer` is this for a list. Questions may hold frames that other processes decoded while
the model was at work.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import PositiveInt

from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.student.attention_map import AttentionMap
from storm.student.example import Example, VideoTokens, prompt_of
from storm.student.generate import Answer, generate
from storm.student.interventions import Intervention
from storm.student.letters import choose
from storm.student.model import LatentModel
from storm.student.modes import NEW_TOKENS, Mode
from storm.student.reasoning import REASONING_PROMPT, final_answer
from storm.student.sampling import chosen_sampling
from storm.student.timing import Clock, Timings
from storm.student.windows import batches_by_length, windows
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.frames import VideoFrames

Video = str | Path | VideoFrames | VideoTokens


@dataclass(frozen=True, eq=False)
class Question:
    """A question about videos: files, decoded frames or encoded tokens.

    Attributes:
        options: Without letters.
        raw: Whether `text` is the whole prompt; `options` then only say which letters count.
        system: The system's turn, instead of the family's own; '' for none.
        targets: Latents (K, d) for the intervention `oracle`.
    """

    text: str
    videos: tuple[Video, ...] = ()
    options: tuple[str, ...] = ()
    raw: bool = False
    system: str | None = None
    targets: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class Prepared:
    """A question as the model takes it, its videos encoded."""

    example: Example
    prompt_tokens: int
    options: tuple[str, ...]
    timings: Timings


@dataclass(frozen=True, eq=False)
class Reply:
    """The student's answer to one question.

    Attributes:
        text: The answer; of a chain of thought, only its final answer.
        response: Everything that was generated.
        letter: The option that the answer names; '' if none or without options.
        confidence: Probability of the answer's first token, given what was written before it.
        letter_confidence: Probability of the token that holds the letter, or of the first one of an
            option's text; 0 without a letter.
        token_ids: Of the response, without the end of the turn.
        latents: (K, d) on the CPU, before any intervention; None unless requested.
        attention: Of the first generated token, on the CPU; None unless requested.
    """

    text: str
    response: str
    letter: str
    confidence: float
    letter_confidence: float
    token_ids: tuple[int, ...]
    prompt_tokens: int
    timings: Timings
    latents: torch.Tensor | None
    attention: AttentionMap | None


class AnswerConfig(FrozenModel):
    """How questions are answered.

    Attributes:
        mode: `latent` takes K steps, `direct` none, `cot` writes its reasoning as text.
        max_new_tokens: By default 16, for `cot` 512.
        sampling: Which frames of a file are shown; None: as the checkpoint was trained.
        sweeps: Parallel Jacobi sweeps instead of the K steps, for `latent`.
        reasoning_prompt: A line after the prompt, for `cot`.
    """

    mode: Mode = "latent"
    max_new_tokens: PositiveInt | None = None
    sampling: FrameSampling | None = None
    sweeps: PositiveInt | None = None
    reasoning_prompt: str = REASONING_PROMPT

    @property
    def new_tokens(self) -> int:
        """The maximum of answer tokens."""
        return self.max_new_tokens or NEW_TOKENS[self.mode]

    def build(self, student: LatentModel) -> Predictor:
        """Return the predictor of a student."""
        return Predictor(self, student)


class Predictor:
    """A student and how it answers."""

    def __init__(self, config: AnswerConfig, student: LatentModel):
        self.config, self.student = config, student

    @property
    def sampling(self) -> FrameSampling:
        """How a file's frames are chosen; see `chosen_sampling`."""
        return chosen_sampling(self.student.sampling, self.config.sampling)

    def decode(self, path: str | Path) -> VideoFrames:
        """Return a file's frames, decoded in this process; raise UnreadableVideo."""
        return self.sampling.sample(Path(path))

    def prepare(self, question: Question) -> Prepared:
        """Decode and encode the videos where that is not done yet, and write the prompt."""
        videos: list[VideoTokens] = []
        decode = vision = 0.0
        for video in question.videos:
            if isinstance(video, str | Path):
                video = self.decode(video)
            if isinstance(video, VideoFrames):
                decode += video.decode_seconds
                clock = Clock(self.student.device)
                video = self.student.encode_video(video.pixels, video.pts_seconds)
                vision += clock.lap()
            videos.append(video)
        prompt = prompt_of(question.text, () if question.raw else question.options)
        if self.config.mode == "cot":
            prompt = f"{prompt}\n{self.config.reasoning_prompt}"
        example = Example(
            videos=tuple(videos),
            prompt=prompt,
            targets=question.targets,
            use_latents=self.config.mode == "latent",
            system=question.system,
        )
        tokens = len(self.student.prompts.layout(example).ids)
        timings = Timings(decode=decode, vision=vision)
        return Prepared(example, tokens, question.options, timings)

    def stream(
        self,
        questions: Iterable[Question],
        *,
        batch: int = 8,
        intervention: Intervention | None = None,
        latents: bool = False,
        attention: bool = False,
    ) -> Iterator[Reply]:
        """Yield replies in the order of the questions, which are read as they are needed.

        Args:
            questions: They are read in windows of a few batches (see `storm.student.windows`).
            batch: The most rows that the model takes at once.
            intervention: Replace and Swap count rows in the order of the questions.
            latents: Return the latents with each reply.
            attention: Return where the first generated token looked.
        """
        prepared = enumerate(map(self.prepare, questions))
        for window in windows(prepared, batch):
            replies: dict[int, Reply] = {}
            for rows in batches_by_length(window, batch, lambda row: row[1].prompt_tokens):
                numbers = [number for number, _ in rows]
                answers = generate(
                    self.student,
                    self.student.collate([question.example for _, question in rows]),
                    mode="latent" if self.config.mode == "latent" else "direct",
                    intervention=intervention and intervention.of_rows(numbers),
                    max_new_tokens=self.config.new_tokens,
                    sweeps=self.config.sweeps,
                    attention=attention,
                )
                for (number, question), answer in zip(rows, answers, strict=True):
                    replies[number] = self._reply(question, answer, latents)
            yield from (replies[number] for number, _ in window)

    def _reply(self, question: Prepared, answer: Answer, with_latents: bool) -> Reply:
        response, start, text = answer.text, 0, answer.text
        if self.config.mode == "cot":
            start, text = final_answer(response)
        choice = choose(text, question.options) if question.options else None
        latents = answer.latents if with_latents else None
        probabilities = answer.token_probabilities
        letter_token = self._token_at(answer, start + choice.place) if choice else 0
        before = question.timings
        return Reply(
            text=text,
            response=response,
            letter=choice.letter if choice else "",
            confidence=probabilities[self._token_at(answer, start)] if start else answer.confidence,
            letter_confidence=probabilities[letter_token] if choice else 0.0,
            token_ids=answer.token_ids,
            prompt_tokens=question.prompt_tokens,
            timings=dataclasses.replace(answer.timings, decode=before.decode, vision=before.vision),
            latents=None if latents is None else latents.float().cpu(),
            attention=None if answer.attention is None else answer.attention.cpu(),
        )

    def _token_at(self, answer: Answer, place: int) -> int:
        """Return the index of the token that wrote the character at `place` of the response."""
        ids = answer.token_ids

        def written(count: int) -> int:
            return len(self.student.tokenizer.decode(ids[:count], skip_special_tokens=True))

        return min(bisect_right(range(len(ids) + 1), place, key=written), len(ids)) - 1


def questions_of(
    videos: Sequence[Video | Sequence[Video] | None],
    texts: Sequence[str],
    options: Sequence[Sequence[str]] | None = None,
) -> list[Question]:
    """Return a Question for each text, with one video, several or none (None)."""
    options = options if options is not None else [()] * len(texts)
    if not len(videos) == len(texts) == len(options):
        raise ConfigError(
            f"expected videos (None for none) and options for each question, found "
            f"{len(videos)} and {len(options)} for {len(texts)}"
        )
    return [
        Question(text, _as_tuple(video), tuple(choices))
        for video, text, choices in zip(videos, texts, options, strict=True)
    ]


def _as_tuple(videos: Video | Sequence[Video] | None) -> tuple[Video, ...]:
    if videos is None:
        return ()
    if isinstance(videos, str | Path | VideoFrames | VideoTokens):
        return (videos,)
    return tuple(videos)
