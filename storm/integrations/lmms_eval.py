"""The student as a model of lmms-eval: `lmms-eval --model storm --model_args pretrained=FOLDER`.

lmms-eval finds `manifest` by this project's entry point. No other module imports this one, so
lmms-eval need not be installed.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lmms_eval.api.instance import (  # pyright: ignore[reportMissingImports]
    GenerationResult,
    Instance,
    TokenCounts,
)
from lmms_eval.api.model import lmms  # pyright: ignore[reportMissingImports]
from lmms_eval.models.registry_v2 import ModelManifest  # pyright: ignore[reportMissingImports]
from lmms_eval.protocol import ChatMessages  # pyright: ignore[reportMissingImports]
from loguru import logger  # pyright: ignore[reportMissingImports]

from storm.errors import ConfigError, DataError, UnreadableVideo
from storm.evaluation.batching import replies_in_batches
from storm.student import AnswerConfig, Question, Student
from storm.student.modes import MODES, NEW_TOKENS
from storm.student.sampling import changed_sampling
from storm.student.windows import WINDOW
from storm.videos.decoding.prefetch import PrefetchDecoder
from storm.videos.decoding.sampling import Segment
from storm.videos.frames import VideoFrames

_NEW_TOKENS = 128  # for tasks that name no bound; as in lmms-eval's own models


def manifest() -> ModelManifest:
    """Return what lmms-eval registers: the name `storm` and the model's class."""
    return ModelManifest(model_id="storm", chat_class_path=f"{__name__}.StormModel")


class StormModel(lmms):
    """A student that answers greedily; videos come before the text, tasks' default order.

    Of a chain of thought only the answer is returned, whatever the task's `until` and bound. A
    picture is a video of one frame. A question whose video can't be read gets an empty answer,
    which counts as wrong, and a warning in the log.
    """

    is_simple = False

    def __init__(
        self,
        pretrained: str,
        mode: str = "latent",
        max_num_frames: int | None = None,  # None: as in training
        fps: float | None = None,  # frames per second, at most `max_num_frames`
        max_pixels: int | None = None,  # of a frame
        max_new_tokens: int | None = None,  # None: the task's bound
        device: str | None = None,
        dtype: str = "bfloat16",
        batch_size: int | str = 1,
        decoders: int = 2,  # processes that decode ahead
    ):
        super().__init__()
        if mode not in MODES:
            raise ConfigError(f"expected mode=latent, direct or cot, found {mode!r}")
        self._device = torch.device(device or _own_device())
        self._rank = int(os.environ.get("RANK", 0))
        self._world_size = int(os.environ.get("WORLD_SIZE", 1))
        if self._world_size > 1:  # lmms-eval waits for the other ranks with it
            from accelerate import Accelerator

            self.accelerator = Accelerator(cpu=self._device.type == "cpu")
        self.student = Student.from_pretrained(pretrained, dtype=dtype, device=str(self._device))
        trained = self.student.sampling
        self.sampling = changed_sampling(trained, max_num_frames, fps, max_pixels=max_pixels)
        self.mode, self.max_new_tokens = mode, max_new_tokens
        self.batch_size, self.decoders = int(batch_size), decoders

    @property
    def device(self) -> torch.device:
        """The student's device."""
        return self._device

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Return an answer per request, in order; `cot` ignores a task's bound and `until`."""
        groups: dict[str, list[int]] = defaultdict(list)
        for number, request in enumerate(requests):
            groups[json.dumps(request.args[2], sort_keys=True, default=str)].append(number)
        results: dict[int, GenerationResult] = {}
        with (
            torch.inference_mode(),
            PrefetchDecoder(self.sampling, self.decoders, WINDOW * self.batch_size) as decoding,
        ):
            for members in groups.values():
                for number, result in self._answer([requests[n] for n in members], decoding):
                    results[members[number]] = result
        return [results[number] for number in range(len(requests))]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Raise NotImplementedError: the student only generates."""
        raise NotImplementedError(
            "expected a task that generates: take tasks with output_type generate_until"
        )

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Raise NotImplementedError: the student answers single questions."""
        raise NotImplementedError("expected a task of a single round: take another task")

    def _answer(
        self, requests: Sequence[Instance], decoding: PrefetchDecoder
    ) -> Iterator[tuple[int, GenerationResult]]:
        """Yield the answers to requests of the same settings, by number."""
        settings = dict(requests[0].args[2])
        predictor = self._config(settings).build(self.student)
        until = _stops(settings.get("until"))
        questions = enumerate(self._questions(requests, decoding))
        for number, reply in replies_in_batches(predictor, questions, self.batch_size):
            request = requests[number]
            if isinstance(reply, DataError):
                task, document = request.args[4], request.args[3]
                logger.warning(f"{task}, document {document}: answered '': {reply}")
                yield number, GenerationResult(text="")
                continue
            text = reply.text if self.mode == "cot" else _cut(reply.response, until)
            counts = TokenCounts(
                input_tokens=reply.prompt_tokens, output_tokens=len(reply.token_ids)
            )
            self.cache_hook.add_partial("generate_until", request.args[:3:2], text)
            yield number, GenerationResult(text=text, token_counts=counts)

    def _questions(
        self, requests: Sequence[Instance], decoding: PrefetchDecoder
    ) -> Iterator[Question | UnreadableVideo]:
        """Yield each request's question with its frames, or why a video can't be read."""
        parts = [_parts(self._messages(request)) for request in requests]
        segments = [m for _, media, _ in parts for m in media if isinstance(m, Segment)]
        decoded = decoding.stream(segments)
        for system, media, text in parts:
            videos = [next(decoded)[1] if isinstance(m, Segment) else _still(m) for m in media]
            frames = tuple(v for v in videos if not isinstance(v, UnreadableVideo))
            errors = [v for v in videos if isinstance(v, UnreadableVideo)]
            yield errors[0] if errors else Question(text, frames, raw=True, system=system)

    def _messages(self, request: Instance) -> ChatMessages:
        _, doc_to_messages, _, doc_id, task, split = request.args
        return ChatMessages(messages=doc_to_messages(self.task_dict[task][split][doc_id]))

    def _config(self, settings: Mapping[str, Any]) -> AnswerConfig:
        sampled = settings.get("do_sample")
        if sampled is None:  # otherwise the temperature means nothing
            sampled = (settings.get("temperature") or 0) > 0
        if sampled or (settings.get("num_beams") or 1) > 1:
            raise ConfigError(f"expected a task that decodes greedily, found {dict(settings)}")
        tokens = settings.get("max_new_tokens") or _NEW_TOKENS
        if self.mode == "cot":  # the task's bound is only for the final answer
            tokens = max(tokens, NEW_TOKENS["cot"])
        return AnswerConfig(
            mode=self.mode,  # pyright: ignore[reportArgumentType]
            max_new_tokens=int(self.max_new_tokens or tokens),
            sampling=self.sampling,
        )


