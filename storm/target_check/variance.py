"""What targets consist of: what slots share, what questions share, what the input explains."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from storm.benchmarks.statistics import cluster_index

FOLDS = 5
ALPHAS = np.logspace(-1, 6, 15)  # of ridge regressions on standardized features


def variance_shares(targets: np.ndarray) -> dict[str, float]:
    """Return the shares of the targets' variance around their one mean vector; they sum to 1.

    `slots` is what the slots' means over all questions explain, `questions` what the questions'
    means over their slots explain, and `both` is what is left: how a question's slots differ in a
    way of its own. All are NaN for targets that are one and the same vector.

    Args:
        targets: (N, K, hidden).
    """
    center = targets - targets.mean((0, 1))
    slots = center.mean(0, keepdims=True)
    questions = center.mean(1, keepdims=True)
    total = float(np.square(center).sum(2).mean())
    # sums of floats are not exactly alike: what rounding makes of equal vectors is no variance
    if total <= 1e-10 * float(np.square(targets).sum(2).mean()):
        return dict.fromkeys(("slots", "questions", "both"), float("nan"))
    parts = {"slots": slots, "questions": questions, "both": center - slots - questions}
    return {name: float(np.square(part).sum(2).mean()) / total for name, part in parts.items()}


def differ(targets: np.ndarray) -> bool:
    """Return whether the targets (N, K, hidden) of some questions differ."""
    shares = variance_shares(targets)
    return shares["questions"] + shares["both"] > 1e-6  # False for NaN


def input_features(tokens: np.ndarray, time_steps: int, parts: int) -> np.ndarray:
    """Return a video's tokens (n, d) as one vector (parts * d,): the mean of each part of its time.

    Parts overlap where they don't divide the time steps, as in adaptive average pooling.
    """
    steps = tokens.reshape(time_steps, -1, tokens.shape[1]).mean(1)
    ends = [(i * time_steps // parts, -(-(i + 1) * time_steps // parts)) for i in range(parts)]
    return np.concatenate([steps[first:last].mean(0) for first, last in ends])


def explained_by_input(
    features: np.ndarray, targets: np.ndarray, clusters: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Predict targets from features by ridge regression, each cluster by a fit without it.

    The penalty is chosen by leave-one-out within each fit. The share of the variance that the input
    explains is 1 - sum(errors) / sum(spreads).

    Args:
        features: Of each question's video, (N, D).
        targets: (N, K, hidden); slots keep their own means.
        clusters: Each question's cluster, two at least.

    Returns:
        For each question the squared error, and the squared distance from the mean of the targets
        that the fit saw: both (N,).
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold

    x, y = features.astype(np.float64), targets.reshape(len(targets), -1).astype(np.float64)
    groups = cluster_index(clusters)
    errors, spreads = np.zeros(len(y)), np.zeros(len(y))
    for seen, held in GroupKFold(min(FOLDS, groups.max() + 1)).split(x, y, groups):
        center, scale = x[seen].mean(0), x[seen].std(0)
        scale[scale < 1e-12] = 1.0
        mean = y[seen].mean(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of singular matrices, at small penalties
            ridge = RidgeCV(ALPHAS).fit((x[seen] - center) / scale, y[seen] - mean)
        predicted = mean + ridge.predict((x[held] - center) / scale)
        errors[held] = np.square(y[held] - predicted).sum(1)
        spreads[held] = np.square(y[held] - mean).sum(1)
    return errors, spreads


def nearest_answers(
    targets: np.ndarray, answers: Sequence[str], clusters: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each question whether the nearest target belongs to the same answer.

    Only targets of other clusters count, or a video would find itself. Of equally near ones the
    mean is taken, so that equal targets find what chance does.

    Args:
        targets: (N, K, hidden).
        answers: The answer of each question, as a text.
        clusters: Each question's cluster, two at least.

    Returns:
        The share of its nearest with the same answer, and of all others: what chance finds; (N,).
    """
    flat = targets.reshape(len(targets), -1).astype(np.float64)
    groups, texts = cluster_index(clusters), np.asarray(answers)
    found, chance = np.zeros(len(flat)), np.zeros(len(flat))
    for i, own in enumerate(flat):
        others = groups != groups[i]
        gaps = np.linalg.norm(flat[others] - own, axis=1)
        same = texts[others] == texts[i]
        found[i] = same[gaps <= gaps.min() + 1e-6 * np.linalg.norm(own)].mean()
        chance[i] = same.mean()
    return found, chance
