"""Components by name: our own and those of installed packages.

A profile names a component by its `kind`: the name of an entry point of one of the groups below,
or an import path such as `my_package.teachers:MyTeacher`. STORM's own components are entry points
of its own distribution, so that they are found in the same way.
"""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any, Literal

from storm.errors import ConfigError

Group = Literal[
    "storm.sources",
    "storm.selectors",
    "storm.teachers",
    "storm.generators",
    "storm.phases",
    "storm.benchmarks",
    "storm.interventions",
]


@functools.cache
def _own(group: Group) -> dict[str, EntryPoint]:
    """Those of STORM itself; reading one distribution is much faster than reading all."""
    try:
        found = distribution("storm-video").entry_points
    except PackageNotFoundError:
        raise ConfigError("expected STORM to be installed: pip install -e .") from None
    return {e.name: e for e in found if e.group == group}


@functools.cache
def _all(group: Group) -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=group)} | _own(group)


def names(group: Group) -> list[str]:
    """Every name that a profile can use, in alphabetical order."""
    return sorted(_all(group))


def find(group: Group, name: str) -> Any:
    """Load the component `name` of a group.

    Args:
        group: The kind of component, e.g. `storm.teachers`.
        name: An entry point's name, or an import path `package.module:attribute`.

    Raises:
        ConfigError: If there is no such component, or it can't be imported.
    """
    module, colon, attribute = name.partition(":")
    try:
        if colon:
            return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        entry = _own(group).get(name) or _all(group).get(name)
        if entry is not None:
            return entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"expected a component of {group} at {name!r}, found {error}") from None
    raise ConfigError(
        f"expected one of {', '.join(names(group))}, or an import path package.module:Name, for "
        f"{group}, found {name!r}"
    )
