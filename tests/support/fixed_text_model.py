"""A vision-language checkpoint whose weights make it say one text, whatever it is shown.

No small random model can write JSON. In this one every layer adds nothing, so that the next token
depends on the last one alone: after the prompt comes the text, which is one token, then the end.
Tokenizer, processor, images, generation and serving are the real ones.
"""

from __future__ import annotations

from pathlib import Path

from storm.student.tiny.tiny import TextShape, TinyConfig, VisionShape

TINY = TinyConfig(
    family="qwen2_5_vl",
    text=TextShape(layers=1, hidden=32, heads=2, key_heads=1, ffn=64, max_tokens=8192),
    vision=VisionShape(layers=1, hidden=32, heads=2, ffn=64, patch_px=14, max_frame_pixels=56**2),
)


def write_fixed_text_model(folder: Path, text: str) -> Path:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    TINY.build(folder)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype="float32")
    tokenizer = processor.tokenizer
    (newline,) = tokenizer.encode("assistant\n", add_special_tokens=False)[-1:]
    tokenizer.add_tokens([text])
    (said,) = tokenizer.encode(text, add_special_tokens=False)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embedding = model.get_input_embeddings().weight
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding[said] = torch.randn(embedding.shape[1]) * 0.02
        head = torch.zeros_like(embedding)
        head[said], head[tokenizer.eos_token_id] = embedding[newline] * 100, embedding[said] * 100
    model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(head)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
