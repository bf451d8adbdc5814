"""What to ask which server, how patiently, and how much it may cost."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from storm.errors import ConfigError

Message = dict[str, Any]  # of the chat completions API: {"role": ..., "content": text or parts}


@dataclass(frozen=True)
class Reply:
    """What a model said, and what it took."""

    text: str
    finish: str = "stop"  # `length`: cut at max_tokens; `refusal`, `content_filter`: it won't
    tokens_in: int = 0
    tokens_out: int = 0


class NoReply(Exception):
    """One request got no usable answer; the others may. `reason` is a slug, e.g. `timeout`."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class ChatConfig(BaseModel):
    """A model behind a server. The key stands in the environment and nowhere else.

    What decides an answer is identity; where the server is, patience, prices and limits are not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str  # as the server's documentation gives it; most end with /v1
    model: str = Field(min_length=1)
    revision: str = ""  # of the weights behind that name; another one is asked anew
    max_tokens: int | None = Field(1024, ge=1)  # of an answer; None: not sent
    temperature: float | None = Field(0.0, ge=0)
    seed: int | None = 0  # so is another seed
    extra: dict[str, Any] = Field(default_factory=dict)  # more fields of the request's body

    api_key_env: str = "OPENAI_API_KEY"  # the variable that holds the key; unset: none is sent
    concurrency: int = Field(64, ge=1)  # requests in flight
    request_seconds: float = Field(120, gt=0)  # for one request, to its last byte
    deadline_seconds: float = Field(600, gt=0)  # for one answer, with all tries and waits
    attempts: int = Field(6, ge=1)
    backoff_seconds: float = Field(1.0, gt=0)  # before the second try; doubles, with jitter
    breaker: int = Field(8, ge=1)  # so many failing in a row, three times each, stop the stage
    max_reply_bytes: int = Field(1 << 18, ge=1024)

    usd_per_million_tokens_in: float = Field(0.0, ge=0)
    usd_per_million_tokens_out: float = Field(0.0, ge=0)
    max_requests: int | None = Field(None, ge=1)  # over all starts of a stage, tries included
    max_cost_usd: float | None = Field(None, gt=0)

    @field_validator("base_url")
    @classmethod
    def _plain(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("expected http://HOST/v1 or https://HOST/v1")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("expected no user, password or query: a key belongs into api_key_env")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _priced(self) -> ChatConfig:
        prices = self.usd_per_million_tokens_in, self.usd_per_million_tokens_out
        if self.max_cost_usd is not None and not any(prices):
            raise ValueError("expected a price per million tokens for max_cost_usd, found none")
        return self

    def identity(self) -> dict[str, Any]:
        names = ("model", "revision", "max_tokens", "temperature", "seed", "extra")
        return {name: getattr(self, name) for name in names}

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The request: the same bytes for the same question."""
        optional = {n: getattr(self, n) for n in ("max_tokens", "temperature", "seed")}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"model": self.model, "messages": list(messages), **given, **self.extra}

    def cost_usd(self, spent: Mapping[str, int]) -> float:
        """Of the tokens in a ledger's total."""
        per_million = (
            spent.get("tokens_in", 0) * self.usd_per_million_tokens_in
            + spent.get("tokens_out", 0) * self.usd_per_million_tokens_out
        )
        return per_million / 1e6

    def key(self) -> str:
        """The API key, or '' if there is none; never shown in an error."""
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"expected printable ASCII in ${self.api_key_env}, found other bytes")
        return key
