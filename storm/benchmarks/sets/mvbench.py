"""MVBench: 20 tasks of 200 multiple-choice questions, on clips or on videos to cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.columns import first_existing, path_inside, text_of, texts_of
from storm.benchmarks.harness.mvbench import MVBenchHarness
from storm.benchmarks.rules.answer_letters import vqa_letter
from storm.benchmarks.table_dataset import TableDataset, read_folder, read_hub
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    Prompt,
    RuleResult,
    ScoredResponse,
    Scorer,
)
from storm.config import LETTERS
from storm.videos.questions.values import BadEntry

_HUBS = ("OpenGVLab/MVBench",)
# Each task's folders of videos: cut clips in the revision `video`, whole videos in `main`.
_FOLDERS = {
    "action_sequence": ("star/Charades_segment", "star/Charades_v1_480"),
    "action_prediction": ("star/Charades_segment", "star/Charades_v1_480"),
    "action_antonym": ("ssv2_video_mp4", "ssv2_video"),
    "fine_grained_action": ("Moments_in_Time_Raw/videos",) * 2,
    "unexpected_action": ("FunQA_test/test",) * 2,
    "object_existence": ("clevrer/video_validation",) * 2,
    "object_interaction": ("star/Charades_segment", "star/Charades_v1_480"),
    "object_shuffle": ("perception/videos",) * 2,
    "moving_direction": ("clevrer/video_validation",) * 2,
    "action_localization": ("sta/sta_video_segment", "sta/sta_video"),
    "scene_transition": ("scene_qa/video",) * 2,
    "action_count": ("perception/videos",) * 2,
    "moving_count": ("clevrer/video_validation",) * 2,
    "moving_attribute": ("clevrer/video_validation",) * 2,
    "state_change": ("perception/videos",) * 2,
    "fine_grained_pose": ("nturgbd_convert", "nturgbd"),
    "character_order": ("perception/videos",) * 2,
    "egocentric_navigation": ("vlnqa",) * 2,
    "episodic_reasoning": ("tvqa/video_fps3_hq_segment", "tvqa/frames_fps3_hq"),
    "counterfactual_inference": ("clevrer/video_validation",) * 2,
}
_FRAMES_FPS = 3.0  # of the frame folders of episodic_reasoning
_SYSTEM = (
    "Carefully watch the video and pay attention to the cause and sequence of events, the detail "
    "and movement of objects, and the action and pose of persons. Based on your observations, "
    "select the best option that accurately addresses the question.\n"
)
_LAST = "Only give the best option."


def _options(question: BenchmarkQuestion) -> str:
    return "".join(
        f"({letter}) {text}\n" for letter, text in zip(LETTERS, question.doc["candidates"])
    )


def _lmms_eval(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    text = question.doc["question"]
    return Prompt(f"Question:{text}\nOption:\n{_options(question)}{_LAST}\n")


def _official(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    text = f"Question: {question.doc['question']}\nOptions:\n{_options(question)}{_LAST}"
    return Prompt(text, system=_SYSTEM, prefill="Best option:(")


def _letter_rule(question: BenchmarkQuestion, response: str) -> RuleResult:
    letter = vqa_letter(response)
    return RuleResult(letter, float(letter == question.answer), bool(letter))


def _official_rule(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Compare the first word with `(x)`: one must contain the other, ignoring the word's dots.

    The response continues the prefilled `(`. The official script counts an empty response, or
    only a dot, as right, because it is part of anything; here it is wrong.
    """
    line = response.split("\n")[0].lower()
    word = (line if line.startswith("(") else f"({line}").split(" ")[0]
    bare, gold = word.replace(".", ""), f"({question.answer.lower()})"
    if bare != "(" and (bare in gold or gold in word):
        return RuleResult(question.answer, 1.0, True)
    letter = word[1:2].upper()
    extracted = letter if letter and letter in "ABCDE" else ""
    return RuleResult(extracted, 0.0, bool(extracted))


def _tables(location: DatasetLocation) -> Iterator[tuple[str, list[Any]]]:
    for task in _FOLDERS:
        if location.is_folder:
            patterns = (f"json/{task}.json", f"{task}/train-*.parquet", f"{task}.json")
            yield task, read_folder(location.path, patterns)
        else:
            yield task, read_hub(location, _HUBS, task, "train", "video")


def _parse(id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
    task = task.removeprefix("mvbench_") or str(doc.get("task") or "")
    if task and task not in _FOLDERS:
        raise BadEntry("bad_value", f"expected one of MVBench's tasks, found {task!r}")
    candidates, answer = texts_of(doc, "candidates"), text_of(doc, "answer")
    if answer not in candidates:
        raise BadEntry("bad_value", f"expected one of {candidates} as answer, found {answer!r}")
    return BenchmarkQuestion(
        id=id,
        task=task or "unnamed",
        video_id=str(doc.get("video") or id),
        answer=LETTERS[candidates.index(answer)],
        doc=doc,
    )


def _locate(question: BenchmarkQuestion, location: DatasetLocation) -> BenchmarkQuestion:
    text_of(question.doc, "question")  # the prompts need it
    root, name = location.video_root("mvbench_video"), text_of(question.doc, "video")
    clips, videos = _FOLDERS[question.task]
    must_cut: dict[Path, bool] = {}  # whether the path holds the whole video
    for folder, is_whole in ((clips, False), (videos, True)):
        for top in ("", "video", "data0613", "video/data0613"):
            must_cut.setdefault(path_inside(root, top, folder, name), is_whole)
    video = first_existing(must_cut, "a video or a folder of frames")
    bounds = question.doc.get("start"), question.doc.get("end")
    return replace(
        question,
        video=video,
        clip_seconds=_bounds(*bounds) if must_cut[video] and None not in bounds else None,
        frames_fps=_FRAMES_FPS if video.is_dir() else None,
    )


def _bounds(start: Any, end: Any) -> tuple[float, float]:
    try:
        bounds = float(start), float(end)
    except (TypeError, ValueError):
        raise BadEntry("bad_value", f"expected seconds, found {start!r} to {end!r}") from None
    if not 0 <= bounds[0] < bounds[1]:
        raise BadEntry("bad_value", f"expected start before end, found {bounds}")
    return bounds


def _mean_over_tasks(scored: Sequence[ScoredResponse]) -> Sequence[float]:
    """Weight responses so that each present task counts the same in the headline."""
    sizes = Counter(response.task for response in scored)
    return [1 / sizes[response.task] for response in scored]


BENCHMARK = Benchmark(
    name="mvbench",
    dataset=TableDataset(layout="json/<task>.json", tables=_tables, parse=_parse, locate=_locate),
    sizes=dict.fromkeys(_FOLDERS, 200),
    prompts={"lmms_eval": _lmms_eval, "mvbench_official": _official},
    scorers={
        "lmms_eval": Scorer(_letter_rule, about="`X. text`, else the first stand-alone letter"),
        "mvbench_official": Scorer(_official_rule, about="the first word contains the letter"),
    },
    weights=_mean_over_tasks,
    harness=MVBenchHarness(),
)
