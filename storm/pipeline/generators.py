"""Every generator that a profile can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storm.shell_game.generator import ShellGenerator
from storm.thought_videos.cogvideox import CogVideoXGenerator
from storm.thought_videos.keyframes import KeyframesGenerator
from storm.thought_videos.ltx import LTXConditionGenerator
from storm.thought_videos.source import SourceGenerator
from storm.thought_videos.wan import WanGenerator
from storm.thought_videos.wan_vace import WanVACEGenerator

AnyGenerator = Annotated[
    ShellGenerator.Config
    | LTXConditionGenerator.Config
    | WanGenerator.Config
    | WanVACEGenerator.Config
    | CogVideoXGenerator.Config
    | KeyframesGenerator.Config
    | SourceGenerator.Config,
    Field(discriminator="kind"),
]
