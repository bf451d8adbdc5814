import json

import pytest

from storm.training import checkpoints


def make(root, phase, step, **facts):
    folder = root / checkpoints.folder_name(phase, step)
    (folder / "part").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w" * 100)
    (folder / "part" / "state.bin").write_bytes(b"s" * 100)
    checkpoints.mark_complete(folder, {"phase": phase, "step": step, **facts})
    return folder


def test_the_newest_whole_folder_is_used(tmp_path):
    for step in (100, 200, 1000):
        make(tmp_path, 0, step, run="a")
    folder, record = checkpoints.newest(tmp_path, phase=0, run="a")
    assert (folder.name, record["step"]) == (checkpoints.folder_name(0, 1000), 1000)
    assert checkpoints.newest(tmp_path, run="b") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / checkpoints.RECORD).unlink(),
        lambda f: (f / checkpoints.RECORD).write_text(""),
        lambda f: (f / checkpoints.RECORD).write_text(json.dumps({"format": 1})),
        lambda f: (f / checkpoints.RECORD).write_text("[]"),
        lambda f: (f / "weights.bin").unlink(),
        lambda f: (f / "weights.bin").write_bytes(b"w" * 99),
        lambda f: (f / "part" / "state.bin").write_bytes(b"x" * 100),
    ],
)
def test_a_damaged_folder_is_passed_over(tmp_path, damage):
    older, newer = make(tmp_path, 0, 100), make(tmp_path, 0, 200)
    damage(newer)
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert found[0] == older


def test_tidy_keeps_the_last_two_and_removes_the_unfinished(tmp_path):
    kept = [make(tmp_path, 0, step) for step in (100, 200, 300)][1:]
    (tmp_path / checkpoints.folder_name(0, 400)).mkdir()
    checkpoints.prune(tmp_path, keep=2)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_publishing_is_one_rename_and_leaves_the_record_out(tmp_path):
    folder = make(tmp_path, 0, 100)
    (tmp_path / "out.tmp").mkdir()
    (tmp_path / "out.tmp" / "left_over").touch()
    checkpoints.publish(folder, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["part", "weights.bin"]
    assert not (tmp_path / "out.tmp").exists()
