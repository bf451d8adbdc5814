"""An exported folder in plain transformers, where STORM can't be imported: the student's tokens."""

from __future__ import annotations

import ast
import dataclasses
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

from storm.student import Example, Student, VideoTokens
from storm.student.files import GENERATE_FILE, ROTARY_FILE

pytestmark = pytest.mark.integration

CASES = {
    **FAMILIES,
    "head_rms": tiny("qwen2_5_vl", head="rms"),
    "head_mlp": tiny("qwen3_vl", head="mlp"),
}
TEXTS = ("Where?", QUESTIONS[2][0])
FPS = 10.0  # so that the clips' times are whole frame numbers
CLIPS = (  # the second lasts longer, in positions, than it is wide
    clip(1),
    dataclasses.replace(
        clip(2, frames=6, width=48), pts_seconds=tuple(0.1 + 1.5 * i for i in range(6))
    ),
)
NEW = 6
SAMPLED = {  # as a hub's checkpoint says
    "do_sample": True,
    "repetition_penalty": 1.05,
    "temperature": 0.7,
    "top_k": 20,
    "top_p": 0.8,
}

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
            return_dict_in_generate=True, output_logits=True)
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
    for name, config in CASES.items():
        config.build(root / "built" / name)
        (root / "built" / name / "generation_config.json").write_text(json.dumps(SAMPLED))
        student = Student.from_pretrained(root / "built" / name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            for parameter in student.head.parameters():  # or an mlp is still the identity
                torch.nn.init.normal_(parameter, std=0.3)
        folders[name] = root / name
        student.save_pretrained(folders[name])
        paths = []
        for i, made in enumerate(CLIPS):
            paths.append(str(root / f"{i}.npy"))
            np.save(paths[-1], made.frames)
        cases[name] = {
            "folder": str(folders[name]),
            "system": student.adapter.system,
            "texts": TEXTS,
            "videos": paths,
            "times": [c.pts_seconds for c in CLIPS],
            "seconds": [2 * 0.3, 2 * 1.5] if student.adapter.family == "qwen2_5_vl" else None,
            "fps": FPS,
            "k": K,
            "new": NEW,
        }
    environment = {**os.environ, "HF_MODULES_CACHE": str(root / "modules")}
    environment.pop("PYTHONPATH", None)
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        cwd=root,
        env=environment,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    assert "generation" not in child.stderr, child.stderr
    return folders, json.loads(child.stdout)


@pytest.mark.parametrize("shows", ["videos", "text"])
@pytest.mark.parametrize("name", CASES)
def test_plain_transformers_answers_with_the_students_tokens(
    answered: tuple[dict[str, Path], dict[str, Any]], name: str, shows: str
):
    folders, found = answered
    student = Student.from_pretrained(folders[name])
    examples = [
        Example((student.encode_video(c.frames, c.pts_seconds),) if shows == "videos" else (), text)
        for c, text in zip(CLIPS, TEXTS, strict=True)
    ]
    batch = student.collate(examples)
    assert batch.left_padded
    start, pad, end = student.prompts.latent_ids
    made = found[name][shows]
    for i, answer in enumerate(student.generate(batch, max_new_tokens=NEW)):
        tokens = made["tokens"][i]
        stop = [n for n, token in enumerate(tokens) if token in student.prompts.stop_ids]
        assert tuple(tokens[: stop[0] if stop else None]) == answer.token_ids
        assert abs(made["sure"][i] - answer.confidence) < 5e-6
        assert made["span"][i] == [start, *[pad] * K, end]


def test_text_after_a_video_comes_after_its_time(
    answered: tuple[dict[str, Path], dict[str, Any]],
):
    """Qwen2.5-VL's own get_rope_index by hand: two videos, text between them; a padded row."""
    from transformers import AutoModelForImageTextToText

    from storm.student.custom_generate import generate

    student = Student.from_pretrained(answered[0]["qwen2_5_vl"])
    nothing, pad = torch.zeros(0, 32), student.adapter.video_pad_id
    long = VideoTokens(nothing, (2, 2, 4), (0.0, 3.0, 6.0, 9.0))  # 6 s a patch, 12 positions
    short = VideoTokens(nothing, (2, 2, 2), (0.0, 0.5, 1.0, 1.5))
    ids = torch.tensor([[300, *[pad] * 4, 300, 300, *[pad] * 2, 300], [0] * 6 + [300, pad, pad, 1]])
    expected = torch.tensor(
        [
            [
                [0, 1, 1, 13, 13, 14, 15, 16, 18, 19],
                [0, 1, 1, 1, 1, 14, 15, 16, 16, 19],
                [0, 1, 2, 1, 2, 14, 15, 16, 16, 19],
            ],
            [[*[0] * 6, 0, 1, 3, 4], [*[0] * 6, 0, 1, 1, 4], [*[0] * 6, 0, 1, 1, 4]],
        ]
    )
    both = student.adapter.positions(ids[0].numpy(), [long, short])
    assert both.tolist() == expected[0].tolist()
    one = student.adapter.positions(ids[1, 6:].numpy(), [short])
    assert one.tolist() == expected[1][:, 6:].tolist()

    model: Any = AutoModelForImageTextToText.from_pretrained(answered[0]["qwen2_5_vl"])
    read: list[torch.Tensor] = []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["position_ids"][-3:]), with_kwargs=True
    )
    generate(
        model,
        ids,
        attention_mask=torch.tensor([[1] * 10, [0] * 6 + [1] * 4]),
        mm_token_type_ids=(ids == pad).int() * 2,
        video_grid_thw=torch.tensor([long.grid_thw, short.grid_thw, short.grid_thw]),
        second_per_grid_ts=[6.0, 1.0, 1.0],
        max_new_tokens=1,
    )
    assert torch.equal(read[0][:, :, :-1], expected.transpose(0, 1))
    last = [r[:, :, -1].unique(dim=0).tolist() for r in read]  # the markers and K latents
    assert last == [[[20 + i, 5 + i]] for i in range(K + 2)]


def test_it_imports_nothing_of_this_project(answered: tuple[dict[str, Path], dict[str, Any]]):
    names, exported = set(), {"rotary"}
    for file in (GENERATE_FILE, ROTARY_FILE):
        for node in ast.walk(ast.parse((answered[0]["qwen3_vl"] / file).read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level:
                assert node.module in exported
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
