"""Interventions by their names in a profile and on the command line."""

from __future__ import annotations

from collections.abc import Callable

import torch

from storm import plugins
from storm.errors import ConfigError
from storm.student.interventions import (
    HideLatents,
    HideVideo,
    Intervention,
    Mean,
    Noise,
    Oracle,
    Patch,
    Permute,
    Reinsert,
    RemoveAll,
    Replace,
    Sweeps,
    Truncate,
    Zero,
)

# names alone, and names followed by `:` and a number
_PLAIN: dict[str, Callable[[], Intervention]] = {
    "keep": Reinsert,
    "zero": Zero,
    "permute": Permute,
    "drop": RemoveAll,
    "oracle": Oracle,
    "hide_video": HideVideo,
    "hide_latents": HideLatents,
    "noise": Noise,
}
_NUMBERED: dict[str, Callable[[int], Intervention]] = {
    "noise": Noise,
    "truncate": Truncate,
    "sweeps": Sweeps,
}
# the same, for those made of other questions' latents
_OF_OTHERS: dict[str, Callable[[torch.Tensor], Intervention]] = {
    "mean": lambda others: Mean(_mean(others)),
    "swap": Replace,
}
_NUMBERED_OF_OTHERS: dict[str, Callable[[torch.Tensor, int], Intervention]] = {"patch": Patch}
NAMES = (
    *("none", *_PLAIN, "noise:SEED", "truncate:N", "sweeps:T"),
    *(*_OF_OTHERS, "patch:I"),
)


def parse_intervention(name: str, others: torch.Tensor | None = None) -> Intervention | None:
    """Return the intervention of a name; None for `none`.

    Args:
        name: One of `NAMES`, an entry point of `storm.interventions`, or an import path. The last
            two are called without arguments.
        others: Latents (N, K, d) of other questions; `mean` averages them, `swap` and `patch:I`
            hand them out by row.

    Raises:
        ConfigError: If there is no such intervention, it can't be made, or it needs `others`.
        DataError: If `patch:I` names a slot that the others don't have.
    """
    kind, colon, number = name.partition(":")
    numbered = bool(colon) and number.isdecimal()
    if name == "none":
        return None
    if name in _PLAIN:
        return _PLAIN[name]()
    if numbered and kind in _NUMBERED:
        return _NUMBERED[kind](int(number))
    if name in _OF_OTHERS or (numbered and kind in _NUMBERED_OF_OTHERS):
        if others is None:
            raise ConfigError(
                f"expected latents of other questions for the intervention {name!r}, found none: "
                "it needs a whole question set, not one question"
            )
        if numbered:
            return _NUMBERED_OF_OTHERS[kind](others, int(number))
        return _OF_OTHERS[name](others)
    ours = {*_PLAIN, *_NUMBERED, *_OF_OTHERS, *_NUMBERED_OF_OTHERS}
    import_path = colon and kind not in ours
    if not import_path and name not in plugins.names("storm.interventions"):
        raise ConfigError(f"expected an intervention of {', '.join(NAMES)}, found {name!r}")
    return _component(name)


def _mean(others: torch.Tensor) -> torch.Tensor:
    mean = others.float().cpu().numpy().mean(0)  # torch's sum rounds by device and threads
    return torch.from_numpy(mean)


def _component(name: str) -> Intervention:
    """Return the intervention of an entry point or import path."""
    intervention_class = plugins.find("storm.interventions", name)
    with plugins.component_errors(f"expected {name!r} to be callable without arguments"):
        intervention = intervention_class()
    if not isinstance(intervention, Intervention):
        made = type(intervention).__qualname__
        raise ConfigError(f"expected a class of Intervention at {name!r}, found one of {made}")
    return intervention
