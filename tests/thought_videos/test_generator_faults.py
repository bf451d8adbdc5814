"""What goes wrong in a generator: out of memory in steps, and each fault with its own reason."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_generators import ScriptedGenerator

from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.keyframes.stage import KeyframesStage
from storm.keyframes.uniform import UniformSelector
from storm.records import Rejected
from storm.runtime import Runtime
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_prompts.template import TemplateTeacher
from storm.thought_videos.base import GeneratedClip
from storm.thought_videos.quality import QualityGate
from storm.thought_videos.stage import ThoughtVideosStage
from storm.videos.questions.sources import QuestionFile
from storm.videos.stage import QuestionVideos

STEPS = ["model cuda", "sequential cuda", "tiles", "tiles 16 32"]


def scripted(failures: int = 0, **changes: Any) -> ScriptedGenerator:
    pipeline = {"kind": "scripted", "failures": failures}
    return ScriptedGenerator.Config(**({"pipeline": pipeline} | changes)).build()


@pytest.mark.integration
@pytest.mark.parametrize("failures", range(5))
def test_out_of_memory_saves_step_by_step_and_keeps_what_changes_no_pixel(ask, failures: int):
    generator = scripted(failures)
    drawn = list(generator.generate([ask("a"), ask("b")]))
    assert all(isinstance(d, GeneratedClip) for d in drawn)
    assert generator.pipeline.said == STEPS[:failures]
    tiles = [None, None, None, (), (16, 32)]
    assert generator.pipeline.tiled == [*tiles[: failures + 1], None], "of the first clip alone"


@pytest.mark.integration
def test_what_the_profile_saves_already_is_not_tried_again(ask):
    generator = scripted(2, tiling=True, offload="model")
    list(generator.generate([ask("a")]))
    assert generator.pipeline.said == ["tiles", "model cuda", "sequential cuda", "tiles 16 32"]
    assert generator.pipeline.tiled == [(), (), (16, 32)]
    assert (generator.pipeline.use_tiling, generator.pipeline.tile_sizes) == (True, ())


@pytest.mark.integration
def test_a_clip_that_never_fits_is_refused_and_the_others_are_drawn(ask):
    generator = scripted(batch=3)
    outcomes = list(generator.generate([ask("a"), ask("too large"), ask("c"), ask("d")]))
    refused = outcomes.pop(1)
    assert isinstance(refused, Rejected)
    assert (refused.id, refused.reason) == ("too large", "out_of_memory")
    assert refused.detail == "tried to allocate 9 GiB"
    assert all(isinstance(d, GeneratedClip) for d in outcomes)
    assert generator.pipeline.sizes == [3, 1, *[1] * 5, 1, 1], "one by one, then step by step"


def test_floats_become_8_bits_and_what_is_not_finite_is_counted():
    video = np.full((2, 4, 4, 3), 0.5, np.float32)
    video[0, 0, 0] = [0, 1, 2]
    video[1, 0, 0] = [np.nan, np.inf, -np.inf]
    drawn = GeneratedClip.from_floats(video, 8.0)
    assert drawn.frames.dtype == np.uint8
    assert drawn.frames[0, 0, 0].tolist() == [0, 255, 255]
    assert drawn.frames[1, 0, 0].tolist() == [0, 0, 0]
    assert drawn.frames[1, 1, 1].tolist() == [128, 128, 128]
    assert drawn.nan == pytest.approx(3 / 96)


WRONG = {
    "not a number": "nan",
    "infinite": "nan",
    "black": "black",
    "static": "static",
    "too short": "wrong_length",
    "unlike": "first_frame_unlike",
    "too large": "out_of_memory",
}


@pytest.mark.integration
def test_each_fault_is_quarantined_by_its_reason_and_the_rest_is_made(film: Path, tmp_path: Path):
    asked = ["good", *WRONG, "good too"]
    stage = asking_about(film, tmp_path, dict.fromkeys(asked, "film.mp4"))
    store = Store(tmp_path / "artifacts")
    artifact = execute(stage, store, Runtime(batch=2))
    found = {q["id"]: q["reason"] for q in artifact.manifest()["quarantined"]}
    words = {row.id: row.prompt.partition('"What is ')[2] for row in stage.prompts.rows(store)}
    assert {words[i].partition("?")[0]: reason for i, reason in found.items()} == WRONG
    assert len(words) == len(found) + artifact.manifest()["rows"] == len(asked)


@pytest.mark.integration
def test_a_video_that_vanished_quarantines_only_its_items(film: Path, tmp_path: Path):
    videos = {"good": "a.mp4", "lost": "b.mp4", "good too": "a.mp4"}
    stage = asking_about(film, tmp_path, videos)
    store = Store(tmp_path / "artifacts")
    execute(stage.prompts, store, Runtime())
    (tmp_path / "b.mp4").unlink()
    artifact = execute(stage, store, Runtime(batch=1))
    (bad,) = artifact.manifest()["quarantined"]
    assert (bad["reason"], artifact.manifest()["rows"]) == ("missing", 2)
    again = dataclasses.replace(stage.keyframes, selector=UniformSelector.Config(k=4))
    (bad,) = execute(again, store, Runtime()).manifest()["quarantined"]
    assert (bad["id"], bad["reason"]) == ("b.mp4", "missing")


def asking_about(film: Path, folder: Path, videos: dict[str, str]) -> ThoughtVideosStage:
    """A question on each word, about copies of the film under the given names."""
    for name in set(videos.values()):
        shutil.copy(film, folder / name)
    questions = [
        {
            "problem": f"What is {words}?",
            "options": ["A. this", "B. that"],
            "solution": "<answer>A</answer>",
            "path": name,
            "data_type": "video",
            "problem_type": "multiple choice",
        }
        for words, name in videos.items()
    ]
    (folder / "questions.json").write_text(json.dumps(questions))
    file = QuestionFile(questions=str(folder / "questions.json"), test_share=0.0)
    source = QuestionVideos(source=file)
    keyframes = KeyframesStage(videos=source, selector=UniformSelector.Config(k=3))
    return ThoughtVideosStage(
        videos=source,
        keyframes=keyframes,
        prompts=ThoughtPromptsStage(
            videos=source, keyframes=keyframes, teacher=TemplateTeacher.Config()
        ),
        generator=ScriptedGenerator.Config(),
        quality=QualityGate(frames=5),
        quarantine_share=1.0,
    )
