"""Questions about videos to answers: frames, prompts, batches, and what the answer says.

    answering = Answering.Config(mode="latent").build(student)
    prepared = (answering.prepare(question) for question in questions)   # decode, vision
    for reply in answering.stream(prepared, batch=8): ...                # in order, as they come

`Student.answer` is this for a list. Whoever has many questions prepares them elsewhere (`decode`
in other processes, say) while the model runs; `stream` takes them as they come.
"""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt

from storm.errors import ConfigError
from storm.student.example import Example, VideoTokens, prompt_of
from storm.student.generate import Answer, AttentionMap, generate
from storm.student.interventions import Intervention
from storm.student.letters import find_letter
from storm.student.model import LatentModel
from storm.student.modes import NEW_TOKENS, Mode
from storm.student.timing import Clock, Timings
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.frames import VideoFrames

REASONING_PROMPT = (
    "Reason about the video step by step before you answer. Write the reasoning between <think> "
    "and </think>, then only the final answer between <answer> and </answer>."
)
MOST_FRAMES = 768  # of a video sampled by fps: what Qwen's own processors take at most
_WINDOW = 8  # batches that are sorted by length together


Video = str | Path | VideoFrames | VideoTokens


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked. A video is a file, its frames, or what the tower made of them."""

    text: str
    videos: tuple[Video, ...] = ()
    options: tuple[str, ...] = ()  # without letters
    raw: bool = False  # `text` is the whole prompt already; `options` only say which letters count
    system: str | None = None  # the system's turn, instead of the family's own; '' for none
    targets: torch.Tensor | None = None  # (K, d), for the intervention `oracle`


@dataclass(frozen=True, eq=False)
class Prepared:
    """A question whose videos went through the tower."""

    example: Example
    options: int
    timings: Timings


@dataclass(frozen=True, eq=False)
class Reply:
    """What the student says to one question."""

    text: str  # the answer; of a chain of thought, what `final_answer` finds
    response: str  # all that was generated
    letter: str  # the option it names, '' if none or without options
    confidence: float  # probability of the answer's first token, given what was written before it
    letter_confidence: float  # probability of the token that holds the letter; 0 without one
    token_ids: tuple[int, ...]  # of the response, without the end of the turn
    prompt_tokens: int
    timings: Timings
    latents: torch.Tensor | None  # (K, d) on the CPU, before any intervention; if asked for
    attention: AttentionMap | None  # on the CPU, if asked for


class Answering:
    """One way of answering, for any number of questions."""

    class Config(BaseModel):
        """`latent` takes K steps, `direct` none, `cot` writes its reasoning as text."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        mode: Mode = "latent"
        max_new_tokens: PositiveInt | None = None  # None: what `NEW_TOKENS` says
        sampling: FrameSampling | None = None  # None: as the checkpoint was trained
        sweeps: PositiveInt | None = None  # Jacobi sweeps in place of the K steps, for `latent`
        reasoning_prompt: str = REASONING_PROMPT  # a line of its own after the prompt, for `cot`

        @property
        def new_tokens(self) -> int:
            """The bound on answer tokens."""
            return self.max_new_tokens or NEW_TOKENS[self.mode]

        def build(self, student: LatentModel) -> Answering:
            """Return the predictor of a student."""
            return Answering(self, student)

    def __init__(self, config: Config, student: LatentModel):
        self.config, self.student = config, student

    @property
    def sampling(self) -> FrameSampling:
        """How a file's frames are chosen; see `chosen_sampling`."""
        return chosen_sampling(self.student.sampling, self.config.sampling)

    def decode(self, path: str | Path) -> VideoFrames:
        """Return a file's frames, decoded in this process; raise UnreadableVideo."""
        return self.sampling.sample(Path(path))

    def prepare(self, question: Question) -> Prepared:
        """Decode what is not decoded, show the tower what it has not seen."""
        shown: list[VideoTokens] = []
        decode = vision = 0.0
        for video in question.videos:
            if isinstance(video, str | Path):
                video = self.decode(video)
            if isinstance(video, VideoFrames):
                decode += video.decode_seconds
                clock = Clock(self.student.device)
                video = self.student.encode_video(video.pixels, video.pts_seconds)
                vision += clock.lap()
            shown.append(video)
        options = () if question.raw else question.options
        prompt = prompt_of(question.text, options)
        if self.config.mode == "cot":
            prompt = f"{prompt}\n{self.config.reasoning_prompt}"
        example = Example(
            videos=tuple(shown),
            prompt=prompt,
            targets=question.targets,
            use_latents=self.config.mode == "latent",
            system=question.system,
        )
        return Prepared(example, len(question.options), Timings(decode=decode, vision=vision))

    def stream(
        self,
        prepared: Iterable[Prepared],
        *,
        batch: int = 8,
        intervention: Intervention | None = None,
        latents: bool = False,
        attention: bool = False,
    ) -> Iterator[Reply]:
        """Yield replies in the order of the questions, at most `batch` rows at once.

        Questions are read in windows of some batches; within one, rows of like length share a
        batch. A Replace or Swap intervention counts rows as the questions come.
        """
        if batch < 1:
            raise ConfigError(f"expected at least one row a batch, found {batch = }")
        source, first = iter(prepared), 0
        while window := list(islice(source, batch * _WINDOW)):
            layouts = [self.student.prompts.layout(p.example) for p in window]
            order = sorted(range(len(window)), key=lambda i: len(layouts[i].ids))
            replies: dict[int, Reply] = {}
            for at in range(0, len(order), batch):
                rows = order[at : at + batch]
                changed = intervention and intervention.of_rows([first + i for i in rows])
                answers = generate(
                    self.student,
                    self.student.collate([window[i].example for i in rows]),
                    "latent" if self.config.mode == "latent" else "direct",
                    changed,
                    self.config.new_tokens,
                    self.config.sweeps,
                    attention,
                )
                for i, answer in zip(rows, answers, strict=True):
                    tokens = len(layouts[i].ids)
                    replies[i] = self._reply(window[i], answer, tokens, latents)
            yield from (replies[i] for i in range(len(window)))
            first += len(window)

    def _reply(self, asked: Prepared, answer: Answer, prompt_tokens: int, latents: bool) -> Reply:
        response, start, text = answer.text, 0, answer.text
        if self.config.mode == "cot":
            start, text = final_answer(response)
        found = find_letter(text, asked.options) if asked.options else None
        seen = asked.timings
        kept = answer.latents if latents else None
        chances = answer.token_probabilities
        letter_token = self._token_at(answer, start + found.start(1)) if found else 0
        return Reply(
            text=text,
            response=response,
            letter=found.group(1) if found else "",
            confidence=chances[self._token_at(answer, start)] if start else answer.confidence,
            letter_confidence=chances[letter_token] if found else 0.0,
            token_ids=answer.token_ids,
            prompt_tokens=prompt_tokens,
            timings=dataclasses.replace(answer.timings, decode=seen.decode, vision=seen.vision),
            latents=None if kept is None else kept.float().cpu(),
            attention=None if answer.attention is None else answer.attention.cpu(),
        )

    def _token_at(self, answer: Answer, place: int) -> int:
        """Which token wrote the character at `place` of the response."""
        ids = answer.token_ids

        def written(count: int) -> int:
            return len(self.student.tokenizer.decode(ids[:count], skip_special_tokens=True))

        return min(bisect_right(range(len(ids) + 1), place, key=written), len(ids)) - 1


