"""Question files: what is read, what is rejected, and by which name."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from storm.errors import DataError
from storm.videos.questions.sources import QuestionFile
from tests.videos.question_files import lines


def reasons(source: QuestionFile) -> dict[str, str]:
    samples, rejected, *_ = source.samples()
    names = [s.id for s in samples] + [r.id for r in rejected]
    assert len(names) == len(set(names)), "each id has one fate"
    assert all(r.detail and "\n" not in r.detail for r in rejected)
    return {r.id: r.reason for r in rejected}


def test_jsonl_gives_rows(root: Path):
    source = lines(root, {}, {"id": "2", "video": "./sub/../sub/c.mp4", "answer": "ball"})
    samples, rejected, found, _ = source.samples()
    assert not rejected
    assert found == root
    assert [(s.id, s.video_id, s.answer) for s in samples] == [
        ("1", "a.mp4", "A"),
        ("2", "sub/c.mp4", "B"),
    ]
    assert samples[0].options == ("cup", "ball")
    assert len(samples[0].video_sha256) == 64
    assert samples[0].video_sha256 != samples[1].video_sha256


def test_a_cluster_is_what_its_column_says_or_the_video(root: Path):
    source = lines(root, {}, {"id": "2", "cluster": "kitchen"}, {"id": "3", "cluster": ""})
    assert [s.cluster for s in source.samples().samples] == ["a.mp4", "kitchen", "a.mp4"]
    named = QuestionFile(questions=source.questions, columns={"cluster": "scene"})
    with pytest.raises(DataError, match=r"'scene' \(columns.cluster\)"):
        named.samples()


def test_csv_of_ones_own_with_a_column_mapping(root: Path):
    path = root / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "ask", "choices", "gold", "comment"])
        writer.writerow(["a.mp4", 'Which, "first"?', "the cup|the ball", "the ball", "x"])
        writer.writerow(["b.mp4", "What\nis\nsaid?", "", "nothing", ""])
        writer.writerow(["a.mp4", "Third?", '["p", "q", "r"]', "C", ""])
    columns = {"video": "clip", "question": "ask", "options": "choices", "answer": "gold"}
    source = QuestionFile(questions=str(path), columns=columns)
    samples, rejected, *_ = source.samples()
    assert not rejected
    assert [(s.options, s.answer) for s in samples] == [
        (("the cup", "the ball"), "B"),
        ((), "nothing"),
        (("p", "q", "r"), "C"),
    ]
    assert samples[0].id != samples[2].id
    assert [s.id for s in source.samples()[0]] == [s.id for s in samples]


def test_a_missing_column_is_one_clear_error(root: Path):
    path = root / "mine.csv"
    path.write_text("id,clip,question,answer\n1,a.mp4,Why?,so\n")
    with pytest.raises(DataError, match=r"column 'video' .*clip.*columns\.video"):
        QuestionFile(questions=str(path)).read()
    columns = {"video": "clip", "split": "part"}
    with pytest.raises(DataError, match=r"columns\.split"):
        QuestionFile(questions=str(path), columns=columns).read()
    with pytest.raises(ValidationError, match="film"):
        QuestionFile(questions=str(path), columns={"film": "clip"})
    with pytest.raises(ValidationError, match="qestions"):
        QuestionFile(questions=str(path), qestions="x")


def test_each_bad_entry_has_its_reason_and_the_rest_goes_on(root: Path):
    found = reasons(
        lines(
            root,
            {"id": "good"},
            {"id": "a", "answer": ""},
            {"id": "b", "answer": None},
            {"id": "c", "answer": "C"},
            {"id": "d", "question": "  "},
            {"id": "e", "options": ["only"]},
            {"id": "f", "video": ""},
            {"id": "g", "split": "validation"},
            {"id": "nul\0"},
            {"id": "two\nlines"},
            {"id": ["x"]},
            "{not json",
            "[1, 2]",
            {"id": "good ", "answer": "<answer></answer>"},
        )
    )
    assert found == {
        "a": "no_answer",
        "b": "no_answer",
        "c": "answer_not_an_option",
        "d": "no_question",
        "e": "bad_options",
        "f": "no_video",
        "g": "bad_split",
        "line 9": "bad_id",
        "line 10": "bad_id",
        "line 11": "bad_id",
        "line 12": "bad_json",
        "line 13": "not_an_object",
        "good ": "no_answer",
    }


def test_paths_stay_under_the_root(root: Path, tmp_path: Path, film: Path):
    (tmp_path / "outside.mp4").write_bytes(film.read_bytes())
    (root / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    (root / "up").symlink_to(tmp_path)
    (root / "inside.mp4").symlink_to(root / "a.mp4")
    os.mkfifo(root / "pipe.mp4")
    (root / "empty.mp4").touch()
    (root / "text.mp4").write_text("words " * 100)
    videos = {
        "1": "../outside.mp4",
        "2": str(root / "a.mp4"),
        "3": "link.mp4",
        "4": "up/outside.mp4",
        "5": "sub/../../outside.mp4",
        "6": "nowhere.mp4",
        "7": "pipe.mp4",
        "8": "sub",
        "9": "empty.mp4",
        "10": "text.mp4",
        "11": "a.mp4\0",
        "12": "inside.mp4",
    }
    found = reasons(lines(root, *({"id": i, "video": v} for i, v in videos.items())))
    leaves = dict.fromkeys("12345", "path_leaves_root")
    assert found == leaves | {
        "6": "missing",
        "7": "not_a_file",
        "8": "not_a_file",
        "9": "empty_file",
        "10": "not_a_video",
        "11": "bad_path",
    }


def test_duplicates_are_refused_with_their_lines(root: Path):
    ids = ["same", "café", "Case", "other", "same", "cafe\u0301", "CASE"]
    source = lines(root, *({"id": i} for i in ids))
    samples, rejected, *_ = source.samples()
    assert [s.id for s in samples] == ["other"]
    assert {r.id for r in rejected} == set(ids) - {"other"}
    assert {r.reason for r in rejected} == {"duplicate_id"}
    detail = next(r.detail for r in rejected if r.id == "same")
    assert "line 1" in detail
    assert "line 5" in detail


def test_an_id_is_kept_as_it_is(root: Path):
    ids = ["../../x", "/etc/passwd", "x" * 300, "🎥", "%s", "{}", "${HOME}"]
    samples, rejected, *_ = lines(root, *({"id": i} for i in ids)).samples()
    assert [s.id for s in samples] == ids
    assert not rejected


def test_a_refused_entry_never_takes_anothers_id(root: Path):
    assert reasons(lines(root, {"id": "1"}, {"id": "1", "answer": ""})) == {"line 2": "no_answer"}


@pytest.mark.parametrize("content", ["", "  \n", "[]", "[1", '"text"', "\xff\xfe"])
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, content: str):
    path = tmp_path / "questions.json"
    path.write_bytes(content.encode("latin1"))
    with pytest.raises(DataError, match=r"expected .*questions\.json"):
        QuestionFile(questions=str(path)).read()


def test_a_question_file_that_is_none(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("nothing.json", "pipe.json", "."):
        with pytest.raises(DataError, match="question file"):
            QuestionFile(questions=str(tmp_path / name)).read()
    (tmp_path / "q.csv").write_text("video,question,answer\na,b,c\n")
    with pytest.raises(DataError, match="root folder"):
        QuestionFile(questions=str(tmp_path / "q.csv"), root=str(tmp_path / "none")).samples()


def test_deeply_nested_json_is_refused(tmp_path: Path):
    path = tmp_path / "q.json"
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="JSON"):
        QuestionFile(questions=str(path)).read()
