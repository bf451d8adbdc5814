"""The language in which the teacher (the prompt LLM) tells the generator what to draw.

    maze; walls 12 33 41; start 23; moves right down - up; table #203040; cup #e0c090; ball #ff2040

The words of states and events are the world's. `cup` is the color of whatever covers the state,
`ball` that of the mark that shows it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from storm.errors import DataError
from storm.shell_game.scene import Color, Look
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import words
from storm.worlds.world import Story, World

_COLORS = ("table", "cup", "ball")


def write_script(world: World, story: Story, look: Look) -> str:
    """Return a story as one line of text; `parse_script` is the inverse."""
    phrases = [world.name]
    if world.setting_noun:
        phrases.append(f"{world.setting_noun} {words(world.states, story.setting)}")
    phrases += [
        f"start {world.states[story.start]}",
        f"{world.event_noun} {words(world.events, story.events)}",
        *("{} #{:02x}{:02x}{:02x}".format(name, *getattr(look, name)) for name in _COLORS),
    ]
    return "; ".join(phrases)


def parse_script(text: str) -> tuple[World, Story, Look]:
    """Return the world, the story and the colors that a text describes.

    Raises:
        DataError: If a phrase is wrong or missing; the message names the first one.
    """
    name, *phrases = [part.strip() for part in text.strip().rstrip(";").split(";")]
    if name not in WORLDS:
        raise DataError(f"expected a world of {tuple(WORLDS)} first, found {name!r}")
    world = WORLDS[name]
    needed = [world.setting_noun] if world.setting_noun else []
    needed += ["start", world.event_noun, *_COLORS]
    values: dict[str, list[str]] = {}
    for phrase in phrases:
        word, *rest = phrase.split() or [""]
        if word not in needed or word in values:
            raise DataError(f"expected each of {needed} once, found {phrase!r}")
        values[word] = rest
    if missing := [word for word in needed if word not in values]:
        raise DataError(f"expected a phrase `{missing[0]} …`, found none: {text!r}")
    (start,) = _numbers(world.states, values["start"], 1)
    setting = _numbers(world.states, values.get(world.setting_noun, []))
    story = Story(setting, start, _numbers(world.events, values[world.event_noun]))
    if not story.events:
        raise DataError(f"expected at least one of the {world.event_noun}, found none")
    if start not in world.starts(setting):
        raise DataError(f"expected a start that {setting} leaves free, found {start = }")
    return world, story, Look(*(_color(values[name]) for name in _COLORS))


def _numbers(
    vocabulary: Sequence[str], found: list[str], count: int | None = None
) -> tuple[int, ...]:
    if any(word not in vocabulary for word in found) or count not in (None, len(found)):
        expected = "words" if count is None else f"{count} word"
        raise DataError(f"expected {expected} of {vocabulary}, found {found}")
    return tuple(vocabulary.index(word) for word in found)


def _color(found: list[str]) -> Color:
    text = " ".join(found)
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise DataError(f"expected a color #rrggbb, found {text!r}")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
