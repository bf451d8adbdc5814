"""The stage `videos` of the worlds: renders videos and writes their questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from storm.artifacts.fs import renamed_into, sha256_file
from storm.artifacts.stage import Context, runtime_field
from storm.artifacts.store import Store
from storm.config import SPLITS, FrozenModel, Split
from storm.records import VideoSample
from storm.videos.stage import VideoStage
from storm.worlds.registry import WORLDS, WorldName
from storm.worlds.scenes import Scene, events_text, open_question, question, sample_scenes
from storm.worlds.world import Film, Setting, World

IN_WORDS = "in words"


class Counts(FrozenModel):
    """How many videos of each world a split has."""

    base: int = Field(default=0, ge=0)
    train: int = Field(default=1000, ge=0)
    val: int = Field(default=0, ge=0)
    test: int = Field(default=512, ge=0)


class Level(FrozenModel):
    """What is filmed, and how much there is to follow.

    Attributes:
        worlds: Which worlds.
        film: The form of every video.
        events: Beats with an event; the others rest.
        open_every: Every so many-th video's question asks for a sentence; 0: none does.
    """

    worlds: tuple[WorldName, ...] = ("cups", "dial", "maze")
    film: Film = Film()
    events: int = Field(default=8, ge=1)
    open_every: int = Field(default=4, ge=0)

    @model_validator(mode="after")
    def _enough_beats(self) -> Level:
        if self.events > self.film.beats:
            raise ValueError(
                f"expected at most one event a beat, found {self.events = } {self.film.beats = }"
            )
        return self


@dataclass(frozen=True)
class Item:
    """One video and its question, before it is rendered."""

    world: World
    scene: Scene
    is_open: bool

    def said(self, state: int) -> str:
        """Return the answer in a state: its sentence, or the option that is right."""
        return self.world.sentence(state) if self.is_open else self.world.option_of(state)


@lru_cache(maxsize=16)
def items_of(level: Level, split: Split, count: int, seed: int) -> dict[str, Item]:
    """Return the videos of a split by id, `count` of each world."""
    items: dict[str, Item] = {}
    for name in level.worlds:
        world = WORLDS[name]
        scenes = sample_scenes(world, level.film.beats, level.events, split, count, seed)
        for n, scene in enumerate(scenes):
            is_open = level.open_every > 0 and n % level.open_every == level.open_every - 1
            items[f"{name}-{split}-{n:05d}"] = Item(world, scene, is_open)
    return items


def write_video(path: Path, item: Item, film: Film) -> None:
    """Render a video into an mp4, by the preset that takes the least time."""
    from storm.videos.decoding.encode import encode_mp4

    scene = item.scene
    frames = item.world.render(scene.story, scene.look, film, scene.seed)
    encode_mp4(path, frames, film.fps, preset="ultrafast")


@dataclass(frozen=True, kw_only=True)
class WorldVideos(VideoStage):
    """One video and one question for each scene; videos of the same events are a cluster.

    The truth is not stored: it follows from the seed.
    """

    version: ClassVar[int] = 1

    level: Level = Level()
    seed: int = 0
    counts: Counts = runtime_field(Counts())

    def external_inputs(self) -> dict[str, int]:
        """Return the counts: they decide which items there are."""
        return self.counts.model_dump()

    def split_items(self, split: Split) -> dict[str, Item]:
        """Return the videos of a split, by id."""
        count = getattr(self.counts, split)
        return items_of(self.level, split, count, self.seed)  # pyright: ignore[reportArgumentType]

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return an item for each video; none depends on another stage's rows."""
        return [(id, ()) for split in SPLITS for id in self.split_items(split)]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoSample]:
        """Render each video and write its question."""
        found: dict[str, tuple[Split, Item]] = {}
        for split in SPLITS:
            found |= {id: (split, item) for id, item in self.split_items(split).items()}
        for id in context.each(ids):
            split, item = found[id]
            path = context.artifact.blob_path(id, ".mp4")
            with renamed_into(path) as temporary:
                write_video(temporary, item, self.level.film)
            if item.is_open:
                options: tuple[str, ...] = ()
                text, answer = open_question(item.world, item.scene)
            else:
                text, options, answer = question(item.world, item.scene)
            yield VideoSample(
                id=id,
                video_id=id,
                video_path=path.relative_to(context.artifact.path).as_posix(),
                video_sha256=sha256_file(path),
                split=split,
                question=text,
                options=options,
                answer=answer,
                cluster=events_text(item.world, item.scene.story.events),
            )

    def blob_of(self, row: VideoSample) -> tuple[str, str]:
        """Return the path and sha256 of a row's video."""
        return row.video_path, row.video_sha256

    def locate(self, store: Store, sample: VideoSample) -> Path:
        """Return the path of a sample's video."""
        return self.artifact(store).path / sample.video_path

    # -- what the worlds know of their stories; only scores are made of it

    def item_of(self, sample: VideoSample) -> Item:
        """Return the truth about a sample."""
        return self.split_items(sample.split)[sample.id]

    def kind_of(self, sample: VideoSample) -> str:
        """Return the world, and whether the answer is a sentence."""
        item = self.item_of(sample)
        return f"{item.world.name} {IN_WORDS}" if item.is_open else item.world.name

    def donors_of(self, sample: VideoSample) -> str:
        """Return the world and the setting: a state means the same to all of a group."""
        item = self.item_of(sample)
        return f"{item.world.name} {item.scene.story.setting}"

    def in_own_words(self, sample: VideoSample, response: str) -> str:
        """Return the sentence of the state that an open answer names, if it names just one."""
        item = self.item_of(sample)
        named = item.world.named_states(response) if item.is_open else ()
        return item.world.sentence(*named) if len(named) == 1 else response

    def events(self, sample: VideoSample) -> int:
        """Return the number of beats; a beat that rests is one."""
        return self.level.film.beats

    def patched_answer(self, sample: VideoSample, donor: VideoSample, events: int) -> str | None:
        """Return what the donor's state after `events` beats leads to in the sample's own video.

        It is an option or a sentence, as the sample's answer is. None for a donor of another world
        or of another setting, e.g. other walls.
        """
        own, other = self.item_of(sample), self.item_of(donor)
        story, given = own.scene.story, other.scene.story
        if own.world is not other.world or story.setting != given.setting:
            return None
        state = (given.start, *own.world.follow(given))[events]
        left = story.events[events:]
        return own.said((state, *own.world.carry(story.setting, state, left))[-1])

    def guess_accuracy(self, sample: VideoSample, unknown: int) -> float | None:
        """Return the chance of the best guesser if the first `unknown` events are unknown.

        It knows the start, the setting and all later events. None if some beats rest.
        """
        if self.level.events < self.level.film.beats:
            return None
        return best_guess(self.item_of(sample), unknown)


def best_guess(item: Item, unknown: int) -> float:
    """Return the probability of the most probable answer if the first events are unknown."""
    world, story = item.world, item.scene.story
    chances = np.zeros(len(world.states))
    chances[story.start] = 1
    step = transition(world, story.setting)
    for _ in range(unknown):
        chances = chances @ step
    totals: Counter[str] = Counter()
    for state in np.flatnonzero(chances):
        last = (int(state), *world.carry(story.setting, int(state), story.events[unknown:]))[-1]
        totals[item.said(last)] += chances[state]
    return max(totals.values())


@lru_cache(maxsize=1024)
def transition(world: World, setting: Setting) -> np.ndarray:
    """Return (states, states): the chance of each state after a random event, by state before."""
    states = len(world.states)
    chances = np.zeros((states, states))
    for state in world.starts(setting):
        for event in world.possible_events:
            chances[state, world.advance(setting, state, event)] += 1 / len(world.possible_events)
    return chances
