"""Settings: what is refused, and what is identity."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from storm.llm_client import ChatConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "https://user:secret@host/v1"},
        {"base_url": "https://host/v1?api-key=secret"},
        {"base_url": "host/v1"},
        {"max_cost_usd": 1.0},
    ],
)
def test_wrong_configurations(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatConfig(**{"base_url": "http://host/v1", "model": "m", **wrong})


def test_where_and_how_patiently_is_no_identity() -> None:
    one = ChatConfig(base_url="http://a/v1", model="m")
    other = ChatConfig(base_url="https://b/v1/", model="m", concurrency=1, max_requests=3)
    assert one.identity() == other.identity()
    assert one.identity() != one.model_copy(update={"temperature": 0.5}).identity()
