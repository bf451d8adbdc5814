"""`storm keyframes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


def test_keyframes_of_a_video(run: Run, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    from storm.videos.decoding.encode import encode_mp4

    video, sheet = tmp_path / "grey.mp4", tmp_path / "sheet.png"
    encode_mp4(video, np.full((20, 48, 64, 3), 90, np.uint8), 10)
    code, out, _ = run("keyframes", str(video), "--k", "6", "--sheet", str(sheet))
    assert code == 0
    assert out.split()[:6] == ["seconds", "reason", "score", "0.000", "first", "1.00"]
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 256, 2 * (192 + 18))
    settings = json.dumps({"kind": "uniform", "k": 3})
    code, out, _ = run("keyframes", str(video), "--selector", settings, "--json")
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
    run: Run, tmp_path: Path, arguments: list[str], words: str
) -> None:
    import numpy as np

    from storm.videos.decoding.encode import encode_mp4

    video = tmp_path / "grey.mp4"
    encode_mp4(video, np.full((20, 48, 64, 3), 90, np.uint8), 10)
    code, _, errors = run("keyframes", str(video), *arguments)
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: expected ")
    assert words in errors
