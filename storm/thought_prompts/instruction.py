"""The instruction for teachers that are models, and its version.

Change INSTRUCTION with every change of the text: it is part of a profile's identity, so old prompts
keep theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storm.artifacts.fs import digest
from storm.config import LETTERS
from storm.records import VideoSample
from storm.thought_prompts.base import TeacherRequest

Instruction = Literal["steps-1"]
INSTRUCTION: Instruction = "steps-1"

SEEN = {
    "first": "the scene as it begins",
    "shot": "the view cuts to a new shot",
    "motion_onset": "something starts to move",
    "motion_peak": "the movement is strongest",
    "motion_end": "the movement comes to an end",
    "rest": "everything is at rest",
    "coverage": "the scene goes on",
    "query": "what the question asks about is in view",
    "last": "the scene as it ends",
}

_ROLE = (
    "You direct short video clips that make a process visible. You look closely, you describe only "
    "what the pictures support, and you reply with one JSON object and nothing else."
)

_TASK = """\
An image-to-video model will draw one short clip in which a viewer can see what decides the \
question. It is given the first and the last keyframe, perhaps some of the others, and your \
video_prompt. It does not know the question.

1. Find the objects that matter for the question, and what each of them does from one keyframe to \
the next: moves, turns, touches, appears, vanishes, changes colour or shape. The time between two \
keyframes says how fast.
2. "steps": one short sentence for each change, in order of time, {steps} at most. Name each \
object by its look (colour, size, place), and say where the change begins and where it ends.
3. "video_prompt": one paragraph of at most 120 words, in the present tense. Begin with the scene \
of keyframe 1, tell the steps in order with "first", "then", "at the end", and close with the \
scene of keyframe {last}. One continuous shot. Say "static camera" unless the keyframes show that \
the camera moves; if it does, say how. Keep the objects, the background, the style and the light \
of the keyframes. Make the movement that decides the question slow, large and in plain view.

Add no object and no event that the keyframes do not suggest. No captions, letters, arrows or \
split screens. {secrecy}

Reply with this JSON object alone:
{{"id": "{tag}", "steps": ["...", "..."], "video_prompt": "..."}}"""

_OPEN = "Do not write in words what the answer is: show what happens."
_TOLD = "The clip must agree with the given answer, but does not write it in words."


@dataclass(frozen=True)
class Turn:
    """One message; a part is a text or a JPEG."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | bytes, ...]


def tag_of(sample: VideoSample) -> str:
    """Return a short name of the request for the reply to repeat; ids may be long or odd."""
    return f"q-{digest(sample.id)[:8]}"


def answer_of(sample: VideoSample) -> str:
    """Return the right answer as a text."""
    return sample.options[LETTERS.index(sample.answer)] if sample.options else sample.answer


def conversation(request: TeacherRequest, saw_answer: bool, max_steps: int) -> list[Turn]:
    """Return the turns with the keyframes, their times and reasons, the question and the task."""
    sample, keyframes = request.sample, request.keyframes
    count = len(keyframes.images)
    parts: list[str | bytes] = [
        f"Here are {count} keyframes of a video of {keyframes.duration_seconds:.1f} seconds, in "
        "order of time."
    ]
    labeled = zip(keyframes.pts_seconds, keyframes.reasons, keyframes.images, strict=True)
    for number, (time, reason, image) in enumerate(labeled, 1):
        parts += [f"Keyframe {number}, at {time:.2f} s: {SEEN.get(reason, reason)}.", image]
    question_lines = [f"The question about this video: {sample.question.strip()}"]
    question_lines += [
        f"{letter}. {option}" for letter, option in zip(LETTERS, sample.options, strict=False)
    ]
    if saw_answer:
        question_lines.append(f"The right answer: {answer_of(sample)}")
    task = _TASK.format(
        steps=max_steps,
        last=count,
        secrecy=_TOLD if saw_answer else _OPEN,
        tag=tag_of(sample),
    )
    question = "\n".join(question_lines)
    question = question.replace("<|", "< |")  # no special tokens of a model, such as <|im_end|>
    parts.append(question + "\n\n" + task)
    return [Turn("system", (_ROLE,)), Turn("user", tuple(parts))]


def correction(reply: str, fault: str) -> list[Turn]:
    """Return the turns that follow an unusable reply."""
    text = (
        f"This reply can't be used: {fault}. Write it again, as the one JSON object that was asked "
        "for, with nothing before or after it."
    )
    return [Turn("assistant", (reply or "(nothing)",)), Turn("user", (text,))]
