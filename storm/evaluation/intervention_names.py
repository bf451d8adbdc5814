"""Check the interventions of a profile before anything is made, and without torch."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated

from pydantic import AfterValidator

from storm import plugins

NO_INTERVENTION = "none"
SWAP = "swap"
# Those of storm.student.interventions but `oracle`, which needs targets of the test questions.
_BUILT_IN = re.compile(
    r"none|keep|zero|mean|swap|permute|drop|hide_video|hide_latents|noise(:\d+)?|truncate:\d+"
)


def check_intervention(name: str) -> str:
    """Return an intervention's name.

    Raises:
        ValueError: If it is neither built in, nor an entry point or import path of a package.
    """
    if _BUILT_IN.fullmatch(name) or name in plugins.names("storm.interventions"):
        return name
    module, colon, attribute = name.partition(":")
    if colon and attribute.isidentifier() and _exists(module):
        return name
    raise ValueError(
        "expected none, zero, mean, swap, keep, permute, drop, hide_video, hide_latents, "
        "noise:SEED, truncate:N or one of an installed package"
    )


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


InterventionName = Annotated[str, AfterValidator(check_intervention)]
