"""The language in which a teacher tells the renderer what to draw.

    cups 4; ball 2; swap 1 3; rest; swap 2 4; table #203040; cup #e0c090; ball-colour #ff2040

`swap` and `rest` stand in the order of the beats: the i-th of them is beat i. Everything
else may stand anywhere, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storm.errors import DataError
from storm.shell_game.scene import Colour, Look, Pair, Scene, World, follow


@dataclass(frozen=True)
class Script:
    cups: int
    ball: int  # the place that it starts at, from 1
    beats: tuple[Pair | None, ...]  # None rests
    look: Look

    def __post_init__(self):
        if self.cups < 2:
            raise DataError(f"expected at least two cups, found {self.cups = }")
        if not 1 <= self.ball <= self.cups:
            raise DataError(f"expected the ball at 1 to {self.cups}, found {self.ball = }")
        if not self.beats:
            raise DataError("expected at least one `swap` or `rest`, found none")
        for pair in self.beats:
            if pair is not None and not 1 <= pair[0] < pair[1] <= self.cups:
                raise DataError(
                    f"expected two cups of 1 to {self.cups} in rising order, found {pair = }"
                )

    @property
    def places(self) -> tuple[int, ...]:
        """The ball's place after each beat."""
        return follow(self.ball, self.beats)


def script_of(scene: Scene, world: World) -> Script:
    """The script of the truth."""
    return Script(world.cups, scene.start, scene.swaps, scene.look)


def write_script(script: Script) -> str:
    """One line of text; `parse_script` is the inverse."""
    look = script.look
    return "; ".join(
        [
            f"cups {script.cups}",
            f"ball {script.ball}",
            *("rest" if p is None else f"swap {p[0]} {p[1]}" for p in script.beats),
            f"table {_hex(look.table)}",
            f"cup {_hex(look.cup)}",
            f"ball-colour {_hex(look.ball)}",
        ]
    )


def parse_script(text: str) -> Script:
    """Raises DataError that names the first phrase it can't use."""
    numbers: dict[str, int] = {}
    colours: dict[str, Colour] = {}
    beats: list[Pair | None] = []
    for phrase in filter(None, (part.strip() for part in text.strip().rstrip(";").split(";"))):
        word, *rest = phrase.split()
        if word == "rest" and not rest:
            beats.append(None)
        elif word == "swap" and len(rest) == 2:
            first, second = sorted((_number(rest[0], phrase), _number(rest[1], phrase)))
            beats.append((first, second))
        elif word in ("cups", "ball") and len(rest) == 1 and word not in numbers:
            numbers[word] = _number(rest[0], phrase)
        elif word in ("table", "cup", "ball-colour") and len(rest) == 1 and word not in colours:
            colours[word] = _colour(rest[0], phrase)
        else:
            raise DataError(
                "expected `cups n`, `ball n`, `swap a b`, `rest`, or `table|cup|ball-colour "
                f"#rrggbb` (each but swap and rest once), found {phrase!r}"
            )
    for word, found in (
        *((w, numbers) for w in ("cups", "ball")),
        *((w, colours) for w in ("table", "cup", "ball-colour")),
    ):
        if word not in found:
            raise DataError(f"expected a phrase `{word} …` in the script, found none: {text!r}")
    look = Look(colours["table"], colours["cup"], colours["ball-colour"])
    return Script(numbers["cups"], numbers["ball"], tuple(beats), look)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _number(text: str, phrase: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise DataError(f"expected a number, found {text!r} in {phrase!r}")
    return int(text)


def _colour(text: str, phrase: str) -> Colour:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise DataError(f"expected a colour #rrggbb, found {text!r} in {phrase!r}")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
