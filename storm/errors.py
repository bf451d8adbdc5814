"""Every error that STORM raises on purpose.

    StormError
    |-- ConfigError            a profile or an override is wrong
    |-- DataError              an input file or row is wrong
    |   `-- UnreadableVideo    one video can't be used; carries a short reason
    |-- BackendMissing         an optional package is not installed
    |-- StoreError             the artifact store is damaged or from another release
    |   |-- NotSealed          something was read that is not finished
    |   `-- WorkspaceBusy      another process makes the same artifact
    `-- StageFailed            a stage could not be finished
        `-- ChildFailed        the stage's child process died

Messages say what was expected, what was found and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StormError(Exception):
    """Base of all; `exit_code` is what a command line ends with."""

    exit_code = 1


class ConfigError(StormError):
    """A profile, an override or an option is wrong."""

    exit_code = 2


class DataError(StormError):
    """An input file or a row is wrong."""

    exit_code = 65


class UnreadableVideo(DataError):
    """One video can't be used. `reason` is a short slug, e.g. `empty_file`; the text says more."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self):
        return type(self), (self.reason, self.detail)


class BackendMissing(StormError):
    """An optional package is not installed."""

    def __init__(self, package: str, why: str):
        super().__init__(f"{why} needs the package {package!r}: pip install {package}")


class StoreError(StormError):
    """The artifact store is damaged or from another release."""

    pass


class NotSealed(StoreError):
    """Something was read that is not complete."""

    pass


class WorkspaceBusy(StoreError):
    """Another process is making the same artifact."""

    exit_code = 75


class StageFailed(StormError):
    """`log` is where the child wrote that failed; shards with the same `cause` differ in it."""

    def __init__(self, cause: str, log: Path | None = None):
        super().__init__(cause if log is None else f"{cause} (see {log})")
        self.cause = cause
        self.log = log


class ChildFailed(StageFailed):
    """A child process ended badly. `reason` is a slug such as `signal_9`, `timeout`, `exit_1`."""

    def __init__(self, reason: str, detail: str = "", log: Path | None = None):
        super().__init__(f"{reason}: {detail}" if detail else reason, log)
        self.reason = reason
