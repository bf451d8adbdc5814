"""Question sets of `datasets`: every local form, the hub's cache, and what is never run or read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storm.errors import DataError
from storm.videos.decoding.encode import encode_mp4
from storm.videos.questions.hub import HFQuestionSource

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def root(tmp_path: Path, moving) -> Path:
    folder = tmp_path / "mine"
    (folder / "clips").mkdir(parents=True)
    for n in range(2):
        encode_mp4(folder / f"clips/{n}.mp4", moving(12, 32, 32 + 16 * n), 12)
    return folder


def rows(**other: list[Any]) -> dict[str, list[Any]]:
    return {
        "id": ["a", "b", "c"],
        "video": ["clips/0.mp4", "clips/1.mp4", "clips/9.mp4"],
        "question": ["where?"] * 3,
        "options": [["here", "there"]] * 3,
        "answer": ["A", "there", "B"],
        **other,
    }


def save(folder: Path, form: str, made: datasets.Dataset) -> Path:
    match form:
        case "saved":
            made.save_to_disk(str(folder / "saved"))
            return folder / "saved"
        case "saved splits":
            datasets.DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(
                str(folder / "saved")
            )
            return folder / "saved"
        case "arrow file":
            made.save_to_disk(str(folder / "saved"))
            return next((folder / "saved").glob("*.arrow"))
        case "parquet file":
            made.to_parquet(str(folder / "qa.parquet"))
            return folder / "qa.parquet"
        case _:
            (folder / "set").mkdir()
            made.to_parquet(str(folder / "set" / "train-00000-of-00001.parquet"))
            return folder / "set"


@pytest.mark.parametrize(
    "form", ["saved", "saved splits", "arrow file", "parquet file", "parquet folder"]
)
def test_every_local_form_is_read(root: Path, form: str) -> None:
    path = save(root, form, datasets.Dataset.from_dict(rows()))
    source = HFQuestionSource(questions=str(path), root=str(root))
    samples, rejected, *_ = source.samples()
    assert [(s.id, s.video_id, s.answer) for s in samples] == [
        ("a", "clips/0.mp4", "A"),
        ("b", "clips/1.mp4", "B"),
    ]
    assert [(r.id, r.reason, r.detail.split(":")[0]) for r in rejected] == [
        ("c", "missing", "row 3")
    ]


def test_other_columns_and_formats(root: Path) -> None:
    named = rows()
    named["prompt"] = named.pop("question")
    path = save(root, "saved", datasets.Dataset.from_dict(named))
    with pytest.raises(DataError, match="expected a column 'question'"):
        HFQuestionSource(questions=str(path), root=str(root)).samples()
    columns: Any = {"question": "prompt"}
    assert HFQuestionSource(questions=str(path), root=str(root), columns=columns).samples()[0]

    video_r1 = {
        "problem_id": [1],
        "problem": ["where?"],
        "data_type": ["video"],
        "options": [["A. here", "B. there"]],
        "solution": ["<answer>B</answer>"],
        "path": ["clips/0.mp4"],
    }
    (root / "r1").mkdir()
    path = save(root / "r1", "parquet file", datasets.Dataset.from_dict(video_r1))
    (sample,) = HFQuestionSource(questions=str(path), root=str(root)).samples()[0]
    assert (sample.id, sample.answer, sample.options) == ("1", "B", ("here", "there"))


def test_a_video_feature_gives_its_path_and_never_its_bytes(root: Path) -> None:
    inside = {"path": "x.mp4", "bytes": (root / "clips/0.mp4").read_bytes()}
    absolute = {"path": str(root / "clips/1.mp4"), "bytes": None}
    made = datasets.Dataset.from_dict(
        rows(video=[inside, absolute, absolute | {"path": "clips/9.mp4"}]),
        features=datasets.Features(
            id=datasets.Value("string"),
            video=datasets.Video(),
            question=datasets.Value("string"),
            options=datasets.List(datasets.Value("string")),
            answer=datasets.Value("string"),
        ),
    )
    pq.write_table(made.data.table, root / "videos.parquet")
    path = root / "videos.parquet"
    samples, rejected, *_ = HFQuestionSource(questions=str(path), root=str(root)).samples()
    assert [(s.id, s.video_id) for s in samples] == [("b", "clips/1.mp4")]
    assert [(r.id, r.reason) for r in rejected] == [("a", "embedded_video"), ("c", "missing")]
    plain = rows(video=[b"\0\0", b"\0", b""])
    pq.write_table(pa.table(plain), root / "bytes.parquet")
    source = HFQuestionSource(questions=str(root / "bytes.parquet"), root=str(root))
    assert {r.reason for r in source.samples()[1]} == {"embedded_video"}


def test_the_hub_needs_a_commit_and_is_read_from_its_cache_offline(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"40 hex digits.*revision 'main'"):
        HFQuestionSource(questions="some/set", root=str(root), revision="main").samples()
    source = HFQuestionSource(questions="some/set", root=str(root), revision=COMMIT)
    with pytest.raises(DataError, match="expected the data set 'some/set'"):
        source.samples()
    snapshot = tmp_path / "hub" / "datasets--some--set" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    datasets.Dataset.from_dict(rows()).to_parquet(str(snapshot / "train.parquet"))
    assert len(source.samples()[0]) == 2
    with pytest.raises(DataError, match="name it as root"):
        HFQuestionSource(questions="some/set", revision=COMMIT).samples()


def test_nothing_of_a_data_set_is_run(root: Path) -> None:
    folder = root / "bad"
    folder.mkdir()
    canary = root / "canary"
    (folder / "bad.py").write_text(f"open({str(canary)!r}, 'w')")
    with pytest.raises(DataError, match="split 'train'"):
        HFQuestionSource(questions=str(folder), root=str(root)).samples()

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    import pickle

    (folder / "train.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="expected a data set"):
        HFQuestionSource(questions=str(folder), root=str(root)).samples()
    assert not canary.exists()


@pytest.mark.parametrize("split", ["nope", "test"])
def test_a_split_that_is_not_there_is_one_line(root: Path, split: str) -> None:
    path = save(root, "parquet folder", datasets.Dataset.from_dict(rows()))
    with pytest.raises(DataError, match=f"with the split '{split}'") as caught:
        HFQuestionSource(questions=str(path), root=str(root), split=split).samples()
    assert "\n" not in str(caught.value)


def test_numbers_of_32_bits_are_read_as_they_are_shown(root: Path) -> None:
    features = datasets.Features(
        {name: datasets.Value("string") for name in ("id", "video", "question")}
        | {"answer": datasets.Value("float32")}
    )
    named = {**rows(answer=[0.1, 3.0, 2.5])}
    del named["options"]
    path = save(root, "parquet file", datasets.Dataset.from_dict(named, features=features))
    samples, *_ = HFQuestionSource(questions=str(path), root=str(root)).samples()
    assert [s.answer for s in samples] == ["0.1", "3"]
