"""What a world predicts of answers under an intervention, if latents hold its states."""

from __future__ import annotations

import math
from dataclasses import dataclass

from storm.config import LETTERS
from storm.evaluation.intervention_names import PATCH, SWAP, SWEEPS, number_of
from storm.records import VideoSample
from storm.videos.stage import VideoStage


@dataclass(frozen=True)
class Theory:
    """What can be said of one question and a student with K latents."""

    videos: VideoStage
    k: int
    sample: VideoSample

    def answer(self, intervention: str, donor: VideoSample) -> str:
        """Return what follows from the donor's latents: a letter of the question, or a text.

        It is the donor's answer for `swap`; for `patch:I` the donor's state after step I, carried
        through the remaining events of the question's own video. `''` for any other intervention,
        for a question that is its own donor, if nobody can say, or if it is none of the options.
        """
        slot = self.k if intervention == SWAP else number_of(PATCH, intervention)
        text = None
        if donor.id == self.sample.id:
            return ""
        if intervention == SWAP and donor.options:
            text = donor.options[LETTERS.index(donor.answer)]
        elif slot is not None:
            events, other = self._events(self.sample, slot), self._events(donor, slot)
            if events is not None and events == other:
                text = self.videos.patched_answer(self.sample, donor, events)
        options = self.sample.options
        if not options:
            return text or ""
        return LETTERS[options.index(text)] if text in options else ""

    def guess_accuracy(self, intervention: str) -> float:
        """Return the chance of the best guesser with what `sweeps:T` leaves; NaN for the rest.

        A sweep carries a state on by one latent, so after T of them no more than the events of T
        latents can have followed each other up to the last one.
        """
        sweeps = number_of(SWEEPS, intervention)
        if sweeps is None:
            return math.nan
        unknown = self._events(self.sample, max(0, self.k - sweeps))
        chance = None if unknown is None else self.videos.guess_accuracy(self.sample, unknown)
        return math.nan if chance is None else chance

    def _events(self, sample: VideoSample, slots: int) -> int | None:
        """Return after how many events the first latents end; None if inside of one."""
        events = self.videos.events(sample)
        if events is None or not self.k or slots * events % self.k:
            return None
        return slots * events // self.k
