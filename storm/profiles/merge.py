"""Merge profiles and apply overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from storm.errors import ConfigError
from storm.profiles.problems import one_line


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` on top.

    Sections merge key by key, but one that names another `kind` replaces the old one: the keys of
    one kind mean nothing to another.
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and _same_kind(old, value):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "kind" not in new or new["kind"] == old.get("kind")


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Set a value in place; sections on its way are created.

    Args:
        raw: A profile as read.
        override: `key.path=value`, with the value in YAML.

    Raises:
        ConfigError: If the override has no key or no YAML value, or passes through a plain value.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"expected --set key.path=value, found {override!r}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"expected YAML in --set {override!r}, found {one_line(error)}") from None
    *path, last = key.split(".")
    section = raw
    for part in path:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise ConfigError(
                f"expected a section at {part!r} in --set {override!r}, found a value"
            )
    section[last] = value
