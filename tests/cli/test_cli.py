"""The command `storm`: quick to start, and one clear line for what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from storm.cli import main

HEAVY = {"torch", "prefect", "transformers", "diffusers", "deepspeed", "av", "datasets"}

LOADED = """
import sys
from storm.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print("LOADED", *{m.partition(".")[0] for m in sys.modules}, file=sys.stderr)
"""


@pytest.mark.integration
@pytest.mark.parametrize("arguments", [["--help"], ["status", "--profile", "smoke"]])
def test_light_commands_load_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert found.returncode == 0
    loaded = set(found.stderr.rpartition("LOADED")[2].split())
    assert "storm" in loaded
    assert not loaded & HEAVY
    assert "status" in found.stdout or "stage_two" in found.stdout
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        main(arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.integration
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "nope"], "expected a profile of clips, qwen2_5_vl_3b_lora, qwen"),
        (["--profile", "/no/such.yaml"], "found '/no/such.yaml'"),
        (["--set", "keyframes.kk=1"], "keyframes.kk"),
        (["--set", "nope=1"], "nope"),
        (["--set", "keyframes.k=many"], "keyframes.k"),
        (["--set", "keyframes.kind=best"], "keyframes"),
        (["--set", "keyframes.k"], "expected --set key.path=value, found 'keyframes.k'"),
        (["--set", "keyframes.k=["], "in --set 'keyframes.k=['"),
        (["--set", "seed.x=1"], "expected a section at 'seed'"),
        (["--set", "shards.nope=2"], "expected stages of"),
        (["--set", "student.latent.k=7"], "7"),
    ],
)
def test_a_wrong_profile_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    for command in ("status", "results", "report"):
        code, out, errors = run(capsys, command, *arguments)
        assert (code, out) == (2, "")
        assert errors.startswith("error: ")
        assert words in errors
        assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1, 2]", "expected a mapping"),
        ("a: [", "expected YAML"),
        ("extends: nope", "found 'nope'"),
    ],
)
def test_a_wrong_profile_file_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    code, _, errors = run(capsys, "status", "--profile", str(path))
    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1


def test_a_missing_question_file_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = f"videos.questions={tmp_path}/none.json"
    code, _, errors = run(capsys, "status", "--profile", "clips", "--set", missing)
    assert code == 65
    assert errors.startswith("error: expected a question file")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", [["results"], ["results", "--json"], ["report"]])
def test_results_before_anything_is_made_say_what_to_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str]
) -> None:
    options = ["--profile", "smoke", "--root", str(tmp_path), "--set", "seed=3"]
    code, out, errors = run(capsys, *command, *options)
    assert (code, out) == (1, "")
    expected = f"run: storm run --profile smoke --root {tmp_path} --set seed=3"
    assert expected in errors
    assert errors.count("\n") == 1


def test_status_lists_every_stage_as_text_and_as_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--profile", "smoke", "--root", str(tmp_path)]
    _, text, _ = run(capsys, "status", *options)
    _, raw, _ = run(capsys, "status", "--json", *options)
    states = json.loads(raw)
    assert len(text.splitlines()) == len(states) > 10
    assert {s["state"] for s in states} == {"missing"}
    assert states[-1]["stage"] == "results"


@pytest.mark.integration
def test_status_follows_a_stage_from_plan_to_damage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from storm.artifacts.make import execute, make_shard, plan, seal
    from storm.artifacts.store import Store
    from storm.pipeline.assemble import assemble
    from storm.profiles import load
    from storm.runtime import Runtime

    settings = ["videos.counts.train=3", "videos.counts.test=3"]
    options = ["--profile", "smoke", "--root", str(tmp_path)]
    options += [part for s in settings for part in ("--set", s)]

    def state() -> tuple[str, int, int]:
        _, raw, _ = run(capsys, "status", "--json", *options)
        (found,) = [s for s in json.loads(raw) if s["stage"] == "videos"]
        return found["state"], found["done"], found["items"]

    stage, store = assemble(load("smoke", settings)).find("videos"), Store(tmp_path)
    plan(stage, store)
    assert state() == ("partial", 0, 6)
    for number in range(stage.shards):
        make_shard(stage, store, Runtime(), number, lambda event: None)
    assert state() == ("partial", 6, 6)
    seal(stage, store)
    assert state() == ("sealed", 6, 6)
    next(stage.artifact(store).path.glob("blobs/*/*.mp4")).unlink()
    assert state()[0] == "partial"
    execute(stage, store, Runtime())
    assert state() == ("sealed", 6, 6)


def test_keyframes_of_a_video(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    from storm.videos.decoding.encode import encode_mp4

    video, sheet = tmp_path / "grey.mp4", tmp_path / "sheet.png"
    encode_mp4(video, np.full((20, 48, 64, 3), 90, np.uint8), 10)
    code, out, _ = run(capsys, "keyframes", str(video), "--k", "6", "--sheet", str(sheet))
    assert code == 0
    assert out.split()[:6] == ["seconds", "reason", "score", "0.000", "first", "1.00"]
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 256, 2 * (192 + 18))
    settings = json.dumps({"kind": "uniform", "k": 3})
    code, out, _ = run(capsys, "keyframes", str(video), "--selector", settings, "--json")
    assert [frame["reason"] for frame in json.loads(out)] == ["coverage"] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--selector", "best"], "expected a selector, found 'best'"),
        (["--selector", "query"], "expected a selector, found 'query': model: Field required"),
        (["--selector", '{"kind"'], "expected a selector, found '{\"kind\"'"),
        (["--selector", '{"kind": "query", "model": "none"}'], "found no folder 'none'"),
        (["--k", "2"], "expected a selector, found 'motion': k: Input should be greater"),
        (["--sheet", "none/sheet.png"], "found 'none/sheet.png': No such file"),
    ],
)
def test_what_keyframes_cannot_do_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: str
) -> None:
    import numpy as np

    from storm.videos.decoding.encode import encode_mp4

    video = tmp_path / "grey.mp4"
    encode_mp4(video, np.full((20, 48, 64, 3), 90, np.uint8), 10)
    code, _, errors = run(capsys, "keyframes", str(video), *arguments)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: expected ")
    assert words in errors


def test_a_profile_that_is_no_text_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("extends: smoke\nname: très petit\n".encode("latin-1"))
    code, _, errors = run(capsys, "status", "--profile", str(path))
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"error: expected YAML in {path}, found ")
