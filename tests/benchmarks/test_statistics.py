"""Intervals: the textbook's without clusters, wider with them, honest at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from storm.benchmarks.statistics import clustered_interval


def own(n: int) -> list[str]:
    return [f"video {i}" for i in range(n)]


def first(right: int, n: int) -> list[bool]:
    return [i < right for i in range(n)]


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [  # Wilson's score interval without continuity correction; Newcombe 1998, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_one_question_a_video_gives_the_textbook_interval(
    right: int, n: int, low: float, high: float
) -> None:
    share, found_low, found_high = clustered_interval(first(right, n), own(n))
    assert share == pytest.approx(right / n)
    # the cluster-robust variance divides by n - 1: one question less
    assert found_low == pytest.approx(low, abs=0.004)
    assert found_high == pytest.approx(high, abs=0.004)


def test_questions_with_equal_scores_per_video_count_once_a_video() -> None:
    videos, copies = 100, 4
    alone = clustered_interval(first(60, videos), own(videos))
    repeated = [c for c in first(60, videos) for _ in range(copies)]
    together = clustered_interval(repeated, [v for v in own(videos) for _ in range(copies)])
    apart = clustered_interval(repeated, own(videos * copies))
    assert together == pytest.approx(alone)
    assert together[2] - together[1] > 1.8 * (apart[2] - apart[1])


def test_clusters_never_narrow_the_interval() -> None:
    """Each video half right: the estimate of the variance is 0 or small, the interval is not."""
    n = 200
    correct = [i % 2 == 0 for i in range(n)]
    pairs = [f"video {i // 2}" for i in range(n)]
    found = clustered_interval(correct, pairs)
    alone = clustered_interval(correct, own(n))
    assert found[2] - found[1] >= (alone[2] - alone[1]) * 0.999


def test_names_of_videos_and_order_of_questions_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    correct = (rng.random(60) < 0.7).tolist()
    videos = [f"v{i % 23}" for i in range(60)]
    order = rng.permutation(60)
    turned = clustered_interval([correct[i] for i in order], [videos[i] + "x" for i in order])
    assert turned == pytest.approx(clustered_interval(correct, videos))


@pytest.mark.parametrize("right", [True, False])
def test_all_or_none_right_is_not_certainty(right: bool) -> None:
    share, low, high = clustered_interval([right] * 50, own(50))
    assert share == float(right)
    assert (high == 1.0 and 0.85 < low < 0.95) if right else (low == 0.0 and 0.05 < high < 0.15)
    few = clustered_interval([right] * 50, [f"v{i % 5}" for i in range(50)])
    assert few[2] - few[1] > 3 * (high - low), "five videos say less than fifty"


def test_no_questions_have_no_share() -> None:
    assert all(math.isnan(value) for value in clustered_interval([], []))


def test_one_question() -> None:
    share, low, high = clustered_interval([True], ["v"])
    assert share == high == 1.0
    assert 0 < low < 0.5


def test_the_interval_covers_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(1)
    truth, covered, trials = 0.7, 0, 400
    clusters = [f"v{i // 4}" for i in range(200)]
    for _ in range(trials):  # questions of a video agree half of the time
        video, question = rng.random(50) < truth, rng.random(200) < truth
        shared = rng.random(200) < 0.7
        correct = np.where(shared, np.repeat(video, 4), question)
        _, low, high = clustered_interval(correct.tolist(), clusters)
        covered += low <= truth <= high
    assert 0.92 <= covered / trials <= 0.98
