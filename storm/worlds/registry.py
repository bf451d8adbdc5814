"""The worlds by name."""

from __future__ import annotations

from typing import Literal

from storm.worlds.cups import Cups
from storm.worlds.dial import Dial
from storm.worlds.maze import Maze
from storm.worlds.world import World

WorldName = Literal["cups", "dial", "maze"]
WORLDS: dict[str, World] = {world.name: world for world in (Cups(), Dial(), Maze())}
