"""Stages that write down which GPUs their child sees."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from toy_stages import Clips

from storm.artifacts.stage import Context
from storm.records import Rejected, ThoughtVideo


@dataclass(frozen=True)
class Lookers(Clips):
    name: ClassVar[str] = "toy_lookers"

    def make(self, ids: Sequence[str], context: Context) -> Iterator[ThoughtVideo | Rejected]:
        for item_id in ids:
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
            yield Rejected(id=item_id, reason="looked", detail=visible)


@dataclass(frozen=True)
class WholeLooker(Lookers):
    name: ClassVar[str] = "toy_whole_looker"
    single_item: ClassVar[bool] = True
