"""Which frame sampling a student is used with: its checkpoint's, or a changed one."""

from __future__ import annotations

from storm.errors import ConfigError
from storm.videos.decoding.sampling import FrameSampling

MOST_FRAMES = 768  # of a video sampled by fps: the most that Qwen's own processors take


def chosen_sampling(trained: FrameSampling | None, given: FrameSampling | None) -> FrameSampling:
    """Return the given sampling, else the checkpoint's; raise ConfigError if neither."""
    sampling = given or trained
    if sampling is None:
        raise ConfigError(
            "expected a frame sampling in the checkpoint's `storm` section, found none: "
            "give the sampling it was trained with"
        )
    return sampling


def changed_sampling(
    trained: FrameSampling | None,
    frames: int | None = None,
    fps: float | None = None,
    size_px: int | None = None,
    max_pixels: int | None = None,
) -> FrameSampling:
    """Return the checkpoint's sampling with changes; raise ConfigError without one.

    Without `fps`, `frames` is the exact number. With `fps` it is the maximum, by default 768.
    """
    if fps is not None:
        if fps <= 0:
            raise ConfigError(f"expected frames a second above 0, found {fps = }")
        frames = frames or MOST_FRAMES
    start = chosen_sampling(trained or (FrameSampling(frames=frames) if frames else None), None)
    given = {"frames": frames, "size_px": size_px, "max_pixels": max_pixels}
    changes: dict[str, float | None] = {
        name: value for name, value in given.items() if value is not None
    }
    if frames is not None:
        changes["fps"] = fps
    return start.model_copy(update=changes)
