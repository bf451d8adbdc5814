"""What a vision tower is: a digest of its weights and of how it is shown pixels."""

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


def tower_digest(folder: Path) -> str:
    """Of a checkpoint's tower and merger: equal digests make equal features of equal frames.

    The language model and the number of latent steps don't enter. Nothing is loaded: tensors are
    read as bytes from the safetensors files.
    """
    tensors = dict(sorted(_tensors(folder)))
    if not tensors:
        raise DataError(f"expected a vision tower in {folder}, found no tensor named visual.*")
    processors = {p.name: read_json(p) for p in sorted(folder.glob("*processor*.json"))}
    vision = read_json(folder / "config.json").get("vision_config")
    return digest([vision, processors, tensors])


def _tensors(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Name of each tensor of the tower, its type, shape and sha256."""
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
    found = hashlib.sha256()
    while size:
        block = file.read(min(size, _BLOCK))
        if not block:
            raise DataError(f"expected {size} more bytes of a tensor, found the end: {file.name}")
        found.update(block)
        size -= len(block)
    return found.hexdigest()