def _own_device() -> str:
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', 0)}"


def _stops(until: Any) -> list[str]:
    return [until] if isinstance(until, str) else [text for text in until or () if text]


def _cut(text: str, until: Sequence[str]) -> str:
    for stop in until:
        text = text.partition(stop)[0]
    return text


def _parts(messages: ChatMessages) -> tuple[str | None, list[Any], str]:
    """Return the system's turn, videos (`Segment`) and pictures in order, and the user's text."""
    turns = list(messages.messages)
    system = None
    if turns and turns[0].role == "system":
        system = "".join(c.text for c in turns.pop(0).content if c.type == "text")
    if [turn.role for turn in turns] != ["user"]:
        raise ConfigError(
            f"expected one turn of the user, found {[turn.role for turn in turns]}: storm answers "
            "single questions without examples"
        )
    media, text = list[Any](), ""
    for part in turns[0].content:
        if part.type == "text":
            text += part.text
        elif text or part.type == "audio":
            raise ConfigError(f"expected videos and pictures, then text; found {part.type} after")
        elif part.type == "image":
            media.append(part.url)
        else:
            start, end = part.start_time, part.end_time
            clip = None if start is None and end is None else (start or 0.0, end or np.inf)
            media.append(Segment(Path(str(part.url)).absolute(), clip))
    return system, media, text


def _still(picture: Any) -> VideoFrames:
    """Return a picture (PIL's, or a file's path) as a video of one frame."""
    from PIL import Image

    opened = Image.open(picture) if isinstance(picture, str | Path) else picture
    return VideoFrames(np.asarray(opened.convert("RGB"))[None], (0.0,))
