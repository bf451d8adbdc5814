"""A run in lmms-eval's own files: `<date>_results.json` and `<date>_samples_<task>.jsonl`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from storm.benchmarks.cleaning import REASONING_TAGS
from storm.benchmarks.scoring import Run, Scored
from storm.benchmarks.statistics import clustered_error
from storm.store import write_bytes_atomically

FILTER = "none"  # lmms-eval's name of the filter that leaves responses as they are


@dataclass(frozen=True, kw_only=True)
class Written:
    results: Path
    samples: dict[str, Path]  # by task
