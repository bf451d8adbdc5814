"""Every selector that a profile can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storm.keyframes.motion import MotionSelector
from storm.keyframes.uniform import UniformSelector

AnySelector = Annotated[
    MotionSelector.Config | UniformSelector.Config,
    Field(discriminator="kind"),
]
