"""Answers that were given, by the hash of the request, so that none is asked for twice.

They lie outside the artifacts and outlive them: `--refresh` makes rows anew from the same
answers. Another seed, revision or instruction makes other requests; removing the folder
forgets all.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from storm.artifacts.fs import digest, renamed_into
from storm.llm_client.config import Reply


class Answers:
    """A file an answer: `<folder>/<first two digits>/<hash>.json`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, request: str) -> Reply | None:
        """The answer to the request with this hash; a damaged file is no answer."""
        try:
            held = json.loads(self._path(request).read_bytes())
            if held["sha256"] == digest([request, held["reply"]]):
                return Reply(**held["reply"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass
        return None

    def put(self, request: str, reply: Reply) -> None:
        said = asdict(reply)
        held = {"sha256": digest([request, said]), "reply": said}
        with renamed_into(self._path(request)) as temporary:  # not synced: the digest tells
            temporary.write_text(json.dumps(held) + "\n")

    def _path(self, request: str) -> Path:
        return self.folder / request[:2] / f"{request}.json"
