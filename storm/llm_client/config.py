"""Settings of a model behind a server, and the types of a conversation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from storm.config import FrozenModel
from storm.errors import ConfigError

Message = dict[str, Any]  # of the chat completions API: {"role": ..., "content": text or parts}


@dataclass(frozen=True)
class Reply:
    """A model's reply and the tokens it took."""

    text: str
    finish: str = "stop"  # `length`: cut at max_tokens; `refusal`, `content_filter`: it won't
    tokens_in: int = 0
    tokens_out: int = 0


class NoReply(Exception):
    """One request got no usable answer; others may. `reason` is a slug, e.g. `timeout`."""

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class ChatConfig(FrozenModel):
    """A model behind an OpenAI-compatible server; the key comes from the environment only.

    The fields that decide a reply are identity; address, retries, prices and limits are not.
    """

    base_url: str  # as the server's documentation gives it; most end with /v1
    model: str = Field(min_length=1)
    revision: str = ""  # of the weights behind that name; another one makes other requests
    max_tokens: int | None = Field(1024, ge=1)  # of a reply; None: not sent
    temperature: float | None = Field(0.0, ge=0)
    seed: int | None = 0
    extra: dict[str, Any] = Field(default_factory=dict)  # more fields of the request's body

    api_key_env: str = "OPENAI_API_KEY"  # the variable that holds the key; unset: none is sent
    concurrency: int = Field(64, ge=1)  # requests in flight
    request_seconds: float = Field(120, gt=0)  # for one try, to its last byte
    attempts: int = Field(6, ge=1)  # tries per request; between them the SDK waits
    breaker: int = Field(8, ge=1)  # requests without an answer in a row that stop the stage
    max_reply_bytes: int = Field(1 << 18, ge=1024)

    usd_per_million_tokens_in: float = Field(0.0, ge=0)
    usd_per_million_tokens_out: float = Field(0.0, ge=0)
    max_requests: int | None = Field(None, ge=1)  # over all starts of a stage, every try counts
    max_cost_usd: float | None = Field(None, gt=0)

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str) -> str:
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

    @property
    def server(self) -> str:
        """Model and address, for messages."""
        return f"{self.model} at {self.base_url}"

    def identity(self) -> dict[str, Any]:
        """Return the fields that decide a reply."""
        names = ("model", "revision", "max_tokens", "temperature", "seed", "extra")
        return {name: getattr(self, name) for name in names}

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """Return a request's body: the same one for the same messages."""
        optional = {n: getattr(self, n) for n in ("max_tokens", "temperature", "seed")}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"model": self.model, "messages": list(messages), **given, **self.extra}

    def cost_usd(self, counts: Mapping[str, int]) -> float:
        """Return the price of a usage log's tokens."""
        per_million = (
            counts.get("tokens_in", 0) * self.usd_per_million_tokens_in
            + counts.get("tokens_out", 0) * self.usd_per_million_tokens_out
        )
        return per_million / 1e6

    def key(self) -> str:
        """Return the API key, or '' if there is none; it never appears in an error."""
        key = os.environ.get(self.api_key_env, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"expected printable ASCII in ${self.api_key_env}, found other bytes")
        return key
