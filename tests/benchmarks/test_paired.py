"""Paired differences: known answers, clusters, weights, no verdict from few videos."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm.benchmarks.paired import (
    MIN_CLUSTERS,
    Pair,
    holm,
    paired_difference,
    paired_differences,
    sign_flip_p,
)
from storm.errors import DataError


def pairs_of(differences: Any, clusters: Any = None, weights: Any = None) -> list[Pair]:
    """Pairs whose second score is 0.5."""
    n = len(differences)
    names = [f"v{i}" for i in range(n)] if clusters is None else clusters
    shares = [1.0] * n if weights is None else weights
    return [Pair(0.5 + d, 0.5, c, w) for d, c, w in zip(differences, names, shares, strict=True)]


def test_many_single_questions_give_the_normal_approximation() -> None:
    rng = np.random.default_rng(1)
    differences = rng.choice([-0.5, 0.0, 0.5], 2000, p=[0.2, 0.5, 0.3])
    found = paired_difference(pairs_of(differences))
    half = 1.96 * differences.std() / 2000**0.5
    assert found.value == pytest.approx(differences.mean())
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), 0.05)
    assert (found.n, found.clusters) == (2000, 2000)
    assert found.p < 0.001


def test_questions_of_one_video_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    differences = np.repeat(rng.choice([-0.5, 0.5], 100, p=[0.45, 0.55]), 5)
    shared = paired_difference(pairs_of(differences, [f"v{n // 5}" for n in range(500)]))
    alone = paired_difference(pairs_of(differences))
    assert (shared.high - shared.low) / (alone.high - alone.low) == pytest.approx(5**0.5, rel=0.1)
    assert shared.p > alone.p
    assert (shared.n, shared.clusters) == (500, 100)


def test_repeated_runs_of_one_video_say_no_more_than_one() -> None:
    """Three seeds that agree are one draw of the video, not three."""
    rng = np.random.default_rng(4)
    differences = rng.choice([-0.5, 0.0, 0.5], 40, p=[0.2, 0.3, 0.5])
    once = paired_difference(pairs_of(differences))
    names = [f"v{i}" for i in range(40)]
    three = paired_difference(pairs_of(np.tile(differences, 3), names * 3))
    assert (three.value, three.low, three.high, three.p) == pytest.approx(
        (once.value, once.low, once.high, once.p)
    )


@pytest.mark.parametrize("videos", [1, 2, 5, 9])
def test_few_videos_give_no_verdict_however_many_questions(videos: int) -> None:
    found = paired_difference(pairs_of([0.5] * 90, [f"v{i % videos}" for i in range(90)]))
    assert found.p == pytest.approx(2 / 2**videos), "all flips but two are nearer to 0"
    assert found.verdict == f"too few clusters ({videos} < 10) for a verdict"
    assert not found.significant
    assert (found.low, found.high) == (-1, 1)


def test_ten_videos_are_enough_for_one() -> None:
    assert MIN_CLUSTERS == 10
    same = paired_difference(pairs_of([0.5] * 10))
    assert same.p == 2 / 2**10
    assert same.verdict == "significant"
    assert paired_difference(pairs_of([0.5, -0.5] * 5)).verdict == "not significant"


def by_hand(sums: list[float]) -> float:
    """Over every flip, in exact arithmetic."""
    reached = abs(sum(sums))
    totals = [
        sum(s * f for s, f in zip(sums, flips, strict=True))
        for flips in itertools.product((1, -1), repeat=len(sums))
    ]
    return sum(abs(total) >= reached for total in totals) / len(totals)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_few_clusters_are_enumerated(sums: list[int]) -> None:
    values = np.array(sums, dtype=float)
    found = sign_flip_p(values, 512, np.random.default_rng(0))
    assert found == by_hand([float(s) for s in sums])
    scaled = sign_flip_p(values / 3, 512, np.random.default_rng(0))
    assert scaled == found, "ties stay ties when numbers are rounded"


def test_random_flips_come_near_every_flip() -> None:
    sums = np.array([3, 1, 2, -1, 2, 1, 1, -2, 1, 2, 1, 1], dtype=float)
    exact = sign_flip_p(sums, 2**12, np.random.default_rng(0))
    drawn = sign_flip_p(sums, 2**12 - 1, np.random.default_rng(0))
    assert exact == by_hand(sums.tolist())
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact / 2**12))


def test_no_p_is_smaller_than_its_draws_can_tell() -> None:
    assert sign_flip_p(np.ones(60), 400, np.random.default_rng(0)) == 1 / 401
    assert sign_flip_p(np.zeros(60), 400, np.random.default_rng(0)) == 1


def test_a_null_difference_is_found_as_often_as_it_may_be() -> None:
    rng = np.random.default_rng(3)
    for videos in (12, 100):
        names = [f"v{n // 3}" for n in range(3 * videos)]
        found = []
        for _ in range(300):
            own = np.repeat(rng.choice([-0.5, 0.0, 0.5], videos), 3) * rng.random(3 * videos)
            found.append(paired_difference(pairs_of(own, names), draws=400).p < 0.05)
        assert 0.02 <= np.mean(found) <= 0.085


def test_draws_are_seeded() -> None:
    rng = np.random.default_rng(5)
    pairs = pairs_of(rng.choice([-0.5, 0.0, 0.5], 60))
    first = paired_difference(pairs, draws=500)
    assert first == paired_difference(pairs, draws=500)
    other = paired_difference(pairs, draws=500, seed=1)
    assert (other.low, other.high, other.p) != (first.low, first.high, first.p)
    assert other.value == first.value


def test_weights_count_and_questions_without_any_are_left_out() -> None:
    found = paired_difference(pairs_of([0.5, -0.5, 0.5, 0.0], weights=[1, 3, 1, 0]))
    assert found.value == pytest.approx(-0.1)
    assert (found.n, found.clusters) == (3, 3)
    with pytest.raises(DataError, match="both runs answered"):
        paired_difference([])
    with pytest.raises(DataError, match="both runs answered"):
        paired_difference(pairs_of([0.5], weights=[0]))


scores = st.floats(0, 1)
weighted_pairs = st.lists(
    st.builds(
        Pair,
        first=scores,
        second=scores,
        cluster=st.integers(0, 30).map(str),
        weight=st.floats(1e-6, 1e6),
    ),
    min_size=1,
    max_size=60,
)


@given(weighted_pairs)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_weights_keep_the_difference_within_its_range(pairs: list[Pair]) -> None:
    found = paired_difference(pairs, draws=50)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert 0 < found.p <= 1
    turned = [pair._replace(first=pair.second, second=pair.first) for pair in pairs]
    assert paired_difference(turned, draws=50).value == pytest.approx(-found.value, abs=1e-9)


@given(weighted_pairs, st.sampled_from([0.25, 8.0]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_the_scale_of_weights_does_not_matter(pairs: list[Pair], scale: float) -> None:
    scaled = [pair._replace(weight=scale * pair.weight) for pair in pairs]
    assert paired_difference(scaled, draws=50) == paired_difference(pairs, draws=50)


def test_a_family_is_corrected_together() -> None:
    rng = np.random.default_rng(6)
    family = {
        "better": pairs_of(rng.choice([0.0, 0.5], 60)),
        "maybe": pairs_of(rng.choice([-0.5, 0.0, 0.5], 60, p=[0.15, 0.5, 0.35])),
        "same": pairs_of(rng.choice([-0.5, 0.5], 60)),
    }
    found = paired_differences(family)
    assert list(found) == list(family)
    assert [one.p_holm for one in found.values()] == holm([one.p for one in found.values()])
    for name, pairs in family.items():
        alone = paired_difference(pairs)
        assert alone.p_holm == alone.p == found[name].p
    assert found["better"].significant
    assert not found["same"].significant
    assert paired_differences({}) == {}


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
