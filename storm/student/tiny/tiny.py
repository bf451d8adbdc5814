"""A small random student, built offline: the real architecture, an own tokenizer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.student.latent_head import LatentConfig


class TextShape(FrozenModel):
    """Sizes of the text model."""

    layers: PositiveInt = 4
    hidden: PositiveInt = 128
    heads: PositiveInt = 4
    key_heads: PositiveInt = 4
    ffn: PositiveInt = 256
    max_tokens: PositiveInt = 4096
    rope_theta: PositiveFloat = 10_000.0
    initializer_range: PositiveFloat = 0.02


class VisionShape(FrozenModel):
    """Sizes of the vision encoder."""

    layers: PositiveInt = 2
    hidden: PositiveInt = 96
    heads: PositiveInt = 4
    ffn: PositiveInt = 192
    patch_px: PositiveInt = 16
    merge: PositiveInt = 2
    temporal_patch: PositiveInt = 2
    deepstack_layers: tuple[NonNegativeInt, ...] = ()  # qwen3_vl only
    max_frame_pixels: PositiveInt = 256 * 256  # larger frames are scaled down; none is scaled up


class TinyConfig(FrozenModel):
    """Weights are drawn from `seed`; nothing is downloaded."""

    kind: Literal["tiny_random"] = "tiny_random"
    family: Literal["qwen3_vl", "qwen2_5_vl", "qwen3_5"] = "qwen3_vl"
    text: TextShape = TextShape()
    vision: VisionShape = VisionShape()
    latent: LatentConfig = LatentConfig()
    corpus: tuple[str, ...] = ()  # texts like those of training: prompts and answers
    vocabulary: PositiveInt = 512  # at most; 256 of it are bytes
    longest_video_seconds: PositiveFloat = 6.0  # timestamps up to here are one token
    seed: int = 0

    @property
    def has_text_timestamps(self) -> bool:
        """Whether the prompt has a timestamp before each temporal patch, as Qwen3-VL's."""
        return self.family != "qwen2_5_vl"

    def build(self, folder: Path) -> None:
        """Write the student into `folder`, as `Student.save_pretrained` does."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            _student(self).save_pretrained(folder)


def _student(config: TinyConfig) -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from storm.student.student import Student
    from storm.student.tiny.tokenizer import train_tokenizer

    stamps = [f"<{i / 10:.1f} seconds>" for i in range(int(10 * config.longest_video_seconds) + 1)]
    stamped = stamps if config.has_text_timestamps else []
    # each text often enough that its words become tokens before rare byte pairs do
    texts = [*config.corpus, *stamped * 8]
    tokenizer = train_tokenizer(texts, config.vocabulary, config.latent)
    return Student(_model(config, tokenizer), _processor(config, tokenizer), config.latent)


def _processor(config: TinyConfig, tokenizer: Any) -> Any:
    from transformers import Qwen2VLImageProcessor
    from transformers.models.qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl import Qwen2VLVideoProcessor
    from transformers.models.qwen3_vl import Qwen3VLProcessor, Qwen3VLVideoProcessor

    from storm.student.tiny.tokenizer import CHAT_TEMPLATE

    vision = config.vision
    shape: dict[str, Any] = {
        "patch_size": vision.patch_px,
        "merge_size": vision.merge,
        "temporal_patch_size": vision.temporal_patch,
    }
    if config.has_text_timestamps:  # its bounds count the pixels of all frames together
        video = Qwen3VLVideoProcessor(
            size={"shortest_edge": 1, "longest_edge": vision.max_frame_pixels * 768},
            max_video_tokens=_tokens_a_frame(vision),
            cap_pixels_per_frame=True,
            **shape,
        )
        kind: Any = Qwen3VLProcessor
    else:
        video = Qwen2VLVideoProcessor(
            size={"shortest_edge": 1, "longest_edge": vision.max_frame_pixels},
            cap_pixels_per_frame=True,
            **shape,
        )
        kind = Qwen2_5_VLProcessor
    image = Qwen2VLImageProcessor(
        size={"shortest_edge": 1, "longest_edge": vision.max_frame_pixels}, **shape
    )
    pad = "<|video_pad|>"  # qwen3_vl's processor writes the marks around each temporal patch
    shown = pad if config.has_text_timestamps else f"<|vision_start|>{pad}<|vision_end|>"
    return kind(
        image_processor=image,
        tokenizer=tokenizer,
        video_processor=video,
        chat_template=CHAT_TEMPLATE.replace("VIDEO", shown),
    )


def _tokens_a_frame(vision: VisionShape) -> int:
    return max(1, vision.max_frame_pixels // (vision.patch_px * vision.merge) ** 2)


def _model(config: TinyConfig, tokenizer: Any) -> Any:
    text, vision = config.text, config.vision
    if text.hidden % text.heads or (text.hidden // text.heads) % 2:
        raise ConfigError(f"expected heads of even size, found {text.hidden = }, {text.heads = }")
    rotary = text.hidden // text.heads // 2  # frequencies, shared by time, height and width
    spatial = 3 * rotary // 8
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": text.rope_theta,
        "mrope_section": [rotary - 2 * spatial, spatial, spatial],
    }
    text_config: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": text.hidden,
        "intermediate_size": text.ffn,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.key_heads,
        "max_position_embeddings": text.max_tokens,
        "initializer_range": text.initializer_range,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,  # a padding row would be zero and learn nothing
        "rope_parameters": rope,
    }
    vision_config: dict[str, Any] = {
        "depth": vision.layers,
        "hidden_size": vision.hidden,
        "intermediate_size": vision.ffn,
        "num_heads": vision.heads,
        "patch_size": vision.patch_px,
        "spatial_merge_size": vision.merge,
        "temporal_patch_size": vision.temporal_patch,
        "out_hidden_size": text.hidden,
    }
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"),
            ("video", "video_pad"),
            ("vision_start", "vision_start"),
            ("vision_end", "vision_end"),
        )
    }
    common: dict[str, Any] = {
        "text_config": text_config,
        "vision_config": vision_config,
        "tie_word_embeddings": True,
        **ids,
    }
    if vision.deepstack_layers and config.family != "qwen3_vl":
        raise ConfigError(f"expected no deepstack_layers for {config.family}, found some")
    return _MODELS[config.family](config, common).eval()


def _qwen3_vl(config: TinyConfig, common: dict[str, Any]) -> Any:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    text = common["text_config"]
    text["head_dim"] = config.text.hidden // config.text.heads
    text["rope_parameters"]["mrope_interleaved"] = True
    common["vision_config"]["deepstack_visual_indexes"] = list(config.vision.deepstack_layers)
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(**common))


def _qwen2_5_vl(config: TinyConfig, common: dict[str, Any]) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    vision = config.vision
    common["vision_config"] |= {
        "fullatt_block_indexes": [vision.layers - 1],
        "window_size": vision.patch_px * vision.merge * 4,
        "tokens_per_second": 2,
    }
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**common))


def _qwen3_5(config: TinyConfig, common: dict[str, Any]) -> Any:
    """Every fourth layer and the last attend; the others are linear, heads as the text's."""
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    text, size = config.text, config.text.hidden // config.text.heads
    attends = [i % 4 == 3 or i == text.layers - 1 for i in range(text.layers)]
    rope = common["text_config"]["rope_parameters"]
    common["text_config"] |= {
        "head_dim": size,
        "rope_parameters": rope | {"mrope_interleaved": True, "partial_rotary_factor": 1.0},
        "layer_types": ["full_attention" if a else "linear_attention" for a in attends],
        "linear_num_key_heads": text.key_heads,
        "linear_num_value_heads": text.heads,
        "linear_key_head_dim": size,
        "linear_value_head_dim": size,
    }
    return Qwen3_5ForConditionalGeneration(Qwen3_5Config(**common))


_MODELS = {"qwen3_vl": _qwen3_vl, "qwen2_5_vl": _qwen2_5_vl, "qwen3_5": _qwen3_5}
