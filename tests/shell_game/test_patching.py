"""What the shell game says of patched latents and of a guesser, against every game played out."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from storm.records import VideoSample
from storm.shell_game.scene import Scene, World, follow, places
from storm.shell_game.videos import Counts, ShellVideos
from storm.testing import make_sample

VIDEOS = ShellVideos(seed=5, counts=Counts(train=0, val=0, test=12))


def sample(name: str) -> VideoSample:
    return make_sample(name, split="test")


def test_the_donors_ball_goes_on_with_the_samples_own_swaps() -> None:
    scenes = VIDEOS.scenes("test")
    for mine, donor in itertools.permutations(list(scenes)[:6], 2):
        for events in range(9):
            given, own = scenes[donor], scenes[mine]
            mixed = Scene(given.start, given.swaps[:events] + own.swaps[events:], own.look, 0)
            found = VIDEOS.patched_answer(sample(mine), sample(donor), events)
            assert found == f"cup {places(mixed)[-1]}"
    one, two = list(scenes)[:2]
    assert VIDEOS.patched_answer(sample(one), sample(two), 8) == f"cup {places(scenes[two])[-1]}"
    assert VIDEOS.patched_answer(sample(one), sample(one), 3) == f"cup {places(scenes[one])[-1]}"
    assert VIDEOS.events(sample(one)) == 8


@pytest.mark.parametrize("cups", [3, 4, 5])
@pytest.mark.parametrize("unknown", [0, 1, 2, 3])
def test_the_guesser_is_the_best_one(cups: int, unknown: int) -> None:
    """Of all equally likely games that it can't tell apart, the most end where it guesses."""
    world = World(cups=cups, swaps=4, beats=4)
    known = world.pairs[: 4 - unknown]
    games = itertools.product(world.pairs, repeat=unknown)
    ends = Counter((1, *follow(1, (*game, *known)))[-1] for game in games)
    best = max(ends.values()) / ends.total()
    videos = ShellVideos(world=world)
    assert videos.guess_accuracy(sample("test-00000"), unknown) == pytest.approx(best)


def test_a_world_with_rests_has_no_such_guesser() -> None:
    videos = ShellVideos(world=World(swaps=2, beats=8))
    assert videos.guess_accuracy(sample("test-00000"), 1) is None
