"""Latent answers in plain transformers. Exported with each checkpoint and `rotary.py`.

    model.generate(**inputs, custom_generate=folder, trust_remote_code=True, max_new_tokens=16)

It needs nothing of STORM. The start marker follows the prompt; then come exactly K steps, each fed
the last hidden state through the checkpoint's latent head; the end marker is forced; `generate`
itself does the rest, with any options it was given. K, the head and the markers' ids are in the
model's config under `storm`. Where the span holds tokens (`input` is `queries` or `pads`), there
are no steps: they are read with the prompt. The output is prompt, markers, K placeholders and
answer. Markers and placeholders are special tokens, so
`batch_decode(out[:, prompt:], skip_special_tokens=True)` is the answer's text.

With a video, a Qwen2.5-VL's plain `generate` (without custom_generate) differs in the prompt too:
it has text at positions that Qwen never trained, see `continue_after_vision`.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import DynamicCache
from transformers.utils import cached_file

from .rotary import continue_after_vision

_PROMPT_ONLY = ("mm_token_type_ids", "second_per_grid_ts", "position_ids", "video_metadata")
_VISION_INPUTS = ("pixel_values", "pixel_values_videos", "image_grid_thw", "video_grid_thw")


@torch.no_grad()
def generate(
    model: Any,
    input_ids: torch.Tensor | None = None,
    inputs: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    past_key_values: Any = None,
    **options: Any,
) -> Any:
    """Generate after K latent steps; prompts (B, S) are padded on the left.

    Raises ValueError for beams, several sequences a prompt or a prompt that is half read already.
    """
    section = getattr(model.config, "storm", None)
    if not section or not section.get("token_ids"):
        raise ValueError("expected a `storm` section with token_ids in the config, found none")
    input_ids = inputs if input_ids is None else input_ids
    if input_ids is None or past_key_values is not None:
        raise ValueError("expected whole prompts as input_ids and no past_key_values")
    for name in ("num_beams", "num_return_sequences"):
        if (options.get(name) or getattr(options.get("generation_config"), name, None) or 1) > 1:
            raise ValueError(f"expected {name} = 1 for latent answers, found more")
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    if not bool(attention_mask[:, -1].all()):
        raise ValueError("expected prompts padded on the left, found padding on the right")
    start, pad, end = section["token_ids"]
    steps, span = section["k"], []
    if section.get("input", "states") != "states":
        steps, span = 0, list(section["span_ids"])
    ids, mask = _append(input_ids, attention_mask, [start, *span])
    prompt = {name: options.pop(name, None) for name in (*_VISION_INPUTS, *_PROMPT_ONLY)}
    prompt = {name: value for name, value in prompt.items() if value is not None}
    cache = DynamicCache(config=model.config.get_text_config())
    hidden = _read_prompt(model, ids, mask, cache, prompt)
    head = _head(model, section["head"])
    for _ in range(steps):
        latent = head(hidden)
        ids, mask = _append(ids, mask, [pad])
        position = mask.sum(1, keepdim=True) - 1 + model.model.rope_deltas
        hidden = model.model(
            inputs_embeds=latent,
            attention_mask=mask,
            position_ids=position.expand(3, -1, -1),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
    ids, mask = _append(ids, mask, [end])
    # of the class: the instance's own may be this function
    return type(model).generate(
        model, input_ids=ids, attention_mask=mask, past_key_values=cache, **options
    )


def _append(
    ids: torch.Tensor, mask: torch.Tensor, more: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    new = ids.new_tensor(more).expand(len(ids), -1)
    return torch.cat([ids, new], 1), torch.cat([mask, torch.ones_like(new).to(mask.dtype)], 1)


def _read_prompt(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, cache: Any, inputs: dict[str, Any]
) -> torch.Tensor:
    """Read the prompt into `cache`; return the last hidden state (B, 1, d)."""
    trunk = model.model
    kinds = inputs.pop("mm_token_type_ids", None)
    inputs.pop("position_ids", None)
    inputs.pop("video_metadata", None)
    if "video_grid_thw" in inputs or "image_grid_thw" in inputs:
        if kinds is None:
            raise ValueError("expected mm_token_type_ids, as the processor gives, found none")
        kinds = torch.cat([kinds, kinds.new_zeros(len(ids), ids.shape[1] - kinds.shape[1])], 1)
        places = {k: v for k, v in inputs.items() if not k.startswith("pixel")}
        positions, _ = trunk.get_rope_index(
            ids, mm_token_type_ids=kinds, attention_mask=mask, **places
        )
        for row, kind in enumerate(kinds):
            positions[:, row] = continue_after_vision(positions[:, row], kind > 0)
        trunk.rope_deltas = positions[0, :, -1:] + 1 - mask.sum(1, keepdim=True)
    else:
        positions = (mask.long().cumsum(1) - 1).clamp(min=0).expand(3, -1, -1)
        trunk.rope_deltas = ids.new_zeros(len(ids), 1)
    inputs.pop("second_per_grid_ts", None)
    return trunk(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        **inputs,
    ).last_hidden_state[:, -1:]


def _head(model: Any, kind: str) -> nn.Module:
    """Return the checkpoint's latent head: identity, or latent_head.safetensors."""
    size = model.config.get_text_config().hidden_size
    if kind == "identity":
        return nn.Identity()
    head = nn.RMSNorm(size, eps=1e-6) if kind == "rms" else _ResidualMLP(size)
    path = cached_file(model.name_or_path, "latent_head.safetensors")
    head.load_state_dict(load_file(str(path)))
    return head.to(model.device, model.dtype)


class _ResidualMLP(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.norm = nn.RMSNorm(size, eps=1e-6)
        self.up = nn.Linear(size, 2 * size)
        self.down = nn.Linear(2 * size, size)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.down(nn.functional.gelu(self.up(self.norm(hidden))))
