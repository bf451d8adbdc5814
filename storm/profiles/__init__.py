"""Profiles: YAML files that become a PipelineConfig.

    load("shell")                                   one that comes with STORM
    load("my.yaml", ["videos.questions=qa.json"])   a file of yours, with overrides

A profile may say `extends: NAME` and give only what differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from storm.errors import ConfigError
from storm.pipeline.config import PipelineConfig

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(p.stem for p in FOLDER.glob("*.yaml"))


def load(profile: str, overrides: Sequence[str] = ()) -> PipelineConfig:
    """The configuration of a named profile or a YAML file, after `key.path=value` overrides."""
    raw = _read(profile)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(f"expected --set key.path=value, found {override!r}")
        try:
            _set(raw, key.split("."), yaml.safe_load(value), override)
        except yaml.YAMLError as e:
            raise ConfigError(
                f"expected YAML in --set {override!r}, found {_one_line(e)}"
            ) from None
    try:
        return PipelineConfig.model_validate(raw)
    except ValidationError as e:
        raise ConfigError(f"the profile {profile!r} is wrong: {problems(raw, e)}") from None


def problems(raw: Any, error: ValidationError) -> str:
    """What pydantic finds wrong with `raw`, in one line."""
    return "; ".join(_problem(raw, one) for one in error.errors())


def _problem(raw: Any, error: Any) -> str:
    """The key as it was written, and what is wrong with its value."""
    here, parts = raw, []
    for part in error["loc"]:  # the tags of unions stand there too, but not in the profile
        if (isinstance(here, dict) and part in here) or isinstance(part, int):
            here = here[part]
            parts.append(str(part))
    if error["type"] == "missing":
        parts.append(str(error["loc"][-1]))
    key = ".".join(parts)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if error["type"] == "missing" or isinstance(here, dict | list):
        return f"{key}: {error['msg']}" if key else error["msg"]
    return f"{key}: {error['msg']}, found {here!r}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read(profile: Any, users: tuple[Any, ...] = ()) -> dict[str, Any]:
    """A profile over what it extends; `users` are the profiles that extend this one."""
    path = FOLDER / f"{profile}.yaml"
    if str(profile).endswith((".yaml", ".yml")):
        path = Path(profile)
    if profile in users:
        raise ConfigError(f"expected profiles that end, found {profile!r} extending itself")
    if not path.is_file():
        raise ConfigError(
            f"expected a profile of {', '.join(names())}, or a YAML file, found {profile!r}"
        )
    try:
        raw = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as e:
        raise ConfigError(f"expected YAML in {path}, found {_one_line(e)}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"expected a mapping in {path}, found {type(raw).__name__}")
    parent = raw.pop("extends", None)
    raw.setdefault("name", path.stem)
    return _merge(_read(parent, (*users, profile)), raw) if parent else raw


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`; mappings merge unless `above` names another `kind`."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and _same_kind(old, value):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "kind" not in new or new["kind"] == old.get("kind")


def _set(raw: dict[str, Any], keys: Sequence[str], value: Any, override: str) -> None:
    here = raw
    for key in keys[:-1]:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            raise ConfigError(f"expected a section at {key!r} in --set {override!r}, found a value")
    here[keys[-1]] = value
