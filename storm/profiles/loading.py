"""Read profiles: a YAML file, the profiles it extends, and overrides become a PipelineConfig."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from storm.errors import ConfigError
from storm.pipeline.config import PipelineConfig
from storm.profiles.merge import apply_override, merge
from storm.profiles.problems import one_line, problems

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the profiles that come with STORM."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(profile: str, overrides: Sequence[str] = ()) -> PipelineConfig:
    """Return the configuration of a profile.

    Args:
        profile: A name from `names()`, or the path of a YAML file.
        overrides: Values to set on top, each `key.path=value` with the value in YAML.

    Raises:
        ConfigError: If the profile or an override can't be read or is not valid.
    """
    raw = _read(profile)
    for override in overrides:
        apply_override(raw, override)
    # first without its arms: a problem is named once, not by every arm
    _validated(profile, {key: value for key, value in raw.items() if key not in ("arms", "study")})
    return _validated(profile, with_whole_arms(raw))


def _validated(profile: str, raw: dict[str, Any]) -> PipelineConfig:
    try:
        return PipelineConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(f"the profile {profile!r} is wrong: {problems(raw, error)}") from None


def study_overrides(profile: str, arms: Sequence[str] = ()) -> list[str]:
    """Return the overrides that add a profile's `study` to the arms of a run.

    Args:
        profile: A name from `names()`, or the path of a YAML file.
        arms: Their names; by default all.

    Raises:
        ConfigError: If there is no such arm.
    """
    raw = _read(profile)
    known = {name: changes for name, changes in (raw.get("study") or {}).items() if changes}
    beside = raw.get("arms") or {}
    if unknown := [name for name in arms if name not in known and name not in beside]:
        raise ConfigError(f"expected arms of {[*beside, *known]}, found {unknown}")
    return [
        f"arms.{name}={json.dumps(changes)}"
        for name, changes in known.items()
        if not arms or name in arms
    ]


def with_whole_arms(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a profile whose arms are whole profiles, not changes of this one.

    An arm that is null is left out. What isn't a mapping stays, for the validation to refuse.
    Interventions and benchmarks are the profile's alone.
    """
    sections = {key: raw[key] for key in ("arms", "study") if isinstance(raw.get(key), dict)}
    alone = ("arms", "study", "interventions", "benchmarks")
    own = {key: value for key, value in raw.items() if key not in alone}
    whole = dict(raw)
    for key, arms in sections.items():
        whole[key] = {
            name: {"role": "ablation", **merge(own, changes), "name": name}
            if isinstance(changes, dict)
            else changes
            for name, changes in arms.items()
            if changes is not None
        }
    return whole


def _read(profile: Any, children: tuple[Any, ...] = ()) -> dict[str, Any]:
    """Return a profile merged over the one it extends.

    Args:
        profile: A name or path; `Any`, since `extends` may hold anything.
        children: The profiles that extend this one, to detect circles.
    """
    path = FOLDER / f"{profile}.yaml"
    if str(profile).endswith((".yaml", ".yml")):
        path = Path(profile)
    if profile in children:
        raise ConfigError(f"expected profiles that end, found {profile!r} extending itself")
    if not path.is_file():
        raise ConfigError(
            f"expected a profile of {', '.join(names())}, or a YAML file, found {profile!r}"
        )
    try:
        raw = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError as error:
        raise ConfigError(f"expected YAML in {path}, found {one_line(error)}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"expected a mapping in {path}, found {type(raw).__name__}")
    parent = raw.pop("extends", None)
    raw.setdefault("name", path.stem)
    return merge(_read(parent, (*children, profile)), raw) if parent else raw
