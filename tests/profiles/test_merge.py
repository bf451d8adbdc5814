"""Merging profiles and setting single values."""

from __future__ import annotations

from typing import Any

import pytest

from storm.errors import ConfigError
from storm.profiles.merge import apply_override, merge


def test_sections_merge_key_by_key_and_values_are_replaced() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert merge(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 1}, "what is merged stays as it was"


@pytest.mark.parametrize(
    ("changes", "merged"),
    [
        ({"kind": "wan", "steps": 4}, {"kind": "wan", "steps": 4}),
        ({"kind": "ltx", "steps": 4}, {"kind": "ltx", "fps": 8, "steps": 4}),
        ({"steps": 4}, {"kind": "ltx", "fps": 8, "steps": 4}),
        (None, None),
    ],
)
def test_a_section_of_another_kind_replaces_the_old_one(changes: Any, merged: Any) -> None:
    assert merge({"generator": {"kind": "ltx", "fps": 8}}, {"generator": changes}) == {
        "generator": merged
    }


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("a.b=1", {"a": {"x": 0, "b": 1}}),
        ("a.x=null", {"a": {"x": None}}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ("n.e.w=k=v", {"a": {"x": 0}, "n": {"e": {"w": "k=v"}}}),
    ],
)
def test_overrides_set_one_value(override: str, value: dict[str, Any]) -> None:
    raw: dict[str, Any] = {"a": {"x": 0}}
    apply_override(raw, override)
    assert raw == value


@pytest.mark.parametrize("override", ["a", "=1", "a.x.y=1", "a=["])
def test_a_wrong_override_is_named(override: str) -> None:
    with pytest.raises(ConfigError) as raised:
        apply_override({"a": {"x": 0}}, override)
    assert repr(override) in str(raised.value)
