"""Small students, rows and clips for tests: ours, and those of packages that extend STORM.

    from storm.testing import make_clip, make_sample, make_student, run_stage

Everything is built offline in seconds or less, and is the same for the same arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from storm.records import Keyframes, ThoughtPrompt, VideoSample

if TYPE_CHECKING:
    from storm.artifacts.stage import Stage
    from storm.artifacts.store import Store
    from storm.runtime import Runtime
    from storm.thought_prompts.base import TeacherRequest
    from storm.thought_videos.base import GeneratorRequest
    from storm.videos.decoding.sampling import FrameSampling

QUESTION = "Which cup hides the ball?"
OPTIONS = ("cup 1", "cup 2", "cup 3", "cup 4")


def make_student(
    folder: Path,
    family: str = "qwen3_vl",
    *,
    k: int = 2,
    hidden: int = 32,
    corpus: Sequence[str] = (),
    sampling: FrameSampling | None = None,
    seed: int = 0,
    **text: float,
) -> Path:
    """Write the checkpoint of a small random student and return its folder.

    Args:
        folder: The folder to write.
        family: `qwen3_vl`, `qwen2_5_vl` or `qwen3_5`.
        k: Latent steps.
        hidden: Width of the language model.
        corpus: Texts that the tokenizer is trained on; by default a question and its options.
        sampling: How frames are sampled; needed to answer questions about files.
        seed: Seed of the weights.
        text: Other fields of `TextShape`, e.g. `layers=2`.
    """
    from storm.student import LatentConfig, Student, TinyConfig, prompt_of

    shape = {"layers": 1, "hidden": hidden, "heads": 2, "key_heads": 2, "ffn": hidden}
    config = TinyConfig.model_validate(
        {
            "family": family,
            "text": shape | text,
            "vision": {"layers": 1, "hidden": 32, "heads": 2, "ffn": 32},
            "latent": LatentConfig(k=k),
            "corpus": tuple(corpus) or (prompt_of(QUESTION, OPTIONS), *"ABCD"),
            "vocabulary": 300,
            "seed": seed,
        }
    )
    config.build(folder)
    if sampling is not None:
        student = Student.from_pretrained(folder)
        student.sampling = sampling
        student.save_pretrained(folder)
    return folder


def make_sample(id: str = "q0", **fields: Any) -> VideoSample:
    """Return a training question with four options; `fields` replace any of its values."""
    values: dict[str, Any] = {
        "id": id,
        "video_id": "v",
        "video_path": "v.mp4",
        "video_sha256": "0",
        "split": "train",
        "question": QUESTION,
        "options": OPTIONS,
        "answer": "A",
    }
    return VideoSample(**values | fields)


def make_frames(frames: int = 24, height_px: int = 64, width_px: int = 64) -> np.ndarray:
    """Return (T, H, W, 3) uint8 frames of a red square that crosses a gray slope."""
    slope = np.linspace(40, 120, height_px)[:, None, None] + np.zeros((height_px, width_px, 3))
    pixels = np.repeat(slope[None], frames, 0)
    for t in range(frames):
        left = round(t * (width_px - 12) / max(1, frames - 1))
        pixels[t, height_px // 3 : height_px // 3 + 12, left : left + 12] = (230, 60, 40)
    return pixels.astype(np.uint8)


def make_clip(path: Path, *, fps: float = 12.0, **shape: int) -> Path:
    """Write `make_frames(**shape)` as an H.264 mp4 and return its path."""
    from storm.videos.decoding.encode import encode_mp4

    path.parent.mkdir(parents=True, exist_ok=True)
    encode_mp4(path, make_frames(**shape), fps)
    return path


def make_keyframes(video_id: str = "v", count: int = 3, **shape: int) -> Keyframes:
    """Return `count` keyframes, spread over the frames of `make_frames(**shape)`."""
    from storm.videos.decoding.encode import jpeg

    pixels = make_frames(**shape)
    chosen = np.linspace(0, len(pixels) - 1, count).round().astype(int)
    return Keyframes(
        id=video_id,
        pts_seconds=tuple(float(i) / 12 for i in chosen),
        reasons=("coverage",) * count,
        scores=(1.0,) * count,
        images=tuple(jpeg(pixels[i]) for i in chosen),
        duration_seconds=len(pixels) / 12,
    )


def make_teacher_request(id: str = "q0", **fields: Any) -> TeacherRequest:
    """Return a request to a teacher: `make_sample(id, **fields)` and keyframes."""
    from storm.thought_prompts.base import TeacherRequest

    return TeacherRequest(make_sample(id, **fields), make_keyframes())


def make_generator_request(
    source: Path, prompt: str = "A ball rolls.", seed: int = 0
) -> GeneratorRequest:
    """Return a request to a generator; `source` is the input video, e.g. of `make_clip`."""
    from storm.thought_videos.base import GeneratorRequest

    row = ThoughtPrompt(
        id="q0", video_id="v", prompt=prompt, steps=("it rolls",), teacher="test", saw_answer=False
    )
    return GeneratorRequest(row, make_keyframes(), source, seed)


def run_stage(stage: Stage[Any], store: Store, runtime: Runtime | None = None) -> list[Any]:
    """Make a stage and everything it needs in child processes, and return its rows."""
    from storm.artifacts.make import execute
    from storm.runtime import Runtime

    runtime = runtime or Runtime.model_validate({"workers": 1})
    for needed in stage.inputs.values():
        if not needed.artifact(store).is_sealed():
            run_stage(needed, store, runtime)
    execute(stage, store, runtime)
    return list(stage.rows(store))
