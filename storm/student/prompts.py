"""Text to token ids and rotary positions, each made once for the same text and grids."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from storm.errors import DataError, UnfitQuestion
from storm.student.adapters import Adapter
from storm.student.example import Example, VideoTokens
from storm.student.latent_head import LatentConfig

T = TypeVar("T")
TURN_END = "<|im_end|>"
REMEMBERED = 1 << 21  # tokens, of each kind: a layout's take 33 bytes each, 70 MB


@dataclass(frozen=True)
class Layout:
    """An unpadded prompt of n tokens, up to where the assistant speaks."""

    ids: np.ndarray  # (n,) int64
    positions: np.ndarray  # (3, n) int64
    video_mask: np.ndarray  # (n,) bool
    next_position: int  # rotary position of the token after it


def special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return the tokens that no text may hold; some added ones are text: Qwen3's <think>."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(token.content for token in added if token.special)


def refuse_special_tokens(text: str, special: Sequence[str], what: str) -> None:
    """Raise UnfitQuestion if a text holds a special token."""
    found = [token for token in special if token in text]
    if found:
        raise UnfitQuestion(
            "special_token", f"expected no special tokens in the {what}, found {found}"
        )


class _Memo:
    """What was made last, up to REMEMBERED tokens; `count` says how many a value has."""

    def __init__(self, count: Callable[[Any], int] = len):
        self.count, self.tokens = count, 0
        self.kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key in self.kept:
            return self.kept[key]
        made = self.kept[key] = make()
        self.tokens += self.count(made)
        while self.tokens > REMEMBERED:
            _, oldest = self.kept.popitem(last=False)
            self.tokens -= self.count(oldest)
        return made


class Prompts:
    """Chat prompts as token ids, with room for videos and latents."""

    def __init__(self, tokenizer: Any, adapter: Adapter, latent: LatentConfig):
        self.tokenizer, self.adapter = tokenizer, adapter
        self.k = latent.k
        ids = latent.ids(tokenizer)
        self.latent_ids = ids[latent.start], ids[latent.pad], ids[latent.end]
        self.span_ids = tuple(ids[token] for token in latent.span)
        self.learned_ids = tuple(ids.values())  # of all tokens that the tokenizer did not bring
        self.turn_end_id: int = tokenizer.convert_tokens_to_ids(TURN_END)
        self.pad_id: int = tokenizer.pad_token_id
        self.stop_ids = frozenset({self.turn_end_id, self.pad_id})
        self._special = special_tokens(tokenizer)
        self._layouts = _Memo(lambda layout: len(layout.ids))
        self._positions = _Memo(lambda positions: positions.shape[1])
        self._answers = _Memo()

    def layout(self, example: Example) -> Layout:
        """Return an example's prompt as ids and rotary positions; recent ones are cached."""
        shown = tuple((v.grid_thw, v.pts_seconds) for v in example.videos)
        key = (example.prompt, example.system, shown)
        return self._layouts.get(key, lambda: self._make_layout(example))

    def answer_ids(self, answer: str) -> tuple[int, ...]:
        """Return the answer's tokens and the end of the turn."""
        return self._answers.get(answer, lambda: (*self._encode(answer), self.turn_end_id))

    def text(self, example: Example) -> str:
        """Return the prompt as text, up to the assistant's turn."""
        videos = "".join(
            self.adapter.placeholder(v.grid_thw, v.pts_seconds) for v in example.videos
        )
        system = self.adapter.system
        if example.system is not None:
            system = example.system and f"<|im_start|>system\n{example.system}<|im_end|>\n"
        return (
            f"{system}<|im_start|>user\n{videos}{example.prompt}<|im_end|>\n<|im_start|>assistant\n"
        )

    def check_length(self, tokens: int, of_videos: int) -> None:
        """Of the longest row; raises UnfitQuestion if it is longer than the model's positions."""
        if tokens > self.adapter.max_length:
            raise UnfitQuestion(
                "too_long",
                f"expected at most {self.adapter.max_length} tokens a row, found {tokens}, "
                f"{of_videos} of them of videos: show fewer or smaller frames",
            )

    def check_videos(self, videos: Sequence[VideoTokens]) -> None:
        """Raise DataError if videos don't fit this student."""
        layers, width = self.adapter.deepstack_layers, self.adapter.hidden_size
        for video in videos:
            expected = int(np.prod(video.grid_thw)) // self.adapter.merged
            if tuple(video.tokens.shape) != (expected, width):
                raise DataError(
                    f"expected ({expected}, {width}) features for a grid {video.grid_thw}, found "
                    f"{tuple(video.tokens.shape)}: make them with this student"
                )
            if len(video.deepstack) != layers:
                raise DataError(
                    f"expected {layers} deepstack layers with a video's features, found "
                    f"{len(video.deepstack)}: keep VideoTokens.packed(), read with VideoTokens.of"
                )

    def check(self, example: Example, new_tokens: int = 0) -> None:
        """Raise UnfitQuestion unless an example fits the student, with latents and an answer.

        Args:
            example: A row of its own.
            new_tokens: Tokens that are left for an answer, if the example has none.
        """
        self._check_plain(example.prompt, "prompt")
        answer = len(self.answer_ids(example.answer)) if example.answer is not None else new_tokens
        answer += self.k + 2
        patches = sum(v.grid_thw[0] for v in example.videos)
        of_videos = sum(len(v.tokens) for v in example.videos)
        # a layout takes a hundred times as long; a character is at most four tokens of bytes
        most = 4 * len(example.prompt) + 100 + of_videos + 20 * patches + answer
        if most > self.adapter.max_length:
            self.check_length(len(self.layout(example).ids) + answer, of_videos)

    def _encode(self, answer: str) -> list[int]:
        self._check_plain(answer, "answer")
        return self.tokenizer.encode(answer, add_special_tokens=False)

    def _check_plain(self, text: str, what: str) -> None:
        refuse_special_tokens(text, self._special, what)

    def _make_layout(self, example: Example) -> Layout:
        self._check_plain(example.prompt, "prompt")
        self._check_plain(example.system or "", "system prompt")
        text = self.text(example)
        ids = np.array(self.tokenizer.encode(text, add_special_tokens=False), np.int64)
        mask = ids == self.adapter.video_pad_id
        shown = tuple((v.grid_thw, v.pts_seconds) for v in example.videos)
        positions = self._positions.get(
            (mask.tobytes(), shown), lambda: self.adapter.positions(ids, example.videos)
        )
        return Layout(ids, positions, mask, int(positions.max()) + 1)
