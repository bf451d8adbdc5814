"""`storm check`: what a question set holds, and whether a run would go on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from crashing_checks import crash_on_one

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.cli import main
from storm.runtime import Runtime
from storm.videos.decoding.encode import encode_mp4
from storm.videos.questions.check import check_questions
from storm.videos.questions.sources import QuestionFile
from storm.videos.stage import QuestionVideos


@pytest.fixture
def mine(tmp_path: Path, moving) -> Path:
    """Four readable videos, two with the same bytes, and seven questions of all kinds."""
    for n in range(3):
        encode_mp4(tmp_path / f"{n}.mp4", moving(24, 32, 32 + 16 * n), 12)
    shutil.copy(tmp_path / "0.mp4", tmp_path / "copy.mp4")
    cut = (tmp_path / "2.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(cut[: len(cut) * 2 // 3])
    (tmp_path / "text.mp4").write_text("no video\n" * 99)
    videos = ["0.mp4", "1.mp4", "2.mp4", "copy.mp4", "cut.mp4", "text.mp4", "0.mp4"]
    with open(tmp_path / "qa.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "video", "prompt", "options", "answer"])
        for n, video in enumerate(videos):
            writer.writerow([f"q{n}", video, "where?", "here|there", "" if n == 6 else "A"])
    return tmp_path / "qa.csv"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["check", *arguments])
    return int(end.value.code or 0), capsys.readouterr().out


@pytest.mark.integration
def test_everything_is_counted_and_each_problem_has_a_sample(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ("--columns", "question=prompt")
    code, out = run(capsys, str(mine), *columns, "--json", "--samples", "1")
    found: dict[str, Any] = json.loads(out)
    assert code == 65
    assert (found["questions"], found["good"], found["videos"]) == (7, 4, 4)
    assert found["duration_seconds"] == {"least": 2.0, "median": 2.0, "most": 2.0, "sum": 8.0}
    assert found["resolutions"] == {"32x32": 2, "48x32": 1, "64x32": 1}
    assert (found["codecs"], found["fps"]["median"]) == ({"h264": 4}, 12.0)
    assert found["same_bytes"] == [["0.mp4", "copy.mp4"]]
    rejected = {r: (p["questions"], p["samples"][0]["id"]) for r, p in found["rejected"].items()}
    assert rejected == {"damaged": (1, "q4"), "no_answer": (1, "q6"), "not_a_video": (1, "q5")}
    assert sum(found["splits"].values()) == 4
    assert not found["would_pass"]

    code, out = run(capsys, str(mine), *columns, "--share", "0.5")
    assert code == 0
    assert "a run would go on: 3 of 7 questions lost" in out
    assert "  0.mp4 = copy.mp4" in out
    assert "not_a_video: 1 questions" in out


@pytest.mark.integration
def test_the_half_of_video_r1_that_is_images_is_counted_and_costs_no_share(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = {"problem": "where?", "solution": "<answer>there</answer>", "options": []}
    entries = [
        {**question, "problem_id": n, "data_type": kind, "path": path}
        for n, (kind, path) in enumerate([("image", "a.png"), ("video", "0.mp4")] * 3)
    ]
    path = mine.parent / "r1.json"
    path.write_text(json.dumps(entries))
    code, out = run(capsys, str(path))
    assert code == 0
    assert "3 good of 3; 3 on images are left out" in out
    stage = QuestionVideos(source=QuestionFile(questions=str(path), test_share=0))
    manifest = execute(stage, Store(tmp_path / "artifacts"), Runtime()).manifest()
    assert (manifest["rows"], manifest["quarantined"]) == (3, [])
    assert manifest["extra"] == {"image_questions_left_out": 3}


@pytest.mark.integration
def test_damage_inside_is_found_by_decoding(
    mine: Path, write, moving, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hole in the middle of a file that is whole from outside."""
    folder = mine.parent
    data = bytearray((folder / "1.mp4").read_bytes())
    middle = data.index(b"mdat") + len(data) // 3
    data[middle : middle + 300] = bytes(300)
    (folder / "1.mp4").write_bytes(data)
    entry = {"id": "q", "video": "1.mp4", "question": "where?", "answer": "there"}
    path = folder / "one.json"
    path.write_text(json.dumps([entry, {**entry, "id": "r", "video": "0.mp4"}]))
    assert run(capsys, str(path), "--json")[0] == 0
    code, out = run(capsys, str(path), "--json", "--decode")
    found = json.loads(out)
    assert found["every_frame_decoded"]
    assert list(found["rejected"]) == ["damaged"]
    assert code == 0, "one bad question of several may be"


@pytest.mark.integration
def test_a_video_that_kills_its_child_is_named(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storm.videos.questions.check.summarize_video", crash_on_one)
    source = QuestionFile(questions=str(mine), columns={"question": "prompt"})  # pyright: ignore
    found = check_questions(source, decode=False, workers=2, share=0.05)
    reasons = {r.id: r.reason for r in found.rejected}
    assert reasons["q1"] == "signal_9"
    assert {"0.mp4", "2.mp4"} <= found.videos.keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv"], "expected a question file"),
        (["qa.csv", "--kind", "tsv"], "kind: "),
        (["qa.csv", "--columns", "prompt=question"], "columns.prompt: "),
        (["qa.csv"], "expected a column 'question'"),
    ],
)
def test_what_is_wrong_as_a_whole_is_one_line(
    mine: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, *options = arguments
    with pytest.raises(SystemExit) as end:
        main(["check", str(mine.parent / path), *options])
    errors = capsys.readouterr().err
    assert end.value.code in (2, 65)
    assert words in errors
    assert errors.count("\n") == 1
