"""Attention with the prefix's keys and values held by reference.

Registered with transformers under the name `storm` and selected only for the text model. What a
call remembers or attends to is an ordinary keyword, `storm_memory`, which the families pass down to
the attention; without it the call is transformers' own sdpa. Every object is written once, and a
step names what it attends to, so checkpointing recomputes exactly the forward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from storm.student.linear_state import RecurrentState

NAME = "storm"
KeyValue = tuple[torch.Tensor, torch.Tensor]  # (B, heads, tokens, head size) each


class PromptKV:
    """Each layer's keys and values of the prompt, in one contiguous copy.

    `bias` (B, 1, 1, P) is added to the scores against it: -inf at padding, None without any.
    `weights`, if given, is filled with what the last token attends to, (B, heads, P) a layer.
    """

    def __init__(
        self, bias: torch.Tensor | None = None, weights: dict[int, torch.Tensor] | None = None
    ):
        self.layers: dict[int, KeyValue] = {}
        self.states = RecurrentState()  # of linear-attention layers, in families that have them
        self.bias, self.weights = bias, weights

    def attend(self, module: Any, query: Any, key: Any, value: Any, mask: Any, kw: Any) -> Any:
        """Attend for one layer, and keep what later calls need."""
        key, value = key.contiguous(), value.contiguous()
        self.layers.setdefault(module.layer_idx, (key, value))
        if self.weights is not None:  # sdpa returns none: compute the last row again
            keys = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
            scores = (query[:, :, -1:] * kw["scaling"]) @ keys.transpose(2, 3)
            scores = scores if self.bias is None else scores + self.bias
            self.weights[module.layer_idx] = scores.softmax(3, dtype=torch.float32)[:, :, 0]
        return sdpa_attention_forward(module, query, key, value, mask, **kw)


class StepKV:
    """T new tokens after a prefix and the steps before this one.

    `weights`, if set, is filled with what the last of them attends to, (B, heads, keys) a layer.
    """

    weights: dict[int, torch.Tensor] | None = None

    def __init__(self, prefix: PromptKV, before: StepKV | None = None, bias: Any = None):
        self.prefix = prefix
        self.before: dict[int, KeyValue] = before.layers if before else {}
        self.layers: dict[int, KeyValue] = {}
        self.states = RecurrentState((before or prefix).states)
        self.bias = prefix.bias if bias is None else bias

    def attend(self, module: Any, query: Any, key: Any, value: Any, mask: Any, kw: Any) -> Any:
        """Attend for one layer, and keep what later calls need."""
        layer = module.layer_idx
        if layer in self.before:
            key = torch.cat([self.before[layer][0], key], 2)
            value = torch.cat([self.before[layer][1], value], 2)
        self.layers.setdefault(layer, (key, value))
        keys, values = self.prefix.layers[layer]
        rows, heads, tokens, size = query.shape
        shared = heads // keys.shape[1]  # query heads per key head
        query = (query * kw["scaling"]).reshape(rows, -1, shared * tokens, size)
        to_prefix = query @ keys.transpose(2, 3)
        if self.bias is not None:
            to_prefix = to_prefix + self.bias
        to_suffix = query @ key.transpose(2, 3)
        if tokens > 1:
            later = _later(tokens, key.shape[2], query.device).repeat(shared, 1)
            to_suffix = to_suffix.masked_fill(later, float("-inf"))
        scores = torch.cat([to_prefix, to_suffix], 3)
        weights = scores.softmax(3, dtype=torch.float32).to(query.dtype)
        if self.weights is not None:
            self.weights[layer] = weights.view(rows, heads, tokens, -1)[:, :, -1]
        width = keys.shape[2]
        out = weights[..., :width] @ values + weights[..., width:] @ value
        out = out.reshape(rows, heads, tokens, size).transpose(1, 2).contiguous()
        return out, None


def _later(tokens: int, keys: int, device: torch.device) -> torch.Tensor:
    """Return (tokens, keys), True where a key is later; the tokens are the last keys."""
    return torch.ones(tokens, keys, dtype=torch.bool, device=device).triu(keys - tokens + 1)


def _attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any
) -> Any:
    memory: PromptKV | StepKV | None = kwargs.pop("storm_memory", None)
    if memory is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    return memory.attend(module, query, key, value, attention_mask, kwargs)


def select(model: Any) -> None:
    """Let the text model of `model` use this attention; the vision encoder keeps its own."""
    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)  # else 2-D masks are silently dropped
    model.set_attn_implementation({"text_config": NAME})


def causal_mask(valid: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return (B, 1, S, S) to add to scores for left padding; padding attends only to itself."""
    rows, columns = valid.shape
    # all in place: a second tensor of this size, even of bools, would be the peak of a long batch
    mask = torch.full((rows, 1, columns, columns), float("-inf"), dtype=dtype, device=valid.device)
    mask.triu_(1).add_(key_bias(valid, dtype)).diagonal(dim1=2, dim2=3).zero_()
    return mask


def key_bias(valid: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return (B, 1, 1, S) to add to scores: -inf where `valid` (B, S) is False."""
    bias = torch.zeros(valid.shape, dtype=dtype, device=valid.device)
    return bias.masked_fill_(~valid, float("-inf"))[:, None, None, :]
