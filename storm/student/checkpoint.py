"""A student as a folder: an ordinary transformers checkpoint with a `storm` section.

`config.json` carries CheckpointSection under `storm`; a latent head with parameters is saved as
`latent_head.safetensors`. Plain transformers loads the rest, and answers through
`custom_generate/generate.py`, which needs nothing of this project. Its generation_config is
greedy, whatever the imported model's was, and stops where the student does.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from storm.artifacts.fs import write_atomic
from storm.errors import ConfigError
from storm.student.files import DTYPES, GENERATE_FILE, HEAD_FILE, ROTARY_FILE, require_folder
from storm.student.latent_head import CheckpointSection
from storm.student.model import LatentModel
from storm.videos.decoding.sampling import FrameSampling

M = TypeVar("M", bound=LatentModel)


def save(student: LatentModel, path: Path) -> None:
    """Write a student's folder, as the module says."""
    from transformers import GenerationConfig

    section = CheckpointSection(
        **student.latent.model_dump(),
        sampling=student.sampling,
        token_ids=student.prompts.latent_ids,
        span_ids=student.prompts.span_ids,
    )
    student.model.config.storm = section.model_dump(mode="json")
    student.model.generation_config = GenerationConfig(
        do_sample=False,
        repetition_penalty=1.0,
        bos_token_id=student.model.generation_config.bos_token_id,
        eos_token_id=sorted(student.prompts.stop_ids),
        pad_token_id=student.prompts.pad_id,
    )
    student.model.save_pretrained(path)
    student.processor.save_pretrained(path)
    (path / GENERATE_FILE).parent.mkdir(exist_ok=True)
    here = Path(__file__).parent
    shutil.copyfile(here / "custom_generate.py", path / GENERATE_FILE)
    shutil.copyfile(here / "rotary.py", path / ROTARY_FILE)
    head = {name: value.contiguous() for name, value in student.head.state_dict().items()}
    if head:
        save_file(head, path / HEAD_FILE)


def record_sampling(path: Path, sampling: FrameSampling) -> None:
    """Say in a saved checkpoint's config how the videos it was trained on were sampled."""
    config = json.loads((path / "config.json").read_bytes())
    config["storm"]["sampling"] = sampling.model_dump(mode="json")
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"  # as transformers writes it
    write_atomic(path / "config.json", text.encode())


def load(path: Path, cls: type[M], *, dtype: str, device: str, k: int | None) -> M:
    """Return the `cls` that `save` wrote; raises ConfigError."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    if dtype not in DTYPES:
        raise ConfigError(f"expected a dtype of {list(DTYPES)}, found {dtype!r}")
    section = read_section(path)
    section.require(k)
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            path,
            dtype=getattr(torch, dtype),
            device_map=device,  # straight there: ranks needn't hold a copy each in host memory
            local_files_only=True,
        )
        processor = AutoProcessor.from_pretrained(path, local_files_only=True)
        student = cls(model, processor, section.latent, section.sampling)
        if any(True for _ in student.head.parameters()):
            student.head.load_state_dict(load_file(path / HEAD_FILE))
    except (OSError, SafetensorError) as error:
        found = str(error).partition("\n")[0]
        raise ConfigError(
            f"expected a checkpoint with all its files whole in {path}, found: {found}: copy or "
            "download it again"
        ) from error
    return student.to(device).eval()


def read_section(path: Path) -> CheckpointSection:
    """Return the `storm` section of a checkpoint's config; raise ConfigError if it has none."""
    require_folder(path)
    try:
        found = json.loads((path / "config.json").read_bytes()).get("storm")
        if found is None:
            raise ConfigError(
                f"expected a `storm` section in {path / 'config.json'}, found none: import the "
                "model with storm.student.PretrainedConfig first"
            )
        return CheckpointSection.model_validate(found)
    except ValueError as error:  # of JSON and of pydantic
        raise ConfigError(f"expected a valid `storm` section in {path}, found: {error}") from error
