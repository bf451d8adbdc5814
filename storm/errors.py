"""Every error that STORM raises on purpose.

    StormError
    |-- ConfigError            a profile, an override or an option is wrong
    |-- DataError              an input file or a row is wrong
    |   |-- UnreadableVideo    a video can't be used; carries a short reason
    |   `-- UnfitQuestion      a question can't be put to a student; carries a short reason
    |-- BackendMissing         an optional package is not installed
    |-- StoreError             the artifact store is damaged, unusable or from another release
    |   |-- NotSealed          an artifact was read before it was complete
    |   `-- WorkspaceBusy      another process is making the same artifact
    `-- StageFailed            a stage could not be finished
        `-- ChildFailed        a child process of the stage died

Messages say what was expected, what was found and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StormError(Exception):
    """Base class. `exit_code` is the exit code of a command that ends with the error."""

    exit_code = 1


class ConfigError(StormError):
    """A profile, an override or an option is wrong."""

    exit_code = 2


class DataError(StormError):
    """An input file or a row is wrong."""

    exit_code = 65


class UnreadableVideo(DataError):
    """A video can't be used.

    Attributes:
        reason: A short slug, e.g. `empty_file`.
        detail: One line for a person.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self):
        return type(self), (self.reason, self.detail)


class UnfitQuestion(DataError):
    """A question can't be put to a student.

    Attributes:
        reason: A short slug: `special_token` or `too_long`.
        detail: One line for a person.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason
        self.detail = detail

    def __reduce__(self):
        return type(self), (self.reason, self.detail)


class BackendMissing(StormError):
    """An optional package is not installed."""

    def __init__(self, package: str, why: str):
        super().__init__(f"{why} needs the package {package!r}: pip install {package}")


class StoreError(StormError):
    """The artifact store is damaged, unusable or from another release."""


class NotSealed(StoreError):
    """An artifact was read before it was complete."""


class WorkspaceBusy(StoreError):
    """Another process is making the same artifact."""

    exit_code = 75


class StageFailed(StormError):
    """A stage could not be finished.

    Attributes:
        cause: What went wrong; the same for shards that failed in the same way.
        log: The log of the child that failed, if one did.
    """

    def __init__(self, cause: str, log: Path | None = None):
        super().__init__(cause if log is None else f"{cause} (see {log})")
        self.cause = cause
        self.log = log


class ChildFailed(StageFailed):
    """A child process died.

    Attributes:
        reason: A slug, e.g. `signal_9`, `timeout`, `memory` or `exit_1`.
    """

    def __init__(self, reason: str, detail: str = "", log: Path | None = None):
        super().__init__(f"{reason}: {detail}" if detail else reason, log)
        self.reason = reason
