"""A client of `/chat/completions` that waits, tries again, gives up and stops where it should.

An answer that can't be had is the request's own fault (NoReply) or the server's (StageFailed,
after which nothing is lost: what is pending stays pending).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from storm.artifacts.fs import digest
from storm.errors import StageFailed
from storm.llm_client.cache import Answers
from storm.llm_client.config import ChatConfig, Message, NoReply, Reply
from storm.llm_client.response import TryAgain, reply_of, trouble_of
from storm.llm_client.usage import Ledger, check_limits

Item = TypeVar("Item")
Result = TypeVar("Result")

_LONGEST_BACKOFF_SECONDS = 60.0
_FAILING = 3  # tries without an answer until a request counts for the breaker


class ChatClient:
    """`answers` is the folder of the cache; `ledger` the file that counts what was spent."""

    def __init__(self, config: ChatConfig, answers: Path, ledger: Path):
        self.config = config
        self.answers, self.ledger = Answers(answers), Ledger(ledger)
        self._key = config.key()
        self._failing: dict[str, int] = {}  # request: its failures since anything was answered
        self._not_before = 0.0  # the server asked all to wait until then
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._connections: list[Any] = []  # those that are idle
        self._stop: asyncio.Event

    def each(
        self, call: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Every item with what `call(item)` returns, as they come, `concurrency` at a time.

        `call` awaits `ask`, as often as it likes. Items are taken when they are begun. After a
        StageFailed none is begun, what is on its way (and perhaps paid for) still comes.
        """
        todo = iter(items)
        flying: dict[asyncio.Future[Result], Item] = {}
        loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        failed: StageFailed | None = None
        try:
            while True:
                free = 0 if failed else self.config.concurrency - len(flying)
                for item in islice(todo, free):
                    flying[asyncio.ensure_future(call(item), loop=loop)] = item
                if not flying:
                    break
                some = asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
                for task in loop.run_until_complete(some)[0]:
                    item = flying.pop(task)
                    if isinstance(error := task.exception(), StageFailed):
                        failed = failed or error
                        self._stop.set()
                    else:
                        yield item, task.result()
            if failed:
                raise failed
        finally:
            loop.run_until_complete(self._hang_up(flying))
            loop.close()

    async def _hang_up(self, flying: Iterable[asyncio.Future[Any]]) -> None:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
        while self._connections:
            await self._connections.pop().aclose()

    async def ask(self, messages: Sequence[Message]) -> Reply:
        """The answer, from the cache if it was ever given. Only inside a call of `each`.

        Raises NoReply if this request gets none, StageFailed if none will.
        """
        body = self.config.body(messages)
        request = digest([self.config.revision, body])
        lock = self._locks.setdefault(request, asyncio.Lock())
        async with lock:  # who asks the same meanwhile waits for the one answer
            held = self.answers.get(request)
            if held is not None:
                self.ledger.add(from_cache=1)
                return held
            reply = await self._insist(request, body)
            if reply.text.strip():
                self.answers.put(request, reply)
            return reply

    async def _insist(self, request: str, body: dict[str, Any]) -> Reply:
        """Try until there is an answer, or no more sense in it."""
        config = self.config
        began = time.monotonic()
        end = began + config.deadline_seconds
        tries = failures = 0
        while True:
            pause = max(0.0, self._not_before - time.monotonic())
            await self._sleep(pause)
            end += pause  # what another request was told to wait is no fault of this one
            check_limits(config, self.ledger)
            self.ledger.add(requests=1)
            try:
                reply = await self._send(body, end - time.monotonic())
            except TryAgain as e:
                trouble = e
            except NoReply as e:
                self._note_failure(request, _FAILING, e)
                raise
            else:
                self._failing.clear()
                counts = {"tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}
                self.ledger.add(answers=1, **counts)
                return reply
            failures += 1
            tries += not trouble.limited
            wait = self._wait_after(trouble, failures)
            late = time.monotonic() + wait > end
            if trouble.limited and late:
                raise StageFailed(
                    f"{self._where}: {trouble.detail}, for longer than deadline_seconds = "
                    f"{config.deadline_seconds:g}: lower concurrency, or run again later"
                )
            give_up = late or tries >= config.attempts
            if not trouble.limited:
                self._note_failure(request, tries if not give_up else _FAILING, trouble)
            if give_up:
                took = time.monotonic() - began
                raise NoReply(trouble.reason, f"{trouble.detail}; {tries} tries in {took:.0f} s")
            await self._sleep(wait)

    async def _sleep(self, seconds: float) -> None:
        """Raises StageFailed if all is stopped by then, or as soon as it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        if self._stop.is_set():
            raise StageFailed(f"{self._where}: stopped")

    def _wait_after(self, trouble: TryAgain, failures: int) -> float:
        """Seconds until the next try; what a server asks for holds for all requests."""
        backoff = self.config.backoff_seconds * 2 ** min(failures - 1, 16)
        jittered = min(backoff, _LONGEST_BACKOFF_SECONDS) * random.uniform(0.5, 1)
        if trouble.retry_after is None:
            return jittered
        self._not_before = max(self._not_before, time.monotonic() + trouble.retry_after)
        return trouble.retry_after + random.uniform(0, min(1.0, self.config.backoff_seconds))

    def _note_failure(self, request: str, tries: int, trouble: TryAgain | NoReply) -> None:
        """Raises StageFailed if too many requests fail and none is answered in between."""
        self._failing[request] = tries
        if sum(n >= _FAILING for n in self._failing.values()) >= self.config.breaker:
            raise StageFailed(
                f"{self._where}: {self.config.breaker} requests in a row get no answer, the last: "
                f"{trouble.reason}: {trouble.detail}. Mend the server and run again"
            )

    async def _send(self, body: dict[str, Any], seconds: float) -> Reply:
        """One request, within its time to the last byte. Raises TryAgain, NoReply, StageFailed."""
        import httpx

        seconds = min(seconds, self.config.request_seconds)
        url = f"{self.config.base_url}/chat/completions"
        connection = self._connections.pop() if self._connections else self._connect()
        try:
            async with (
                asyncio.timeout(seconds),
                connection.stream("POST", url, json=body) as response,
            ):
                content, whole = await _read(response, self.config.max_reply_bytes)
        except TimeoutError:
            raise TryAgain("timeout", f"no whole answer within {seconds:.3g} s") from None
        except httpx.TransportError as e:
            raise TryAgain("connection", f"{type(e).__name__}: {self._clean(str(e))}") from None
        except httpx.DecodingError as e:
            raise TryAgain("not_json", self._clean(str(e))) from None
        finally:
            self._connections.append(connection)
        text = self._clean(content.decode(errors="replace"))
        if not response.is_success:
            raise trouble_of(
                response.status_code, response.headers, text, self._where, self.config.api_key_env
            )
        if not whole:
            limit = f"max_reply_bytes = {self.config.max_reply_bytes}"
            raise NoReply("too_large", f"expected at most {limit}, found more: {text[:200]!r}")
        return reply_of(text)

    def _clean(self, text: str) -> str:
        """A server may repeat what it was sent: the key goes no further."""
        return text.replace(self._key, "***") if len(self._key) >= 8 else text

    @property
    def _where(self) -> str:
        return f"{self.config.model} at {self.config.base_url}"

    def _connect(self) -> Any:
        """A client with one connection: httpx's pool of 64 takes 10 ms of CPU for a request."""
        import httpx

        return httpx.AsyncClient(
            verify=_trusted(),
            timeout=None,  # `_send` keeps the time
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            follow_redirects=False,  # the key is for this host
        )


@functools.cache
def _trusted() -> Any:
    """The certificates to trust, read once: that takes a tenth of a second."""
    import httpx

    return httpx.create_ssl_context()


async def _read(response: Any, most: int) -> tuple[bytes, bool]:
    """The body, and whether that is all of it: no more than `most` bytes are held."""
    content = b""
    async for chunk in response.aiter_bytes(1 << 14):
        content += chunk
        if len(content) > most:
            return content[:most], False
    return content, True
