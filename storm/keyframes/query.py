"""Frames similar to a question (SigLIP or CLIP), else motion events.

A similarity says little by itself, and being the best of sixty-four frames is nothing special. So
relevance is relative: a frame counts if its similarity to a question is `margin` standard
deviations above the mean over the video. If no frame's is, the selection is that of `motion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from storm.artifacts.hash_cache import COMMIT, require_weights, weights_identity
from storm.keyframes.base import (
    FrameSelector,
    SelectedFrames,
    Selection,
    SelectorConfig,
    fill_with_coverage,
)
from storm.keyframes.motion import MotionConfig
from storm.keyframes.peaks import apart

if TYPE_CHECKING:
    from storm.videos.decoding.probe import VideoInfo


class QueryConfig(SelectorConfig):
    """Configuration of `QuerySelector`."""

    reads_questions: ClassVar[bool] = True

    kind: str = "query"
    k: int = Field(default=16, ge=3)  # frames at most
    model: str  # a SigLIP or CLIP checkpoint: a folder, or a name on the hub with its commit
    revision: str | None = Field(default=None, pattern=COMMIT)
    candidates: int = Field(default=64, ge=4)  # frames compared, at midpoints of intervals
    margin: float = Field(default=3.0, gt=0)  # standard deviations; the best of 64 has 2.4
    batch: int = Field(default=16, ge=1)  # images at once
    motion: MotionConfig = MotionConfig()  # its k and image size don't count

    def identity(self) -> dict[str, Any]:
        """Return all settings, with the model by its content and not its place."""
        self.require()
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        del fields["revision"]
        return fields | {"model": weights_identity(self.model, self.revision)}

    def require(self) -> None:
        """Raise ConfigError unless the model is there, or pinned by its commit."""
        advice = "correct the selector's model"
        require_weights(self.model, self.revision, "SigLIP or CLIP", advice)

    def build(self, device: str = "cpu") -> QuerySelector:
        """Return the selector, with its model loaded on `device`."""
        return QuerySelector(self, device)


class QuerySelector(FrameSelector[QueryConfig]):
    """Selects frames that stand out by their similarity to a question, else motion events."""

    Config = QueryConfig

    def __init__(self, config: QueryConfig, device: str = "cpu"):
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        config.require()
        super().__init__(config, device)
        at = {"revision": config.revision}
        self._tokenizer = AutoTokenizer.from_pretrained(config.model, **at)
        self._image_processor = AutoImageProcessor.from_pretrained(config.model, **at)
        self._model = AutoModel.from_pretrained(config.model, **at).to(device).eval()

    def select_frames(
        self, path: Path, info: VideoInfo, *, verified: bool, questions: Sequence[str]
    ) -> SelectedFrames:
        """Choose relevant frames first, then those of `motion`."""
        from storm.videos.decoding.decode import fetch_frames, interval_midpoints

        config = self.config
        times = np.array(info.pts_seconds)
        relevant: list[Selection] = []
        if questions:
            midpoints = interval_midpoints(info.duration_seconds, config.candidates)
            compared = list(dict.fromkeys(info.nearest(t) for t in midpoints))
            frames = fetch_frames(path, info, compared, config.image_edge_px, verified=verified)
            scores = relevance(self.similarity(frames.pixels, questions))
            relevant = self.choose(scores, compared, times)
        motion = config.motion.model_copy(update={"k": config.k - len(relevant)}).build()
        signals, held = motion.measure(path, info)
        taken = {s.index for s in relevant}
        moving = [s for s in motion.choose(signals, times) if s.index not in taken]
        selections = fill_with_coverage(relevant + moving, times, config.k)
        return SelectedFrames(selections, held, verified=True)

    def similarity(self, frames: np.ndarray, questions: Sequence[str]) -> np.ndarray:
        """Return (T, Q) cosines of frames (T, H, W, 3) uint8 and questions."""
        import torch

        model, images = self._model, []
        text = self._tokenizer(
            list(questions), padding="max_length", truncation=True, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            texts = _pooled(model.get_text_features(**text))
            for start in range(0, len(frames), self.config.batch):
                part = list(frames[start : start + self.config.batch])
                pixels = self._image_processor(images=part, return_tensors="pt")
                features = model.get_image_features(pixels["pixel_values"].to(model.device))
                images.append(_pooled(features))
            image_unit = torch.nn.functional.normalize(torch.cat(images).float(), dim=-1)
            text_unit = torch.nn.functional.normalize(texts.float(), dim=-1)
            return (image_unit @ text_unit.T).cpu().numpy()

    def choose(
        self, scores: np.ndarray, compared: Sequence[int], times: np.ndarray
    ) -> list[Selection]:
        """Return the frames of the highest scores, at most half of k - 2, an interval apart.

        Args:
            scores: (T',) relevance of the frames that were compared.
            compared: Their indices.
            times: (T,) seconds of all frames.
        """
        config = self.config
        best = np.argsort(-scores, kind="stable")
        strong = [
            Selection(compared[i], "query", float(1 - config.margin / (2 * scores[i])))
            for i in best.tolist()
            if scores[i] >= config.margin
        ]
        step = 1.5 * float(times[-1]) / len(compared)
        return apart(strong, times, step, ())[: (config.k - 2) // 2]


def relevance(similarity: np.ndarray) -> np.ndarray:
    """Return (T,) standard deviations above the video's mean, the largest of all Q questions."""
    spread = similarity.std(0)
    above = (similarity - similarity.mean(0)) / np.where(spread > 1e-6, spread, np.inf)
    return above.max(1)


def _pooled(features):  # a tensor, or from transformers 5 on an output that holds it
    return getattr(features, "pooler_output", features)
