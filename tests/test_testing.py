"""`storm.testing` builds what it says, the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from storm import Store, Student, load_profile
from storm.pipeline.assemble import assemble
from storm.testing import (
    make_clip,
    make_generator_request,
    make_sample,
    make_student,
    make_teacher_request,
    run_stage,
)
from storm.thought_videos.source import SourceGenerator
from storm.videos.decoding.sampling import FrameSampling


@pytest.mark.parametrize("family", ["qwen3_vl", "qwen2_5_vl", "qwen3_5"])
def test_a_student_answers_about_a_clip(tmp_path: Path, family: str) -> None:
    sampling = FrameSampling(frames=4, size_px=32)
    folder = make_student(tmp_path / "student", family, sampling=sampling)
    sample = make_sample()
    student = Student.from_pretrained(folder)
    (reply,) = student.answer(
        [make_clip(tmp_path / "v.mp4")], [sample.question], [sample.options], latents=True
    )
    assert reply.latents is not None
    assert reply.latents.shape == (2, 32)


def test_clips_have_equal_bytes(tmp_path: Path) -> None:
    first, second = make_clip(tmp_path / "a.mp4"), make_clip(tmp_path / "b.mp4")
    assert first.read_bytes() == second.read_bytes()


def test_requests_can_be_asked(tmp_path: Path) -> None:
    assert make_teacher_request("q7", answer="C").sample.answer == "C"
    request = make_generator_request(make_clip(tmp_path / "v.mp4"))
    config = SourceGenerator.Config(frames=4)
    assert request.keyframes.id == request.prompt.video_id
    assert config.frames == 4


@pytest.mark.integration
def test_a_stage_runs_with_its_inputs(store: Store) -> None:
    stage = assemble(load_profile("smoke")).find("keyframes")
    assert len(run_stage(stage, store)) == 8
