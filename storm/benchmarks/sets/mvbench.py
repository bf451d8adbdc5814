"""MVBench: 20 tasks of 200 questions with two to five options, on clips cut or to be cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from storm.benchmarks.benchmark import (
    MakePrompt,
    Prompt,
    Question,
    Scorer,
    Source,
    Verdict,
    first_existing,
    inside,
    metric_of,
    percentage,
    text_of,
    texts_of,
    with_video,
)
from storm.benchmarks.rules.letters import vqa_letter
from storm.benchmarks.sets.tables import Tabular, read_folder, read_hub
from storm.config import LETTERS
from storm.videos.questions.formats import BadEntry

if TYPE_CHECKING:
    from storm.benchmarks.scoring import Scored

# Where each task's videos lie: cut clips in the revision `video`, whole videos in `main`.
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
METRIC = "mvbench_accuracy"  # lmms-eval's name
_OPTION_LINE = re.compile(r"^\(([A-E])\) (.*)$", re.MULTILINE)
_FRAMES_FPS = 3.0  # of the frame folders of episodic_reasoning
_SYSTEM = (
    "Carefully watch the video and pay attention to the cause and sequence of events, the detail "
    "and movement of objects, and the action and pose of persons. Based on your observations, "
    "select the best option that accurately addresses the question.\n"
)
_LAST = "Only give the best option."


def _options(question: Question) -> str:
    return "".join(
        f"({letter}) {text}\n" for letter, text in zip(LETTERS, question.doc["candidates"])
    )


def _lmms_eval(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    asked = question.doc["question"]
    return Prompt(f"Question:{asked}\nOption:\n{_options(question)}{_LAST}\n")


def _official(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    text = f"Question: {question.doc['question']}\nOptions:\n{_options(question)}{_LAST}"
    return Prompt(text, system=_SYSTEM, prefill="Best option:(")


def _letter_rule(question: Question, response: str) -> Verdict:
    letter = vqa_letter(response)
    return Verdict(letter, float(letter == question.answer), bool(letter))


def _official_rule(question: Question, response: str) -> Verdict:
    """The first word against `(x)`: one must hold the other, dots of the word aside.

    The response goes on after the prefilled `(`. There, one empty or a dot alone would be right,
    being part of anything; here it is wrong.
    """
    line = response.split("\n")[0].lower()
    word = (line if line.startswith("(") else f"({line}").split(" ")[0]
    bare, gold = word.replace(".", ""), f"({question.answer.lower()})"
    if bare != "(" and (bare in gold or gold in word):
        return Verdict(question.answer, 1.0, True)
    letter = word[1:2].upper()
    found = letter if letter and letter in "ABCDE" else ""
    return Verdict(found, 0.0, bool(found))


class MVBench(Tabular):
    name: ClassVar[str] = "mvbench"
    hubs: ClassVar[tuple[str, ...]] = ("OpenGVLab/MVBench",)
    layout: ClassVar[str] = "json/<task>.json"
    sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_FOLDERS, 200)
    prompts: ClassVar[Mapping[str, MakePrompt]] = {
        "lmms_eval": _lmms_eval,
        "mvbench_official": _official,
    }
    scorers: ClassVar[Mapping[str, Scorer]] = {
        "lmms_eval": Scorer(_letter_rule, about="`X. text`, else the first stand-alone letter"),
        "mvbench_official": Scorer(_official_rule, about="the first word holds the letter"),
    }

    def tables(self, source: Source) -> Iterator[tuple[str, list[Any]]]:
        for task in _FOLDERS:
            if source.is_folder:
                patterns = (f"json/{task}.json", f"{task}/train-*.parquet", f"{task}.json")
                yield task, read_folder(source.path, patterns)
            else:
                yield task, read_hub(source, self.hubs, task, "train", "video")

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        task = task.removeprefix("mvbench_") or str(doc.get("task") or "")
        if task and task not in _FOLDERS:
            raise BadEntry("bad_value", f"expected one of MVBench's tasks, found {task!r}")
        candidates, answer = texts_of(doc, "candidates"), text_of(doc, "answer")
        if answer not in candidates:
            raise BadEntry("bad_value", f"expected one of {candidates} as answer, found {answer!r}")
        return Question(
            id=id,
            task=task or "unnamed",
            video_id=str(doc.get("video") or id),
            answer=LETTERS[candidates.index(answer)],
            groups=(),
            doc=doc,
        )

    def locate(self, question: Question, source: Source) -> Question:
        text_of(question.doc, "question")  # what the prompts need
        root, name = source.video_root("mvbench_video"), text_of(question.doc, "video")
        clips, wholes = _FOLDERS[question.task]
        places: dict[Path, bool] = {}  # path: whether the whole video, to be cut, lies there
        for folder, whole in ((clips, False), (wholes, True)):
            for top in ("", "video", "data0613", "video/data0613"):
                places.setdefault(inside(root, top, folder, name), whole)
        video = first_existing(places, "a video or a folder of frames")
        bounds = question.doc.get("start"), question.doc.get("end")
        cut = places[video] and None not in bounds
        return with_video(
            question,
            video,
            clip_seconds=_bounds(*bounds) if cut else None,
            frames_fps=_FRAMES_FPS if video.is_dir() else None,
        )

    def weights(self, scored: Sequence[Scored]) -> Sequence[float]:
        """The headline is the mean over the tasks present."""
        sizes = Counter(one.task for one in scored)
        return [1 / sizes[one.task] for one in scored]

    def as_printed(self, scorer: str, scored: Sequence[Scored]) -> dict[str, float]:
        """Each task's `mvbench_accuracy`: per cent of the answers that are not empty."""
        if scorer != "lmms_eval":
            return {}
        return {
            f"{self.lmms_task(task)}/{METRIC}": percentage(
                [one.score for one in scored if one.task == task and not one.empty]
            )
            for task in dict.fromkeys(one.task for one in scored)
        }

    def lmms_task(self, task: str) -> str:
        return f"mvbench_{task}"

    def lmms_sample(self, scored: Scored) -> dict[str, Any]:
        sample = {
            "pred_answer": scored.response,
            "gt_answer": scored.question.answer,
            "score": scored.score,
        }
        return {METRIC: sample}

    def doc_of_lmms_sample(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """The candidates from the prompt; the video is not told, so each counts for itself."""
        letter = metric_of(sample, METRIC).get("gt_answer")
        options = dict(_OPTION_LINE.findall(str(sample.get("input", ""))))
        return {
            "video": f"of question {sample.get('doc_id')}",
            "candidates": list(options.values()),
            "answer": options.get(letter),
        }


def _bounds(start: Any, end: Any) -> tuple[float, float]:
    try:
        bounds = float(start), float(end)
    except (TypeError, ValueError):
        raise BadEntry("bad_value", f"expected seconds, found {start!r} to {end!r}") from None
    if not 0 <= bounds[0] < bounds[1]:
        raise BadEntry("bad_value", f"expected start before end, found {bounds}")
    return bounds


BENCHMARK = MVBench()
