"""The interventions of a profile, by name: checked before anything is made.

`patch` and `sweeps` stand for one at each step: `patch:1` to `patch:K`, `sweeps:1` to `sweeps:K`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from storm import plugins
from storm.errors import ConfigError

NO_INTERVENTION = "none"
SWAP = "swap"
ORACLE = "oracle"  # needs targets of the test questions: `test` in target_splits
# those of storm.student.named_interventions
_BUILT_IN = re.compile(
    r"none|keep|zero|mean|swap|permute|drop|oracle|hide_video|hide_latents|noise(:\d+)?|truncate:\d+"
    r"|(patch|sweeps)(:[1-9]\d*)?"
)
PATCH, SWEEPS = "patch", "sweeps"


def check_intervention(name: str) -> str:
    """Return an intervention's name. Only one that is not built in loads torch.

    Raises:
        ValueError: If it is neither built in, nor an entry point or import path of one.
    """
    if _BUILT_IN.fullmatch(name):
        return name
    kind, colon, _ = name.partition(":")
    ours = _BUILT_IN.fullmatch(kind) is not None
    if ours or (not colon and name not in plugins.names("storm.interventions")):
        raise _refused(
            "expected none, zero, mean, swap, oracle, keep, permute, drop, hide_video, "
            "hide_latents, noise:SEED, truncate:N, patch, patch:I, sweeps, sweeps:T, one of an "
            f"installed package, or an import path module:Name, found {name!r}"
        )
    from storm.student.named_interventions import parse_intervention

    try:
        parse_intervention(name)
    except ConfigError as error:
        raise _refused(str(error)) from None
    return name


def of_each_step(names: Iterable[str], k: int) -> tuple[str, ...]:
    """Return the interventions of a student with K latents, `patch` and `sweeps` written out.

    Raises:
        ConfigError: If a slot is patched that it doesn't have.
    """
    written = dict.fromkeys(one for name in names for one in _written_out(name, k))
    for name in written:
        slot = number_of(PATCH, name)
        if slot is not None and slot > k:
            raise ConfigError(f"expected patch:1 to patch:{k} for K = {k}, found {name!r}")
    return tuple(written)


def number_of(kind: str, name: str) -> int | None:
    """Return the number of an intervention `kind:number`; None of any other."""
    prefix, _, number = name.partition(":")
    return int(number) if prefix == kind and number.isdecimal() else None


def _written_out(name: str, k: int) -> Iterator[str]:
    if name in (PATCH, SWEEPS):
        yield from (f"{name}:{step}" for step in range(1, k + 1))
    else:
        yield name


def _refused(message: str) -> PydanticCustomError:
    return PydanticCustomError("component", "{message}", {"message": message})


InterventionName = Annotated[str, AfterValidator(check_intervention)]
