"""`storm evaluate`: from a checkpoint to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storm.cli import main
from storm.evaluation.latency import PARTS
from storm.process import children
from tests.benchmarks import folders, letter_student
from tests.evaluation.builders import build_data


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letter_student.build(tmp_path_factory.mktemp("letter_student"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_data(tmp_path_factory.mktemp("videomme"))


def command(checkpoint: Path, data: Path, root: Path, *more: Any) -> list[str]:
    return [
        *("evaluate", "--checkpoint", str(checkpoint), "--benchmark", "videomme"),
        *("--data", str(data), "--root", str(root), "--set", "max_new_tokens=1", *map(str, more)),
    ]


@pytest.mark.integration
def test_the_command_from_checkpoint_to_scores(
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In two shards and two modes; `storm score` finds the same number in each kind of file."""
    root, out = tmp_path / "root", tmp_path / "out"
    both = [*("--mode", "latent", "--mode", "direct"), *("--set", "latency=2", "--batch", 2)]
    both += ["--out", out]
    main_to(command(checkpoint, data, root, *both, "--shard", "1/2"))
    assert "other shards are pending" in capsys.readouterr().err
    assert not out.exists()
    main_to(command(checkpoint, data, root, *both, "--shard", "2/2"))
    table = capsys.readouterr().out
    assert "videomme latent" in table
    assert "p (Holm)" in table
    assert "ms at batch 1" in table

    monkeypatch.setattr(children, "Child", None)  # all is sealed: no model is loaded
    main_to(command(checkpoint, data, root, *both, "--json"))
    found = json.loads(capsys.readouterr().out)
    assert json.loads((out / "summary.json").read_bytes()) == found
    assert len(found["latency"]) == 2 * (len(PARTS) + 1)
    assert found["comparisons"][0]["n"] == 6
    for mode, numbers in found["modes"].items():
        (samples,) = (out / "lmms_eval" / mode).rglob("*_samples_videomme.jsonl")
        assert 0 < len(samples.read_text().splitlines()) == numbers["n"] == 6
        (results,) = (out / "lmms_eval" / mode).rglob("*_results.json")
        theirs = json.loads(results.read_bytes())["results"]["videomme"]
        score = theirs["videomme_perception_score,none"]
        assert score == pytest.approx(100 * numbers["accuracy"])
        for responses in (out / f"videomme_{mode}.jsonl", samples):
            main_to(["score", "videomme", str(responses)])
            scored = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert scored["accuracy"] == numbers["accuracy"], responses
            assert scored["ci95"] == numbers["ci95"]


def main_to(arguments: list[str], code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code or 0) == code


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--mode", "think"], 2, "modes.0"),
        (["--shard", "3/2"], 2, "expected --shard I/N with I from 1 to N, found '3/2'"),
        (["--set", "fps=0"], 2, "fps: "),
        (["--set", "speed=1"], 2, "speed: unknown key"),
        (["--frames", "0"], 2, "frames: "),
        (["--set", "prompt=none"], 2, "expected a prompt of videomme"),
        (["--set", "scorer=none"], 2, "expected a scorer of videomme"),
        (["--device", "cuda:1"], 2, "expected --device cpu, cuda, mps, found 'cuda:1'"),
        (["--device", "mps"], 2, "expected a device of this machine"),
        (["--data", "/nowhere"], 65, "expected the data set '/nowhere'"),
        (["--benchmark", "gone"], 2, "for storm.benchmarks, found 'gone'"),
        (["--checkpoint", "/nowhere"], 2, "checkpoint folder with a config.json"),
    ],
)
def test_wrong_use_is_one_clear_line(
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    words: str,
) -> None:
    main_to(command(checkpoint, data, tmp_path, *more), code)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_prompt_that_begins_the_answer_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.mvbench(tmp_path / "data", "video")
    more = ("--benchmark", "mvbench", "--set", "prompt=mvbench_official")
    main_to(command(checkpoint, tmp_path / "data", tmp_path, *more), 2)
    assert "lets the student begin its answer" in capsys.readouterr().err
