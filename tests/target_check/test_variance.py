"""What targets consist of, against made ones whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from storm.target_check.variance import (
    differ,
    explained_by_input,
    input_features,
    nearest_answers,
    variance_shares,
)

RNG = np.random.default_rng(0)


def centered(*shape: int) -> np.ndarray:
    """Return noise whose mean over the first axis is 0."""
    drawn = RNG.standard_normal(shape)
    return drawn - drawn.mean(0)


def test_the_variance_is_split_into_slots_questions_and_what_is_both() -> None:
    slots, questions = centered(1, 8, 16), centered(50, 1, 16)
    slots -= slots.mean(1, keepdims=True)
    both = centered(50, 8, 16)
    both -= both.mean(1, keepdims=True)
    parts = {"slots": slots, "questions": 2 * questions, "both": 3 * both}
    sizes = {name: np.square(part).mean() for name, part in parts.items()}
    total = sum(sizes.values())
    found = variance_shares(7 + sum(parts.values()))
    assert found == pytest.approx({name: size / total for name, size in sizes.items()})


def test_targets_differ_only_if_questions_do() -> None:
    slots = RNG.standard_normal((1, 8, 16)).astype(np.float32)
    constant = np.repeat(slots, 30, 0)
    assert variance_shares(constant) == pytest.approx({"slots": 1, "questions": 0, "both": 0})
    assert not differ(constant)
    assert not differ(np.ones((30, 8, 16), np.float32) / 3)
    other = constant.copy()
    other[0, 3] += 1
    assert differ(other)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_share_that_the_input_explains(share: float) -> None:
    n = 1500
    features = RNG.standard_normal((n, 12))
    mixed = features @ RNG.standard_normal((12, 6)) / 12**0.5
    noise = RNG.standard_normal((n, 6))
    targets = 5 + (share**0.5 * mixed + (1 - share) ** 0.5 * noise).reshape(n, 2, 3)
    # what is drawn is not exactly as large as it was meant to be
    own, other = share * mixed.var(0).sum(), (1 - share) * noise.var(0).sum()
    errors, spreads = explained_by_input(features, targets, [str(i) for i in range(n)])
    assert 1 - errors.sum() / spreads.sum() == pytest.approx(own / (own + other), abs=0.03)


def test_a_cluster_is_not_predicted_from_its_own_questions() -> None:
    clusters = np.repeat(np.arange(20), 6)
    features = np.eye(20)[clusters]  # tells the cluster, nothing else
    targets = RNG.standard_normal((20, 2, 4))[clusters]
    errors, spreads = explained_by_input(features, targets, [str(c) for c in clusters])
    assert 1 - errors.sum() / spreads.sum() < 0.05


def test_the_nearest_target_is_one_of_another_cluster() -> None:
    answers = ["left", "right"] * 10
    place = np.array([0.0, 10.0] * 10) + RNG.standard_normal(20)
    targets = np.tile(place[:, None, None], (1, 2, 3))
    found, chance = nearest_answers(targets, answers, [str(i) for i in range(20)])
    assert found.tolist() == [1.0] * 20
    assert chance == pytest.approx([9 / 19] * 20)
    found, chance = nearest_answers(targets, answers, answers)  # a cluster has one answer
    assert (found.tolist(), chance.tolist()) == ([0.0] * 20, [0.0] * 20)


def test_equal_targets_find_what_chance_does() -> None:
    same = np.repeat(RNG.standard_normal((1, 2, 3)), 12, 0)
    found, chance = nearest_answers(same, list("aabbccaabbcc"), [str(i) for i in range(12)])
    assert found == pytest.approx(chance)
    assert chance[0] == pytest.approx(3 / 11)


def test_a_video_is_the_means_of_its_times() -> None:
    tokens = np.arange(12.0).reshape(6, 2)  # 3 times of 2 tokens
    by_time = tokens.reshape(3, 2, 2).mean(1)
    assert input_features(tokens, 3, 3).tolist() == by_time.ravel().tolist()
    assert input_features(tokens, 3, 1).tolist() == tokens.mean(0).tolist()
    halves = [by_time[:2].mean(0), by_time[1:].mean(0)]
    assert input_features(tokens, 3, 2).tolist() == np.concatenate(halves).tolist()
    assert input_features(tokens, 3, 6).shape == (12,)
