"""Differences between runs of a benchmark, and weighted intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.comparison import compare
from storm.benchmarks.scoring import ScoredRun, score
from storm.benchmarks.statistics import clustered_error, clustered_interval
from storm.benchmarks.types import AnsweredQuestion
from storm.errors import DataError
from storm.evaluation.tables import differences
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


def test_pairs_share_their_questions_and_one_level() -> None:
    runs = {
        "good": run_of(["A"] * 60),
        "bad": run_of(["B"] * 50),
        "same": run_of(["A"] * 60),
    }
    found = {(one.first, one.second): one for one in compare(runs)}
    assert len(found) == 3
    one = found["good", "bad"]
    assert (one.found.value, one.found.n, one.left_out) == (1.0, 50, 10)
    assert one.found.p_holm == pytest.approx(3 * one.found.p)
    assert one.as_json()["verdict"] == "significant"
    assert not found["good", "same"].found.significant


def test_two_videos_give_no_verdict() -> None:
    runs = {"good": run_of(["A"] * 60, per_video=30), "bad": run_of(["B"] * 60, per_video=30)}
    (one,) = compare(runs)
    assert one.found.p == 0.5
    assert one.as_json()["verdict"] == "too few clusters (2 < 10) for a verdict"
    assert differences([one])[1][-1] == one.found.verdict


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


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 9), st.floats(1e-6, 1e6)), min_size=1, max_size=40
    )
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_weights_keep_a_share_and_its_interval_within_0_and_1(rows) -> None:
    values, videos, weights = zip(*rows, strict=True)
    names = [str(v) for v in videos]
    share, low, high = clustered_interval(values, names, weights)
    assert min(values) <= share <= max(values)
    assert 0 <= low <= share <= high <= 1
    assert share == pytest.approx(np.average(values, weights=weights))
    every = clustered_interval([True] * len(rows), names, weights)
    assert every[0] == every[2] == 1 > every[1]


def test_a_question_of_almost_all_weight_counts_as_one() -> None:
    names = [str(n) for n in range(50)]
    alike = clustered_interval([True] * 50, names)
    unequal = clustered_interval([True] * 50, names, [1e6, *[1.0] * 49])
    assert unequal == pytest.approx(clustered_interval([True], ["0"]), abs=1e-3)
    assert alike[1] > 0.9 > unequal[1]


def test_one_video_says_as_much_as_one_question_that_it_holds() -> None:
    _, low, high = clustered_interval([True, False, True] * 20, ["v"] * 60)
    assert high - low > 0.7


def test_the_clustered_error_is_the_plain_one_where_nothing_is_shared() -> None:
    scores = [1.0, 0.0, 0.0, 1.0, 1.0]
    plain = np.std(scores, ddof=1) / 5**0.5
    assert clustered_error(scores, list("abcde")) == pytest.approx(plain)
    assert clustered_error(scores, list("aabbb")) != pytest.approx(plain)
    assert np.isnan(clustered_error([1.0], ["a"]))
