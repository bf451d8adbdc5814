"""A real checkpoint made into a student: its latent tokens are added, nothing else changes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from storm.artifacts.hash_cache import cached_sha256_tree
from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.student.files import require_folder
from storm.student.latent_head import LatentConfig

if TYPE_CHECKING:
    from storm.student.student import Student


class PretrainedConfig(FrozenModel):
    """A transformers folder. If it is missing that is an error, never a random model.

    Attributes:
        path: The folder, or `package:folder` for one that an installed package brings.
        revision: Of the download, for the record.
    """

    kind: Literal["pretrained"] = "pretrained"
    path: Path
    revision: str = ""
    latent: LatentConfig = LatentConfig()
    dtype: Literal["float32", "bfloat16"] = "bfloat16"

    @field_validator("path", mode="before")
    @classmethod
    def _of_package(cls, value: Any) -> Any:
        """Return the folder that `package:folder` names, without importing the package's code."""
        package, colon, folder = str(value).partition(":")
        if not colon or not re.fullmatch(r"[a-z_]\w*(\.\w+)*", package) or folder[:1] in "/\\":
            return value
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(f"expected a package that is installed, found {package!r}")
        return Path(spec.submodule_search_locations[0]) / folder

    def identity(self) -> dict[str, Any]:
        """Return the contents' digest instead of the path; raise ConfigError without files."""
        require_folder(self.path)
        contents = cached_sha256_tree(self.path)
        return {"kind": self.kind, "contents": contents, "latent": self.latent, "dtype": self.dtype}

    def build(self, folder: Path) -> None:
        """Write the student into `folder`, as `Student.save_pretrained` does."""
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from storm.student.adapters import ADAPTERS
        from storm.student.student import Student

        require_folder(self.path)
        if not any(self.path.glob("*.safetensors")):
            raise ConfigError(f"expected weights as *.safetensors in {self.path}, found none")
        processor: Any = AutoProcessor.from_pretrained(self.path, local_files_only=True)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            self.path, dtype=getattr(torch, self.dtype), local_files_only=True
        )
        if model.config.model_type not in ADAPTERS:
            raise ConfigError(
                f"expected a model of one of the families {sorted(ADAPTERS)}, found "
                f"{model.config.model_type!r} in {self.path}"
            )
        add_tokens(model, processor.tokenizer, self.latent)
        Student(model.eval(), processor, self.latent).save_pretrained(folder)


def with_latent(student: Student, latent: LatentConfig) -> Student:
    """Return the student with another latent span; its own is returned as it is."""
    from storm.student.student import Student

    if latent == student.latent:
        return student
    add_tokens(student.model, student.tokenizer, latent)
    return Student(student.model, student.processor, latent, student.sampling)


def add_tokens(model: Any, tokenizer: Any, latent: LatentConfig) -> None:
    """Add the latent tokens the tokenizer lacks; their embeddings begin at the mean of all."""
    import torch

    known = tokenizer.get_vocab()
    new = [token for token in latent.tokens if token not in known]
    if not new:
        return
    tokenizer.add_special_tokens(
        {"additional_special_tokens": new}, replace_extra_special_tokens=False
    )
    size = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > size:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = tokenizer.convert_tokens_to_ids(new)
    with torch.no_grad():
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            mean = part.weight[: min(ids)].float().mean(0)
            part.weight[ids] = mean.to(part.weight.dtype)