def chosen_sampling(trained: FrameSampling | None, given: FrameSampling | None) -> FrameSampling:
    """Return the given sampling, else the checkpoint's; raise ConfigError if neither."""
    found = given or trained
    if found is None:
        raise ConfigError(
            "expected a frame sampling in the checkpoint's `storm` section, found none (an older "
            "checkpoint): give the sampling it was trained with"
        )
    return found


def changed_sampling(
    trained: FrameSampling | None,
    frames: int | None = None,
    fps: float | None = None,
    size_px: int | None = None,
    max_pixels: int | None = None,
) -> FrameSampling:
    """Return the checkpoint's sampling with changes; raise ConfigError without one.

    `frames` alone means that number; with `fps` it is the most; `fps` alone, 768 at most.
    """
    if fps is not None:
        if fps <= 0:
            raise ConfigError(f"expected frames a second above 0, found {fps = }")
        frames = frames or MOST_FRAMES
    start = chosen_sampling(trained or (FrameSampling(frames=frames) if frames else None), None)
    given = {"frames": frames, "size_px": size_px, "max_pixels": max_pixels}
    changed: dict[str, float | None] = {
        name: value for name, value in given.items() if value is not None
    }
    if frames is not None:
        changed["fps"] = fps
    return start.model_copy(update=changed)


def final_answer(response: str) -> tuple[int, str]:
    """Where the answer of a chain of thought begins, and its text.

    What stands in the last `<answer>`, up to `</answer>` or the end; without one, the last line
    that is not empty.
    """
    opened = response.rfind("<answer>")
    if opened >= 0:
        start = opened + len("<answer>")
        inner = response[start:].partition("</answer>")[0]
    else:
        found = re.search(r"[^\n]*\S[^\n]*\s*\Z", response)
        start = found.start() if found else 0
        inner = response[start:]
    stripped = inner.strip()
    return start + len(inner) - len(inner.lstrip()), stripped


def questions_of(
    videos: Sequence[Video | Sequence[Video] | None],
    texts: Sequence[str],
    options: Sequence[Sequence[str]] | None = None,
    *,
    raw: bool = False,
    system: str | None = None,
) -> list[Question]:
    """Return a Question for each text, with one video, several or none (None)."""
    options = options if options is not None else [()] * len(texts)
    if not len(videos) == len(texts) == len(options):
        raise ConfigError(
            f"expected videos (None for none) and options for each question, found "
            f"{len(videos)} and {len(options)} for {len(texts)}"
        )
    asked = []
    for shown, text, choices in zip(videos, texts, options, strict=True):
        if shown is None:
            shown = ()
        elif isinstance(shown, str | Path | VideoFrames | VideoTokens):
            shown = (shown,)
        asked.append(Question(text, tuple(shown), tuple(choices), raw, system))
    return asked
