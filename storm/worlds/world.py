"""What a world is: a hidden state, events that change it, and what is asked and shown of them.

States and events are numbers, so that whatever follows a story needs no knowledge of its world;
event 0 leaves every state as it is.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from storm.config import FrozenModel
from storm.errors import DataError
from storm.shell_game.scene import Look

REST = 0
_DENIAL = re.compile(r"\b(no|not|never|neither)\b|n't")
Setting = tuple[int, ...]


@dataclass(frozen=True)
class Story:
    """What happens in one video: the truth, or what a teacher reads.

    Attributes:
        setting: What stays as it is: the cells of a maze's walls; empty elsewhere.
        start: The state that the first beat shows.
        events: The event of each beat after it.
    """

    setting: Setting
    start: int
    events: tuple[int, ...]


class Film(FrozenModel):
    """The form of all videos of one question set: a beat that shows the start, then `beats`.

    Attributes:
        camera_motion: The largest offset of a frame, in pixels of a 64 px frame.
        noise: Standard deviation of the pixels' noise, of 255.
    """

    beats: int = 8
    size_px: int = 64
    fps: float = 12.0
    beat_frames: int = 6
    camera_motion: float = 1.25
    noise: float = 3.0

    @property
    def frames(self) -> int:
        """The frames of one video."""
        return (self.beats + 1) * self.beat_frames

    @property
    def beat_seconds(self) -> float:
        """The length of a beat."""
        return self.beat_frames / self.fps


class World(ABC):
    """One kind of puzzle.

    Attributes:
        question: Asks for one of the `options`.
        open_question: Asks for a sentence that names the state.
        states: The word for each state in a list.
        events: The word for each event in a list; a dash for `REST`.
        options: What the question chooses among; equally often right.
        state_noun: What the states are, in the plural.
        event_noun: What the events are, in the plural.
        setting_noun: What a setting lists, in the plural; empty if the world has none.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    open_question: ClassVar[str]
    states: ClassVar[tuple[str, ...]]
    events: ClassVar[tuple[str, ...]]
    options: ClassVar[tuple[str, ...]]
    state_noun: ClassVar[str]
    event_noun: ClassVar[str]
    setting_noun: ClassVar[str] = ""

    # -- the rules

    def draw_setting(self, rng: np.random.Generator) -> Setting:
        """Return a random setting."""
        return ()

    def starts(self, setting: Setting) -> Sequence[int]:
        """Return the states that a story may start from."""
        return range(len(self.states))

    @property
    def possible_events(self) -> Sequence[int]:
        """The events that happen, equally often; by default all but a rest."""
        return range(1, len(self.events))

    @abstractmethod
    def advance(self, setting: Setting, state: int, event: int) -> int:
        """Return the state after an event."""

    # -- the answers

    def option_of(self, state: int) -> str:
        """Return the option that is right in a state; by default each state has its own."""
        return self.options[state]

    @abstractmethod
    def sentence(self, state: int) -> str:
        """Return the sentence that names a state."""

    def named_states(self, text: str) -> frozenset[int]:
        """Return every state that a text names; none if it denies anything."""
        text = text.lower()
        return frozenset() if _DENIAL.search(text) else self.states_in(text)

    @abstractmethod
    def states_in(self, text: str) -> frozenset[int]:
        """Return every state whose name stands in a text in lower case."""

    # -- the pixels

    @abstractmethod
    def render(self, story: Story, look: Look, film: Film, seed: int) -> np.ndarray:
        """Return the video: (film.frames, size, size, 3) uint8 RGB; the seed moves the camera."""

    @abstractmethod
    def render_state(self, setting: Setting, state: int, look: Look, size_px: int) -> np.ndarray:
        """Return one frame of the thought video: (size, size, 3), the state for all to see."""

    @abstractmethod
    def read(
        self,
        frames: np.ndarray,
        pts_seconds: Sequence[float],
        duration_seconds: float,
        beat_seconds: float,
    ) -> tuple[Story, Look]:
        """Return the story that keyframes show, by their pixels alone.

        Args:
            frames: (N, H, W, 3) uint8, in order of time.
            pts_seconds: The time of each frame.
            duration_seconds: The length of the video.
            beat_seconds: The length of a beat.

        Raises:
            Unreadable: If they don't show this world.
        """

    def follow(self, story: Story) -> tuple[int, ...]:
        """Return the state after each event."""
        return self.carry(story.setting, story.start, story.events)

    def carry(self, setting: Setting, state: int, events: Sequence[int]) -> tuple[int, ...]:
        """Return the state after each of some events."""
        visited: list[int] = []
        for event in events:
            state = self.advance(setting, state, event)
            visited.append(state)
        return tuple(visited)

    def render_thought(self, story: Story, look: Look, size_px: int, frames: int) -> np.ndarray:
        """Return the thought video: (frames, size, size, 3), frames shared equally by the events.

        Raises:
            DataError: If there are fewer frames than events.
        """
        beats = len(story.events)
        if frames < beats:
            raise DataError(f"expected a frame an event or more, found {frames = } {beats = }")
        states = self.follow(story)
        drawn = {s: self.render_state(story.setting, s, look, size_px) for s in set(states)}
        return np.stack([drawn[states[j * beats // frames]] for j in range(frames)])
