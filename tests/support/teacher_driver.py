"""A stage `thought_prompts` with an endpoint with fixed inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from teacher_requests import teacher_request

from storm.artifacts.make import execute
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.llm_client import ChatConfig
from storm.records import Keyframes, VideoSample
from storm.runtime import Runtime
from storm.thought_prompts.endpoint import EndpointTeacher
from storm.thought_prompts.stage import ThoughtPromptsStage

COUNT = 150
RUNTIME = Runtime(workers=1, batch=8)


@dataclass(frozen=True, kw_only=True)
class FixedVideos(Stage[VideoSample]):
    name: ClassVar[str] = "videos"
    row: ClassVar[type] = VideoSample

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return ((f"q{n}", ()) for n in range(COUNT))

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoSample]:
        for name in context.each(ids):
            request = teacher_request(name, question=f"What is number {name}?")
            yield replace(request.sample, video_id=name)


@dataclass(frozen=True, kw_only=True)
class FixedKeyframes(Stage[Keyframes]):
    name: ClassVar[str] = "keyframes"
    row: ClassVar[type] = Keyframes

    videos: FixedVideos
    splits: tuple[str, ...] = ("train",)

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return self.videos.items(store)

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Keyframes]:
        for name in context.each(ids):
            yield replace(teacher_request(name).keyframes, id=name)


def stage_for(chat: ChatConfig) -> ThoughtPromptsStage:
    videos: Any = FixedVideos()
    keyframes: Any = FixedKeyframes(videos=videos)
    return ThoughtPromptsStage(
        videos=videos, keyframes=keyframes, teacher=EndpointTeacher.Config(chat=chat)
    )


def make(root: Path, chat: ChatConfig) -> None:
    execute(stage_for(chat), Store(root), RUNTIME)


def make_from_json(root: str, chat: str) -> None:
    make(Path(root), ChatConfig.model_validate_json(chat))
