"""Rows as Arrow tables and back; arrays are read as views, without copying."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from storm.errors import DataError

Row = TypeVar("Row")

# Arrow's names of types: pyarrow itself need not load for a look at the store
_SCALARS = {str: "string", bytes: "binary", int: "int64", float: "double", bool: "bool"}


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _SCALARS:
        return pa.type_for_alias(_SCALARS[annotation])
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow_type(args[0]))
    if isinstance(origin, types.UnionType):
        return _arrow_type(args[0])
    raise TypeError(f"no Arrow type for {annotation!r}")


@functools.cache
def _hints(row_type: type) -> dict[str, Any]:
    return typing.get_type_hints(row_type)


def _is_array(annotation: Any) -> bool:
    return annotation is np.ndarray


Shapes = Mapping[str, tuple[int, ...] | None]


def shapes_of(rows: Iterable[Any]) -> Shapes:
    """For each array field the shape that all rows have in common, None if there is none.

    Raises DataError if one field has several element types.
    """
    shapes: dict[str, tuple[int, ...] | None] = {}
    dtypes: dict[str, np.dtype] = {}
    names: list[str] | None = None
    for row in rows:
        if names is None:
            names = [n for n, annotation in _hints(type(row)).items() if _is_array(annotation)]
        if not names:
            break
        for name in names:
            value = getattr(row, name)
            shape = value.shape if value.size else None  # Arrow has no lists of fixed size 0
            if shapes.setdefault(name, shape) != shape:
                shapes[name] = None
            if dtypes.setdefault(name, value.dtype) != value.dtype:
                raise DataError(f"expected one element type in {name}, found several")
    return shapes


def bytes_of(row: Any) -> int:
    """About how many bytes a row's texts, images and arrays have."""

    def size(value: Any) -> int:
        if isinstance(value, tuple):
            return sum(map(size, value))
        if isinstance(value, np.ndarray):
            return value.nbytes
        return len(value) if isinstance(value, (str, bytes)) else 8

    return sum(size(getattr(row, field.name)) for field in dataclasses.fields(row))


def to_table(rows: Sequence[Any], shapes: Shapes | None = None) -> pa.Table:
    """Rows of one type as an Arrow table.

    An array field of one shape becomes a FixedSizeList column (read zero-copy); arrays of
    several shapes become bytes beside a `<name>_shape` column. The element type and the shape
    stand in the field's metadata. `shapes`: of all rows of which these are some.
    """
    row_type = type(rows[0])
    shapes = shapes_of(rows) if shapes is None else shapes
    columns: list[pa.Array] = []
    fields: list[pa.Field] = []
    for name, annotation in _hints(row_type).items():
        values = [getattr(row, name) for row in rows]
        if not _is_array(annotation):
            kind = _arrow_type(annotation)
            fields.append(pa.field(name, kind))
            columns.append(pa.array(values, kind))
            continue
        meta = {"dtype": _dtype_name(values[0].dtype)}
        if shapes[name] is not None:
            meta["shape"] = json.dumps(shapes[name])
            flat = pa.array(np.concatenate([v.reshape(-1) for v in values]))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, values[0].size))
            fields.append(pa.field(name, columns[-1].type, metadata=meta))
        else:
            columns.append(pa.array([v.tobytes() for v in values], pa.large_binary()))
            fields.append(pa.field(name, pa.large_binary(), metadata=meta))
            columns.append(pa.array([list(v.shape) for v in values], pa.list_(pa.int64())))
            fields.append(pa.field(f"{name}_shape", columns[-1].type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _dtype_name(dtype: np.dtype) -> str:
    """Of what the elements stand for."""
    return "bfloat16" if dtype == np.uint16 else str(dtype)


def array_of(field: pa.Field) -> tuple[np.dtype, str, tuple[int, ...] | None]:
    """Of an array column: stored type, name of the meant type, and the shape of all rows if any."""
    name, shape = field.metadata[b"dtype"].decode(), field.metadata.get(b"shape")
    dtype = np.dtype("uint16" if name == "bfloat16" else name)
    return dtype, _dtype_name(dtype), None if shape is None else tuple(json.loads(shape))


def column_as_numpy(table: pa.Table, name: str) -> list[np.ndarray]:
    """Return an array column as one read-only view per row, without copying."""
    dtype, _, shape = array_of(table.schema.field(name))
    views: list[np.ndarray] = []
    for i, chunk in enumerate(table.column(name).chunks):
        if shape is not None:
            views.extend(chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, *shape))
        else:
            shapes = table.column(f"{name}_shape").chunk(i).to_pylist()
            _, offsets, data = chunk.buffers()
            ends = np.frombuffer(offsets, np.int64)[chunk.offset :]
            content = np.frombuffer(data or b"", np.uint8)
            content.flags.writeable = False
            for start, end, shape in zip(ends, ends[1:], shapes):
                views.append(content[start:end].view(dtype).reshape(shape))
    return views


def from_table(table: pa.Table, row_type: type[Row]) -> list[Row]:
    """Return the rows of a table: the inverse of `to_table`."""
    hints = _hints(row_type)
    columns: dict[str, Sequence[Any]] = {}
    for name, annotation in hints.items():
        if name not in table.column_names:
            raise DataError(
                f"expected a column {name!r} for {row_type.__name__}, found {table.column_names}"
            )
        if _is_array(annotation):
            columns[name] = column_as_numpy(table, name)
        elif typing.get_origin(annotation) is tuple:
            columns[name] = [tuple(v) for v in table.column(name).to_pylist()]
        else:
            columns[name] = table.column(name).to_pylist()
    return [
        row_type(**dict(zip(hints, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
