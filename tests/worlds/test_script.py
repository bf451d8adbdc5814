import pytest

from storm.errors import DataError
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import sample_scenes
from storm.worlds.script import parse_script, write_script

MAZE = "maze; walls 12 33 41; start 23; moves right - up; table #203040; cup #e0c090; ball #ff2040"


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_script_is_read_back(world):
    for scene in sample_scenes(world, 8, 5, "train", 20, 0):
        text = write_script(world, scene.story, scene.look)
        assert parse_script(text) == (world, scene.story, scene.look)


def test_a_script_is_readable():
    assert write_script(*parse_script(MAZE)) == MAZE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("maze;", "chess;"), "expected a world of"),
        (("walls 12", "wall 12"), "expected each of"),
        (("start 23", "start 23 24"), "expected 1 word"),
        (("start 23", "start 55"), "expected 1 word"),
        (("start 23", "start 12"), "leaves free"),
        (("start 23; ", ""), "expected a phrase `start …`"),
        (("start 23", "start 23; start 23"), "expected each of"),
        (("right - up", "right - north"), "expected words"),
        (("moves right - up", "moves"), "at least one of the moves"),
        (("#203040", "203040"), "expected a color"),
    ],
)
def test_wrong_scripts(change, message):
    assert change[0] in MAZE
    with pytest.raises(DataError, match=message):
        parse_script(MAZE.replace(*change))
