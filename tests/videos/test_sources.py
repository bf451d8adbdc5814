"""Question files: what is read, what is refused, by which name, and how videos are split."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from storm.artifacts.plan import plan
from storm.artifacts.stage import Context
from storm.artifacts.store import Store
from storm.errors import DataError
from storm.runtime import Runtime
from storm.videos.questions.sources import QuestionFile
from storm.videos.stage import QuestionVideos

GOOD = {"id": "1", "video": "a.mp4", "question": "What moves?", "options": ["cup", "ball"]}


@pytest.fixture
def root(tmp_path: Path, film: Path) -> Path:
    """A folder with three videos: a and b have equal bytes, c lies deeper."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "sub/c.mp4"):
        (folder / name).write_bytes(film.read_bytes() + b"\0\0\0\x08free" * len(name))
    return folder


def lines(root: Path, *entries: dict | str) -> QuestionFile:
    path = root / "questions.jsonl"
    text = [e if isinstance(e, str) else json.dumps(GOOD | {"answer": "A"} | e) for e in entries]
    path.write_text("\n".join(text))
    return QuestionFile(questions=str(path))


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


def test_video_r1(root: Path):
    entries = [
        {
            "problem_id": 7,
            "problem": "Which?",
            "data_type": "video",
            "options": ["A. one", "B. two"],
            "solution": "<answer>B</answer>",
            "path": "a.mp4",
        },
        {
            "problem_id": 8,
            "problem": "How many?",
            "data_type": "video",
            "options": [],
            "solution": "<answer>12</answer>",
            "path": "b.mp4",
        },
        {"problem_id": 9, "problem": "?", "data_type": "image", "solution": "x", "path": "a.png"},
    ]
    path = root / "r1.json"
    entries.append({**entries[-1], "problem_id": 10, "data_type": "audio"})
    path.write_text(json.dumps(entries))
    samples, rejected, _, images = QuestionFile(questions=str(path)).samples()
    assert [(s.id, s.options, s.answer) for s in samples] == [
        ("7", ("one", "two"), "B"),
        ("8", (), "12"),
    ]
    assert [(r.id, r.reason) for r in rejected] == [("10", "not_a_video_question")]
    assert images == 1, "nobody asked for it, so it is not rejected"


def test_llava_video(root: Path):
    asked = "<image>\nWhat is held?\nA. A cup.\nB. A ball.\nPlease respond with only the letter."
    entries = [
        {
            "id": "x",
            "video": "a.mp4",
            "conversations": [
                {"from": "human", "value": asked},
                {"from": "gpt", "value": "B."},
                {"from": "human", "value": "And why?"},
                {"from": "gpt", "value": "To throw it."},
            ],
        },
        {"id": "y", "video": "a.mp4", "conversations": [{"from": "human", "value": "Hm?"}]},
    ]
    path = root / "llava.json"
    path.write_text(json.dumps(entries))
    samples, rejected, *_ = QuestionFile(questions=str(path)).samples()
    assert [(s.id, s.question, s.options, s.answer) for s in samples] == [
        ("x/1", "What is held?", ("A cup.", "A ball."), "B"),
        ("x/2", "And why?", (), "To throw it."),
    ]
    assert [(r.id, r.reason) for r in rejected] == [("y", "bad_conversation")]


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


def many(root: Path, film: Path, count: int, **fields) -> QuestionFile:
    for i in range(count):
        (root / f"{i}.mp4").write_bytes(film.read_bytes() + b"\0\0\0\x08free" * (i + 1))
    entries = [{"id": f"{i}-{j}", "video": f"{i}.mp4"} for i in range(count) for j in range(2)]
    return lines(root, *(e | fields for e in entries))


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


def test_a_video_is_decoded_in_one_shard_alone(
    root: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage = QuestionVideos(source=many(root, film, 60), shards=4)
    store, decoded = Store(tmp_path / "store"), Counter()
    monkeypatch.setattr(
        "storm.videos.decoding.decode.verify_decodable", lambda path: decoded.update([path.name])
    )
    planned = plan(stage, store)

    def quiet(said: object) -> None: ...

    context = Context(
        store=store,
        artifact=stage.artifact(store),
        runtime=Runtime(),
        emit=quiet,
        begin=quiet,
        batch=1,
    )
    for number in range(4):
        ids = [item.id for item in planned.shard(number)]
        assert ids, "the videos are spread over the shards"
        assert len(list(stage.make(ids, context))) == len(ids)
    assert set(decoded.values()) == {1}


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


def test_a_column_names_the_split(root: Path):
    source = lines(
        root,
        {"id": "1", "split": "test"},
        {"id": "2"},
        {"id": "3", "split": "train"},
        {"id": "4", "video": "b.mp4", "split": "Train"},
    )
    samples, rejected, *_ = source.samples()
    assert {s.id: s.split for s in samples} == {"1": "test", "2": "test", "4": "train"}
    assert [(r.id, r.reason) for r in rejected] == [("3", "split_conflict")]


def test_lettered_options_in_a_json_list(root: Path, film: Path):
    """Several questions on each of eight videos, as annotators write them."""
    for n in range(8):
        (root / f"{n}.mp4").write_bytes(film.read_bytes() + b"\0\0\0\x08free" * (n + 9))
    entries = [
        {
            "id": f"q{n}",
            "video": f"{n % 8}.mp4",
            "question": f"What happens at {n}?",
            "options": ["A. it falls", "B. it rolls", "C. nothing"],
            "answer": "ABC"[n % 3],
        }
        for n in range(19)
    ]
    (root / "qa.json").write_text(json.dumps(entries))
    samples, rejected, found, _ = QuestionFile(questions=str(root / "qa.json")).samples()
    assert (len(samples), rejected, found) == (19, [], root)
    assert len({s.video_id for s in samples}) == 8
    assert not any(option.startswith("A.") for s in samples for option in s.options)
    assert {s.split for s in samples} == {"train", "test"}
