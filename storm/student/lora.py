"""LoRA: low-rank changes of the language model's linear layers, through peft.

The vision encoder and the model's own weights are frozen; the adapters, the latent tokens'
embeddings and the latent head learn. A student is saved with the adapters merged, so its folder
loads like any other.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field, PositiveInt

from storm.config import FrozenModel

if TYPE_CHECKING:
    from storm.student.student import Student

Linear = Literal[
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "in_proj_qkv",  # these five of linear attention
    "in_proj_z",
    "in_proj_b",
    "in_proj_a",
    "out_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
]
LINEAR: tuple[Linear, ...] = get_args(Linear)  # all of a layer of the language model


class Lora(FrozenModel):
    """A change of rank `r` to each target's weight, scaled by alpha / r."""

    r: PositiveInt = 64
    alpha: PositiveInt = 64
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[Linear, ...] = Field(LINEAR, min_length=1)


def attach(student: Student, lora: Lora) -> Any:
    """Add adapters to the student, drawn by torch's generator; at first they change nothing.

    Returns:
        peft's model; its `merge_and_unload()` merges the adapters into the weights.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=rf".*language_model\.layers\..*\.({'|'.join(lora.targets)})",
        # also in the LM head, where it shares the embeddings' weights
        trainable_token_indices={"embed_tokens": list(student.prompts.learned_ids)},
    )
    with warnings.catch_warnings():  # peft asks for an attribute that transformers renamed
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(student.model, config, autocast_adapter_dtype=False)
