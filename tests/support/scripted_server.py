"""A chat server on loopback that does what a test's script says, however bad, and counts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Act:
    """One response. `body` is sent as it is; `hang`, `drip` and `reset` are ways not to."""

    body: str | bytes = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # before anything is sent
    hang: bool = False
    reset: bool = False
    drip: float = 0.0  # seconds between single bytes, those of the head too


def says(text: str | None, finish: str = "stop", tokens: tuple[int, int] = (10, 5), **more) -> str:
    """A chat completion's JSON."""
    message = {"role": "assistant", "content": text, **more}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})


Script = Callable[[dict[str, Any], int], Act]


class ScriptedServer:
    """`with ScriptedServer(script) as server:` - `script(request body, how often seen)` acts."""

    def __init__(self, script: Script):
        self.script = script
        self.seen: Counter[str] = Counter()  # canonical bodies
        self.keys: list[str] = []  # Authorization headers
        self.heads: list[str] = []  # of all requests
        self.flying = self.most_flying = 0

    @property
    def requests(self) -> int:
        return sum(self.seen.values())

    def __enter__(self) -> ScriptedServer:
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self.thread.start()
        started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join()

    def _run(self, started: threading.Event) -> None:
        async def serve() -> None:
            self.stop = asyncio.Event()
            self.tasks: set[asyncio.Task[None]] = set()
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 24)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            started.set()
            await self.stop.wait()
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

        self.loop.run_until_complete(serve())
        self.loop.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._converse(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                lines = head.split("\r\n")
                named = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                body = await reader.readexactly(int(named["content-length"]))
                self.keys += [h.split(": ", 1)[1] for h in lines if h.lower().startswith("authori")]
                self.flying += 1
                self.most_flying = max(self.most_flying, self.flying)
                try:
                    await self._act(json.loads(body), writer)
                finally:
                    self.flying -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _act(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        name = json.dumps(body, sort_keys=True)
        self.seen[name] += 1
        act = self.script(body, self.seen[name])
        await asyncio.sleep(act.delay)
        if act.hang:
            await self.stop.wait()
        if act.reset:
            writer.transport.abort()
            raise ConnectionResetError
        content = act.body.encode() if isinstance(act.body, str) else act.body
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = [f"{k}: {v}" for k, v in {**headers, **act.headers}.items()]
        data = "\r\n".join([f"HTTP/1.1 {act.status} X", *lines, "", ""]).encode() + content
        for piece in [data] if not act.drip else [data[i : i + 1] for i in range(len(data))]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(act.drip)
