"""An exported folder in plain transformers, where STORM can't be imported: the student's tokens."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from student_helpers import FAMILIES, QUESTIONS, K, clip, tiny

from storm.student import Example, Student
from storm.student.checkpoint import GENERATE_FILE

CASES = {
    **FAMILIES,
    "head_rms": tiny("qwen2_5_vl", head="rms"),
    "head_mlp": tiny("qwen3_vl", head="mlp"),
}
TEXTS = ("Where?", QUESTIONS[2][0])
FPS = 10.0  # so that the times of `clip` are whole frame numbers
NEW = 6

CHILD = """
import json, sys
sys.modules["storm"] = None  # an import of it fails from here on
import numpy as np, torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

torch.set_num_threads(1)
found = {}
for name, case in json.loads(sys.stdin.read()).items():
    folder, fps = case["folder"], case["fps"]
    model = AutoModelForImageTextToText.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"

    def prompt(text, videos):
        content = [{"type": "video"}] * videos + [{"type": "text", "text": text}]
        turn = [{"role": "user", "content": content}]
        return case["system"] + processor.apply_chat_template(turn, add_generation_prompt=True)

    def ask(**inputs):
        made = model.generate(
            **inputs, custom_generate=folder, trust_remote_code=True, max_new_tokens=case["new"],
            do_sample=False, pad_token_id=case["pad"], return_dict_in_generate=True,
            output_logits=True)
        width = inputs["input_ids"].shape[1]
        sure = made.logits[0].float().softmax(1).max(1).values.tolist()
        return {"span": made.sequences[:, width : width + case["k"] + 2].tolist(),
                "tokens": made.sequences[:, width + case["k"] + 2 :].tolist(), "sure": sure}

    videos = [torch.from_numpy(np.load(path)).permute(0, 3, 1, 2) for path in case["videos"]]
    counts = [[round(t * fps) for t in times] for times in case["times"]]
    seen = processor(
        text=[prompt(text, 1) for text in case["texts"]], videos=videos,
        video_metadata=[VideoMetadata(total_num_frames=c[-1] + 1, fps=fps, frames_indices=c)
                        for c in counts],
        do_sample_frames=False, cap_pixels_per_frame=True, padding=True, return_tensors="pt")
    if case["seconds"]:
        seen["second_per_grid_ts"] = case["seconds"]
    plain = processor(text=[prompt(text, 0) for text in case["texts"]], padding=True,
                      return_tensors="pt")
    found[name] = {"videos": ask(**seen), "text": ask(**plain)}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Any]]:
    """Folders of students and what plain transformers makes of them, all in one child."""
    root = tmp_path_factory.mktemp("exported")
    folders, cases = {}, {}
    clips = [clip(1), clip(2, frames=6, width=48)]
    for name, config in CASES.items():
        config.build(root / "built" / name)
        student = Student.from_pretrained(root / "built" / name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            for parameter in student.head.parameters():  # or an mlp is still the identity
                torch.nn.init.normal_(parameter, std=0.3)
        folders[name] = root / name
        student.save_pretrained(folders[name])
        paths = []
        for i, made in enumerate(clips):
            paths.append(str(root / f"{i}.npy"))
            np.save(paths[-1], made.frames)
        cases[name] = {
            "folder": str(folders[name]),
            "system": student.adapter.system,
            "texts": TEXTS,
            "videos": paths,
            "times": [c.pts_seconds for c in clips],
            "seconds": [2 * 0.3] * 2 if student.adapter.family == "qwen2_5_vl" else None,
            "fps": FPS,
            "k": K,
            "new": NEW,
            "pad": student.prompts.pad_id,
        }
    environment = {**os.environ, "HF_MODULES_CACHE": str(root / "modules")}
    environment.pop("PYTHONPATH", None)
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=root,
        env={**environment, "TRANSFORMERS_VERBOSITY": "error"},
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return folders, json.loads(child.stdout)


@pytest.mark.parametrize("shows", ["videos", "text"])
@pytest.mark.parametrize("name", CASES)
def test_plain_transformers_answers_with_the_students_tokens(
    answered: tuple[dict[str, Path], dict[str, Any]], name: str, shows: str
):
    folders, found = answered
    student = Student.from_pretrained(folders[name])
    clips = [clip(1), clip(2, frames=6, width=48)]
    examples = [
        Example((student.encode_video(c.frames, c.pts_seconds),) if shows == "videos" else (), text)
        for c, text in zip(clips, TEXTS, strict=True)
    ]
    batch = student.collate(examples)
    assert batch.left_padded
    start, pad, end = student.prompts.latent_ids
    made = found[name][shows]
    for i, answer in enumerate(student.generate(batch, "latent", max_new_tokens=NEW)):
        tokens = made["tokens"][i]
        stop = [n for n, token in enumerate(tokens) if token in student.prompts.stop_ids]
        assert tuple(tokens[: stop[0] if stop else None]) == answer.token_ids
        assert abs(made["sure"][i] - answer.confidence) < 5e-6
        assert made["span"][i] == [start, *[pad] * K, end]


def test_it_imports_nothing_of_this_project(answered: tuple[dict[str, Path], dict[str, Any]]):
    tree = ast.parse((answered[0]["qwen3_vl"] / GENERATE_FILE).read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    assert names <= {"__future__", "typing", "torch", "transformers", "safetensors"}


def test_wrong_use_is_refused(answered: tuple[dict[str, Path], dict[str, Any]]):
    from transformers import AutoModelForImageTextToText

    from storm.student.custom_generate import generate

    model: Any = AutoModelForImageTextToText.from_pretrained(answered[0]["qwen3_vl"])
    ids = torch.full((1, 4), 300)
    with pytest.raises(ValueError, match="num_beams = 1"):
        generate(model, ids, num_beams=2)
    with pytest.raises(ValueError, match="padded on the left"):
        generate(model, ids, attention_mask=torch.tensor([[1, 1, 1, 0]]))
    with pytest.raises(ValueError, match="whole prompts"):
        generate(model)
    with pytest.raises(ValueError, match="mm_token_type_ids"):
        generate(model, ids, video_grid_thw=torch.tensor([[1, 2, 2]]))
    del model.config.storm
    with pytest.raises(ValueError, match="`storm` section"):
        generate(model, ids)
