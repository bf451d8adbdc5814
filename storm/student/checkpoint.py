"""A student as a folder: an ordinary transformers checkpoint with a `storm` section.

`config.json` carries LatentConfig under `storm`; a latent head with parameters lies beside the
model in `latent_head.safetensors`. Plain transformers loads the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import torch
from safetensors.torch import load_file, save_file

from storm.errors import ConfigError
from storm.student.latents import LatentConfig
from storm.student.pretrained import require_folder
from storm.student.student import Student

HEAD_FILE = "latent_head.safetensors"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save(student: Student, path: Path) -> None:
    student.model.config.storm = student.latent.model_dump()
    student.model.save_pretrained(path)
    student.processor.save_pretrained(path)
    head = {name: value.contiguous() for name, value in student.head.state_dict().items()}
    if head:
        save_file(head, path / HEAD_FILE)


def load(path: Path, *, dtype: str, device: str, k: int | None) -> Student:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    if dtype not in DTYPES:
        raise ConfigError(f"expected a dtype of {sorted(DTYPES)}, found {dtype!r}")
    require_folder(path)
    model: Any = AutoModelForImageTextToText.from_pretrained(
        path,
        dtype=DTYPES[dtype],
        device_map=device,  # straight there: ranks needn't hold a copy each in host memory
        local_files_only=True,
    )
    latent = _latent_config(model.config, path)
    if k is not None and k != latent.k:
        raise ConfigError(
            f"expected the checkpoint's own number of latent steps, K = {latent.k}, found "
            f"{k = }: train another checkpoint for another K"
        )
    processor = AutoProcessor.from_pretrained(path, local_files_only=True)
    student = Student(model, processor, latent)
    if any(True for _ in student.head.parameters()):
        if not (path / HEAD_FILE).is_file():
            raise ConfigError(
                f"expected {HEAD_FILE} beside a checkpoint with a latent head of kind "
                f"{latent.head!r}, found none in {path}"
            )
        student.head.load_state_dict(load_file(path / HEAD_FILE))
    return student.to(device).eval()


def _latent_config(config: Any, path: Path) -> LatentConfig:
    section = getattr(config, "storm", None)
    if section is None:
        raise ConfigError(
            f"expected a `storm` section in {path / 'config.json'}, found none: import the model "
            "with storm.student.PretrainedConfig first"
        )
    try:
        return LatentConfig.model_validate(section)
    except pydantic.ValidationError as error:
        raise ConfigError(f"expected a valid `storm` section in {path}, found: {error}") from error
