"""The example package of `docs/extending.md`: installed beside STORM, named in a profile, run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storm.testing import make_clip, make_student
from storm.videos.decoding.sampling import FrameSampling

PACKAGE = Path(__file__).parents[2] / "docs" / "example_package"
COMPONENTS = (
    *("--set", "keyframes={kind: ends}"),
    *("--set", "teacher={kind: subtitle}"),
    *("--set", "generator={kind: slideshow}"),
)
UNIT = """
from pathlib import Path
from storm import Student
from storm.student.named_interventions import parse_intervention
from storm.testing import make_clip, make_generator_request, make_teacher_request
from storm_example.generator import SlideshowGenerator
from storm_example.intervention import Halve
from storm_example.teacher import SubtitleTeacher

(row,) = SubtitleTeacher.Config().build(None).write([make_teacher_request()])
assert row.id == "q0"
clip = make_clip(Path("clip.mp4"))
(made,) = SlideshowGenerator.Config().build().generate([make_generator_request(clip)])
assert made.frames.shape == (16, 64, 64, 3)
student = Student.from_pretrained("student")
(reply,) = student.answer([clip], ["Where?"], [["left", "right"]], intervention=Halve())
assert reply.token_ids
own = parse_intervention("halve")
assert own == parse_intervention("storm_example.intervention:Halve") == Halve()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the installed package."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    source = tmp_path_factory.mktemp("source") / "package"  # the build writes beside its source
    source.mkdir()
    for path in PACKAGE.rglob("*"):
        if path.suffix in (".py", ".toml"):
            copy = source / path.relative_to(PACKAGE)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> str:
    """Run Python with the package on its path; return what it prints."""
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """Return a folder with the package and its profile, neither installed nor on any path."""
    shutil.copytree(PACKAGE, tmp_path / "beside", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "beside"


def storm(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `storm` as it is installed: the current folder is not on its path."""
    command = str(Path(sys.executable).with_name("storm"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [command, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_each_file_is_short() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path


@pytest.mark.integration
def test_components_work_by_themselves(installed: Path, tmp_path: Path) -> None:
    make_student(tmp_path / "student", sampling=FrameSampling(frames=4, size_px=32))
    run(installed, tmp_path, "-c", UNIT)


@pytest.mark.integration
def test_a_profile_names_them(installed: Path, tmp_path: Path) -> None:
    options = ("--profile", "smoke", *COMPONENTS)
    run(installed, tmp_path, "-m", "storm.cli", "run", "latent_targets", *options)
    status = run(installed, tmp_path, "-m", "storm.cli", "status", *options)
    (line,) = [line for line in status.splitlines() if "latent_targets" in line]
    assert line.split()[0] in ("sealed", "complete")


@pytest.mark.integration
def test_a_benchmark_is_evaluated(installed: Path, tmp_path: Path) -> None:
    make_student(tmp_path / "student", sampling=FrameSampling(frames=4, size_px=32))
    make_clip(tmp_path / "data" / "clip.mp4")
    rows = "video,question,number\nclip.mp4,How many squares?,1\nnone.mp4,How many?,2\n"
    (tmp_path / "data" / "counting.csv").write_text(rows)
    options = ("--benchmark", "counting", "--data", "data", "--set", "latency=0", "--out", "out")
    printed = run(
        installed, tmp_path, "-m", "storm.cli", "evaluate", "--checkpoint", "student", *options
    )
    assert "missing_video" in printed
    assert (tmp_path / "out" / "summary.json").is_file()


@pytest.mark.integration
def test_a_profile_finds_them_in_the_current_folder(beside: Path) -> None:
    options = ("--profile", "profile.yaml")
    missing = storm(beside, "status", *options)
    assert missing.returncode == 65
    assert "my_folder" in missing.stderr
    assert "storm_example.benchmark:BENCHMARK" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1

    make_clip(beside / "my_folder" / "clip.mp4")
    row = "video,question,number\nclip.mp4,How many squares?,1\n"
    (beside / "my_folder" / "counting.csv").write_text(row)
    made = storm(beside, "run", "thought_prompts", *options)
    assert made.returncode == 0, made.stderr
    status = storm(beside, "status", *options)
    assert status.returncode == 0, status.stderr
    assert re.search(r"^complete +thought_prompts ", status.stdout, re.M)
    assert re.search(r"^missing +evaluations/counting latent ", status.stdout, re.M)
