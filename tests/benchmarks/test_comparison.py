"""Differences between runs: known answers, clusters, weights, corrections."""

from __future__ import annotations

import numpy as np
import pytest

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.comparison import compare, holm, paired_bootstrap
from storm.benchmarks.scoring import ScoredRun, score
from storm.benchmarks.statistics import clustered_error, clustered_interval
from storm.benchmarks.types import AnsweredQuestion
from storm.errors import DataError
from tests.benchmarks.docs import doc_of


def run_of(responses: list[str], per_video: int = 1, scorer: str | None = None) -> ScoredRun:
    benchmark = get_benchmark("videomme")
    answered = [
        AnsweredQuestion(
            benchmark.dataset.question(
                str(n), "", doc_of("videomme", videoID=f"v{n // per_video}")
            ),
            said,
        )
        for n, said in enumerate(responses)
    ]
    return score(benchmark, answered, scorer)


def test_the_interval_is_that_of_the_normal_approximation_for_many_single_questions() -> None:
    rng = np.random.default_rng(1)
    differences = rng.choice([-1.0, 0.0, 1.0], 2000, p=[0.2, 0.5, 0.3])
    value, low, high, p = paired_bootstrap(differences.tolist(), [str(n) for n in range(2000)])
    half = 1.96 * differences.std() / 2000**0.5
    assert value == pytest.approx(differences.mean())
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.003)
    assert p < 0.001


def test_questions_of_one_video_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    differences = np.repeat(rng.choice([-1.0, 1.0], 100, p=[0.45, 0.55]), 5).tolist()
    _, low, high, _ = paired_bootstrap(differences, [f"v{n // 5}" for n in range(500)])
    _, alone_low, alone_high, _ = paired_bootstrap(differences, [str(n) for n in range(500)])
    assert (high - low) / (alone_high - alone_low) == pytest.approx(5**0.5, rel=0.1)


def test_draws_are_seeded_and_weights_count() -> None:
    differences, videos = [1.0, -1.0, 1.0, 0.0], ["a", "b", "c", "d"]
    first = paired_bootstrap(differences, videos, draws=500)
    assert first == paired_bootstrap(differences, videos, draws=500)
    assert first != paired_bootstrap(differences, videos, draws=500, seed=1)
    assert paired_bootstrap(differences, videos, [1, 3, 1, 1])[0] == pytest.approx(-1 / 6)
    assert paired_bootstrap([0.0] * 4, videos) == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(DataError, match="both runs answered"):
        paired_bootstrap([], [])


def test_a_null_difference_holds_about_as_often_as_it_may() -> None:
    rng = np.random.default_rng(3)
    videos = [f"v{n // 3}" for n in range(300)]
    found = [
        paired_bootstrap(rng.choice([-1.0, 0.0, 1.0], 300).tolist(), videos, draws=400)[3] < 0.05
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(found) <= 0.11


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_share_their_questions_and_one_level() -> None:
    runs = {
        "good": run_of(["A"] * 60),
        "bad": run_of(["B"] * 50),
        "same": run_of(["A"] * 60),
    }
    found = {(one.first, one.second): one for one in compare(runs)}
    assert len(found) == 3
    one = found["good", "bad"]
    assert (one.value, one.n, one.left_out, one.significant) == (1.0, 50, 10, True)
    assert one.p_holm == pytest.approx(3 * one.p)
    assert not found["good", "same"].significant


def test_runs_that_were_scored_otherwise_are_not_compared() -> None:
    other = run_of(["A"], scorer="vlmevalkit")
    with pytest.raises(DataError, match="scored alike"):
        compare({"a": run_of(["A"]), "b": other})


def test_weights_make_a_weighted_share_with_an_interval_around_it() -> None:
    correct, videos = [True, True, False, True], ["a", "b", "c", "d"]
    assert clustered_interval(correct, videos, [2, 2, 2, 2]) == clustered_interval(correct, videos)
    value, low, high = clustered_interval(correct, videos, [1, 1, 3, 1])
    assert value == pytest.approx(0.5)
    assert low < value < high


def test_the_clustered_error_is_the_plain_one_where_nothing_is_shared() -> None:
    scores = [1.0, 0.0, 0.0, 1.0, 1.0]
    plain = np.std(scores, ddof=1) / 5**0.5
    assert clustered_error(scores, list("abcde")) == pytest.approx(plain)
    assert clustered_error(scores, list("aabbb")) != pytest.approx(plain)
    assert np.isnan(clustered_error([1.0], ["a"]))
