"""Components by name: those of STORM and those of installed packages.

A profile names a component by its `kind`: an entry point of one of the groups below, or an import
path such as `my_package.teachers:MyTeacher`, whose module may be in the current folder. To add a
component, write its class (the base module of each package says what it needs, e.g.
`storm.thought_prompts.base`), give it a configuration, a nested `Config` whose `kind` is the
component's name, and either name it by its import path or declare it in the `pyproject.toml` of
your package:

    [project.entry-points."storm.teachers"]
    mine = "my_package.teachers:MyTeacher"

    teacher: {kind: mine}  # in a profile, once the package is installed

STORM's own components are entry points of its own distribution and are looked up the same way.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from storm.errors import ConfigError, StormError

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
    """Return the entry points of STORM; reading one distribution is much faster than all."""
    try:
        entries = distribution("storm-video").entry_points
    except PackageNotFoundError:
        raise ConfigError("expected STORM to be installed: pip install -e .") from None
    return {e.name: e for e in entries if e.group == group}


@functools.cache
def _all(group: Group) -> dict[str, EntryPoint]:
    """Return the entry points of every installed package; a name of STORM is STORM's."""
    return {e.name: e for e in entry_points(group=group)} | _own(group)


def names(group: Group) -> list[str]:
    """Return every name that a profile can use, in alphabetical order."""
    return sorted(_all(group))


@contextmanager
def component_errors(
    expected: str, error_type: type[StormError] = ConfigError
) -> Generator[None, None, None]:
    """Turn what the code of a component raises into one line.

    Args:
        expected: The start of the line: "expected ...".
        error_type: The error to raise. A StormError, or pydantic's, stays as it is.
    """
    try:
        yield
    except (StormError, ValidationError):
        raise
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise error_type(f"{expected}, found {text}") from error


def find(group: Group, name: str) -> Any:
    """Return the component `name` of a group.

    Args:
        group: The kind of component, e.g. `storm.teachers`.
        name: An entry point's name, or an import path `package.module:attribute`.

    Raises:
        ConfigError: If there is no such component or it can't be imported.
    """
    module, colon, attribute = name.partition(":")
    with component_errors(f"expected a component of {group} at {name!r}"):
        if colon:
            return functools.reduce(getattr, attribute.split("."), _import(module))
        entry = _own(group).get(name) or _all(group).get(name)
        if entry is not None:
            return entry.load()
    raise ConfigError(
        f"expected one of {', '.join(names(group))}, or an import path package.module:Name, for "
        f"{group}, found {name!r}"
    )


def _import(module: str) -> ModuleType:
    """Import a module, also from the current folder: there child processes find it too."""
    folder = os.getcwd()
    if not sys.flags.safe_path and folder not in sys.path:
        sys.path.insert(0, folder)  # as `python -m`, which starts the children, does
    return importlib.import_module(module)


@dataclass(frozen=True)
class Component:
    """Annotation of a pydantic field that holds the configuration of a component.

    `Annotated[TeacherConfig, Component("storm.teachers")]` accepts `{"kind": name, ...}`. The
    component of that name is a TeacherConfig or a class with such a nested `Config`. No other
    component is imported.

    Attributes:
        group: The group in which the `kind` is looked up.
        default: The `kind` of settings without one.
    """

    group: Group
    default: str | None = None

    def validate(self, settings: Any, expected: Any = BaseModel) -> Any:
        """Return the configuration described by `settings`.

        Args:
            settings: A section of a profile.
            expected: The type or union of types that the configuration must have.

        Raises:
            ValidationError: If there is no such component, or its settings are wrong.
        """
        if isinstance(settings, BaseModel):
            return settings
        if not isinstance(settings, dict):
            raise self._error(f"expected a section with a `kind`, found {settings!r}", settings)
        kind = settings.get("kind", self.default)
        if not isinstance(kind, str):
            known = ", ".join(names(self.group))
            raise self._error(f"expected one of {known}, found {kind!r}", kind, "kind")
        try:
            component = find(self.group, kind)
        except ConfigError as error:
            raise self._error(str(error), kind, "kind") from None
        config = getattr(component, "Config", component)
        if not (isinstance(config, type) and issubclass(config, BaseModel)):
            raise self._wrong_type(config, expected, kind)
        if ":" in kind:  # an import path: the configuration has its own name
            settings = {key: value for key, value in settings.items() if key != "kind"}
        with component_errors(f"expected settings of {kind!r}"):
            made = config.model_validate(settings)
        if not isinstance(made, expected):
            raise self._wrong_type(config, expected, kind)
        return made

    def _wrong_type(self, config: Any, expected: Any, kind: str) -> ValidationError:
        name = getattr(config, "__qualname__", type(config).__qualname__)
        wanted = getattr(expected, "__name__", self.group)
        message = f"expected a {wanted} or a class with one as its `Config`, found {name}: {kind!r}"
        return self._error(message, kind, "kind")

    def _error(self, message: str, value: Any, *place: str) -> ValidationError:
        problem = PydanticCustomError("component", "{message}", {"message": message})
        details = InitErrorDetails(type=problem, loc=place, input=value)
        return ValidationError.from_exception_data(self.group, [details])

    def _dump(self, config: BaseModel, info: core_schema.SerializationInfo) -> dict[str, Any]:
        settings = config.model_dump(mode=info.mode)
        kind = settings["kind"]
        if kind not in _own(self.group) and kind not in _all(self.group):
            settings["kind"] = f"{type(config).__module__}:{type(config).__qualname__}"
        return settings

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Make the annotated field look its component up."""
        return core_schema.no_info_plain_validator_function(
            functools.partial(self.validate, expected=object if source is Any else source),
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._dump, info_arg=True
            ),
        )
