"""Every benchmark from a folder on disk to a score, whole and damaged."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storm.benchmarks.benchmark import benchmark_names, get_benchmark
from storm.benchmarks.scoring import aggregate, score
from storm.benchmarks.table_dataset import read_table
from storm.benchmarks.types import AnsweredQuestion, DatasetLocation, LoadedQuestions
from storm.errors import ConfigError, DataError
from storm.videos.decoding.encode import encode_mp4
from tests.benchmarks import folders
from tests.benchmarks.docs import doc_of
from tests.videos.reading import decode_all


def load(name: str, build: Callable[..., None], root: Path, *more: Any) -> LoadedQuestions:
    build(root, *more)
    return get_benchmark(name).dataset.load(DatasetLocation(where=str(root)))


def reasons(loaded: LoadedQuestions) -> dict[str, str]:
    return {one.id: one.reason for one in loaded.rejected}


def test_every_file_is_a_benchmark() -> None:
    assert benchmark_names() == ("mmvu", "mvbench", "own", "shell", "tempcompass", "videomme")
    for name in benchmark_names():
        assert get_benchmark(name).name == name
        assert get_benchmark(name).pick_scorer()[1].about
    with pytest.raises(ConfigError, match="mmvu, mvbench"):
        get_benchmark("mme")
    with pytest.raises(ConfigError, match="videomme: lmms_eval, "):
        get_benchmark("videomme").pick_scorer("best")


def test_videomme(tmp_path: Path) -> None:
    loaded = load("videomme", folders.videomme, tmp_path)
    assert [q.id for q in loaded.questions] == ["0-0", "0-1", "1-0", "1-1"]
    assert reasons(loaded) == {"2-0": "missing_video", "2-1": "missing_video"}
    assert get_benchmark("videomme").sizes == {"videomme": 2700}
    first, last = loaded.questions[0], loaded.questions[-1]
    assert last.video == tmp_path / "data/v1.MP4"
    assert first.video is not None
    assert len(decode_all(first.video).pixels) == 8
    _, prompt = get_benchmark("videomme").pick_prompt()
    assert prompt(first, None).text == (
        "Select the best answer to the following multiple-choice question based on the video and "
        "the subtitles. Respond with only the letter (A, B, C, or D) of the correct option.\n"
        "What is shown?\nA. a red ball\nB. a blue cube\nC. Two cats\nD. none of these\n\n"
        "Answer with the option's letter from the given choices directly."
    )
    _, subtitled = get_benchmark("videomme").pick_prompt("lmms_eval_subtitles")
    head = "This video's subtitles are listed below: \n"
    asked = prompt(first, None).text.rpartition("\n\n")[0] + "\nThe best answer is:"
    for times, shown in (
        (None, "first words\nlater words"),
        ([0.2, 0.9], "first words"),
        ([3], ""),
    ):
        assert subtitled(first, times).text == f"{head}{shown}\n{asked}"
    assert subtitled(last, None).text.startswith(f"{head}No subtitles available\nSelect")


@pytest.mark.parametrize("revision", ["video", "main"])
def test_mvbench(tmp_path: Path, revision: str) -> None:
    loaded = load("mvbench", folders.mvbench, tmp_path, revision)
    assert reasons(loaded) == {"fine_grained_pose/0": "missing_video"}
    by_task = {q.task: q for q in loaded.questions}
    whole = (0.5, 1.5) if revision == "main" else None
    assert by_task["action_sequence"].clip_seconds == whole
    assert by_task["state_change"].clip_seconds is None
    frames = by_task["episodic_reasoning"]
    assert (frames.frames_fps, frames.clip_seconds) == (3.0, whole)
    assert frames.video is not None
    assert len(list(frames.video.iterdir())) == 6
    _, prompt = get_benchmark("mvbench").pick_prompt()
    assert prompt(frames, None).text == (
        "Question:What is shown?\nOption:\n(A) a red ball\n(B) a blue cube\n(C) Two cats\n"
        "(D) none of these\n(E) the 3 of them\nOnly give the best option.\n"
    )
    _, official = get_benchmark("mvbench").pick_prompt("mvbench_official")
    assert official(frames, None).prefill == "Best option:("
    assert official(frames, None).text.startswith("Question: What is shown?\nOptions:\n(A) a red")
    found = aggregate(
        score(get_benchmark("mvbench"), [AnsweredQuestion(q, "A") for q in loaded.questions])
    )
    assert (found.headline.value, found.expected) == (1.0, 4000)
    assert set(found.breakdown["task"]) == {"action_sequence", "state_change", "episodic_reasoning"}


def test_mvbench_headline_is_the_mean_over_tasks_and_empty_answers_count_as_wrong() -> None:
    benchmark = get_benchmark("mvbench")
    tasks = ["state_change"] * 3 + ["action_count"]
    answered = [
        AnsweredQuestion(
            benchmark.dataset.question(str(n), task, doc_of("mvbench", video=f"{n}")), said
        )
        for n, (task, said) in enumerate(zip(tasks, ["A", "A", "", "B"], strict=True))
    ]
    found = aggregate(score(benchmark, answered))
    assert found.headline.value == pytest.approx((2 / 3 + 0) / 2)
    assert found.harness_metrics == {
        "mvbench_state_change/mvbench_accuracy": 100.0,
        "mvbench_action_count/mvbench_accuracy": 0.0,
    }
    assert found.empty == ("2",)


@pytest.mark.parametrize("build", [folders.tempcompass, folders.tempcompass_official])
def test_tempcompass(tmp_path: Path, build: Callable[..., None]) -> None:
    loaded = load("tempcompass", build, tmp_path)
    assert [q.id for q in loaded.questions] == [f"{task}/0" for task in folders.TEMPCOMPASS]
    assert set(reasons(loaded).values()) <= {"missing_video"}
    _, prompt = get_benchmark("tempcompass").pick_prompt()
    ends = [prompt(q, None).text.rpartition("\n")[2] for q in loaded.questions]
    best = "Please directly give the best option:"
    assert ends == [best, "Please answer yes or no:", best, "Generated Caption:"]
    said = ["A", "Yes.", "Caption B", "A red ball."]
    run = score(get_benchmark("tempcompass"), map(AnsweredQuestion, loaded.questions, said))
    assert [one.score for one in run.scored] == [1, 1, 0, None]
    found = aggregate(run)
    assert (found.headline.n, found.not_scored, found.match_rate) == (3, 1, 1.0)
    assert found.headline.value == pytest.approx(2 / 3)


def test_mmvu(tmp_path: Path) -> None:
    loaded = load("mmvu", folders.mmvu, tmp_path)
    assert [q.id for q in loaded.questions] == ["validation_0", "validation_1"]
    assert reasons(loaded) == {"validation_2": "missing_video"}
    assert {q.video for q in loaded.questions} == {tmp_path / "videos/Art/0.mp4"}
    _, prompt = get_benchmark("mmvu").pick_prompt("lmms_eval_cot")
    assert prompt(loaded.questions[0], None).text.startswith(
        "\nQuestion:What is shown?\nA: a red ball\nB: a blue cube\nC: Two cats\nD: none of these\n"
        "E: the 3 of them\nVisual Information: processed video\nAnswer the given multiple-choice"
    )
    run = score(get_benchmark("mmvu"), [AnsweredQuestion(q, "A") for q in loaded.questions])
    found = aggregate(run)
    assert (found.headline.value, found.headline.n, found.not_scored) == (1.0, 1, 1)
    groups = found.breakdown["multiple-choice by discipline"]
    assert set(groups) == {"Humanities_and_Social_Science"}


def test_own_questions_and_the_shell_world(tmp_path: Path) -> None:
    folders.video(tmp_path / "clips/a.mp4")
    rows = [
        {"id": "1", "video": "a.mp4", "question": "What?", "options": ["x", "y"], "answer": "y"},
        {"id": "2", "video": "a.mp4", "question": "Who?", "answer": "Ann", "cluster": "k"},
        {"id": "3", "video": "b.mp4", "question": "Who?", "answer": "Ann"},
        {"id": "4", "video": "c.mp4", "question": "Who?", "answer": "Ann", "split": "train"},
    ]
    encode_mp4(tmp_path / "clips/c.mp4", folders.FRAMES[::-1], fps=4)  # the same would be one video
    folders.as_json(tmp_path / "q.json", rows)
    source = DatasetLocation(where=str(tmp_path / "q.json"), videos=str(tmp_path / "clips"))
    loaded = get_benchmark("own").dataset.load(source)
    assert [(q.id, q.cluster) for q in loaded.questions] == [("1", "a.mp4"), ("2", "k")]
    assert len(loaded.rejected) == 1
    run = score(get_benchmark("own"), map(AnsweredQuestion, loaded.questions, ["(B)", " ann\n"]))
    assert [(one.score, one.cluster) for one in run.scored] == [(1, "a.mp4"), (1, "k")]

    shell = get_benchmark("shell")
    questions = dataclasses.replace(shell.dataset, count=2)  # type: ignore[type-var]
    loaded = questions.load(DatasetLocation(where=str(tmp_path / "shell")))
    assert all(q.cluster.startswith("script ") for q in loaded.questions)
    made = [q.video.stat().st_mtime_ns for q in loaded.questions if q.video]
    again = questions.load(DatasetLocation(where=str(tmp_path / "shell")))
    assert [q.video.stat().st_mtime_ns for q in again.questions if q.video] == made
    _, prompt = shell.pick_prompt()
    assert prompt(loaded.questions[0], None).text.startswith("Which cup hides the ball?\nA. cup")


@pytest.mark.parametrize("column", ["answer", "question", "options", "videoID"])
def test_a_row_without_a_column_is_named(tmp_path: Path, column: str) -> None:
    folders.videomme(tmp_path)
    path = tmp_path / "videomme/test-00000-of-00001.parquet"
    rows = read_table(path)
    rows[0][column] = None
    folders.parquet(path, rows)
    loaded = get_benchmark("videomme").dataset.load(DatasetLocation(where=str(tmp_path)))
    assert reasons(loaded)["0-0"] == "missing_column"
    assert "0-1" in [q.id for q in loaded.questions]


def test_rows_may_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    rows = [doc_of("mvbench", video=path) for path in ("../x.mp4", "/etc/passwd", "a\0b")]
    folders.as_json(tmp_path / "json/state_change.json", [*rows, "no row"])
    loaded = get_benchmark("mvbench").dataset.load(DatasetLocation(where=str(tmp_path)))
    assert list(reasons(loaded).values()) == [*["path_leaves_root"] * 3, "not_an_object"]


def test_nothing_in_a_data_set_is_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "canary",)

    (tmp_path / "test.pkl").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "videomme.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')")
    (tmp_path / "test.jsonl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"expected a table .*test\.jsonl"):
        get_benchmark("videomme").dataset.load(DatasetLocation(where=str(tmp_path)))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ["videomme", "mvbench", "tempcompass", "mmvu"])
def test_an_empty_folder_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="expected questions in"):
        get_benchmark(name).dataset.load(DatasetLocation(where=str(tmp_path)))
    with pytest.raises(DataError, match="expected a folder or a hub id such as "):
        get_benchmark(name).dataset.load(DatasetLocation(where=str(tmp_path / "none")))


def test_a_hub_id_is_read_from_the_cache_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    asked: list[tuple[Any, ...]] = []

    def load_dataset(path: str, config: str, *, split: str, revision: Any, download_config: Any):
        asked.append((path, config, split, revision, download_config.local_files_only))
        if download_config.local_files_only and path.startswith("lmms-lab"):
            raise FileNotFoundError("not in the cache")
        return [doc_of("videomme", videoID="v0")]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    folders.video(tmp_path / "data/v0.mp4")
    for owner in ("lmms-eval", "lmms-lab"):
        source = DatasetLocation(where=f"{owner}/Video-MME", videos=str(tmp_path))
        assert len(get_benchmark("videomme").dataset.load(source).questions) == 1
    assert [row[-1] for row in asked] == [True, True, False]
    assert asked[0][:4] == ("lmms-eval/Video-MME", "videomme", "test", None)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="not in the cache"):
        get_benchmark("videomme").dataset.load(source)


def test_a_missing_video_lowers_completeness_and_never_hides(tmp_path: Path) -> None:
    loaded = load("videomme", folders.videomme, tmp_path)
    answered = [*loaded.rejected, *(AnsweredQuestion(q, None) for q in loaded.questions)]
    found = aggregate(score(get_benchmark("videomme"), answered))
    assert (found.headline.n, found.headline.value) == (4, 0.0)
    assert found.completeness == pytest.approx(4 / 2700)
    assert [one.reason for one in found.rejected] == ["missing_video"] * 2
    assert len(found.empty) == 4
