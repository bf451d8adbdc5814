"""What a process has loaded is found again by an equal request."""

from __future__ import annotations

import pickle

from storm.config import FrozenModel
from storm.process.warm import load_warm, release_warm


class _Config(FrozenModel):
    name: str

    def build(self, device: str) -> list[str]:
        return [self.name, device]


def test_an_equal_configuration_of_another_call_finds_what_is_loaded() -> None:
    """Each call of a child unpickles its stage: the configurations are equal, not the same."""
    release_warm()
    config = _Config(name="a")
    copy = pickle.loads(pickle.dumps(config))
    loaded = load_warm(_Config.build, config, "cpu")
    assert load_warm(_Config.build, copy, "cpu") is loaded
    assert load_warm(_Config.build, copy, "cuda") == ["a", "cuda"]
    assert load_warm(_Config.build, config, "cpu") is not loaded, "one object is kept"
    release_warm()
