"""Question sets of Hugging Face `datasets`: a folder or file, one saved to disk, or of the hub.

Nothing of a data set is run: no scripts, no pickles. Videos are not decoded; only their paths
are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from storm.errors import BackendMissing, DataError
from storm.records import Rejected
from storm.videos.questions.rows import Entry
from storm.videos.questions.sources import QuestionSource
from storm.videos.questions.values import EmbeddedVideo

if TYPE_CHECKING:
    import pyarrow as pa

# what holds rows; videos of a repository are the user's to download
_ROW_FILES = ("*.parquet", "*.arrow", "*.json", "*.jsonl", "*.csv", "README.md")


class HFQuestionSource(QuestionSource):
    """`questions`: a local folder or file, or `owner/name` on the hub."""

    kind: Literal["datasets"] = "datasets"
    split: str = "train"  # the data set's split that is read
    name: str | None = None  # the data set's configuration, if it has several
    revision: str | None = None  # for the hub: the commit, 40 hex digits

    def own_folder(self) -> Path:
        """Return the folder of a data set on disk."""
        path = Path(self.questions)
        if not path.exists():
            raise DataError(
                f"expected the folder of the videos of the hub's {self.questions}: name it as root"
            )
        return path if path.is_dir() else path.parent

    def form(self) -> None:
        """Return None: no file format applies."""
        return

    def entries(self) -> list[Entry | Rejected]:
        """Return the rows of the data set as entries."""
        path = Path(self.questions)
        path = path if path.exists() else self._download()
        found: list[Entry | Rejected] = list(self._entries(self._load(path)))
        if not found:
            raise DataError(f"expected at least one question, found none: {self.questions}")
        return found

    def _download(self) -> Path:
        """Download the pinned revision; offline, take it from the hub's cache."""
        if re.fullmatch(r"[0-9a-f]{40}", self.revision or "") is None:
            raise DataError(
                f"expected a folder, or a data set of the hub with its commit (40 hex digits) as "
                f"revision, found {self.questions!r} with revision {self.revision!r}"
            )
        try:
            from huggingface_hub import snapshot_download
        except ImportError:
            raise BackendMissing("huggingface_hub", "a data set of the hub") from None
        try:
            folder = snapshot_download(
                self.questions,
                repo_type="dataset",
                revision=self.revision,
                allow_patterns=list(_ROW_FILES),
            )
        except (OSError, ValueError) as error:
            raise DataError(f"expected the data set {self.questions!r}: {_line(error)}") from None
        return Path(folder)

    def _load(self, path: Path) -> Any:
        """Return the split as a `datasets.Dataset`."""
        try:
            import datasets
        except ImportError:
            raise BackendMissing("datasets", "videos of kind `datasets`") from None
        from datasets.exceptions import DatasetsError

        datasets.disable_progress_bars()
        try:
            if (path / "state.json").is_file():  # one split, saved to disk
                return datasets.load_from_disk(str(path))
            if (path / "dataset_dict.json").is_file():
                return datasets.load_from_disk(str(path))[self.split]
            if path.is_file():
                form = {".parquet": "parquet", ".arrow": "arrow"}.get(path.suffix)
                if form is None:
                    raise ValueError(f"no .parquet or .arrow file: {path.name}")
                return datasets.load_dataset(form, data_files=str(path), split="train")
            return datasets.load_dataset(str(path), name=self.name, split=self.split)
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            DatasetsError,
        ) as e:
            raise DataError(
                f"expected a data set with the split {self.split!r} in {path}: {_line(e)}"
            ) from None

    def _entries(self, rows: Any) -> Iterator[Entry]:
        root = self.root_path().absolute()
        number = 0
        for table in rows.with_format("arrow").iter(batch_size=1000):
            columns = {n: _values(table.column(n), root) for n in table.column_names}
            for values in zip(*columns.values(), strict=True):
                number += 1
                yield Entry(f"row {number}", dict(zip(columns, values, strict=True)))


def _values(column: pa.ChunkedArray, root: Path) -> list[Any]:
    """Return a column as Python values; of a video its path, of bytes a marker."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [EmbeddedVideo()] * len(column)
    if pa.types.is_floating(kind):  # as they are written: 0.1 of 32 bits has no short double
        return column.cast(pa.string()).to_pylist()
    if not pa.types.is_struct(kind) or {f.name for f in kind} != {"bytes", "path"}:
        return column.to_pylist()
    flat = pa.Table.from_arrays([column], ["video"]).flatten()
    embedded = flat.column("video.bytes").is_valid().to_pylist()
    paths = flat.column("video.path").to_pylist()
    return [
        EmbeddedVideo() if inside else _under(root, path)
        for inside, path in zip(embedded, paths, strict=True)
    ]


def _under(root: Path, path: str | None) -> str | None:
    """Return a path that the data set made absolute, relative to the root."""
    if path is not None and Path(path).is_absolute() and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
