"""Prompts, features and positions are transformers' own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from student_helpers import clip, gap, shown

from storm.errors import DataError
from storm.records import VideoFeatures
from storm.student import Example, Student, VideoTokens

VALUES = 5e-6


def _processed(student: Student, made, prompt: str):
    """What the family's processor makes of one video and a prompt."""
    from transformers.video_utils import VideoMetadata

    text = student.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]}],
        add_generation_prompt=True,
    )
    fps = 10.0  # so that the times of `clip` are whole frame numbers
    frames = [round(t * fps) for t in made.pts_seconds]
    return student.processor(
        text=[student.adapter.system + text],
        videos=[torch.from_numpy(made.frames).permute(0, 3, 1, 2)],
        video_metadata=[
            VideoMetadata(total_num_frames=frames[-1] + 1, fps=fps, frames_indices=frames)
        ],
        do_sample_frames=False,
        cap_pixels_per_frame=True,
        return_tensors="pt",
    )


@pytest.mark.parametrize("frames", [4, 3])
def test_prompt_is_the_processors(student: Student, frames: int):
    made = clip(1, frames=frames)
    example = Example((student.encode_video(made.frames, made.pts_seconds),), "Where is it?")
    expected = _processed(student, made, "Where is it?")
    layout = student.prompts.layout(example)
    assert layout.ids.tolist() == expected["input_ids"][0].tolist()
    assert (layout.video_mask * 2).tolist() == expected["mm_token_type_ids"][0].tolist()


def test_features_equal_the_vision_encoder_inside_the_model(student: Student):
    """Logits with precomputed features = transformers' forward from pixels, in left padding too."""
    made = clip(2)
    inputs = _processed(student, made, "Where is it?")
    inputs.pop("video_metadata", None)
    if student.adapter.family == "qwen2_5_vl":
        seconds = 2 * 0.3  # of the two frames in a temporal patch
        inputs["second_per_grid_ts"] = [seconds]
    answer = torch.tensor([student.prompts.answer_ids("left of it")])
    for name, more in (("input_ids", answer), ("mm_token_type_ids", 0 * answer)):
        inputs[name] = torch.cat([inputs[name], more.to(inputs[name].dtype)], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    n = answer.shape[1]
    with torch.no_grad():
        expected = student.model(**inputs, use_cache=False).logits[0, -n - 1 : -1]
        video = student.encode_video(made.frames, made.pts_seconds)
        row = Example((video,), "Where is it?", "left of it", use_latents=False)
        longer = Example((video, video), "Where is it? " * 4, "left of it", use_latents=False)
        for rows in ([row], [row, longer]):
            found = student(student.collate(rows), feeding="none").answer_logits[:n]
            print(gap(found, expected))
            assert gap(found, expected) < VALUES


def test_frames_are_taken_as_they_are(student: Student):
    """Neither sampled nor scaled: 16 px per video token, two frames per temporal patch."""
    assert shown(student, 1, frames=6).grid_thw == (3, 4, 4)
    assert shown(student, 1, frames=2, height=16, width=16).tokens.shape[0] == 1
    assert shown(student, 1, frames=5, height=16, width=48).grid_thw == (3, 2, 6)


def test_videos_in_one_pass_equal_single_ones(student: Student):
    clips = [clip(1), clip(2, frames=2, width=48), clip(3)]
    together = student.encode_videos([(c.frames, c.pts_seconds) for c in clips])
    for made, found in zip(clips, together, strict=True):
        alone = student.encode_video(made.frames, made.pts_seconds)
        assert found.grid_thw == alone.grid_thw
        assert found.pts_seconds == alone.pts_seconds
        assert gap(found.tokens, alone.tokens) < VALUES
        assert len(found.deepstack) == student.adapter.deepstack_layers
        for a, b in zip(found.deepstack, alone.deepstack, strict=True):
            assert gap(a, b) < VALUES


def test_a_single_frame_is_shown_twice(student: Student):
    made = clip(1, frames=1)
    twice = student.encode_video(np.repeat(made.frames, 2, 0), made.pts_seconds * 2)
    assert gap(student.encode_video(made.frames, made.pts_seconds).tokens, twice.tokens) == 0


def test_features_survive_storage(student: Student):
    video = shown(student, 4)
    row = VideoFeatures(
        id="v", tokens=video.packed(), grid_thw=video.grid_thw, pts_seconds=video.pts_seconds
    )
    row.tokens.setflags(write=False)
    again = VideoTokens.of(row, student.hidden_size)
    for a, b in zip(
        (video.tokens, *video.deepstack), (again.tokens, *again.deepstack), strict=True
    ):
        assert gap(a, b) == 0
    with pytest.raises(DataError, match="this student"):
        VideoTokens.of(row, student.hidden_size - 1)


def test_the_vision_encoder_learns_unless_it_is_frozen(student: Student):
    made = clip(5)
    student.freeze_language()
    (tokens,) = student.features(student.pixels([made.frames]))
    tokens.square().mean().backward()
    assert all(
        p.grad is not None
        for n, p in student.vision_encoder.named_parameters()
        if "merger_list" not in n
    )
    assert not any(p.requires_grad for p in student.model.model.language_model.parameters())
    student.freeze_vision()
    assert not any(p.requires_grad for p in student.vision_encoder.parameters())


def test_wrong_frames_are_refused(student: Student):
    made = clip(1)
    with pytest.raises(DataError, match="uint8"):
        student.encode_video(made.frames.astype(np.float32), made.pts_seconds)
    long = np.zeros((2050, 64, 64, 3), np.uint8)
    with pytest.raises(DataError, match="at most 4096 tokens a row, found 16400"):
        student.encode_video(long, [0.1 * i for i in range(len(long))])
    with pytest.raises(DataError, match="a time for each of 4 frames"):
        student.encode_video(made.frames, made.pts_seconds[:-1])
