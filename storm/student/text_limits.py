"""Whether a student's tokenizer takes a question, known before its weights are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storm.errors import UnfitQuestion
from storm.records import VideoSample
from storm.student.example import prompt_of
from storm.student.prompts import refuse_special_tokens, special_tokens


class TextLimits:
    """A checkpoint's tokenizer and the length of its context."""

    def __init__(self, folder: Path):
        from transformers import AutoConfig, AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
        self.max_length: int = config.text_config.max_position_embeddings
        self.special = special_tokens(self.tokenizer)

    def check(self, sample: VideoSample) -> None:
        """Raise UnfitQuestion if the text alone, without its video, can't be put to the student."""
        text = f"{prompt_of(sample.question, sample.options)}\n{sample.answer}"
        refuse_special_tokens(text, self.special, "question")
        if 4 * len(text) < self.max_length:  # a character is at most four tokens of bytes
            return
        tokens = len(self.tokenizer.encode(text, add_special_tokens=False))
        if tokens >= self.max_length:
            raise UnfitQuestion(
                "too_long",
                f"expected a question of fewer than {self.max_length} tokens, found {tokens}",
            )
