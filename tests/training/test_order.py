import itertools

import numpy as np
import pytest

from storm.config import LETTERS
from storm.errors import DataError
from storm.testing import make_sample
from storm.training import data_order as order
from storm.training.questions import reordered
from storm.training.schedule import learning_rate


def test_an_epoch_sees_every_row_once_and_epochs_differ():
    first, second = (order.permutation(50, "a", 0, epoch) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() != order.permutation(50, "a", 1, 0).tolist()


def test_batches_follow_each_other_without_a_gap():
    rows = np.concatenate([order.rows_at(step, 8, 20, "a", 0) for step in range(5)])
    expected = np.concatenate([order.permutation(20, "a", 0, epoch) for epoch in (0, 1)])
    assert rows.tolist() == expected.tolist()


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_any_number_of_ranks_sees_the_same_rows(ranks):
    rows = order.rows_at(3, 8, 30, "a", 0)
    seen = np.concatenate([order.shard_for_rank(rows, rank, ranks) for rank in range(ranks)])
    assert sorted(seen) == sorted(rows)


def test_a_batch_that_ranks_cannot_share_is_refused():
    with pytest.raises(DataError, match="share equally"):
        order.shard_for_rank(range(7), 0, 2)


def test_option_order_is_a_function_of_its_arguments_and_number_0_is_as_written():
    assert order.option_order(0, "q", 0, 4) == (0, 1, 2, 3)
    first = [order.option_order(0, "q", number, 4) for number in range(24)]
    assert first == [order.option_order(0, "q", number, 4) for number in range(24)]
    assert first != [order.option_order(1, "q", number, 4) for number in range(24)]
    assert first != [order.option_order(0, "r", number, 4) for number in range(24)]


@pytest.mark.parametrize("options", [1, 2, 3, 4, 5])
def test_no_option_order_comes_again_before_all_were_used(options):
    everyone = list(itertools.permutations(range(options)))
    for question in ("q0", "q1", "q2"):
        drawn = [order.option_order(7, question, n, options) for n in range(2 * len(everyone))]
        assert sorted(drawn[: len(everyone)]) == everyone
        assert drawn[len(everyone) :] == drawn[: len(everyone)]


def test_many_options_have_more_orders_than_anyone_draws():
    drawn = {order.option_order(0, "q", number, 26) for number in range(100)}
    assert len(drawn) == 100


def test_every_option_order_is_as_likely():
    """Order number 1 of many questions: any of the 5 that are not as written."""
    drawn = [order.option_order(0, f"q{i}", 1, 3) for i in range(1000)]
    counts = [drawn.count(one) for one in itertools.permutations(range(3))]
    assert counts[0] == 0
    assert all(150 < count < 250 for count in counts[1:])


def test_the_answer_letter_follows_its_text():
    sample = make_sample(options=("one", "two", "three", "four"), answer="C")
    letters = set()
    for number in range(20):
        new = reordered(sample, number, seed=5)
        assert new.options[LETTERS.index(new.answer)] == "three"
        letters.add(new.answer)
    assert letters == set("ABCD")


def test_a_derangement_moves_every_video():
    ids = [f"v{i}" for i in range(40)]
    donor = order.cyclic_derangement(ids, 0)
    assert sorted(donor) == sorted(donor.values()) == sorted(ids)
    assert all(a != b for a, b in donor.items())
    assert donor == order.cyclic_derangement(ids[::-1], 0) != order.cyclic_derangement(ids, 1)
    with pytest.raises(DataError, match="two videos"):
        order.cyclic_derangement(["v", "v"], 0)


def test_the_rate_warms_up_and_ends_at_its_share():
    rates = [
        learning_rate(s, steps=100, peak=2.0, warmup_steps=10, min_lr_ratio=0.05)
        for s in range(100)
    ]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(2.0)
    assert rates[9] == pytest.approx(2.0)
    assert rates[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
