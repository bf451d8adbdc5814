"""Predictions become scores, and scores the JSON that the docs promise."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from storm.artifacts.journal import Entry, Journal
from storm.artifacts.make import plan, seal
from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.config import LETTERS
from storm.evaluation.patching import weakest_patch
from storm.evaluation.results import ArmLabel, ResultsStage, as_json
from storm.records import Prediction, Score, VideoSample
from storm.report.results import results_table, results_tables
from storm.testing import make_sample

STEPS = {"patch:1": 3, "patch:2": 0, "sweeps:1": 4}
PATCHES = ("patch:1", "patch:2")
ROLES: Any = {"direct": "direct", "shuffled": "control"}
VIDEOS, OPTIONS = 10, ("cup 1", "cup 2", "cup 3", "cup 4")


@dataclass(frozen=True, kw_only=True)
class Told(Stage[Any]):
    """A stage whose rows are told, not made."""

    name: ClassVar[str] = "told"
    row: ClassVar[type] = Prediction

    called: str = ""
    told: tuple[Any, ...] = runtime_field(())
    videos: str = "of all"

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        return [(row.id, ()) for row in self.told]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Any]:
        raise NotImplementedError

    def write(self, store: Store) -> Any:
        keys = {item.id: item.key for item in plan(self, store).items}
        with Journal(self.artifact(store).path / "shard-00000.journal") as journal:
            for row in self.told:
                journal.write(Entry(row.id, keys[row.id], row))
        seal(self, store)
        return self


@dataclass(frozen=True, kw_only=True)
class FixedVideos(Told):
    name: ClassVar[str] = "told_videos"
    row: ClassVar[type] = VideoSample

    kinds: tuple[str, ...] = ("",)

    def kind_of(self, sample: VideoSample) -> str:
        return self.kinds[int(sample.id.split("-")[1]) % len(self.kinds)]


def questions(store: Store, kinds: tuple[str, ...]) -> FixedVideos:
    rows = [
        make_sample(
            f"{split}-{i}",
            video_id=f"{split}-{i}",
            split=split,
            options=OPTIONS if split == "test" else OPTIONS[:2],
            answer=LETTERS[i % 2],
        )
        for split in ("train", "test")
        for i in range(VIDEOS)
    ]
    return FixedVideos(told=tuple(rows), kinds=kinds).write(store)


def arm(store: Store, name: str, scripts: int = VIDEOS, **right: int) -> Told:
    """Predictions of which `right[intervention]` are correct; all others say the next letter.

    That is the donor's answer under `swap` and `patch`, but half of the donors of a patch have the
    question's own answer. A guesser is right at `sweeps` with a chance of 0.4.
    """
    rows = []
    for change, correct in right.items():
        for i in range(VIDEOS):
            answer, wrong = LETTERS[i % 4], LETTERS[(i + 1) % 4]
            said = answer if i < correct else wrong
            same = change.startswith("patch") and i % 2
            donor = answer if same else wrong
            rows.append(
                Prediction(
                    id=f"test-{i}#{change}",
                    question_id=f"test-{i}",
                    video_id=f"test-{i}",
                    cluster=f"script {i % scripts}",
                    intervention=change,
                    response=said,
                    steps=9,
                    predicted=said,
                    answer=answer,
                    correct=i < correct,
                    donor_answer=donor if change.startswith(("swap", "patch")) else "",
                    guess_accuracy=0.4 if change.startswith("sweeps") else math.nan,
                )
            )
    return Told(called=name, told=tuple(rows)).write(store)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def score(
    store: Store, arms: Sequence[tuple[str, Told]], seed: int = 3, kinds: tuple[str, ...] = ("",)
) -> list[Score]:
    labels = tuple(ArmLabel(name=name, role=ROLES.get(name, "main")) for name, _ in arms)
    stages = tuple(s for _, s in arms)
    stage = ResultsStage(
        videos=questions(store, kinds),
        predictions=stages,  # pyright: ignore
        arms=labels,
        seed=seed,
    )
    context: Any = SimpleNamespace(store=store)
    ids = [item_id for item_id, _ in stage.items(store)]
    made = list(stage.make(ids, context))
    assert [s.id for s in made] == ids
    assert len(ids) == len(set(ids))
    return made


def everyone(store: Store) -> list[tuple[str, Told]]:
    return [
        ("storm", arm(store, "storm", none=9, zero=2, swap=1, **STEPS)),
        ("direct", arm(store, "direct", none=4)),
        ("shuffled", arm(store, "shuffled", none=2)),
    ]


def test_the_json_has_the_promised_layout(store: Store) -> None:
    found = as_json(score(store, everyone(store)))
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"arms", "differences", "chance"}
    assert found["chance"] == 0.25, "of the test questions alone"
    assert set(found["arms"]) == {"storm", "direct", "shuffled"}
    storm, direct, shuffled = (found["arms"][n] for n in ("storm", "direct", "shuffled"))
    usual = {"role", "accuracy", "ci95", "n", "clusters", "steps", "seed"}
    assert set(storm) == {*usual, "interventions"}
    assert set(direct) == set(shuffled) == usual
    assert [storm["role"], direct["role"], shuffled["role"]] == ["main", "direct", "control"]
    assert storm["steps"] == 9
    assert [(d["against"], d["condition"], d["n"]) for d in found["differences"]] == [
        ("direct", "none", VIDEOS),
        ("shuffled", "none", VIDEOS),
    ]
    assert found["differences"][0]["value"] == pytest.approx(0.5)
    assert (storm["accuracy"], storm["n"], storm["seed"]) == (0.9, 10, 3)
    low, high = storm["ci95"]
    assert low < 0.9 < high
    found = storm["interventions"]
    assert {name: shares["accuracy"] for name, shares in found.items()} == {
        "zero": 0.2,
        "swap": 0.1,
        "patch:1": 0.3,
        "patch:2": 0.0,
        "sweeps:1": 0.4,
    }
    assert all(shares["n"] == VIDEOS and len(shares["ci95"]) == 2 for shares in found.values())
    assert set(found["zero"]) == {"accuracy", "ci95", "n"}
    assert found["sweeps:1"]["guess_accuracy"] == pytest.approx(0.4)
    assert found["swap"]["follows_donor"]["share"] == 0.9
    follows = [(found[p]["follows_donor"], found[p]["follows_donor_if_other"]) for p in PATCHES]
    assert [(a["share"], a["n"], b["share"], b["n"]) for a, b in follows] == [
        (0.4, 10, 0.6, 5),  # the first three say their own: one follows; so do 4, 6 and 8
        (0.5, 10, 1.0, 5),
    ]
    low, high = follows[0][0]["ci95"]
    assert low < 0.4 < high
    assert direct["accuracy"] == 0.4


def test_each_kind_of_question_has_scores_of_its_own(store: Store) -> None:
    """Even questions are of one kind; of the first nine, which are right, five are."""
    found = as_json(score(store, everyone(store), kinds=("dial", "cups")))
    kinds = found.pop("kinds")
    assert found == as_json(score(store, everyone(store)))
    assert list(kinds) == ["cups", "dial"]
    assert [set(kind) for kind in kinds.values()] == [set(found)] * 2
    cups, dial = (kind["arms"]["storm"] for kind in kinds.values())
    assert [(arm["accuracy"], arm["n"]) for arm in (cups, dial)] == [(0.8, 5), (1.0, 5)]
    patched = [arm["interventions"]["patch:1"] for arm in (cups, dial)]
    assert [p["follows_donor"]["share"] for p in patched] == [0.2, 0.6]
    assert [d["against"] for d in kinds["dial"]["differences"]] == ["direct", "shuffled"]
    assert kinds["dial"]["chance"] == 0.25
    titles = [table[0][0] for table in results_tables({**found, "kinds": kinds})]
    own = ["arm", "storm: slot patched", "storm: sweeps"]
    assert titles == [*own, *(f"{kind}: {title}" for kind in ("cups", "dial") for title in own)]


def test_videos_of_one_script_say_less(store: Store) -> None:
    found = as_json(
        score(
            store,
            [
                ("storm", arm(store, "storm", none=10)),
                ("direct", arm(store, "direct", none=10, scripts=2)),
            ],
        )
    )
    own, shared = (found["arms"][name] for name in ("storm", "direct"))
    assert own["accuracy"] == shared["accuracy"] == 1
    assert shared["ci95"][0] < 0.5 < own["ci95"][0]


def test_the_table_shows_every_number(store: Store) -> None:
    rows = results_table(as_json(score(store, everyone(store))))
    shown = {row[0].strip(): row[1:] for row in rows}
    assert rows[0] == ["arm", "accuracy %", "95 % interval", "questions"]
    assert shown["storm"][0] == "90.0"
    assert shown["storm"][2] == "10"
    assert shown["latents swap: answer follows the donor"][0] == "90.0"
    assert shown["one latent patched: answer follows, of 2 slots at least"][0] == "40.0"
    assert shown["direct"][0] == "40.0"
    assert shown["chance"][0] == "25.0"
    assert len({len(row) for row in rows}) == 1


def test_the_weakest_patch_is_the_slot_that_is_followed_least(store: Store) -> None:
    arms = as_json(score(store, everyone(store)))["arms"]
    found = weakest_patch(arms["storm"])
    assert found is not None
    assert (found.slot, found.slots, found.share, found.n) == (1, 2, 0.4, VIDEOS)
    assert found.ci95[0] < 0.4 < found.ci95[1]
    assert weakest_patch(arms["direct"]) is None
    unsaid = {"interventions": {"patch:1": {"accuracy": 0.5}}}
    assert weakest_patch(unsaid) is None, "no world said what follows from the patch"
