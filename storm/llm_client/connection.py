"""Connection to one server: the openai SDK, which retries, over a bounded HTTP client.

The SDK waits and tries again (time-outs, broken connections, 408, 409, 429, 5xx; `Retry-After` up
to two minutes, else exponential backoff with jitter). What is ours sees every single try: the
budget is checked before it, it is counted, bounded in time and size, and a body that is no chat
completion is a fault like a broken connection. Imported lazily: the SDK takes half a second.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
from openai import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    DefaultAsyncHttpxClient,
    Omit,
)

from storm.errors import StageFailed
from storm.llm_client.breaker import CircuitBreaker
from storm.llm_client.config import ChatConfig, NoReply, Reply
from storm.llm_client.response import (
    error_for_status,
    is_out_of_quota,
    is_retried,
    parse_completion,
)

_FAILING = 3  # tries without an answer until a request counts for the breaker


class Connection:
    """Sends requests to the server of one ChatConfig, inside one event loop.

    Args:
        config: The server, the model and the limits.
        breaker: Told of every answer and of every request that gets none.
        before_try: Called before each try; what it raises ends the request.
    """

    def __init__(self, config: ChatConfig, breaker: CircuitBreaker, before_try: Callable[[], None]):
        self.config, self.breaker, self.before_try = config, breaker, before_try
        self.sending: set[asyncio.Task[Any] | None] = set()  # tasks with a request on its way
        self._key = config.key()
        self._sdk = AsyncOpenAI(
            api_key=self._key or "none",
            base_url=config.base_url,
            max_retries=config.attempts - 1,
            timeout=config.request_seconds,
            http_client=_Client(self),
        )
        self._headers = {} if self._key else {"Authorization": Omit()}
        self._sdk.organization = self._sdk.project = None  # from the environment, for OpenAI only

    async def complete(self, body: dict[str, Any]) -> Reply:
        """Return the reply to a request's body.

        Raises:
            NoReply: If this request gets none.
            StageFailed: If no request will get one.
        """
        config, tries = self.config, f"{self.config.attempts} tries"
        try:
            response = await self._sdk.post(
                "/chat/completions",
                cast_to=httpx2.Response,
                body=body,
                options={"headers": self._headers, "security": {"bearer_auth": True}},
            )
        except APIStatusError as error:
            raise self.error_for(error.response) from None
        except APITimeoutError:
            detail = f"no whole answer within {config.request_seconds:.3g} s; {tries}"
            raise NoReply("timeout", detail) from None
        except APIConnectionError as error:
            cause = error.__cause__
            reason = "not_json" if isinstance(cause, httpx2.DecodingError) else "connection"
            detail = self.redact(f"{type(cause).__name__}: {cause}")
            raise NoReply(reason, f"{detail}; {tries}") from None
        return parse_completion(self.redact(response.text))

    def error_for(self, response: httpx2.Response) -> NoReply | StageFailed:
        """Return the error for a response that is no success."""
        return error_for_status(
            response.status_code,
            self.redact(response.text),
            server=self.config.server,
            key_variable=self.config.api_key_env,
            tries=self.config.attempts,
        )

    def redact(self, text: str) -> str:
        """Return the text without the key: a server may repeat what it was sent."""
        return text.replace(self._key, "***") if len(self._key) >= 8 else text

    async def aclose(self) -> None:
        """Close all connections."""
        await self._sdk.close()


class _Client(DefaultAsyncHttpxClient):
    """The SDK's HTTP client, with what holds for every try."""

    def __init__(self, connection: Connection):
        super().__init__(
            verify=_trusted_certificates(),
            follow_redirects=False,  # the key is for this host
            event_hooks={"response": [self._bound_size]},
        )
        self._connection = connection

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        connection, task = self._connection, asyncio.current_task()
        connection.before_try()
        connection.sending.add(task)
        try:
            response = await self._send_within_limits(request, **options)
        except (httpx2.RequestError, NoReply) as error:
            self._record_failure(request, error, final=isinstance(error, NoReply))
            raise
        finally:
            connection.sending.discard(task)
        if response.is_success:
            connection.breaker.record_answer()
        elif is_out_of_quota(response.status_code, response.text):
            response.headers["x-should-retry"] = "false"
        elif isinstance(error := connection.error_for(response), NoReply):
            self._record_failure(request, error, final=not is_retried(response.status_code))
        return response

    async def _send_within_limits(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        seconds = self._connection.config.request_seconds
        try:
            async with asyncio.timeout(seconds):  # httpx only bounds the time between two bytes
                response = await super().send(request, **options)
            if response.is_success:
                parse_completion(response.text)
        except TimeoutError:
            raise httpx2.ReadTimeout(f"{seconds:g} s", request=request) from None
        except ValueError as error:
            raise httpx2.DecodingError(str(error), request=request) from None
        return response

    def _record_failure(self, request: httpx2.Request, error: Exception, *, final: bool) -> None:
        connection = self._connection
        tries = int(request.headers["x-stainless-retry-count"]) + 1
        if final or tries == min(_FAILING, connection.config.attempts):
            connection.breaker.record_failure(connection.redact(str(error) or type(error).__name__))

    async def _bound_size(self, response: httpx2.Response) -> None:
        limit = self._connection.config.max_reply_bytes
        response.stream = _BoundedStream(response.stream, limit)


class _BoundedStream(httpx2.AsyncByteStream):
    """A response's body; more than `limit` bytes of it are a NoReply."""

    def __init__(self, stream: Any, limit: int):
        self._stream, self._limit = stream, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise NoReply(
                    "too_large", f"expected at most max_reply_bytes = {self._limit}, found more"
                )
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@functools.cache
def _trusted_certificates() -> ssl.SSLContext:
    """Return the certificates to trust, read once: that takes a tenth of a second."""
    return httpx2.create_ssl_context()
