"""Read from sealed stages what the report is made of."""

from __future__ import annotations

import numpy as np

from storm.artifacts.store import Store
from storm.target_check.report import TargetReport, report_of
from storm.target_check.scores import TargetScoresStage
from storm.target_check.variance import input_features


def report_on(stage: TargetScoresStage, store: Store) -> TargetReport:
    """Return the report on the targets that a sealed stage has scored."""
    from storm.student.example import VideoTokens

    samples = stage.samples(store)
    targets = stage.tensor(store, samples).numpy()
    _, k, hidden = targets.shape
    features: dict[str, np.ndarray] = {}
    for row in stage.features.rows(store, {s.video_id for s in samples}):
        tokens = VideoTokens.of(row, hidden).tokens.float().numpy()
        features[row.id] = input_features(tokens, row.grid_thw[0], k)
    prompts = stage.targets.thought_videos.prompts.rows(store, {s.id for s in samples})
    return report_of(
        samples,
        stage.rows(store),
        targets,
        np.stack([features[s.video_id] for s in samples]),
        saw_answer=float(np.mean([prompt.saw_answer for prompt in prompts])),
    )
