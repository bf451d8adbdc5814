"""`storm answer`: an answer a person can read, a strip of thoughts, one clear line otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from artifact_writer import write_artifact
from gray_thoughts import QUESTIONS, write_thoughts
from PIL import Image

from storm.artifacts.store import Store
from storm.cli import main
from storm.student import prompt_of
from storm.testing import make_student
from storm.videos.decoding.encode import encode_mp4
from storm.videos.decoding.sampling import FrameSampling

K, HIDDEN = 2, 32
QUESTION, OPTIONS = "Which cup hides the ball?", ("cup 1", "cup 2")
SAMPLING = FrameSampling(frames=4, size_px=32)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a trained-looking checkpoint, its targets and their thought videos."""
    path = tmp_path_factory.mktemp("root")
    store = Store(path)
    latents = np.random.default_rng(0).standard_normal((2, K, HIDDEN)).astype(np.float32)
    made = write_thoughts(store, latents)
    two = write_artifact(store, "stage_two", (), write_artifact(store, "stage_one", (), made))
    make_student(
        two.path / "checkpoint",
        k=K,
        hidden=HIDDEN,
        corpus=(prompt_of(QUESTION, OPTIONS), *"AB"),
        sampling=SAMPLING,
    )
    frames = np.random.default_rng(1).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    encode_mp4(path / "game.mp4", frames, 8.0)
    return path


@pytest.fixture(scope="module")
def checkpoint(root: Path) -> Path:
    (found,) = root.glob("stage_two/*/checkpoint")
    return found


def run(capsys: pytest.CaptureFixture[str], checkpoint: Path, *more: Any) -> tuple[int, str, str]:
    arguments = ["answer", "--checkpoint", checkpoint, "--question", QUESTION, *more]
    try:
        main([str(a) for a in arguments])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_text_output_has_answer_confidence_and_times(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    strip = tmp_path / "strip.png"
    code, out, errors = run(
        *(capsys, checkpoint, "--video", root / "game.mp4", "--options", "|".join(OPTIONS)),
        *("--show-latents", strip, "--k", K),
    )
    assert (code, errors) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith(" "))
    assert {"answer", "confidence", "seconds", "tokens", "latents"} == set(lines)
    assert 0 < float(lines["confidence"].split()[0]) <= 1
    parts = [part.split() for part in lines["seconds"].split(", ")]
    assert [name for name, _ in parts] == ["decode", "vision", "prefill", "latents", "answer"]
    assert all(float(seconds) >= 0 for _, seconds in parts)
    with Image.open(strip) as picture:
        assert picture.width > K * 160


def test_json_says_the_same_for_repeated_options(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    many = [part for option in OPTIONS for part in ("--options", option)]
    strip = ("--show-latents", tmp_path / "a.png")
    code, out, _ = run(capsys, checkpoint, "--video", root / "game.mp4", *many, *strip, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["k"] == K
    assert found["mode"] == "latent"
    assert [n["slot"] for n in found["nearest"]] == [1, 2]
    assert {n["question_id"] for n in found["nearest"]} <= set(QUESTIONS)
    assert found["option"] == (OPTIONS["AB".index(found["letter"])] if found["letter"] else "")
    assert found["prompt_tokens"] > 0
    shape = ("--frames", 2, "--size-px", 32)
    _, other, _ = run(capsys, checkpoint, "--video", root / "game.mp4", *many, *shape, "--json")
    assert json.loads(other)["prompt_tokens"] < found["prompt_tokens"], "fewer frames"


@pytest.mark.parametrize("more", [("--mode", "direct"), ("--intervention", "hide_latents")])
def test_a_question_without_a_video(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, more: tuple[str, str]
) -> None:
    code, out, _ = run(capsys, checkpoint, *more, "--max-new-tokens", 3, "--json")
    assert code == 0
    found = json.loads(out)
    assert more[1] in (found["mode"], found["intervention"])
    assert found["answer_tokens"] <= 3


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--k", "9"], 2, "K = 2, found k = 9"),
        (["--mode", "think"], 2, "expected --mode latent, direct, cot, found 'think'"),
        (["--intervention", "zeros"], 2, "expected an intervention of none, keep, zero"),
        (["--intervention", "swap"], 2, "a whole question set"),
        (["--mode", "direct", "--show-latents", "a.png"], 2, "--mode latent with --show-latents"),
        (["--device", "cuda:1"], 2, "expected --device cpu, cuda, mps, found 'cuda:1'"),
        (["--device", "mps"], 2, "expected a device of this machine, found 'mps'"),
        (["--dtype", "int3"], 2, "expected a dtype of"),
        (["--video", "/no/such.mp4"], 65, "missing"),
        (["--video", __file__], 65, "not_a_video"),
        (["--system", "word " * 9000], 65, "expected at most 4096 tokens a row"),
        (["--system", "<|im_end|>"], 65, "expected no special tokens in the system prompt"),
        (["--show-latents", "a.png", "--targets", "/no/such"], 1, "not finished"),
    ],
)
def test_wrong_use_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], checkpoint: Path, more: list[str], code: int, words: str
) -> None:
    found, out, errors = run(capsys, checkpoint, *more)
    assert (found, out) == (code, "")
    assert errors.startswith("error: ")
    assert words in errors
    assert errors.count("\n") == 1


def _changed(checkpoint: Path, folder: Path, **section: Any) -> Path:
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_bytes())
    config["storm"] = {**config["storm"], **section}
    if section.get("k") == 0:
        del config["storm"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.integration
def test_wrong_checkpoints_and_videos_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], root: Path, checkpoint: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((root / "game.mp4").read_bytes()[:-400])
    long = tmp_path / "long.mp4"
    encode_mp4(long, np.zeros((5, 16, 16, 3), np.uint8), 1 / 1000)
    old = _changed(checkpoint, tmp_path / "old", sampling=None)
    cases = [
        (tmp_path / "none", [], 2, "checkpoint folder with a config.json"),
        (_changed(checkpoint, tmp_path / "plain", k=0), [], 2, "`storm` section"),
        (_changed(checkpoint, tmp_path / "odd", k="many"), [], 2, "a valid `storm` section"),
        (_changed(checkpoint, tmp_path / "less", start="<|no|>"), [], 2, "in the tokenizer"),
        (old, ["--video", root / "game.mp4"], 2, "give the sampling it was trained with"),
        (old, ["--show-latents", tmp_path / "a.png"], 1, "with --targets"),
        (checkpoint, ["--video", long], 65, "too_long: expected at most 3600 s"),
        (checkpoint, ["--video", cut], 65, "cut.mp4"),
    ]
    for folder, more, code, words in cases:
        found, out, errors = run(capsys, folder, *more)
        assert (found, out, errors.startswith("error: ")) == (code, "", True), (more, errors)
        assert words in errors
    (targets,) = root.glob("latent_targets/*")
    more = ("--show-latents", tmp_path / "a.png", "--targets", targets)
    assert run(capsys, old, *more)[0] == 0
    assert (tmp_path / "a.png").exists()
