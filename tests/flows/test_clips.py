"""The profile `clips`: own files become latent targets; bad ones are named, the rest goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flow_runs import Flow, flow

from storm.videos.decoding.encode import encode_mp4

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
# the generator without a model; a value in braces replaces the whole section
LIGHT = "generator={kind: keyframes, frames: 17, fps: 8.0, height_px: 64, width_px: 64}"


def moving_square(path: Path, seconds: float, hue: int) -> None:
    """A square that crosses a grey slope and stops twice; 12 frames a second."""
    frames = np.repeat(np.linspace(40, 110, 80)[:, None, None] + np.zeros((80, 96, 3)), 1, 0)
    film = np.repeat(frames[None], round(seconds * 12), 0)
    for t, left in enumerate(np.linspace(0, 72, len(film))):
        at = int(left) // 24 * 24 + min(int(left) % 24 * 2, 24)
        film[t, 30:50, at : at + 20] = (230, hue, 255 - hue)
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_mp4(path, film.astype(np.uint8), 12)


def entry(name: str, video: str, **other: Any) -> dict[str, Any]:
    return {
        "id": name,
        "video": video,
        "question": "Where does the square go?",
        "options": ["to the right", "to the left", "nowhere"],
        "answer": "A",
        **other,
    }


BAD = {  # id: why it is refused
    "empty": "empty_file",
    "text": "not_a_video",
    "missing": "missing",
    "outside": "path_leaves_root",
    "twin": "duplicate_id",
    "mute": "no_answer",
}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    for n, seconds in enumerate((2.0, 2.5, 3.0, 2.0, 2.5, 3.0)):
        moving_square(root / f"clips/{n}.mp4", seconds, 40 * n)
    moving_square(tmp_path / "outside.mp4", 2.0, 0)
    (root / "empty.mp4").touch()
    (root / "text.mp4").write_text("This is no video.\n" * 100)
    good = [entry(f"good {n}/%s ü", f"clips/{n}.mp4") for n in range(6)]
    split = [{**e, "split": "test" if n >= 4 else "train"} for n, e in enumerate(good)]
    bad = [
        entry("empty", "empty.mp4", split="train"),
        entry("text", "text.mp4", split="train"),
        entry("missing", "clips/99.mp4", split="train"),
        entry("outside", "../outside.mp4", split="train"),
        entry("twin", "clips/0.mp4", split="train"),
        entry("twin", "clips/1.mp4", split="train"),
        entry("mute", "clips/2.mp4", split="train", answer=""),
    ]
    path = root / "questions.json"
    path.write_text(json.dumps([*bad[:4], *split, *bad[4:]]))
    return path


@pytest.fixture
def run(tmp_path: Path, prefect_home: Path, prefect_api: str) -> Iterator[Flow]:
    with flow(tmp_path / "artifacts", prefect_home, prefect_api) as made:
        yield made


def test_each_bad_entry_is_named_and_the_rest_goes_on(run: Flow, questions: Path) -> None:
    options = ("--set", f"videos.questions={questions}", "--set", LIGHT)
    allow = ("--set", "quarantine_share=1.0")
    done = run.run("generate_targets", *options, *allow, profile="clips")
    assert done.code == 0, done.err

    manifest = run.manifest("videos")
    quarantined = {q["id"]: q for q in manifest["quarantined"]}
    assert {name: q["reason"] for name, q in quarantined.items()} == BAD
    assert all(q["detail"] and "\n" not in q["detail"] for q in quarantined.values())
    assert "6 quarantined" in next(line for line in done.err.splitlines() if " videos " in line)

    videos = {row["id"]: row["split"] for row in run.rows("videos").values()}
    train = {f"good {n}/%s ü" for n in range(4)}
    assert videos.keys() - train == {f"good {n}/%s ü" for n in (4, 5)}
    for stage in ("thought_prompts", "thought_videos", "latent_targets"):
        assert {row["id"] for row in run.rows(stage).values()} == train, stage
    assert len(run.rows("keyframes")) == 4
    blobs = [p.name for p in run.root.glob("thought_videos/*/blobs/**/*.mp4")]
    assert len(blobs) == 4
    assert not any("good" in name for name in blobs), "ids never stand in paths"
    assert not run.leftovers()


def test_too_many_bad_ones_stop_the_stage_with_a_line(run: Flow, questions: Path) -> None:
    options = ("--set", f"videos.questions={questions}", "--set", LIGHT)
    done = run.run("generate_targets", *options, profile="clips")
    assert done.code == 1
    (error,) = [line for line in done.err.splitlines() if not line.startswith("made ")]
    assert re.match(r"error: videos: 6 of \d+ items were quarantined \(", error)
    assert "more than the allowed share 0.05" in error
    assert not (run.root / "keyframes").exists()


def test_a_question_file_that_is_not_there_is_one_line(run: Flow, tmp_path: Path) -> None:
    missing = tmp_path / "none.json"
    options = ("--set", f"videos.questions={missing}")
    done = run.run("generate_targets", *options, profile="clips")
    assert done.code == 65, done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("error: expected")
    assert str(missing) in done.err


@pytest.mark.long
def test_clips_through_a_real_diffusers_pipeline(run: Flow, questions: Path) -> None:
    asked = [e for e in json.loads(questions.read_text()) if e["id"] not in BAD]
    questions.write_text(json.dumps(asked))
    options = ("--set", f"videos.questions={questions}", "--set", "generator.steps=2")
    done = run.run("generate_targets", *options, profile="clips")
    assert done.code == 0, done.err
    manifest = run.manifest("videos")
    assert manifest["rows"] + len(manifest["quarantined"]) == len(asked)
    splits = [row["split"] for row in run.rows("videos").values()]
    targets = run.rows("latent_targets")
    assert len(targets) == splits.count("train") > 0
    assert splits.count("test") > 0
    latents = np.stack([np.array(row["latents"]) for row in targets.values()])
    assert latents.shape == (len(targets), 8 * 64)
    assert np.isfinite(latents).all()
    assert len(np.unique(latents.round(6), axis=0)) > 1
