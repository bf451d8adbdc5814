"""The frame of the command: quick to start, and one line for what is wrong."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


HEAVY = {
    *("torch", "prefect", "transformers", "diffusers", "deepspeed", "av", "datasets"),
    *("numpy", "pyarrow", "cv2", "PIL"),
}

LOADED = """
import sys
from storm.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
lazy = {n for n, m in sys.modules.items() if type(m).__name__ == "LazyModule"}
print("LOADED", *{n.partition(".")[0] for n in sys.modules.keys() - lazy}, file=sys.stderr)
"""


@pytest.mark.integration
@pytest.mark.parametrize("words", [["--help"], ["status", "--profile", "smoke"]])
def test_light_commands_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    loaded = set(done.stderr.rpartition("LOADED")[2].split())
    assert "storm" in loaded
    assert not loaded & HEAVY
    assert "status" in done.stdout or "stage_two" in done.stdout
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def cpu_seconds(*words: str) -> float:
    """The least that three processes needed."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


@pytest.mark.integration
def test_a_thousand_artifacts_cost_status_nothing(tmp_path: Path) -> None:
    """About 0.4 s on an idle machine; as a ratio, since test machines are busy."""
    for number in range(1000):
        folder = tmp_path / "keyframes" / f"{number:016x}"
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text('{"recipe": "", "shards": 1, "inputs": {}, "items": []}')
        (folder / "manifest.json").write_text('{"format": 2, "rows": 0, "quarantined": []}')
    libraries = cpu_seconds("-c", "import pydantic.main, typer, yaml")
    status = cpu_seconds("-m", "storm.cli", "status", "--root", str(tmp_path))
    assert status / libraries < 5


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
def test_a_wrong_profile_is_one_clear_line(run: Run, arguments: list[str], words: str) -> None:
    for command in ("status", "results", "report"):
        code, out, errors = run(command, *arguments)
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
    run: Run, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    code, _, errors = run("status", "--profile", str(path))
    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1


def test_a_missing_question_file_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    missing = f"videos.questions={tmp_path}/none.json"
    code, _, errors = run("status", "--profile", "clips", "--set", missing)
    assert code == 65
    assert errors.startswith("error: expected a question file")
    assert errors.count("\n") == 1


def test_a_profile_that_is_no_text_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes("extends: smoke\nname: très petit\n".encode("latin-1"))
    code, _, errors = run("status", "--profile", str(path))
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith(f"error: expected YAML in {path}, found ")
