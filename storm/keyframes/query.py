"""Frames that look like what is asked: image-text similarity by SigLIP or CLIP, else `motion`.

A similarity says little by itself, and a frame that is the best of sixty four is nothing special.
So relevance is relative: a frame counts if its similarity to a question lies `margin` standard
deviations above the mean over the video. Where none does, the choice is `motion`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from storm.artifacts.hash_cache import COMMIT, require_weights, weights_identity
from storm.keyframes.base import Choice, SelectorConfig, fill_gaps, make_keyframes
from storm.keyframes.motion import MotionSelector
from storm.keyframes.peaks import apart
from storm.records import Keyframes


class QuerySelector:
    class Config(SelectorConfig):
        reads_questions: ClassVar[bool] = True

        kind: Literal["query"] = "query"
        k: int = Field(default=16, ge=3)  # frames at most
        model: str  # a SigLIP or CLIP checkpoint: a folder, or a name on the hub with its commit
        revision: str | None = Field(default=None, pattern=COMMIT)
        candidates: int = Field(default=64, ge=4)  # frames compared, at the middles of intervals
        margin: float = Field(default=3.0, gt=0)  # standard deviations; the best of 64 has 2.4
        batch: int = Field(default=16, ge=1)  # images at once
        motion: MotionSelector.Config = MotionSelector.Config()  # its k and image size don't count

        def identity(self) -> dict[str, Any]:
            """All, with the model by its content and not its place."""
            self.require()
            fields = {name: getattr(self, name) for name in type(self).model_fields}
            del fields["revision"]
            return fields | {"model": weights_identity(self.model, self.revision)}

        def require(self) -> None:
            advice = "correct the selector's model"
            require_weights(self.model, self.revision, "SigLIP or CLIP", advice)

        def build(self, device: str = "cpu") -> QuerySelector:
            return QuerySelector(self, device)

    def __init__(self, config: Config, device: str = "cpu"):
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        config.require()
        self.config = config
        at = {"revision": config.revision}
        self._tokenizer = AutoTokenizer.from_pretrained(config.model, **at)
        self._image_processor = AutoImageProcessor.from_pretrained(config.model, **at)
        self._model = AutoModel.from_pretrained(config.model, **at).to(device).eval()

    def select(
        self, video_id: str, path: Path, *, verified: bool = False, questions: Sequence[str] = ()
    ) -> Keyframes:
        """Raises UnreadableVideo."""
        from storm.videos.decoding.decode import fetch, interval_middles, probe

        config, info = self.config, probe(path)
        times = np.array(info.pts_seconds)
        relevant: list[Choice] = []
        if questions:
            middles = interval_middles(info.duration_seconds, config.candidates)
            seen = list(dict.fromkeys(info.nearest(t) for t in middles))
            frames = fetch(path, info, seen, config.image_edge_px, verified=verified).pixels
            scores = relevance(self.similarity(frames, questions))
            relevant = self.choose(scores, seen, times)
        motion = config.motion.model_copy(update={"k": config.k - len(relevant)}).build()
        signals, held = motion.look(path, info)
        taken = {c.index for c in relevant}
        moving = [c for c in motion.choose(signals, times) if c.index not in taken]
        choices = fill_gaps(relevant + moving, times, config.k)
        return make_keyframes(
            video_id, path, info, choices, config.image_edge_px, held=held, verified=True
        )

    def similarity(self, frames: np.ndarray, questions: Sequence[str]) -> np.ndarray:
        """(T, Q) cosine of each frame (T, H, W, 3) uint8 and each question."""
        import torch

        model, images = self._model, []
        text = self._tokenizer(
            list(questions), padding="max_length", truncation=True, return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            asked = _pooled(model.get_text_features(**text))
            for start in range(0, len(frames), self.config.batch):
                part = list(frames[start : start + self.config.batch])
                pixels = self._image_processor(images=part, return_tensors="pt")
                found = model.get_image_features(pixels["pixel_values"].to(model.device))
                images.append(_pooled(found))
            shown = torch.nn.functional.normalize(torch.cat(images).float(), dim=-1)
            asked = torch.nn.functional.normalize(asked.float(), dim=-1)
            return (shown @ asked.T).cpu().numpy()

    def choose(self, scores: np.ndarray, seen: Sequence[int], times: np.ndarray) -> list[Choice]:
        """At most half of k - 2 frames: those of the highest scores (T',), an interval apart.

        `seen` are the indices of the T' frames that were compared, `times` (T,) of all.
        """
        config = self.config
        best = np.argsort(-scores, kind="stable")
        strong = [
            Choice(seen[i], "query", float(1 - config.margin / (2 * scores[i])))
            for i in best.tolist()
            if scores[i] >= config.margin
        ]
        step = 1.5 * float(times[-1]) / len(seen)
        return apart(strong, times, step, ())[: (config.k - 2) // 2]


def relevance(similarity: np.ndarray) -> np.ndarray:
    """(T, Q) to (T,): standard deviations above the video's mean, the largest of all questions."""
    spread = similarity.std(0)
    above = (similarity - similarity.mean(0)) / np.where(spread > 1e-6, spread, np.inf)
    return above.max(1)


def _pooled(features):  # a tensor, or from transformers 5 on an output that holds it
    return getattr(features, "pooler_output", features)
