"""Async client for /chat/completions: cached, concurrent, within a budget.

A request without a reply is its own fault (NoReply) or the server's (StageFailed, after which
nothing is lost: what is pending stays pending).
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from storm.artifacts.fs import digest
from storm.errors import StageFailed
from storm.llm_client.breaker import CircuitBreaker
from storm.llm_client.cache import ResponseCache
from storm.llm_client.config import ChatConfig, Message, Reply
from storm.llm_client.usage import UsageLog, check_budget

if TYPE_CHECKING:
    from storm.llm_client.connection import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")


class ChatClient:
    """Asks one model behind one server.

    Args:
        config: Server, model and limits.
        cache: Folder of the response cache.
        usage: File of the usage log.
    """

    def __init__(self, config: ChatConfig, cache: Path, usage: Path):
        config.key()  # a key that can't be sent is an error now, not at the first request
        self.config = config
        self.cache, self.usage = ResponseCache(cache), UsageLog(usage)
        self._breaker = CircuitBreaker(config.breaker, config.server)
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._connection: Connection | None = None
        self._failed: StageFailed | None = None

    def each(
        self, call: Callable[[Item], Awaitable[Result]], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result]]:
        """Yield every item with the result of `call(item)`, in order of completion.

        `call` awaits `ask`, as often as it likes. At most `concurrency` items are in flight, and
        an item is taken when it is begun. After a StageFailed none is begun; what is on its way
        (and perhaps paid for) is still waited for.
        """
        todo = iter(items)
        in_flight: dict[asyncio.Future[Result], Item] = {}
        loop = asyncio.new_event_loop()
        self._failed = None
        try:
            while True:
                free = 0 if self._failed else self.config.concurrency - len(in_flight)
                for item in islice(todo, free):
                    in_flight[asyncio.ensure_future(call(item), loop=loop)] = item
                if not in_flight:
                    break
                first = asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                for task in loop.run_until_complete(first)[0]:
                    item = in_flight.pop(task)
                    if task.cancelled():
                        continue
                    if isinstance(error := task.exception(), StageFailed):
                        self._failed = self._failed or error
                        self._cancel_waiting(in_flight)
                    else:
                        yield item, task.result()
            if self._failed:
                raise self._failed
        finally:
            loop.run_until_complete(self._close(in_flight))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _cancel_waiting(self, tasks: Iterable[asyncio.Future[Result]]) -> None:
        """Cancel tasks that wait for their next try; what is sent is let finish."""
        sending = self._connection.sending if self._connection else set()
        for task in tasks:
            if task not in sending:
                task.cancel()

    async def _close(self, tasks: Iterable[asyncio.Future[Result]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._connection:
            await self._connection.aclose()
            self._connection = None

    async def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the reply, from the cache if there is one. Only inside a call of `each`.

        Raises:
            NoReply: If this request gets no reply.
            StageFailed: If no request will get one.
        """
        body = self.config.body(messages)
        request = digest([self.config.revision, body])
        lock = self._locks.setdefault(request, asyncio.Lock())
        async with lock:  # equal requests at once wait for the one reply
            cached = self.cache.get(request)
            if cached is not None:
                self.usage.add(from_cache=1)
                return cached
            reply = await self._connect().complete(body)
            self.usage.add(answers=1, tokens_in=reply.tokens_in, tokens_out=reply.tokens_out)
            if reply.text.strip():
                self.cache.put(request, reply)
            return reply

    def _connect(self) -> Connection:
        if self._connection is None:
            from storm.llm_client.connection import Connection

            self._connection = Connection(self.config, self._breaker, self._before_try)
        return self._connection

    def _before_try(self) -> None:
        if self._failed:
            raise self._failed
        check_budget(self.config, self.usage)
        self.usage.add(requests=1)
