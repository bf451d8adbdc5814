"""The student: a latent model that is loaded, saved, trained and asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from storm.errors import ConfigError, DataError
from storm.student import checkpoint, rollout
from storm.student.batch import Batch
from storm.student.generate import Answer, generate
from storm.student.interventions import Intervention
from storm.student.jacobi import Jacobi
from storm.student.model import LatentModel
from storm.student.modes import MODES, Mode
from storm.student.predictor import Answering, Reply, Video, questions_of
from storm.student.rollout import Feeding, Mixed, StudentOutput
from storm.videos.decoding.sampling import FrameSampling


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
        self, batch: Batch, feeding: Feeding = "rollout", gradient: str = "full"
    ) -> StudentOutput:
        """Answer loss and latents.

        `feeding`: "none" for rows without latents; "teacher" feeds the targets in one parallel
        pass (rows without latents may be among them); "rollout" feeds the model's own, step by
        step; `Jacobi(sweeps)` the same in parallel sweeps; `Mixed(p)` draws for each row.
        `gradient` (of a rollout): "full", "truncated:n", "detached".
        """
        batch = batch.to(self.device)
        if isinstance(feeding, Mixed | Jacobi) or feeding == "rollout":
            return rollout.rollout(self, batch, feeding, gradient)
        if feeding == "none" and batch.any_latent:
            raise DataError("expected no example with use_latents for feeding 'none', found some")
        if feeding not in ("none", "teacher"):
            raise ConfigError(
                f"expected feeding 'none', 'teacher', 'rollout', Jacobi(sweeps) or Mixed(p), "
                f"found {feeding!r}"
            )
        return rollout.parallel(self, batch)

    # -- inference

    def generate(
        self,
        batch: Batch,
        mode: Literal["direct", "latent"] = "latent",
        intervention: Intervention | None = None,
        max_new_tokens: int = 16,
        sweeps: int | None = None,
        attention: bool = False,
    ) -> list[Answer]:
        """Greedy answers to a batch's prompts (its answers and `use_latents` are not looked at).

        With `sweeps`, the latents come by as many Jacobi sweeps instead of K steps.
        """
        return generate(self, batch, mode, intervention, max_new_tokens, sweeps, attention)

    def answer(
        self,
        videos: Sequence[Video | Sequence[Video] | None],
        questions: Sequence[str],
        options: Sequence[Sequence[str]] | None = None,
        *,
        mode: Mode = "latent",
        k: int | None = None,
        max_new_tokens: int | None = None,
        sampling: FrameSampling | None = None,
        sweeps: int | None = None,
        intervention: Intervention | None = None,
        batch: int = 8,
        raw: bool = False,
        system: str | None = None,
        latents: bool = False,
        attention: bool = False,
    ) -> list[Reply]:
        """Answer each question about its video, several videos or none (None).

        A video is a file, decoded `VideoFrames` or `VideoTokens`. `k`, if given, must be the
        checkpoint's. `sampling` overrides the checkpoint's. `sweeps`: as many Jacobi sweeps
        instead of K steps. `raw`: the questions are whole prompts. See
        `storm.student.answering` for many questions, and for what a Reply holds.
        """
        self.latent.require(k)
        if mode not in MODES:
            raise ConfigError(f"expected mode 'latent', 'direct' or 'cot', found {mode!r}")
        config = Answering.Config(
            mode=mode, max_new_tokens=max_new_tokens, sampling=sampling, sweeps=sweeps
        )
        answering = config.build(self)
        asked = questions_of(videos, questions, options, raw=raw, system=system)
        return list(
            answering.stream(
                map(answering.prepare, asked),
                batch=batch,
                intervention=intervention,
                latents=latents,
                attention=attention,
            )
        )
