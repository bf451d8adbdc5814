"""What the latent rollout costs against plain fine-tuning, a direct answer, a chain of thought.

The text model of the student is large enough to be bound by arithmetic: 6 layers of width 384, 6
query and 2 key heads of 64, 10.5 M parameters, fp32 on one thread. Prompts are text: the vision
encoder's part is the same on both sides of every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.profiler import profile

from storm.student import Batch, Example, Jacobi, LatentConfig, Student, TinyConfig
from storm.student.attention import PromptKV, StepKV
from storm.student.jacobi import latents_before_last_sweep
from storm.student.rollout import run_prefix
from storm.student.tiny.tiny import TextShape, VisionShape
from tests.bench.measure import Figure, Pair, Row

LAYERS, KEY_WIDTH = 6, 2 * 64
TEXT = TextShape(layers=LAYERS, hidden=384, heads=6, key_heads=2, ffn=1152, max_tokens=8192)
VISION = VisionShape(layers=1, hidden=32, heads=2, ffn=32)
ANSWER_TOKENS, THOUGHT_TOKENS, K = 2, 64, 8


def _student(folder: Path, k: int = K) -> Student:
    TinyConfig(text=TEXT, vision=VISION, latent=LatentConfig(k=k)).build(folder)
    student = Student.from_pretrained(folder)
    student.freeze_vision()
    return student


def _with_k(student: Student, k: int) -> Student:
    """The same weights with another K."""
    return Student(student.model, student.processor, LatentConfig(k=k))


def _batch(student: Student, tokens: int, rows: int, latents: bool) -> Batch:
    """`rows` equal rows of `tokens` prompt tokens in all, and an answer of one token."""
    empty = student.collate([Example()]).prompt_width
    row = Example(prompt="1" * (tokens - empty), answer="B", use_latents=latents)
    batch = student.collate([row] * rows)
    assert batch.prompt_width == tokens
    return batch


def _step(student: Student, batch: Batch, feeding: Any) -> Callable[[], None]:
    """A training step: forward, backward, AdamW."""
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=1e-6)

    def step() -> None:
        optimizer.zero_grad()
        student(batch, feeding=feeding).answer_loss.backward()
        optimizer.step()

    return step


def _naive_step(student: Student, parts: Sequence[Batch]) -> Callable[[], None]:
    """The same by K + 1 full passes, each over everything before.

    Rows come in parts, or what nine passes keep for the backward pass would take 12 GB.
    """
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=1e-6)

    def loss(batch: Batch) -> torch.Tensor:
        embeds = student.embed(batch)
        first = batch.prompt_width + 1
        for i in range(student.k):
            seen = first + i
            states = student.trunk(embeds[:, :seen], batch.positions[:, :, :seen], None, None)
            latent = student.head(states[:, -1:])
            embeds = torch.cat([embeds[:, :seen], latent, embeds[:, seen + 1 :]], 1)
        states = student.trunk(embeds, batch.positions, None, None)
        rows, columns = (batch.labels >= 0).nonzero(as_tuple=True)
        logits = student.model.lm_head(states[rows, columns])
        return torch.nn.functional.cross_entropy(logits, batch.labels[rows, columns])

    def step() -> None:
        optimizer.zero_grad()
        for batch in parts:
            (loss(batch) / len(parts)).backward()
        optimizer.step()

    return step


def stage_two(folder: Path) -> Iterator[Row]:
    """S = 512, K = 8."""
    student = _student(folder).train()
    for rows in (8, 1):
        latent, plain = (_batch(student, 512, rows, latents) for latents in (True, False))
        step, base = _step(student, latent, "rollout"), _step(student, plain, "none")
        name = f"Stage II step / plain fine-tuning, batch {rows}"
        if rows == 1:
            yield Pair(name=name, a=step, b=base)
            continue
        yield Pair(name=name, a=step, b=base, at_most=1.25, rounds=3)
        naive = _naive_step(student, [_batch(student, 512, 2, latents=True)] * (rows // 2))
        yield Pair(name="K + 1 full passes / Stage II step", a=naive, b=step, at_least=7, rounds=1)
        student.gradient_checkpointing(True)
        yield Pair(name=f"{name}, with checkpointing", a=step, b=base, at_most=1.2, rounds=3)
        student.gradient_checkpointing(False)


def _peak_bytes(call: Callable[[], object]) -> int:
    """The most that was allocated at once while `call` ran, beyond what was before."""
    with profile(profile_memory=True) as profiler:
        call()
    events = profiler.profiler.kineto_results.events()  # pyright: ignore
    changes = sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns())
    now = peak = 0
    for change in changes:
        now += change.nbytes()
        peak = max(peak, now)
    return peak


def memory(folder: Path) -> Iterator[Row]:
    """A training step at S = 2,048, batch 2."""
    many = _student(folder).train()
    peaks = {}
    for student in (many, _with_k(many, 1).train()):
        batch = _batch(student, 2048, 2, latents=True)
        step = _step(student, batch, "rollout")
        step()  # AdamW's state is made by the first
        peaks[student.k] = _peak_bytes(step)
    prefix_copy = 2 * LAYERS * 2 * 2048 * KEY_WIDTH * 4
    ratio = peaks[K] / peaks[1]
    yield Figure(name="memory: peak of a step with K = 8 / with K = 1", value=ratio, at_most=1.05)
    more = (peaks[K] - peaks[1]) / (K - 1) / prefix_copy
    yield Figure(
        name="memory: what a latent step adds / a copy of the prefix", value=more, at_most=0.1
    )


def inference(folder: Path) -> Iterator[Row]:
    """Whole answers of two tokens at S = 2,048."""
    student = _student(folder)

    def answers(batch: Batch, mode: Any, tokens: int) -> Callable[[], None]:
        def call() -> None:
            made = student.generate(batch, mode=mode, max_new_tokens=tokens)
            assert all(len(a.token_ids) == tokens for a in made), "an answer ended by itself"

        return call

    for rows, target, rounds in ((1, 1.1, 7), (16, 1.1, 2)):
        batch = _batch(student, 2048, rows, latents=True)
        latent = answers(batch, "latent", ANSWER_TOKENS)
        direct = answers(batch, "direct", ANSWER_TOKENS)
        name = f"answer with 8 latents / direct answer, batch {rows}"
        yield Pair(name=name, a=latent, b=direct, at_most=target, rounds=rounds)
        if rows == 1:
            thought = answers(batch, "direct", THOUGHT_TOKENS + ANSWER_TOKENS)
            name = "answer with 64 tokens of thought / with 8 latents, batch 1"
            yield Pair(name=name, a=thought, b=latent, rounds=rounds)


def _prefilled(student: Student) -> tuple[PromptKV, torch.Tensor, torch.Tensor]:
    """The prompt's memory, the last state, and positions (3, 1, 64) of what follows."""
    batch = _batch(student, 2048, 1, latents=True).prompts(student.prompts.latent_ids[:1])
    prefix, hidden = run_prefix(student, batch, batch.ids.shape[1])
    return prefix, hidden, batch.next_position + 1 + torch.arange(THOUGHT_TOKENS).expand(3, 1, -1)


