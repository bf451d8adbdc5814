"""Run: a profile opened on a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storm.artifacts.store import Store
from storm.pipeline.assemble import assemble
from storm.pipeline.config import PipelineConfig
from storm.pipeline.graph import Graph
from storm.profiles.loading import load


@dataclass(frozen=True)
class Run:
    """A profile opened on a store: all that commands, reports and flows work with.

    Attributes:
        config: The profile's configuration, overrides included.
        graph: Its stages, inputs first; the last is `results`.
        store: The artifacts below the root.
        options: Command-line options that open the same run.
    """

    config: PipelineConfig
    graph: Graph
    store: Store
    options: tuple[str, ...]

    @classmethod
    def open(cls, root: Path | str, profile: str, overrides: Sequence[str] = ()) -> Run:
        """Load a profile and open its store.

        Args:
            root: The folder that holds the artifacts.
            profile: A profile's name, or the path of a YAML file.
            overrides: Values to set on top, each `key.path=value`.

        Raises:
            ConfigError: If the profile or an override is not valid.
            StoreError: If the root is not a folder's path.
        """
        config = load(profile, overrides)
        settings = [word for override in overrides for word in ("--set", override)]
        options = ("--profile", profile, "--root", str(root), *settings)
        return cls(config, assemble(config), Store(root), options)
