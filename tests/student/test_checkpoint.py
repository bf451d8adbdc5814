"""Folders: the same student after saving, plain transformers beside it, K obeyed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from student_helpers import FAMILIES, K, gap, tiny

from storm.errors import ConfigError
from storm.student import Example, LatentConfig, PretrainedConfig, Student
from storm.student.checkpoint import record_sampling
from storm.videos.decoding.sampling import FrameSampling


def test_saved_and_loaded_it_answers_the_same(
    student: Student, examples: list[Example], tmp_path: Path
):
    student.save_pretrained(tmp_path)
    again = Student.from_pretrained(tmp_path)
    expected = student.state_dict()
    for name, value in again.state_dict().items():
        assert torch.equal(value, expected[name]), name
    for feeding in ("teacher", "rollout"):
        a = student(student.collate(examples), feeding=feeding)
        b = again(again.collate(examples), feeding=feeding)
        assert torch.equal(a.latents, b.latents)
        assert torch.equal(a.answer_logits, b.answer_logits)


def test_plain_transformers_loads_it(student: Student, folder: Path, examples: list[Example]):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, report = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.text_config._attn_implementation == "sdpa"
    assert (
        AutoProcessor.from_pretrained(folder).tokenizer.get_vocab() == student.tokenizer.get_vocab()
    )
    ids = torch.from_numpy(student.prompts.layout(examples[2]).ids)[None]
    model.eval()
    with torch.no_grad():
        tokens = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=torch.zeros_like(ids),
            max_new_tokens=6,
            do_sample=False,
            pad_token_id=student.prompts.pad_id,
        )[0, ids.shape[1] :].tolist()
    (answer,) = student.generate(student.collate([examples[2]]), mode="direct", max_new_tokens=6)
    stop = [i for i, t in enumerate(tokens) if t in student.prompts.stop_ids]
    assert tuple(tokens[: stop[0] if stop else None]) == answer.token_ids


def test_config_carries_the_storm_section(folder: Path, tmp_path: Path):
    section = json.loads((folder / "config.json").read_text())["storm"]
    student = Student.from_pretrained(folder)
    ids = list(student.prompts.latent_ids)
    latent = LatentConfig(k=K).model_dump()
    span = [ids[1]] * K
    assert section == {**latent, "sampling": None, "token_ids": ids, "span_ids": span}
    assert student.sampling is None
    sampling = FrameSampling(frames=5, size_px=40)
    student.save_pretrained(tmp_path)
    before = (tmp_path / "config.json").read_text()
    record_sampling(tmp_path, sampling)
    again = Student.from_pretrained(tmp_path)
    assert (again.sampling, again.latent) == (sampling, student.latent)
    again.save_pretrained(tmp_path / "next")  # a training's next checkpoint says so too
    saved = (tmp_path / "next" / "config.json").read_text()
    assert Student.from_pretrained(tmp_path / "next").sampling == sampling
    record_sampling(tmp_path / "next", sampling)
    assert (tmp_path / "next" / "config.json").read_text() == saved, "as transformers writes it"
    config = json.loads(before)
    for newer in ("sampling", "token_ids"):
        del config["storm"][newer]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert Student.from_pretrained(tmp_path).sampling is None, "an older checkpoint loads"


def test_another_k_is_refused(folder: Path):
    assert Student.from_pretrained(folder, k=K).k == K
    with pytest.raises(ConfigError, match=f"K = {K}, found k = {K + 1}"):
        Student.from_pretrained(folder, k=K + 1)


def test_the_same_seed_builds_the_same_bytes(tmp_path: Path):
    config = FAMILIES["qwen3_vl"]
    state = torch.get_rng_state()
    for name in ("one", "two"):
        config.build(tmp_path / name)
    assert torch.equal(torch.get_rng_state(), state), "building must not disturb the generator"
    one = tmp_path / "one"
    files = sorted(str(p.relative_to(one)) for p in one.rglob("*") if p.is_file())
    assert "model.safetensors" in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), (
            name
        )


@pytest.mark.parametrize("head", ["rms", "mlp"])
def test_a_latent_head_is_learned_and_kept(tmp_path: Path, head: str):
    tiny("qwen3_vl", head=head).build(tmp_path / "a")
    student = Student.from_pretrained(tmp_path / "a")
    batch = student.collate([Example(prompt="Where?", answer="left")])
    before = student(batch).latents
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    student(batch).answer_loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in student.head.parameters())
    optimizer.step()
    student.save_pretrained(tmp_path / "b")
    found = Student.from_pretrained(tmp_path / "b")(batch).latents
    assert gap(found, student(batch).latents) == 0
    assert gap(found, before) > 1e-4
    (tmp_path / "b" / "latent_head.safetensors").unlink()
    with pytest.raises(ConfigError, match="latent_head"):
        Student.from_pretrained(tmp_path / "b")


def _plain(folder: Path, out: Path) -> None:
    """The checkpoint as it would be without STORM: no section, no latent tokens."""
    from transformers import AutoModelForImageTextToText

    from storm.student.tiny.tiny import _processor  # pyright: ignore[reportPrivateUsage]
    from storm.student.tiny.tokenizer import train_tokenizer

    config = FAMILIES["qwen3_vl"]
    model = AutoModelForImageTextToText.from_pretrained(folder)
    del model.config.storm
    none = LatentConfig.model_construct(start="<|im_end|>", pad="<|im_end|>", end="<|im_end|>")
    tokenizer = train_tokenizer(config.corpus, 300, none)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(out)
    _processor(config, tokenizer).save_pretrained(out)


def test_a_pretrained_model_is_given_the_tokens(tmp_path: Path):
    FAMILIES["qwen3_vl"].build(tmp_path / "built")
    _plain(tmp_path / "built", tmp_path / "plain")
    with pytest.raises(ConfigError, match="PretrainedConfig"):
        Student.from_pretrained(tmp_path / "plain")
    config = PretrainedConfig(path=tmp_path / "plain", latent=LatentConfig(k=3), dtype="float32")
    config.build(tmp_path / "student")
    student = Student.from_pretrained(tmp_path / "student")
    assert student.k == 3
    assert len(set(student.prompts.latent_ids)) == 3
    weight = student.model.get_input_embeddings().weight
    first = min(student.prompts.latent_ids)
    assert gap(weight[first], weight[:first].mean(0)) < 1e-6
    answer = student.generate(student.collate([Example(prompt="Where?")]))[0]
    assert answer.latents is not None
    assert answer.latents.shape == (3, student.hidden_size)


def test_a_tokenizer_without_latent_tokens_is_refused(folder: Path):
    loaded = Student.from_pretrained(folder)
    other = LatentConfig(k=K, start="<|other_start|>")
    with pytest.raises(ConfigError, match=r"none of \['<\|other_start\|>'\]"):
        Student(loaded.model, loaded.processor, other)


def test_a_missing_checkpoint_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="checkpoint folder"):
        PretrainedConfig(path=tmp_path / "none").build(tmp_path / "out")
    with pytest.raises(ConfigError, match="checkpoint folder"):
        Student.from_pretrained(tmp_path / "none")
    assert not (tmp_path / "out").exists()


def test_an_incomplete_checkpoint_is_an_error(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path / "copy")
    weights = tmp_path / "copy" / "model.safetensors"
    for size in (weights.stat().st_size // 2, 0):
        os.truncate(weights, size)
        with pytest.raises(ConfigError, match=r"all its files whole in .*copy, found: .*header"):
            Student.from_pretrained(tmp_path / "copy")
    weights.unlink()
    with pytest.raises(ConfigError, match=r"found: .*no file named model.safetensors.*again"):
        Student.from_pretrained(tmp_path / "copy")


def test_a_pretrained_folder_may_come_with_a_package(tmp_path, monkeypatch):
    (tmp_path / "some_package/weights").mkdir(parents=True)
    (tmp_path / "some_package/__init__.py").write_text("raise AssertionError('not imported')")
    monkeypatch.syspath_prepend(tmp_path)
    config = PretrainedConfig(path="some_package:weights")  # pyright: ignore
    assert config.path == tmp_path / "some_package/weights"
    assert PretrainedConfig.model_validate(config.model_dump()) == config
    for plain in ("weights", "/a:b", "C:\\weights", "c:/weights"):
        assert PretrainedConfig(path=plain).path == Path(plain)  # pyright: ignore
    with pytest.raises(ValidationError, match="expected a package that is installed"):
        PretrainedConfig(path="no_such_package:weights")  # pyright: ignore
