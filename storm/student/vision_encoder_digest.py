"""Digest of a vision encoder: its weights and the preprocessing of pixels."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from storm.artifacts.fs import digest, read_json
from storm.errors import DataError

_BLOCK = 1 << 20


def vision_encoder_digest(folder: Path) -> str:
    """Return the digest of a checkpoint's vision encoder and merger.

    Equal digests give equal features of equal frames. The language model and the number of latent
    steps don't matter. Tensors are hashed as bytes of the safetensors files; no model is loaded.

    Raises:
        DataError: If there is no vision encoder, or a file is cut short.
    """
    tensors = dict(sorted(_tensors(folder)))
    if not tensors:
        raise DataError(f"expected a vision encoder in {folder}, found no tensor named visual.*")
    processors = {p.name: read_json(p) for p in sorted(folder.glob("*processor*.json"))}
    vision = read_json(folder / "config.json").get("vision_config")
    return digest([vision, processors, tensors])


def _tensors(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yield the name of each tensor of the encoder, and its type, shape and sha256."""
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            # the format: length of the header (u64), header (JSON), bytes of the tensors
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
            for name, entry in header.items():
                if name.startswith("visual.") or ".visual." in name:
                    start, end = entry["data_offsets"]
                    file.seek(8 + length + start)
                    yield name, [entry["dtype"], entry["shape"], _sha256(file, end - start)]


def _sha256(file: BinaryIO, size: int) -> str:
    hasher = hashlib.sha256()
    while size:
        block = file.read(min(size, _BLOCK))
        if not block:
            raise DataError(f"expected {size} more bytes of a tensor, found the end: {file.name}")
        hasher.update(block)
        size -= len(block)
    return hasher.hexdigest()
