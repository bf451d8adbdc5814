"""The base that comes with STORM: `base_checkpoint/`, a checkpoint like any downloaded one.

`make base` makes it from the profile `shell_base`. Its record says which scenes taught it, so that
a test can hold them apart from those of training, validation and test.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from storm.artifacts.fs import digest, renamed_into, sha256_file, write_json
from storm.shell_game.videos import ShellVideos

FOLDER = Path(__file__).parent / "base_checkpoint"
_RECORD = "base.json"
_WEIGHTS = "model.safetensors"


def ship(checkpoint: Path, videos: ShellVideos, abilities: dict[str, float], folder: Path) -> None:
    """Write a base into `folder` in half precision, with its record.

    Args:
        checkpoint: The folder of the trained base.
        videos: The stage of the videos that taught it.
        abilities: As `measure_abilities` returns them.
        folder: Replaced if it exists.
    """
    from storm.student import Student

    shutil.rmtree(folder, ignore_errors=True)
    with renamed_into(folder) as temporary:
        Student.from_pretrained(checkpoint, dtype="float16").save_pretrained(temporary)
        shutil.rmtree(temporary / "custom_generate", ignore_errors=True)  # written by who loads it
        record = {
            "made_by": "make base",
            "weights_sha256": sha256_file(temporary / _WEIGHTS),
            "taught_by": {**_inventory(videos), "scripts_sha256": scripts_digest(videos)},
            "abilities": abilities,
        }
        write_json(temporary / _RECORD, record)


def read_record(folder: Path = FOLDER) -> dict[str, Any]:
    """Return the record of a shipped base."""
    return json.loads((folder / _RECORD).read_text())


def taught_by(record: dict[str, Any]) -> ShellVideos:
    """Return the stage whose videos taught a base, so that its scenes can be drawn again."""
    inventory = record["taught_by"]
    counts = {"base": inventory["scenes"], "train": 0, "test": 0}
    return ShellVideos(
        world=ShellVideos.world.model_validate(inventory["world"]),
        seed=inventory["seed"],
        counts=ShellVideos.counts.model_validate(counts),
    )


def scripts_digest(videos: ShellVideos) -> str:
    """Return the digest of the scripts, each a start and its swaps, of the split `base`."""
    return digest(sorted((s.start, [*map(repr, s.swaps)]) for s in videos.scenes("base").values()))


def _inventory(videos: ShellVideos) -> dict[str, Any]:
    return {
        "split": "base",
        "world": videos.world.model_dump(),
        "seed": videos.seed,
        "scenes": videos.counts.base,
    }
