"""Random pipelines of a few hundred thousand weights, built on the spot, without a network.

They are saved and loaded as any checkpoint. They draw noise: they exist to try the path, under a
`kind` that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'\"()-/"
_TEXT: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4}


def save_tiny_ltx(folder: Path, seed: int) -> None:
    """Write a diffusers checkpoint of an LTXConditionPipeline with weights drawn from `seed`."""
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXConditionPipeline,
        LTXVideoTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    tokenizer = _tokenizer()
    with _drawn_from(seed):
        text_encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), **_TEXT))
        vae = AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            patch_size=4,
            encoder_causal=True,
            decoder_causal=False,
        )
        transformer = LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        )
    LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        transformer=transformer,
    ).save_pretrained(folder)


def save_tiny_wan(folder: Path, seed: int, *, last_frame: bool, two: bool = False) -> None:
    """Write a checkpoint of a WanImageToVideoPipeline.

    Wan 2.1 with an image encoder, of first and last frame (FLF2V) or of the first one (I2V);
    or, for `two`, Wan 2.2 A14B: two transformers and no image encoder.
    """
    from diffusers import WanImageToVideoPipeline, WanTransformer3DModel
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    patches = (32 // 8) ** 2 + 1
    image: dict[str, Any] = {} if two else {"image_dim": 16, "added_kv_proj_dim": 24}
    if last_frame and not two:
        image["pos_embed_seq_len"] = 2 * patches
    with _drawn_from(seed):
        parts = _wan_parts()
        # what is drawn, what is given, and the mask of what is given
        channels = 2 * parts["vae"].config.z_dim + 4
        transformers = [
            WanTransformer3DModel(**_WAN, in_channels=channels, **image) for _ in range(1 + two)
        ]
        if not two:
            parts["image_encoder"] = CLIPVisionModel(
                CLIPVisionConfig(
                    hidden_size=16,
                    intermediate_size=16,
                    num_hidden_layers=2,
                    num_attention_heads=2,
                    image_size=32,
                    patch_size=8,
                )
            )
            size = {"height": 32, "width": 32}
            parts["image_processor"] = CLIPImageProcessor(size=size, crop_size=size)
    if two:
        parts |= {"transformer_2": transformers[1], "boundary_ratio": 0.9}
    WanImageToVideoPipeline(**parts, transformer=transformers[0]).save_pretrained(folder)


def save_tiny_vace(folder: Path, seed: int) -> None:
    """Write a checkpoint of a WanVACEPipeline."""
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    with _drawn_from(seed):
        parts = _wan_parts()
        latent = parts["vae"].config.z_dim
        transformer = WanVACETransformer3DModel(
            **_WAN,
            in_channels=latent,
            vace_layers=[0, 1],
            vace_in_channels=2 * latent + 8 * 8,  # what is kept, what is drawn, and the mask
        )
    WanVACEPipeline(**parts, transformer=transformer).save_pretrained(folder)


def save_tiny_cogvideox(folder: Path, seed: int) -> None:
    """Write a checkpoint of a CogVideoXImageToVideoPipeline."""
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXImageToVideoPipeline,
        CogVideoXTransformer3DModel,
    )
    from transformers import T5Config, T5EncoderModel

    tokenizer = _tokenizer()
    with _drawn_from(seed):
        text_encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), **_TEXT))
        vae = AutoencoderKLCogVideoX(
            block_out_channels=(8, 8, 8, 8),  # pyright: ignore[reportArgumentType]
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
        )
        transformer = CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=8,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_height=8,
            sample_width=8,
            sample_frames=9,
            max_text_seq_length=64,
            use_rotary_positional_embeddings=True,
        )
    CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder,
        vae=vae,
        transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    ).save_pretrained(folder)


_WAN: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "out_channels": 16,
    "text_dim": 32,
    "freq_dim": 64,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 32,
}


def _wan_parts() -> dict[str, Any]:
    """Return the parts that every Wan pipeline has."""
    from diffusers import AutoencoderKLWan, UniPCMultistepScheduler
    from transformers import UMT5Config, UMT5EncoderModel

    tokenizer = _tokenizer()
    return {
        "tokenizer": tokenizer,
        "text_encoder": UMT5EncoderModel(UMT5Config(vocab_size=len(tokenizer), **_TEXT)),
        "vae": AutoencoderKLWan(base_dim=3, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Weights come from `seed`, and the caller's random stream stays where it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _tokenizer() -> Any:
    """Return a Unigram tokenizer of single characters, with T5's special tokens."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import Metaspace as MetaspaceDecoder
    from tokenizers.models import Unigram
    from tokenizers.pre_tokenizers import Metaspace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    tokenizer = Tokenizer(Unigram(pieces + [(c, -4.0) for c in _CHARACTERS], unk_id=2))
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.decoder = MetaspaceDecoder()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=128,
    )
