"""What a training tells: a bar with the time left, metrics.jsonl, TensorBoard; each step once."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console as RichConsole

from flows.console import Console
from storm.training.metrics import Metrics
from storm.training.spec import AlignPhase, AnswerPhase, MixedFeeding
from storm.training.stage import _progress

NUMBERS = {"loss": 0.25, "align_loss": 0.125, "gradient_norm": 1.0, "rows_per_second": 12.0}
PHASES = (
    AlignPhase(steps=6, learning_rate=1e-3, feeding=MixedFeeding(p=0.5)),
    AnswerPhase(steps=4, learning_rate=1e-3),
)


def test_progress_counts_the_steps_of_all_phases():
    first = _progress({"number": 0, "step": 2, "numbers": NUMBERS}, PHASES)
    assert first == {
        "progress": 2,
        "of": 10,
        "text": "align, fed mixed, loss 0.250, align 0.125, 12.0 rows/s",
    }
    numbers = {"loss": 0.5, "rows_per_second": 3.0}
    last = _progress({"number": 1, "step": 4, "numbers": numbers}, PHASES)
    assert (last["progress"], last["of"]) == (10, 10)
    assert last["text"] == "answer, fed rollout, loss 0.500, 3.0 rows/s"


def test_the_bar_shows_the_time_left():
    console, now = Console(), 0.0
    console.bars.get_time = lambda: now
    stage: Any = SimpleNamespace(title="stage_one", shards=1, single_item=True)
    receive = console.follow(stage, 0)
    for done in (1, 2, 3):  # a step in ten seconds, seven to go
        receive({"progress": done, "of": 10, "text": "align, fed rollout, loss 0.250"})
        now += 10
    screen = RichConsole(file=io.StringIO(), width=160)
    screen.print(console.bars.make_tasks_table(console.bars.tasks))
    shown = screen.file.getvalue()  # pyright: ignore
    for part in ("stage_one", "3/10", "0:01:10", "align, fed rollout, loss 0.250"):
        assert part in shown


def steps_on_board(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    return {tag: [e.step for e in board.Scalars(tag)] for tag in board.Tags()["scalars"]}


def test_a_killed_and_resumed_curve_has_each_step_once(tmp_path):
    heard = []
    steps = [phase.steps for phase in PHASES]

    def train(phase: int, begin: int, end: int) -> Metrics:
        metrics = Metrics(tmp_path, heard.append, steps)
        metrics.resume(phase, begin)
        for step in range(begin, end):
            metrics.step(phase, "align", step, steps[phase], NUMBERS)
        return metrics

    train(0, 0, 5).close()  # killed after five steps, saved after four
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"phase": 0, "st')
    train(0, 4, 6).close()
    train(1, 0, 4).close()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["phase"], line["step"]) for line in lines] == [
        *((0, step) for step in range(6)),
        *((1, step) for step in range(4)),
    ]
    assert lines[0] == {"phase": 0, "kind": "align", "step": 0, **NUMBERS}
    board = steps_on_board(tmp_path)
    for name in NUMBERS:
        assert board[f"0_align/{name}"] == list(range(6))
        assert board[f"1_align/{name}"] == list(range(6, 10))
    assert [e["step"] for e in heard if e["number"] == 1][-1] == 4


@pytest.mark.parametrize("silent", [True, False])
def test_only_the_first_rank_reports(tmp_path, silent):
    heard = []
    metrics = Metrics(tmp_path, heard.append, [2], silent=silent)
    metrics.resume(0, 0)
    metrics.event("saving", number=0, step=1)
    metrics.step(0, "align", 1, 2, NUMBERS)
    metrics.close()
    assert bool(heard) is not silent
    assert any(tmp_path.iterdir()) is not silent