@torch.no_grad()
def after_prefill(folder: Path) -> Iterator[Row]:
    """What a thought costs once the prompt is read: S = 2,048, batch 1."""
    student = _student(folder)
    prefix, hidden, positions = _prefilled(student)

    def think(steps: int, following: Callable[[torch.Tensor], torch.Tensor]) -> None:
        state, step = hidden, None
        for i in range(steps):
            step = StepKV(prefix, step)
            state = student.trunk(following(state), positions[:, :, i : i + 1], None, step)

    def token(state: torch.Tensor) -> torch.Tensor:
        return student.embed_ids(student.model.lm_head(state).argmax(2))

    yield Pair(
        name="after prefill: 64 tokens of thought / 8 latents",
        a=lambda: think(THOUGHT_TOKENS, token),
        b=lambda: think(K, student.head),
        at_least=6,
    )

    many = _with_k(student, 24)
    slots = positions[:, :, :24]
    how = Jacobi(3)

    def sweep() -> None:
        latents = latents_before_last_sweep(many, prefix, hidden, slots, how)
        many.trunk(latents, slots, None, StepKV(prefix))

    yield Pair(
        name="after prefill: 24 latents in turn / by 3 Jacobi sweeps",
        a=lambda: think(24, student.head),
        b=sweep,
        at_least=2.5,
    )


CASES = (stage_two, memory, inference, after_prefill)
