"""Every generator in a small size, for the suite that all must pass."""

from __future__ import annotations

from typing import Any

from storm.plugins import Component

_MODEL: dict[str, Any] = {
    "pipeline": {"kind": "tiny_random"},
    "frames": 9,
    "height_px": 32,
    "width_px": 48,
    "steps": 2,
    "dtype": "float32",
}
_CANVAS: dict[str, Any] = {"frames": 9, "height_px": 32, "width_px": 48, "fps": 8.0}

CONFIGS: dict[str, dict[str, Any]] = {
    "ltx": {"kind": "ltx_condition"} | _MODEL | {"width_px": 64},
    "wan": {"kind": "wan_i2v"} | _MODEL,
    "wan_first": {"kind": "wan_i2v", "last_frame": False} | _MODEL,
    "vace": {"kind": "wan_vace"} | _MODEL,
    "cogvideox": {"kind": "cogvideox"} | _MODEL,
    "keyframes": {"kind": "keyframes"} | _CANVAS,
    "source": {"kind": "source"} | _CANVAS,
    "shell": {"kind": "shell", "frames": 16, "size_px": 32},
}
MODELS = ("ltx", "wan", "wan_first", "vace", "cogvideox")


def config(name: str, **changes: Any) -> Any:
    """The configuration of a generator of CONFIGS, with changes."""
    return Component("storm.generators").validate(CONFIGS[name] | changes)
