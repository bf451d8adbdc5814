"""Children start in the graph's order where they have to wait."""

from __future__ import annotations

import threading
import time

from flows.slots import Slots


def test_lowest_rank_goes_first_and_never_more_than_count() -> None:
    slots, order, most, running = Slots(2), [], 0, 0
    lock, gate = threading.Lock(), threading.Event()

    def work(rank: int) -> None:
        nonlocal most, running
        with slots.hold(rank):
            with lock:
                order.append(rank)
                running += 1
                most = max(most, running)
            gate.wait()
            time.sleep(0.02)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (9, 8)]
    for thread in threads:
        thread.start()
    while len(order) < 2:
        time.sleep(0.001)
    late = [threading.Thread(target=work, args=(rank,)) for rank in (5, 3, 7, 1)]
    for thread in late:
        thread.start()
    time.sleep(0.1)
    gate.set()
    for thread in [*threads, *late]:
        thread.join()
    assert sorted(order[:2]) == [8, 9]
    # two slots come free at about the same time: each pair holds the lowest that waited
    assert [sorted(order[2:4]), sorted(order[4:6])] == [[1, 3], [5, 7]]
    assert most == 2


def test_slots_have_numbers_and_one_that_takes_all_runs_by_itself() -> None:
    slots, running, seen = Slots(3), set(), []
    lock = threading.Lock()

    def work(rank: int, count: int) -> None:
        with slots.hold(rank, count) as slot:
            with lock:
                running.add(rank)
                seen.append((slot, count, frozenset(running)))
            time.sleep(0.02)
            with lock:
                running.discard(rank)

    counts = {rank: 3 if rank == 4 else 1 for rank in range(9)}
    threads = [threading.Thread(target=work, args=item) for item in counts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {slot for slot, _, _ in seen} == {0, 1, 2}
    assert all(len(beside) <= 3 for _, _, beside in seen)
    assert [beside for _, count, beside in seen if count == 3] == [{4}]
    assert not any(4 in beside for _, count, beside in seen if count == 1)
