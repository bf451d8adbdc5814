"""The row of the stage `target_scores`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TargetScore:
    """What a student that was not trained makes of one question, its latent span fed somehow.

    Attributes:
        id: Unique; made of question_id and condition, never parsed.
        question_id: The question.
        video_id: Its video.
        cluster: The question's cluster (see VideoSample).
        condition: What stands in the latent span (see storm.target_check.scores).
        chosen: The most probable of the options' letters; of an open question the text that is
            most probable, token by token, where the right answer was written before.
        correct: Whether that is the answer.
        log_probability: Of the right answer, in nats: of its letter among the options' letters,
            or of an open answer's tokens.
    """

    id: str
    question_id: str
    video_id: str
    cluster: str
    condition: str
    chosen: str
    correct: bool
    log_probability: float
