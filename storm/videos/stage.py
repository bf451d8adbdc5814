"""The stage `videos`: where the questions and their videos come from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from storm.artifacts.fs import digest
from storm.artifacts.hash_cache import cached_sha256
from storm.artifacts.stage import Context, Stage, runtime_field
from storm.artifacts.store import Store
from storm.errors import UnreadableVideo
from storm.records import Rejected, VideoSample
from storm.videos.questions.sources import QuestionSet, QuestionSource


@dataclass(frozen=True, kw_only=True)
class VideoStage(Stage[VideoSample]):
    """Any source of questions on videos."""

    name: ClassVar[str] = "videos"
    row: ClassVar[type] = VideoSample

    @abstractmethod
    def locate(self, store: Store, sample: VideoSample) -> Path:
        """Return a sample's video file; raise UnreadableVideo if it is gone or replaced."""

    # -- what a world knows of its games; only scores are made of it

    def kind_of(self, sample: VideoSample) -> str:
        """Return the kind of a question, which is scored by itself too; '' if all are alike."""
        return ""

    def donors_of(self, sample: VideoSample) -> str:
        """Return the group of questions that may give each other their latents; '' for all."""
        return ""

    def in_own_words(self, sample: VideoSample, response: str) -> str:
        """Return an open answer as the videos' source would say the same, or as it is."""
        return response

    def events(self, sample: VideoSample) -> int | None:
        """Return how many events a sample's video has, one after another; None if unknown.

        K latents divide them: of 8 events and K = 4, the latent z_i is what i * 2 events lead to.
        """
        return None

    def patched_answer(self, sample: VideoSample, donor: VideoSample, events: int) -> str | None:
        """Return what follows if a donor's state takes the place of a sample's own.

        Args:
            sample: The question.
            donor: A question whose video is in some state after its first `events` events.
            events: How many events of the sample's own video are left out, from 0 to all of them.

        Returns:
            The text of the answer after the donor's state is carried through the sample's remaining
            events: an option if there are options, else a text as the source says it. None if it
            can't be said.
        """
        return None

    def guess_accuracy(self, sample: VideoSample, unknown: int) -> float | None:
        """Return the chance of the best guesser who knows all but the first `unknown` events.

        The guesser knows how the video begins and how likely events are. None if it can't be said.
        """
        return None


@dataclass(frozen=True, kw_only=True)
class QuestionVideos(VideoStage):
    """Questions of the user's; every video is decoded once before it is let in."""

    version: ClassVar[int] = 2  # ambiguous answers are refused
    source: QuestionSource = runtime_field(
        None
    )  # its rows enter by `external_inputs` and the item keys

    def _read(self) -> QuestionSet:
        """Return the questions, read from the source by the first call."""
        return self._question_set

    @cached_property
    def _question_set(self) -> QuestionSet:
        return self.source.samples()

    def external_inputs(self) -> dict[str, str]:
        """Return the digest of all questions, accepted and rejected."""
        questions = self._read()
        samples, rejected = questions.samples, questions.rejected
        return {"questions": digest([[s.__dict__ for s in samples], [r.id for r in rejected]])}

    def rejected(self) -> Iterable[Rejected]:
        """Return entries that are no questions on a video."""
        return self._read().rejected

    def extra_manifest(self, store: Store) -> dict[str, int]:
        """Return how many questions on images were left out."""
        return {"image_questions_left_out": self._read().images}

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return a question's id and its own digest."""
        return [(s.id, (digest(s.__dict__),)) for s in self._read().samples]

    def colocate(self, store: Store) -> dict[str, str]:
        """Keep a video's questions in one shard, which decodes it once."""
        return {s.id: s.video_id for s in self._read().samples}

    def make(self, ids: Sequence[str], context: Context) -> Iterator[VideoSample | Rejected]:
        """Yield each question whose video can be decoded from start to end."""
        wanted = {s.id: s for s in self._read().samples}
        problems: dict[str, UnreadableVideo | None] = {}
        for item_id in context.each(ids):
            sample = wanted[item_id]
            path = self._read().root / sample.video_path
            if sample.video_id not in problems:
                problems[sample.video_id] = self._problem(context.store, path, sample)
            problem = problems[sample.video_id]
            if problem is None:
                yield sample
            else:
                yield Rejected(id=item_id, reason=problem.reason, detail=problem.detail)

    def _problem(self, store: Store, path: Path, sample: VideoSample) -> UnreadableVideo | None:
        from storm.videos.decoding.decode import verify_decodable

        try:
            verify_decodable(path)
            self.locate(store, sample)
        except UnreadableVideo as e:
            return e
        return None

    def locate(self, store: Store, sample: VideoSample) -> Path:
        """Return a sample's video file; raise UnreadableVideo if it is gone or replaced."""
        path = self._read().root / sample.video_path
        try:
            found = cached_sha256(path)
        except (FileNotFoundError, NotADirectoryError, PermissionError) as e:
            detail = f"expected the file that was let in, found {e.strerror}: {path}"
            raise UnreadableVideo("missing", detail) from None
        if found != sample.video_sha256:
            raise UnreadableVideo("changed", f"{path.name} was replaced after it was let in")
        return path


def videos_of(stage: VideoStage, store: Store, *splits: str) -> dict[str, VideoSample]:
    """One sample for each distinct video of some splits, by video id, in order of id."""
    found: dict[str, VideoSample] = {}
    for sample in stage.rows(store):
        if sample.split in splits:
            found.setdefault(sample.video_id, sample)
    return dict(sorted(found.items()))
