"""Rows go to Arrow and back unchanged, without copies; a bad row can't be made."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from storm import records
from storm.artifacts.arrow import from_table, to_table
from storm.config import SPLITS
from storm.errors import DataError
from storm.row_values import digest_of
from storm.target_check.target_score import TargetScore

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAME = TEXT.filter(str.strip)
INT = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(width=64)  # with NaN and infinities
DTYPES = st.sampled_from([np.dtype("float32"), np.dtype("float16"), np.dtype("float64")])


def finite(shape: Any, dtype: np.dtype[Any]) -> st.SearchStrategy[np.ndarray]:
    elements = st.floats(-100, 100, width=16)
    return arrays.arrays(dtype, shape, elements=elements)


@st.composite
def video_samples(draw: st.DrawFn) -> records.VideoSample:
    options = tuple(draw(st.lists(TEXT, max_size=5)))
    answer = draw(st.sampled_from(records.LETTERS[: len(options)]) if options else NAME)
    texts = [draw(t) for t in (NAME, TEXT, TEXT, TEXT, NAME, TEXT)]
    names = ("id", "video_id", "video_path", "video_sha256", "question", "cluster")
    split: Any = draw(st.sampled_from(SPLITS))
    return records.VideoSample(
        **dict(zip(names, texts, strict=True)), split=split, options=options, answer=answer
    )


@st.composite
def keyframes(draw: st.DrawFn) -> records.Keyframes:
    times = sorted(draw(st.sets(st.floats(0, 1e6), min_size=1, max_size=5)))
    n = len(times)

    def each(strategy: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(strategy, min_size=n, max_size=n)))

    return records.Keyframes(
        id=draw(TEXT),
        pts_seconds=tuple(times),
        reasons=each(TEXT),
        scores=each(st.floats(0, 1)),
        images=each(st.binary(max_size=20)),
        duration_seconds=draw(FLOAT),
    )


@st.composite
def scores(draw: st.DrawFn) -> records.Score:
    low, value, high = sorted(draw(st.tuples(*[st.floats(0, 1)] * 3)))
    texts = {name: draw(TEXT) for name in ("id", "kind", "arm", "role", "condition", "against")}
    measure = draw(st.sampled_from(get_args(records.Measure)))
    return records.Score(
        **texts,
        measure=measure,
        value=value,
        low=low,
        high=high,
        n=draw(INT),
        clusters=draw(INT),
        p=draw(FLOAT),
        seed=draw(INT),
    )


@st.composite
def latencies(draw: st.DrawFn) -> records.Latency:
    median, p95 = sorted(draw(st.tuples(*[st.floats(0, 1e6)] * 2)))
    texts = {name: draw(TEXT) for name in ("id", "mode", "part")}
    return records.Latency(**texts, median_seconds=median, p95_seconds=p95, n=draw(INT))


@st.composite
def lists_of_features(draw: st.DrawFn, same_shape: bool) -> list[records.VideoFeatures]:
    dtype, shape = draw(DTYPES), draw(st.tuples(st.integers(0, 4), st.integers(1, 3)))
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        if not same_shape:
            shape = draw(st.tuples(st.integers(0, 4), st.integers(1, 3)))
        rows.append(
            records.VideoFeatures(
                id=draw(TEXT),
                tokens=draw(finite(shape, dtype)),
                grid_thw=draw(st.tuples(INT, INT, INT)),
                pts_seconds=tuple(draw(st.lists(FLOAT, max_size=3))),
            )
        )
    return rows


@st.composite
def lists_of_targets(draw: st.DrawFn) -> list[records.LatentTarget]:
    dtype, shape = draw(DTYPES), draw(st.tuples(st.integers(1, 4), st.integers(1, 3)))
    ids = draw(st.lists(TEXT, min_size=1, max_size=4))
    return [records.LatentTarget(id=i, latents=draw(finite(shape, dtype))) for i in ids]


def several(row: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(row, min_size=1, max_size=3)


def plain(row_type: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return several(st.builds(row_type, **fields))


POSITIVE = st.integers(1, 2**31)
ROWS: dict[type, st.SearchStrategy[list[Any]]] = {
    records.VideoSample: several(video_samples()),
    records.Keyframes: several(keyframes()),
    records.ThoughtPrompt: plain(
        records.ThoughtPrompt,
        id=TEXT,
        video_id=TEXT,
        prompt=NAME,
        steps=st.lists(TEXT, max_size=3).map(tuple),
        teacher=TEXT,
        saw_answer=st.booleans(),
    ),
    records.ThoughtVideo: plain(
        records.ThoughtVideo,
        id=TEXT,
        blob=TEXT,
        sha256=TEXT,
        frames=POSITIVE,
        fps=FLOAT,
        height_px=INT,
        width_px=INT,
        seed=INT,
    ),
    records.VideoFeatures: lists_of_features(True) | lists_of_features(False),
    records.LatentTarget: lists_of_targets(),
    records.Checkpoint: plain(
        records.Checkpoint,
        id=TEXT,
        blob=TEXT,
        sha256=TEXT,
        optimizer_steps=INT,
        final_loss=FLOAT,
        metrics=TEXT,
    ),
    records.Prediction: plain(
        records.Prediction,
        **dict.fromkeys(
            [
                *("id", "question_id", "video_id", "intervention"),
                *("response", "predicted", "answer", "donor_answer"),
            ],
            TEXT,
        ),
        steps=INT,
        correct=st.booleans(),
        guess_accuracy=FLOAT,
    ),
    records.Response: plain(
        records.Response,
        **dict.fromkeys(["id", "prompt", "response"], TEXT),
        **dict.fromkeys(["prompt_tokens", "answer_tokens", "frames"], INT),
        confidence=st.floats(0, 1),
    ),
    records.Latency: several(latencies()),
    records.Score: several(scores()),
    TargetScore: plain(
        TargetScore,
        **dict.fromkeys(["id", "question_id", "video_id", "cluster", "condition", "chosen"], TEXT),
        correct=st.booleans(),
        log_probability=FLOAT,
    ),
}


def test_every_row_type_is_tested() -> None:
    found = {v for v in vars(records).values() if dataclasses.is_dataclass(v)}
    assert found - {records.Rejected} | {TargetScore} == set(ROWS)


@pytest.mark.parametrize("row_type", ROWS, ids=lambda t: t.__name__)
@given(data=st.data())
def test_rows_come_back_unchanged(row_type: type, data: st.DataObject) -> None:
    rows = data.draw(ROWS[row_type])

    sink = pa.BufferOutputStream()
    table = to_table(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    back = from_table(pa.ipc.open_stream(sink.getvalue()).read_all(), row_type)

    assert [digest_of(row) for row in back] == [digest_of(row) for row in rows]
    for row, found in zip(rows, back, strict=True):
        for field in dataclasses.fields(row):
            one, other = getattr(row, field.name), getattr(found, field.name)
            assert type(other) is type(one)
            if isinstance(one, np.ndarray):
                assert (other.dtype, other.shape) == (one.dtype, one.shape)
                np.testing.assert_array_equal(other, one)
            else:
                assert repr(other) == repr(one)  # NaN equals itself here


@pytest.mark.parametrize("shapes", [[(4, 3), (4, 3)], [(4, 3), (5, 3)]])
def test_arrays_are_views_of_the_table(shapes: list[tuple[int, int]]) -> None:
    rows = [
        records.VideoFeatures(
            id=str(n),
            tokens=np.random.default_rng(n).random(shape, np.float32),
            grid_thw=(1, 1, 1),
            pts_seconds=(),
        )
        for n, shape in enumerate(shapes)
    ]
    table = to_table(rows)
    buffers = [b for c in table.column("tokens").chunks for b in c.buffers() if b is not None]
    found = from_table(table, records.VideoFeatures)
    later = from_table(table.slice(1), records.VideoFeatures)
    np.testing.assert_array_equal(later[0].tokens, rows[1].tokens)
    for row in (*found, *later):
        where = row.tokens.ctypes.data
        assert any(b.address <= where < b.address + b.size for b in buffers)
        assert not row.tokens.flags.writeable


GOOD: dict[str, Any] = {
    **{"id": "q", "video_id": "v", "video_path": "v.mp4", "video_sha256": "0"},
    **{"split": "train", "question": "where?", "options": ("here", "there"), "answer": "B"},
}
FRAMES: dict[str, Any] = {
    **{"id": "v", "pts_seconds": (0.0, 1.0), "reasons": ("first", "last"), "scores": (1.0, 1.0)},
    **{"images": (b"", b""), "duration_seconds": 2.0},
}


@pytest.mark.parametrize(
    ("row_type", "good", "change", "word"),
    [
        (records.VideoSample, GOOD, {"id": ""}, "id"),
        (records.VideoSample, GOOD, {"question": " "}, "question"),
        (records.VideoSample, GOOD, {"answer": "C"}, "one letter of AB"),
        (records.VideoSample, GOOD, {"answer": "AB"}, "one letter of AB"),
        (records.VideoSample, GOOD, {"answer": ""}, "answer"),
        (records.VideoSample, GOOD, {"options": (), "answer": "\n"}, "answer"),
        (records.Keyframes, FRAMES, {"pts_seconds": ()}, "at least one"),
        (records.Keyframes, FRAMES, {"pts_seconds": (1.0, 1.0)}, "increasing"),
        (records.Keyframes, FRAMES, {"pts_seconds": (0.0, math.nan)}, "increasing"),
        (records.Keyframes, FRAMES, {"images": (b"",)}, "2 reasons"),
        (records.LatentTarget, {"id": "q"}, {"latents": np.zeros(3)}, "shape"),
        (records.LatentTarget, {"id": "q"}, {"latents": np.full((1, 2), np.nan)}, "finite"),
    ],
)
def test_a_bad_row_cannot_be_made(row_type: Any, good: Any, change: Any, word: str) -> None:
    if row_type is not records.LatentTarget:
        row_type(**good)
    with pytest.raises(DataError, match=word):
        row_type(**{**good, **change})


def test_a_score_is_in_its_interval() -> None:
    row: dict[str, Any] = dict.fromkeys(("id", "kind", "arm", "role", "condition", "against"), "a")
    row |= {"measure": "accuracy", "n": 1, "clusters": 1, "p": 1.0, "seed": 0}
    with pytest.raises(DataError, match="low <= value <= high"):
        records.Score(**row, value=0.5, low=0.6, high=0.7)


def test_the_median_is_below_the_95th_percentile() -> None:
    row: dict[str, Any] = {"id": "latent/total", "mode": "latent", "part": "total", "n": 9}
    with pytest.raises(DataError, match="median_seconds <= p95"):
        records.Latency(**row, median_seconds=2.0, p95_seconds=1.0)


def test_a_repr_holds_sizes_instead_of_contents() -> None:
    target = records.LatentTarget(id="q", latents=np.zeros((4, 3), np.float32))
    assert repr(target) == "LatentTarget(id='q', latents=<float32 (4, 3)>)"
    assert "images=(<0 bytes>, <0 bytes>)" in repr(records.Keyframes(**FRAMES))


def test_another_schema_is_refused() -> None:
    with pytest.raises(DataError, match="video_path"):
        from_table(pa.table({"id": ["q"], "video_id": ["v"]}), records.VideoSample)


def test_digests_never_change() -> None:
    """Item keys hang on them: if this fails, every artifact out there is made again."""
    latents = np.arange(6, dtype=np.float32).reshape(2, 3)
    target = records.LatentTarget(id="ä", latents=latents)
    golden = "4420f0e736d08dfd93a951d4539933ad225b1730667821dec66bb5ff08ab1268"
    assert digest_of(records.VideoSample(**GOOD)) == golden
    golden = "9724759fe4782f237015935e58c4e2dcc59c36dbb30d62b20e601ff796dfb915"
    assert digest_of(target) == golden
    assert digest_of(dataclasses.replace(target, latents=latents[:, ::-1])) != digest_of(target)
    assert digest_of(dataclasses.replace(target, latents=latents.reshape(3, 2))) != digest_of(
        target
    )
    fortran = np.asfortranarray(latents)
    assert digest_of(dataclasses.replace(target, latents=fortran)) == digest_of(target)
