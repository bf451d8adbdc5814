"""Every generator that a profile can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storm.thought_videos.diffusers_ltx import LTXConditionGenerator
from storm.thought_videos.keyframes import KeyframesGenerator
from storm.thought_videos.shell import ShellGenerator
from storm.thought_videos.source import SourceGenerator

AnyGenerator = Annotated[
    ShellGenerator.Config
    | LTXConditionGenerator.Config
    | KeyframesGenerator.Config
    | SourceGenerator.Config,
    Field(discriminator="kind"),
]
