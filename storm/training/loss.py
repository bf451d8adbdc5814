"""The losses of a training, as functions of the student's output and its batch.

Each returns the loss, a mean over the batch's rows, and its parts for the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from storm.student.batch import Batch
    from storm.student.rollout import StudentOutput

Loss = tuple[Tensor, dict[str, float]]
LossFn = Callable[["StudentOutput", "Batch"], Loss]


def answer_loss(output: StudentOutput, batch: Batch) -> Loss:
    """Return the cross-entropy of the answer: Stage II and plain fine-tuning."""
    assert output.answer_loss_per_row is not None
    loss = output.answer_loss_per_row.mean()
    return loss, {"answer_loss": loss.item()}


def align_loss(output: StudentOutput, batch: Batch, weight: float) -> Loss:
    """Return the loss of Stage I: the answer, and latents near their targets.

    cross_entropy(answer) + weight * mean((z - g)^2), with latents z and targets g of shape
    (B, K, hidden); the mean is over all three axes, in float32 (arXiv 2605.26014). A row without
    a target has the error 0.
    """
    answer, logs = answer_loss(output, batch)
    if not weight or batch.targets is None:
        return answer, logs
    assert output.latents is not None
    error = (output.latents.float() - batch.targets.float()).square()
    align = (error * batch.has_targets[:, None, None]).mean()
    return answer + weight * align, {**logs, "align_loss": align.item()}
