"""Every selector that a profile can name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from storm.keyframes.fast import FastSelector
from storm.keyframes.motion import MotionSelector
from storm.keyframes.query import QuerySelector
from storm.keyframes.scenes import ScenesSelector
from storm.keyframes.uniform import UniformSelector

AnySelector = Annotated[
    MotionSelector.Config
    | UniformSelector.Config
    | ScenesSelector.Config
    | QuerySelector.Config
    | FastSelector.Config,
    Field(discriminator="kind"),
]
