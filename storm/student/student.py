"""The student: a latent model that is loaded, saved and trained, and that answers questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from storm.errors import ConfigError, DataError
from storm.student import checkpoint, rollout
from storm.student.batch import Batch
from storm.student.generate import Answer, generate
from storm.student.gradient import FULL, Gradient
from storm.student.interventions import Intervention
from storm.student.jacobi import Jacobi
from storm.student.model import LatentModel
from storm.student.modes import MODES, Mode
from storm.student.predictor import AnswerConfig, Reply, Video, questions_of
from storm.student.rollout import Feeding, Mixed, StudentOutput


class Student(LatentModel):
    """A vision-language model with K latent steps between question and answer."""

    # -- checkpoints

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        k: int | None = None,
    ) -> Self:
        """Load what `save_pretrained` wrote; `k`, if given, must be the checkpoint's."""
        return checkpoint.load(Path(path), cls, dtype=dtype, device=device, k=k)

    def save_pretrained(self, path: str | Path) -> None:
        """Save an ordinary transformers folder with a `storm` section in its config.json."""
        checkpoint.save(self, Path(path))

    # -- training

    def forward(
        self, batch: Batch, feeding: Feeding = "rollout", gradient: Gradient = FULL
    ) -> StudentOutput:
        """Return answer loss and latents.

        Args:
            batch: Rows with answers.
            feeding: "none" for rows without latents; "teacher" feeds the targets in one parallel
                pass (rows without latents may be among them); "prefill" reads the tokens of a span
                that is not rolled out in one parallel pass; "rollout" feeds the model's own, step
                by step; `Jacobi(sweeps)` the same in parallel sweeps; `Mixed(p)` draws for
                each row.
            gradient: How far it flows back through a rollout's latents.
        """
        batch = batch.to(self.device)
        if batch.any_latent and self.latent.rolls_out == (feeding == "prefill"):
            raise ConfigError(
                "expected feeding 'prefill' exactly where the latent span holds queries or pads, "
                f"found {feeding!r} with {self.latent.input!r}"
            )
        if isinstance(feeding, Mixed | Jacobi) or feeding == "rollout":
            return rollout.rollout(self, batch, feeding, gradient)
        if feeding == "none" and batch.any_latent:
            raise DataError("expected no example with use_latents for feeding 'none', found some")
        if feeding not in ("none", "teacher", "prefill"):
            raise ConfigError(
                "expected feeding 'none', 'teacher', 'prefill', 'rollout', Jacobi(sweeps) or "
                f"Mixed(p), found {feeding!r}"
            )
        return rollout.parallel(self, batch)

    # -- inference

    def generate(
        self,
        batch: Batch,
        *,
        mode: Literal["direct", "latent"] = "latent",
        intervention: Intervention | None = None,
        max_new_tokens: int = 16,
        sweeps: int | None = None,
        attention: bool = False,
    ) -> list[Answer]:
        """Return greedy answers to a batch's prompts; its answers and `use_latents` are ignored.

        Args:
            batch: Rows as `collate` returns them.
            mode: Whether to roll out latents first.
            intervention: Changes the latents before the answer reads them.
            max_new_tokens: The most tokens of an answer.
            sweeps: Find the latents by this many Jacobi sweeps instead of K steps.
            attention: Return where the first answer token looked.
        """
        return generate(
            self,
            batch,
            mode=mode,
            intervention=intervention,
            max_new_tokens=max_new_tokens,
            sweeps=sweeps,
            attention=attention,
        )

    def answer(
        self,
        videos: Sequence[Video | Sequence[Video] | None],
        questions: Sequence[str],
        options: Sequence[Sequence[str]] | None = None,
        *,
        how: AnswerConfig | Mode = "latent",
        intervention: Intervention | None = None,
        latents: bool = False,
        attention: bool = False,
        batch: int = 8,
    ) -> list[Reply]:
        """Answer each question about its video.

        `AnswerConfig.build` returns a predictor for whole prompts, system prompts and streams.

        Args:
            videos: For each question a file, decoded `VideoFrames`, `VideoTokens`, several of
                these, or None.
            questions: Without options.
            options: For each question, without letters.
            how: A mode, or an `AnswerConfig` for everything else.
            intervention: Changes the latents before the answer reads them.
            latents: Return the latents with each reply.
            attention: Return where the first generated token looked.
            batch: The most rows that the model takes at once.
        """
        if isinstance(how, str):
            if how not in MODES:
                raise ConfigError(f"expected mode 'latent', 'direct' or 'cot', found {how!r}")
            how = AnswerConfig(mode=how)
        replies = how.build(self).stream(
            questions_of(videos, questions, options),
            batch=batch,
            intervention=intervention,
            latents=latents,
            attention=attention,
        )
        return list(replies)
