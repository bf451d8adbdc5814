"""Which videos train and which test."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from storm.videos.questions.sources import QuestionFile
from tests.videos.question_files import GOOD, lines, many


def test_all_questions_of_a_video_share_a_split(root: Path, film: Path):
    source = many(root, film, 60)
    samples = source.samples()[0]
    splits = {s.video_id: s.split for s in samples}
    assert all(splits[s.video_id] == s.split for s in samples)
    counts = Counter(splits.values())
    assert 4 <= counts["test"] <= 24  # 12 expected
    fewer = many(root, film, 30).samples()[0]
    assert all(splits[s.video_id] == s.split for s in fewer), "adding videos moves none"
    reseeded = QuestionFile(questions=source.questions, seed=1).samples()[0]
    assert {s.video_id: s.split for s in reseeded} != splits


def test_equal_bytes_share_a_split(root: Path, film: Path):
    source = many(root, film, 20)
    for i in range(20):
        (root / f"copy{i}.mp4").write_bytes((root / f"{i}.mp4").read_bytes())
    with open(source.questions, "a") as file:
        for i in range(20):
            more = {"id": f"c{i}", "video": f"copy{i}.mp4", "answer": "A"}
            file.write("\n" + json.dumps(GOOD | more))
    by_bytes: dict[str, set[str]] = {}
    for sample in source.samples()[0]:
        by_bytes.setdefault(sample.video_sha256, set()).add(sample.split)
    assert all(len(splits) == 1 for splits in by_bytes.values())


def test_neither_side_stays_empty(root: Path):
    for seed in range(30):
        source = lines(root, {"id": "1"}, {"id": "2", "video": "sub/c.mp4"})
        source = QuestionFile(questions=source.questions, seed=seed)
        assert {s.split for s in source.samples()[0]} == {"train", "test"}


def test_a_share_may_validate(root: Path, film: Path):
    source = many(root, film, 60)
    without = {s.video_id: s.split for s in source.samples()[0]}
    chosen = source.model_copy(update={"val_share": 0.3})
    splits = {s.video_id: s.split for s in chosen.samples()[0]}
    assert 8 <= Counter(splits.values())["val"] <= 28  # 18 expected
    moved = {(without[i], split) for i, split in splits.items() if without[i] != split}
    assert moved == {("train", "val")}
    greedy = lines(root, {"id": "1"}, {"id": "2", "video": "sub/c.mp4"})
    greedy = greedy.model_copy(update={"val_share": 1.0})
    assert "train" in {s.split for s in greedy.samples()[0]}


def test_a_column_names_the_split(root: Path):
    source = lines(
        root,
        {"id": "1", "split": "test"},
        {"id": "2"},
        {"id": "3", "split": "train"},
        {"id": "4", "video": "b.mp4", "split": "Train"},
        {"id": "5", "video": "sub/c.mp4", "split": "val"},
    )
    samples, rejected, *_ = source.samples()
    assert {s.id: s.split for s in samples} == {"1": "test", "2": "test", "4": "train", "5": "val"}
    assert [(r.id, r.reason) for r in rejected] == [("3", "split_conflict")]
