"""Every teacher that a profile can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storm.shell_game.teacher import ShellTeacher
from storm.thought_prompts.endpoint import EndpointTeacher
from storm.thought_prompts.local import TransformersTeacher
from storm.thought_prompts.template import TemplateTeacher

AnyTeacher = Annotated[
    ShellTeacher.Config
    | TemplateTeacher.Config
    | TransformersTeacher.Config
    | EndpointTeacher.Config,
    Field(discriminator="kind"),
]
