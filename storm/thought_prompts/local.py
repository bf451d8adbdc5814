"""Teacher that runs a vision-language model of transformers on this machine."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from storm.artifacts.hash_cache import cached_sha256_tree
from storm.config import FrozenModel
from storm.errors import BackendMissing
from storm.llm_client import NoReply, Reply
from storm.records import Rejected, ThoughtPrompt
from storm.student.files import require_folder
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.base import TeacherConfig, TeacherRequest, TeacherSetup
from storm.thought_prompts.dialogue import dialogue
from storm.thought_prompts.instruction import INSTRUCTION, Instruction, Turn


class PretrainedTeacher(FrozenModel):
    """A downloaded transformers folder. If it is missing that is an error, never a random model."""

    kind: Literal["pretrained"] = "pretrained"
    path: Path
    revision: str = ""  # of the download, for the record

    def identity(self) -> dict[str, Any]:
        """Return the kind and a digest of the files; the path does not count."""
        require_folder(self.path)
        return {"kind": self.kind, "contents": cached_sha256_tree(self.path)}


class TransformersTeacher:
    """Runs a vision-language model, a batch of questions at a time."""

    class Config(TeacherConfig):
        """Settings of the teacher."""

        kind: str = "transformers"
        model: Annotated[TinyConfig | PretrainedTeacher, Field(discriminator="kind")]
        dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
        max_new_tokens: int = Field(1024, ge=1)
        batch: int = Field(8, ge=1)  # requests at once; over 1 low bits depend on neighbours
        instruction: Instruction = INSTRUCTION
        saw_answer: bool = False  # tell the answer too; it leaks into the targets

        def build(self, setup: TeacherSetup) -> TransformersTeacher:
            """Return the teacher."""
            return TransformersTeacher(self, setup.device)

    def __init__(self, config: Config, device: str):
        self.config, self.device = config, device
        if isinstance(config.model, PretrainedTeacher):
            require_folder(config.model.path)
            self.model, self.processor = _load(config.model.path, config.dtype)
        else:
            with tempfile.TemporaryDirectory() as folder:
                config.model.build(Path(folder))
                self.model, self.processor = _load(Path(folder), config.dtype)
        self.model.to(device).eval()
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"
        ends = self.model.generation_config.eos_token_id or tokenizer.eos_token_id
        self.ends: list[int] = list(ends) if isinstance(ends, (list, tuple)) else [ends]
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.ends[0]

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield one outcome per request, a batch at a time."""
        waiting = iter(requests)
        while batch := list(islice(waiting, self.config.batch)):
            talks = [dialogue(r, self.config.kind, self.config.saw_answer) for r in batch]
            asked = [(talk, next(talk)) for talk in talks]
            while asked:
                replies = self.reply([turns for _, turns in asked])
                again = []
                for (talk, _), reply in zip(asked, replies, strict=True):
                    try:
                        again.append((talk, talk.send(reply)))
                    except StopIteration as end:
                        yield end.value
                asked = again

    def reply(self, conversations: list[list[Turn]]) -> list[Reply | NoReply]:
        """Return greedy replies in order; halve the batch when memory runs out."""
        import torch

        try:
            return list(self._generate(conversations))
        except torch.OutOfMemoryError as error:
            detail = str(error).splitlines()[0]
        if len(conversations) == 1:
            return [NoReply("out_of_memory", detail)]
        half = len(conversations) // 2
        return self.reply(conversations[:half]) + self.reply(conversations[half:])

    def _generate(self, conversations: list[list[Turn]]) -> Iterator[Reply]:
        import torch
        from transformers import GenerationConfig

        inputs = self.processor.apply_chat_template(
            [[_message(turn) for turn in turns] for turns in conversations],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            padding=True,
        ).to(self.device)
        greedy = GenerationConfig(
            max_new_tokens=self.config.max_new_tokens,
            do_sample=False,
            eos_token_id=self.ends,
            pad_token_id=self.pad,
        )
        with torch.inference_mode():
            made = self.model.generate(**inputs, generation_config=greedy)
        for tokens in made[:, inputs["input_ids"].shape[1] :].tolist():
            ended = any(token in self.ends for token in tokens)
            text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
            yield Reply(text, "stop" if ended else "length")


def _load(folder: Path, dtype: str) -> tuple[Any, Any]:
    try:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
    except ImportError as error:
        raise BackendMissing("transformers", "the local teacher") from error
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(
        folder, dtype=getattr(torch, dtype), local_files_only=True
    )
    return model, processor


def _message(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: str | bytes) -> dict[str, Any]:
    from PIL import Image

    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image", "image": Image.open(io.BytesIO(part)).convert("RGB")}
