import collections

import numpy as np
import pytest
from pydantic import ValidationError

from storm.config import SPLITS
from storm.errors import DataError
from storm.shell_game.scene import (
    Look,
    Scene,
    World,
    color_cell,
    follow,
    has_contrast,
    is_test_cell,
    places,
    question,
    sample_scenes,
    split_of,
)


def test_the_ball_goes_where_its_cup_goes():
    assert follow(2, ((1, 3), (2, 4), None, (1, 4), (2, 3))) == (2, 4, 4, 1, 1)


@pytest.mark.parametrize("swaps", [8, 2, 1])
def test_no_script_is_in_two_splits(swaps):
    world = World(swaps=swaps)
    scripts = {
        split: {(s.start, s.swaps) for s in sample_scenes(world, split, 150, seed=1)}
        for split in SPLITS
    }
    for i, one in enumerate(SPLITS):
        assert all(split_of(*script) == one for script in scripts[one])
        for other in SPLITS[i + 1 :]:
            assert not scripts[one] & scripts[other]


def test_scripts_are_distinct_while_they_last_and_then_repeat():
    scenes = sample_scenes(World(), "test", 400, seed=0)
    assert len({(s.start, s.swaps) for s in scenes}) == 400
    few = sample_scenes(World(swaps=1, beats=1), "base", 60, seed=0)  # 24 scripts in all splits
    counts = collections.Counter((s.start, s.swaps) for s in few)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_test_colors_are_only_in_the_test_split():
    for split in SPLITS:
        for scene in sample_scenes(World(), split, 100, seed=3):
            assert is_test_cell(color_cell(scene.look)) == (split == "test")
            assert has_contrast(scene.look)


def test_asking_for_more_keeps_the_first():
    few, many = (sample_scenes(World(), "train", n, seed=5) for n in (10, 30))
    assert many[:10] == few
    assert sample_scenes(World(), "train", 10, seed=6) != few


def test_the_question_asks_for_the_last_place_and_each_letter_is_right_once():
    world = World()
    for scene in sample_scenes(world, "base", 20, seed=0):
        letters = set()
        for order in range(world.cups):
            _, options, letter = question(scene, world, order)
            assert sorted(options) == ["cup 1", "cup 2", "cup 3", "cup 4"]
            assert options["ABCD".index(letter)] == f"cup {places(scene)[-1]}"
            letters.add(letter)
        assert letters == set("ABCD")


@pytest.mark.integration
def test_neither_letter_nor_start_gives_the_answer_away():
    world = World()
    scenes = sample_scenes(world, "test", 1200, seed=0)
    letters = collections.Counter(question(s, world)[2] for s in scenes)
    stays = np.mean([places(s)[-1] == s.start for s in scenes])
    without_last = np.mean([places(s)[-2] == places(s)[-1] for s in scenes])
    assert all(0.2 < n / len(scenes) < 0.3 for n in letters.values())
    assert 0.2 < stays < 0.3
    assert 0.44 < without_last < 0.56  # half of the pairs leave a cup where it is


def test_swaps_choose_their_beats():
    scenes = sample_scenes(World(swaps=2), "train", 60, seed=0)
    assert all(sum(p is not None for p in s.swaps) == 2 for s in scenes)
    assert len({i for s in scenes for i, p in enumerate(s.swaps) if p}) == 8


def test_without_swaps_every_start_is_in_every_split():
    for split in SPLITS:
        scenes = sample_scenes(World(swaps=0), split, 8, seed=0)
        assert {s.start for s in scenes} == {1, 2, 3, 4}


def test_a_wrong_world_is_refused():
    with pytest.raises(ValidationError, match=r"self\.swaps = 9"):
        World(swaps=9)
    with pytest.raises(ValidationError, match="cup_count"):
        World.model_validate({"cup_count": 4})
    with pytest.raises(DataError, match="nowhere"):
        sample_scenes(World(), "nowhere", 1, seed=0)  # type: ignore[arg-type]


def test_cells_go_by_hue():
    look = Look(table=(200, 30, 30), cup=(30, 30, 200), ball=(0, 0, 0))
    assert color_cell(look) == (0, 4)
    assert Scene(1, (None,), look, 0).look is look
