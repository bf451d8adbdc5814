"""A small byte-level tokenizer trained on the spot, with Qwen's special tokens.

Pieces are chosen for short prompts: a timestamp, a word with its leading space, a single digit.
Any text can be written, as in the real one: what is not learned falls back to bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from storm.student.latent_head import LatentConfig

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
TURN = "<|im_start|>user\nassistant\nsystem\nYou are a helpful assistant.\n"
PIECES = r"<[0-9.]+ seconds>| ?[A-Za-z]+| ?[0-9]|\s+| ?[^\sA-Za-z0-9]+"
CHAT_TEMPLATE = (  # VIDEO: what stands for a video before the processor expands it
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% else %}{% for c in m.content %}"
    "{% if c.type == 'video' %}VIDEO"
    "{% elif c.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def train_tokenizer(texts: Iterable[str], size: int, latent: LatentConfig) -> Any:
    """Return a tokenizer of at most `size` tokens, the same for the same texts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [*SPECIAL, *latent.tokens]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TURN, *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token="<|im_end|>",
        additional_special_tokens=special[1:],
        model_max_length=32_768,
        clean_up_tokenization_spaces=False,
    )
