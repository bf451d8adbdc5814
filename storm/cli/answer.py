"""Ask a checkpoint about a video: `storm answer`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Json, app, writable_output
from storm.cli.devices import require_device
from storm.errors import ConfigError, StoreError
from storm.student.modes import MODES

if TYPE_CHECKING:
    from storm.artifacts.artifact import Artifact
    from storm.student import Reply
    from storm.videos.decoding.sampling import FrameSampling
    from storm.videos.frames import VideoFrames


@app.command()
def answer(
    checkpoint: Annotated[Path, typer.Option(help="checkpoint folder")],
    question: Annotated[str, typer.Option(help="the question, without its options")],
    videos: Annotated[
        list[Path], typer.Option("--video", help="video file; repeat it for several videos")
    ] = [],  # noqa: B006 - typer reads it
    options: Annotated[
        list[str], typer.Option("--options", help="answers to choose from: 'one|two', or repeat it")
    ] = [],  # noqa: B006
    mode: Annotated[str, typer.Option(help=f"{', '.join(MODES)} (reasons in text)")] = "latent",
    intervention: Annotated[
        str, typer.Option(help="change the latents: zero, noise:SEED, permute, truncate:N, ...")
    ] = "none",
    k: Annotated[
        int | None, typer.Option(help="fail unless the checkpoint has this many latent steps")
    ] = None,
    sweeps: Annotated[
        int | None, typer.Option(min=1, help="Jacobi sweeps instead of the K latent steps")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="frames per video [default: as in training]")
    ] = None,
    size_px: Annotated[
        int | None, typer.Option(min=1, help="frame size in pixels [default: as in training]")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(min=1, help="maximum tokens of the answer")
    ] = None,
    system: Annotated[str | None, typer.Option(help="system prompt")] = None,
    show_latents: Annotated[
        Path | None, typer.Option(help="write a PNG: each latent's nearest thought-video frame")
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(help="latent_targets artifact, for a checkpoint outside the store"),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="[default: the checkpoint's own]")] = None,
    as_json: Json = False,
) -> None:
    """Ask a checkpoint about a video; print the answer, its confidence and the time it took."""
    if mode not in MODES:
        raise ConfigError(f"expected --mode {', '.join(MODES)}, found {mode!r}")
    if show_latents and mode != "latent":
        raise ConfigError(f"expected --mode latent with --show-latents, found {mode!r}")
    from storm.student import AnswerConfig, Question, Student
    from storm.student.checkpoint import read_section
    from storm.student.files import saved_dtype
    from storm.student.named_interventions import parse_intervention
    from storm.student.sampling import changed_sampling

    section = read_section(checkpoint)
    section.require(k)
    change = parse_intervention(intervention)
    require_device(device)
    os.environ.setdefault("DS_ACCELERATOR", device)  # transformers loads DeepSpeed, which tells
    sampling = changed_sampling(section.sampling, frames, size_px=size_px) if videos else None
    decoded = () if sampling is None else _decode(sampling, videos)
    source = _targets_of(checkpoint, targets) if show_latents else None
    student = Student.from_pretrained(
        checkpoint, dtype=dtype or saved_dtype(checkpoint), device=device
    )
    config = AnswerConfig(
        mode=mode,  # pyright: ignore[reportArgumentType]
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        sweeps=sweeps,
    )
    choices = tuple(text.strip() for given in options for text in given.split("|"))
    (reply,) = config.build(student).stream(
        [Question(question, decoded, choices, system=system)], intervention=change, latents=True
    )
    facts = _facts(reply, choices) | {"mode": mode, "k": student.k, "intervention": intervention}
    if show_latents is not None and source is not None:
        facts["nearest"] = _save_strip(reply, source, show_latents)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts, show_latents)


def _decode(sampling: FrameSampling, videos: Sequence[Path]) -> tuple[VideoFrames, ...]:
    """Decode files in child processes with limits."""
    from storm.videos.decoding.prefetch import sample_isolated

    return tuple(sample_isolated(sampling, video) for video in videos)


def _save_strip(reply: Reply, source: Artifact, png: Path) -> list[dict[str, Any]]:
    """Draw each latent's nearest frame of the training's thought videos; return what they are."""
    from storm.latent_targets.nearest import nearest_training_frames
    from storm.report.strip import save_strip

    if reply.latents is None:
        return []
    nearest = nearest_training_frames(reply.latents.numpy(), source)
    with writable_output(png, "--show-latents"):
        save_strip(png, nearest)
    return [
        {"slot": n.slot + 1, "question_id": n.question_id, "distance": n.distance} for n in nearest
    ]


def _targets_of(checkpoint: Path, given: Path | None) -> Artifact:
    """Return the latent_targets artifact that a checkpoint was trained with."""
    from storm.artifacts.artifact import artifact_around
    from storm.artifacts.store import upstream

    if given is not None:
        return artifact_around(given / "manifest.json")
    try:
        return upstream(artifact_around(checkpoint), "latent_targets")
    except StoreError as error:
        raise StoreError(
            f"expected a checkpoint of a sealed training with latents, found {checkpoint} "
            f"({error}): name the latent_targets artifact with --targets"
        ) from None


def _facts(reply: Reply, options: Sequence[str]) -> dict[str, Any]:
    """Return what is printed about a reply."""
    from storm.config import LETTERS

    seconds = dataclasses.asdict(reply.timings)
    del seconds["rows"]
    return {
        "answer": reply.text.strip(),
        "response": reply.response,
        "letter": reply.letter,
        "option": options[LETTERS.index(reply.letter)] if reply.letter else "",
        "confidence": reply.confidence,
        "letter_confidence": reply.letter_confidence,
        "prompt_tokens": reply.prompt_tokens,
        "answer_tokens": len(reply.token_ids),
        "seconds": seconds,
    }


def _print(facts: dict[str, Any], picture: Path | None) -> None:
    option = f" ({facts['option']})" if facts["option"] else ""
    print(f"answer      {facts['answer'] or '(nothing)'}{option}")
    if facts["mode"] == "cot":
        print(f"reasoning   {facts['response'].strip()}")
    print(f"confidence  {facts['confidence']:.3f} of the first token")
    if facts["letter"]:
        print(f"            {facts['letter_confidence']:.3f} of the letter {facts['letter']}")
    parts = ", ".join(f"{name} {seconds:.3f}" for name, seconds in facts["seconds"].items())
    print(f"seconds     {parts}")
    print(f"tokens      {facts['prompt_tokens']} prompt, {facts['answer_tokens']} answer")
    if picture is not None:
        print(f"latents     {picture}")
