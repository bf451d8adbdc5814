"""The language in which the teacher (the prompt LLM) tells the renderer what to draw.

    cups 4; ball 2; swap 1 3; rest; swap 2 4; table #203040; cup #e0c090; ball-colour #ff2040

`swap` and `rest` come in the order of the beats: the i-th of them is beat i. All other phrases
may come anywhere, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storm.errors import DataError
from storm.shell_game.scene import Color, Look, Pair, Scene, World, follow

_NUMBERS = ("cups", "ball")
_COLORS = ("table", "cup", "ball-colour")


@dataclass(frozen=True)
class Script:
    """A game as the teacher describes it.

    Attributes:
        cups: How many cups there are.
        ball: The place at which the ball starts, from 1.
        beats: The pair that swaps in each beat; None rests.
        look: The colors.
    """

    cups: int
    ball: int
    beats: tuple[Pair | None, ...]
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
    """Return the script that describes a scene truthfully."""
    return Script(world.cups, scene.start, scene.swaps, scene.look)


def write_script(script: Script) -> str:
    """Return a script as one line of text; `parse_script` is the inverse."""
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
    """Return the script that a text describes.

    Raises:
        DataError: If a phrase is wrong or missing; the message names the first one.
    """
    phrases = [part.strip() for part in text.strip().rstrip(";").split(";")]
    beats: list[Pair | None] = []
    numbers: dict[str, int] = {}
    colors: dict[str, Color] = {}
    for phrase in filter(None, phrases):
        match phrase.split():
            case ["rest"]:
                beats.append(None)
            case ["swap", first, second]:
                low, high = sorted((_number(first, phrase), _number(second, phrase)))
                beats.append((low, high))
            case [word, value] if word in _NUMBERS and word not in numbers:
                numbers[word] = _number(value, phrase)
            case [word, value] if word in _COLORS and word not in colors:
                colors[word] = _color(value, phrase)
            case _:
                raise DataError(
                    "expected `cups n`, `ball n`, `swap a b`, `rest`, or `table|cup|ball-colour "
                    f"#rrggbb` (each but swap and rest once), found {phrase!r}"
                )
    for word in (*_NUMBERS, *_COLORS):
        if word not in numbers and word not in colors:
            raise DataError(f"expected a phrase `{word} …` in the script, found none: {text!r}")
    look = Look(colors["table"], colors["cup"], colors["ball-colour"])
    return Script(numbers["cups"], numbers["ball"], tuple(beats), look)


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _number(text: str, phrase: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise DataError(f"expected a number, found {text!r} in {phrase!r}")
    return int(text)


def _color(text: str, phrase: str) -> Color:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise DataError(f"expected a color #rrggbb, found {text!r} in {phrase!r}")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
