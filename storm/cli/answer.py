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
    from storm.latent_targets.nearest import NearestFrame
    from storm.student import Answering, Reply


@app.command()
def answer(
    checkpoint: Annotated[Path, typer.Option(help="folder of a checkpoint")],
    question: Annotated[str, typer.Option(help="what is asked")],
    videos: Annotated[
        list[Path], typer.Option("--video", help="file; again for several, left out for none")
    ] = [],  # noqa: B006 - typer reads it
    options: Annotated[
        list[str], typer.Option("--options", help="choices as 'one|two', or one at a time")
    ] = [],  # noqa: B006
    mode: Annotated[str, typer.Option(help=f"{', '.join(MODES)} (text reasoning)")] = "latent",
    intervention: Annotated[
        str, typer.Option(help="on the latents: zero, noise:SEED, permute, truncate:N, drop, ...")
    ] = "none",
    k: Annotated[
        int | None, typer.Option(help="the K you expect; must be the checkpoint's")
    ] = None,
    sweeps: Annotated[
        int | None, typer.Option(min=1, help="so many Jacobi sweeps instead of K latent steps")
    ] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="other than in training")] = None,
    size_px: Annotated[int | None, typer.Option(min=1, help="other than in training")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="bound of the answer")] = None,
    system: Annotated[str | None, typer.Option(help="the system's turn")] = None,
    show_latents: Annotated[
        Path | None, typer.Option(help="PNG to write: each latent's nearest thought-video frame")
    ] = None,
    targets: Annotated[
        Path | None, typer.Option(help="latent_targets artifact, if the checkpoint lies elsewhere")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="other than the checkpoint's own")] = None,
    as_json: Json = False,
) -> None:
    """Ask a checkpoint about a video; print the answer, how sure it is, and where time went."""
    if mode not in MODES:
        raise ConfigError(f"expected --mode {', '.join(MODES)}, found {mode!r}")
    if show_latents and mode != "latent":
        raise ConfigError(f"expected --mode latent with --show-latents, found {mode!r}")
    from storm.student import Answering, Question, Student
    from storm.student.checkpoint import read_section
    from storm.student.files import saved_dtype
    from storm.student.interventions import parse_intervention
    from storm.student.predictor import changed_sampling
    from storm.videos.decoding.prefetch import sample_isolated

    section = read_section(checkpoint)
    section.require(k)
    changed = parse_intervention(intervention)
    require_device(device)
    os.environ.setdefault("DS_ACCELERATOR", device)  # transformers loads DeepSpeed, which tells
    sampling, shown = None, ()
    if videos:
        sampling = changed_sampling(section.sampling, frames, size_px=size_px)
        shown = tuple(sample_isolated(sampling, video) for video in videos)
    source = _targets_of(checkpoint, targets) if show_latents else None
    student = Student.from_pretrained(
        checkpoint, dtype=dtype or saved_dtype(checkpoint), device=device
    )
    config = Answering.Config(
        mode=mode,  # pyright: ignore[reportArgumentType]
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        sweeps=sweeps,
    )
    answering = config.build(student)
    choices = tuple(text.strip() for given in options for text in given.split("|"))
    asked = Question(question, shown, choices, system=system)
    (reply,) = answering.stream([answering.prepare(asked)], intervention=changed, latents=True)
    near = None
    if show_latents and source is not None and reply.latents is not None:
        from storm.latent_targets.nearest import nearest_training_frames
        from storm.report.strip import save_strip

        near = nearest_training_frames(reply.latents.numpy(), source)
        with writable_output(show_latents, "--show-latents"):
            save_strip(show_latents, near)
    facts = _facts(reply, choices, answering, intervention, near)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts, show_latents)


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


def _facts(
    reply: Reply,
    options: Sequence[str],
    answering: Answering,
    intervention: str,
    near: Sequence[NearestFrame] | None,
) -> dict[str, Any]:
    from storm.config import LETTERS

    facts: dict[str, Any] = {
        "answer": reply.text.strip(),
        "response": reply.response,
        "letter": reply.letter,
        "option": options[LETTERS.index(reply.letter)] if reply.letter else "",
        "confidence": reply.confidence,
        "letter_confidence": reply.letter_confidence,
        "mode": answering.config.mode,
        "k": answering.student.k,
        "intervention": intervention,
        "prompt_tokens": reply.prompt_tokens,
        "answer_tokens": len(reply.token_ids),
        "seconds": dataclasses.asdict(reply.timings),
    }
    del facts["seconds"]["rows"]
    if near is not None:
        facts["nearest"] = [
            {"slot": n.slot + 1, "question_id": n.question_id, "distance": n.distance} for n in near
        ]
    return facts


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
