"""Files of a checkpoint folder, read without loading torch."""

from __future__ import annotations

import json
from pathlib import Path

from storm.errors import ConfigError

HEAD_FILE = "latent_head.safetensors"
GENERATE_FILE = "custom_generate/generate.py"
ROTARY_FILE = "custom_generate/rotary.py"
DTYPES = ("bfloat16", "float16", "float32")  # that a checkpoint can be loaded in


def require_folder(path: Path) -> None:
    """Raise ConfigError unless `path` is the folder of a transformers model."""
    if not (path / "config.json").is_file():
        raise ConfigError(
            f"expected a checkpoint folder with a config.json, found none at {path}: give the "
            "path of a downloaded model"
        )


def saved_dtype(checkpoint: Path) -> str:
    """Return the element type that a checkpoint's weights were saved with."""
    config = json.loads((checkpoint / "config.json").read_bytes())
    return config.get("dtype") or "float32"
