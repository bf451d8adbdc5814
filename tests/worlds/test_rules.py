"""What holds in every world, and what sets them apart."""

import itertools
from collections import Counter

import numpy as np
import pytest

from storm.shell_game import scene as shell
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import SHARING, open_question, question, sample_scenes, split_of
from storm.worlds.videos import Item, best_guess
from storm.worlds.world import REST, Story

BEATS = 8


@pytest.fixture(params=WORLDS.values(), ids=WORLDS)
def world(request):
    return request.param


def scenes_of(world, split, n, **changes):
    return sample_scenes(
        world, BEATS, changes.get("events", BEATS), split, n, changes.get("seed", 0)
    )


def test_a_rest_changes_nothing_and_some_event_does(world):
    rng = np.random.default_rng(0)
    setting = world.draw_setting(rng)
    for state in world.starts(setting):
        assert world.advance(setting, state, REST) == state
        after = {world.advance(setting, state, e) for e in world.possible_events}
        assert after <= set(world.starts(setting))
        assert after != {state}


def test_only_the_dial_commutes(world):
    rng = np.random.default_rng(0)
    setting = world.draw_setting(rng)
    pairs = itertools.combinations(world.possible_events, 2)
    order_counts = any(
        world.carry(setting, s, (a, b))[-1] != world.carry(setting, s, (b, a))[-1]
        for a, b in pairs
        for s in world.starts(setting)
    )
    assert order_counts == (world.name != "dial")


def test_cups_are_the_shell_game():
    world = WORLDS["cups"]
    rng = np.random.default_rng(0)
    for _ in range(50):
        story = Story((), int(rng.integers(4)), tuple(rng.integers(7, size=BEATS).tolist()))
        swaps = tuple(None if e == REST else shell.World().pairs[e - 1] for e in story.events)
        places = shell.follow(story.start + 1, swaps)
        assert tuple(state + 1 for state in world.follow(story)) == places


def test_splits_share_no_events(world):
    events = {s: {x.story.events for x in scenes_of(world, s, 100)} for s in shell.SPLIT_SHARES}
    for one, other in itertools.combinations(events, 2):
        assert not events[one] & events[other]
    for split, found in events.items():
        assert {split_of(world, e) for e in found} == {split}


def test_fewer_scenes_are_the_first_of_more(world):
    assert scenes_of(world, "train", 5) == scenes_of(world, "train", 20)[:5]
    assert scenes_of(world, "train", 5) != scenes_of(world, "train", 5, seed=1)


def test_test_stories_in_a_row_share_their_setting():
    for split, n in (("test", 5), ("train", 17)):
        settings = [s.story.setting for s in scenes_of(WORLDS["maze"], split, 5 * SHARING)]
        assert len(set(settings)) == pytest.approx(n, abs=0 if split == "test" else 3)
        if split == "test":
            assert settings == [s for s in settings[::SHARING] for _ in range(SHARING)]


def test_fewer_events_leave_beats_that_rest(world):
    for scene in scenes_of(world, "train", 20, events=3):
        assert sum(event != REST for event in scene.story.events) <= 3


def test_letters_and_options_are_equally_often_right(world):
    scenes = scenes_of(world, "train", 800)
    letters, texts = Counter(), Counter()
    for scene in scenes:
        text, options, answer = question(world, scene)
        assert (text, sorted(options)) == (world.question, sorted(world.options))
        letters[answer] += 1
        texts[options["ABCD".index(answer)]] += 1
    for counts in (letters, texts):
        assert len(counts) == 4
        assert all(150 <= count <= 250 for count in counts.values())  # four sigma


def test_a_sentence_names_its_state_and_no_other(world):
    for state in range(len(world.states)):
        assert world.named_states(world.sentence(state)) == {state}
    scene = scenes_of(world, "test", 1)[0]
    assert open_question(world, scene)[1] == world.sentence(world.follow(scene.story)[-1])


@pytest.mark.parametrize(
    ("name", "text", "states"),
    [
        ("cups", "third from the left", {2}),
        ("cups", "The second cup from the right.", {2}),
        ("cups", "cup 4", {3}),
        ("cups", "It is under cup one or cup two.", {0, 1}),
        ("cups", "Under a cup.", set()),
        ("cups", "Not under the third cup.", set()),
        ("dial", "It points to the left", {3}),
        ("dial", "up or down", {0, 2}),
        ("dial", "It isn't up.", set()),
        ("dial", "upwards", set()),
        ("maze", "row 2, column 3", {6}),
        ("maze", "second row, third column", {6}),
        ("maze", "In the second row.", set()),
        ("maze", "row 2, column 3 or 4", set()),
        ("maze", "row 1, column 1 or row 2, column 1", {0, 4}),
    ],
)
def test_states_in_other_words(name, text, states):
    assert WORLDS[name].named_states(text) == states


def guess(world, scene, unknown, *, is_open=False):
    return best_guess(Item(world, scene, is_open), unknown)


def test_what_a_guesser_knows():
    """Cups by formula; one unknown turn of the dial is chance; a maze lies between."""
    dial, cups, maze = WORLDS["dial"], WORLDS["cups"], WORLDS["maze"]
    for scene in scenes_of(dial, "test", 5):
        assert guess(dial, scene, 0) == 1
        assert all(guess(dial, scene, m) == pytest.approx(1 / 4) for m in range(1, 9))
    for scene in scenes_of(cups, "test", 5):
        for m in range(9):
            assert guess(cups, scene, m) == pytest.approx(1 / 4 + 3 / 4 / 3**m)
    means = [np.mean([guess(maze, s, m) for s in scenes_of(maze, "test", 60)]) for m in (0, 1, 8)]
    assert means[0] == 1
    assert 0.5 < means[1] < 0.8
    assert 0.25 < means[2] < 0.35


def test_a_guess_is_the_best_by_counting():
    maze = WORLDS["maze"]
    (scene,) = scenes_of(maze, "test", 1)
    story = scene.story
    ends = [
        maze.carry(story.setting, story.start, (*first, *story.events[2:]))[-1]
        for first in itertools.product(maze.possible_events, repeat=2)
    ]
    corners, cells = Counter(map(maze.option_of, ends)), Counter(ends)
    assert guess(maze, scene, 2) == pytest.approx(max(corners.values()) / 16)
    assert guess(maze, scene, 2, is_open=True) == pytest.approx(max(cells.values()) / 16)
