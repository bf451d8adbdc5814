"""Environment variables of STORM's processes and their children."""

from __future__ import annotations

import os

import pytest

from storm.process.environment import child_environment, one_gpu, set_environment


def test_options_the_user_has_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    set_environment()
    assert (os.environ["DO_NOT_TRACK"], os.environ["TOKENIZERS_PARALLELISM"]) == ("0", "false")


def test_a_child_has_its_threads_its_owner_and_our_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_TOKEN", "kept")
    environment = child_environment(3)
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["STORM_OWNER_PID"] == str(os.getpid())
    assert environment["MY_TOKEN"] == "kept"


@pytest.mark.parametrize(
    ("visible", "gpus", "chosen"),
    [
        (None, 3, ["0", "1", "2", "0"]),
        ("6,7", 8, ["6", "7", "6", "7"]),
        ("4,5,6", 2, ["4", "5", "4", "5"]),
        ("", 8, [""] * 4),
    ],
)
def test_slots_take_visible_gpus_in_turn(
    visible: str | None, gpus: int, chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [one_gpu(gpus, slot)["CUDA_VISIBLE_DEVICES"] for slot in range(4)] == chosen
    assert one_gpu(0, 0) == {}
