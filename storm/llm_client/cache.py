"""Cache of replies by the hash of the request, so that no request is paid for twice.

It is no artifact and outlives them: `--refresh` makes rows again from the same replies. Another
seed, revision or instruction makes other requests; removing the folder forgets all.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from storm.artifacts.fs import digest, renamed_into
from storm.llm_client.config import Reply


class ResponseCache:
    """One file per reply: `<folder>/<first two digits>/<hash>.json`."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, request: str) -> Reply | None:
        """Return the reply to the request with this hash, None if there is no undamaged one."""
        try:
            entry = json.loads(self._path(request).read_bytes())
            if entry["sha256"] == digest([request, entry["reply"]]):
                return Reply(**entry["reply"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass
        return None

    def put(self, request: str, reply: Reply) -> None:
        """Store the reply to a request."""
        fields = asdict(reply)
        entry = {"sha256": digest([request, fields]), "reply": fields}
        with renamed_into(self._path(request)) as temporary:  # not synced: the digest tells
            temporary.write_text(json.dumps(entry) + "\n")

    def _path(self, request: str) -> Path:
        return self.folder / request[:2] / f"{request}.json"
