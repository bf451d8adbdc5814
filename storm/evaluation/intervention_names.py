"""Check the interventions of a profile before anything is made."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from storm import plugins
from storm.errors import ConfigError

NO_INTERVENTION = "none"
SWAP = "swap"
# Those of storm.student.interventions but `oracle`, which needs targets of the test questions.
_BUILT_IN = re.compile(
    r"none|keep|zero|mean|swap|permute|drop|hide_video|hide_latents|noise(:\d+)?|truncate:\d+"
)


def check_intervention(name: str) -> str:
    """Return an intervention's name. Only one that is not built in loads torch.

    Raises:
        ValueError: If it is neither built in, nor an entry point or import path of one.
    """
    if _BUILT_IN.fullmatch(name):
        return name
    if ":" not in name and name not in plugins.names("storm.interventions"):
        raise _refused(
            "expected none, zero, mean, swap, keep, permute, drop, hide_video, hide_latents, "
            "noise:SEED, truncate:N, one of an installed package, or an import path module:Name, "
            f"found {name!r}"
        )
    from storm.student.interventions import parse_intervention

    try:
        parse_intervention(name)
    except ConfigError as error:
        raise _refused(str(error)) from None
    return name


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("component", "{message}", {"message": message})


InterventionName = Annotated[str, AfterValidator(check_intervention)]
