"""What happens after a child's death, death by death."""

from __future__ import annotations

from storm.artifacts.crash_policy import CrashPolicy, Fail, Quarantine, Retry


def test_the_only_item_in_flight_at_two_deaths_is_quarantined() -> None:
    policy = CrashPolicy()
    assert not policy.one_at_a_time
    assert policy.after(["a", "b", "c"]) == Retry()
    assert policy.one_at_a_time, "so that the next death has a single suspect"
    assert policy.after(["b"]) == Quarantine("b")


def test_each_item_has_its_own_deaths() -> None:
    policy = CrashPolicy()
    assert policy.after(["a"]) == Retry()
    assert policy.after(["b"]) == Retry()
    assert policy.after(["a"]) == Quarantine("a")
    assert policy.after(["b"]) == Quarantine("b")


def test_suspects_of_the_same_two_deaths_are_tried_again() -> None:
    policy = CrashPolicy()
    assert policy.after(["a", "b"]) == Retry()
    assert policy.after(["a", "b"]) == Retry(), "nobody knows which of the two it was"
    assert policy.after(["b"]) == Quarantine("b")


def test_two_starts_in_a_row_without_an_item_fail() -> None:
    policy = CrashPolicy()
    assert policy.after([]) == Retry()
    assert policy.after(["a"]) == Retry(), "an item was begun, so starting works"
    assert policy.after([]) == Retry()
    assert policy.after([]) == Fail()
