"""The HTTP door: POST /webhook/{source}, and /healthz, /readyz, /metrics. Limits, and a receipt's status. (CONTRACT §4)

| status | when |
|---|---|
| 200 | accepted: verified and on stable storage |
| 401 · 404 · 405 · 413 | signature missing or wrong · unknown source or path · method · body over the limit, also in mid-body |
| 503, Retry-After | not durable, over a limit, too slow; never a 4xx for our own trouble, since senders do not retry those |

Invariants:
 1. A request is answered, or its connection closed, within 4 s after its head has arrived: its body has `BODY_SECONDS`, the
    journal `ANSWER_SECONDS`, both from the same start.
 2. A head has `HEAD_SECONDS` and 64 KiB, a silent connection `IDLE_SECONDS`. There are at most as many connections as file
    descriptors allow; a new one closes the longest idle ones, so idle clients cannot shut out a busy one.
 3. A body is read up to its limit and not further. After a refusal in mid-body what the client is still sending is thrown
    away for a moment, because closing at once would reset the connection before it has read the answer.

uvicorn serves it with httptools, without its signal handling and time-outs: it drops neither half heads nor slow bodies.
"""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import httptools
import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingest.journal import ANSWER_SECONDS
from ingest.receiver import Delivery, Outcome, Receiver
from ingest.telemetry import Meter, logger

log = logger(__name__)

BODY_SECONDS: Final = 3.4
HEAD_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 75.0
FIRST_BYTE_SECONDS: Final = 20.0
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 8192
SPARE_DESCRIPTORS: Final = 200
_SWEEP_SECONDS: Final = 0.2
_PROMPT_SECONDS: Final = 0.2
_DISCARD_SECONDS: Final = 2.0
_STUCK_SECONDS: Final = 10.0
_DISCARD_BYTES: Final = 16 * 1024 * 1024

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PREFIX: Final = "/webhook/"
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_RETRY: Final = (b"retry-after", b"1")
_CLOSE: Final = (b"connection", b"close")


def _answer(status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> tuple[Message, Message]:
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [length, *headers]}
    return start, {"type": "http.response.body", "body": body}


_ANSWERS: Final = {
    Outcome.ACCEPTED: _answer(200),
    Outcome.NO_SIGNATURE: _answer(401, b"x-signature is missing\n", _TEXT),
    Outcome.BAD_SIGNATURE: _answer(401, b"x-signature is wrong\n", _TEXT),
    Outcome.UNKNOWN_SOURCE: _answer(404, b"no such source\n", _TEXT),
    Outcome.TOO_LARGE: _answer(413, b"the body is too large\n", _TEXT, _CLOSE),
    Outcome.OVER_LIMIT: _answer(503, b"too many requests a second\n", _TEXT, _RETRY),
    Outcome.NOT_DURABLE: _answer(503, b"cannot be stored now\n", _TEXT, _RETRY),
}
_STATUS: Final = {outcome: str(start["status"]) for outcome, (start, _) in _ANSWERS.items()}
_NOT_FOUND: Final = _answer(404, b"not found\n", _TEXT)
_ONLY_POST: Final = _answer(405, b"use POST\n", _TEXT, (b"allow", b"POST"))
_ONLY_GET: Final = _answer(405, b"use GET\n", _TEXT, (b"allow", b"GET, HEAD"))
_TOO_SLOW: Final = _answer(503, b"the body came too slowly\n", _TEXT, _RETRY, _CLOSE)
_HEALTHY: Final = _answer(200, b"ok\n", _TEXT)
_CROWDED: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Webhook:
    """The ASGI application.

    `trouble` says why /readyz is 503, an empty sequence: it is ready. `metrics` gives the text of /metrics.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        meter: Meter,
        trouble: Callable[[], Sequence[str]],
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._receiver, self._meter, self._trouble, self._metrics = receiver, meter, trouble, metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(_PREFIX):
            await self._deliver(path[len(_PREFIX) :], scope, receive, send)
            return
        if path not in ("/healthz", "/readyz", "/metrics"):
            await _reply(send, _NOT_FOUND)
        elif scope["method"] not in ("GET", "HEAD"):
            await _reply(send, _ONLY_GET)
        elif path == "/healthz":
            await _reply(send, _HEALTHY)
        elif path == "/readyz":
            await _reply(send, self._readiness())
        else:
            await _reply(send, _answer(200, await self._metrics(), (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")))

    def _readiness(self) -> tuple[Message, Message]:
        trouble = list(self._trouble())
        body = orjson.dumps({"ready": not trouble, "why": trouble})
        headers = [(b"content-type", b"application/json")]
        return _answer(503, body, *headers, _RETRY) if trouble else _answer(200, body, *headers)

    async def _deliver(self, name: str, scope: Message, receive: Receive, send: Send) -> None:
        source = self._receiver.source(name, "webhook")
        if source is None:
            self._meter.add("callfacts_requests", "", "404")  # no label of the client's choice
            await _reply(send, _ANSWERS[Outcome.UNKNOWN_SOURCE])
            return
        if scope["method"] != "POST":
            self._meter.add("callfacts_requests", name, "405")
            await _reply(send, _ONLY_POST)
            return
        signature: str | None = None
        declared = 0
        expects = False
        for header, value in scope["headers"]:
            if header == b"x-signature":
                signature = value.strip(b" \t").decode("latin-1")
            elif header == b"content-length":
                declared = int(value)
            elif header == b"expect":
                expects = True
        if declared > source.limit_bytes:
            await self._refuse_large(name, receive, send, wait=not expects)
            return
        began = time.monotonic()
        message = await receive()
        if message["type"] != "http.request":
            return
        body: bytes = message["body"]
        if message["more_body"] or len(body) > source.limit_bytes:
            whole = await self._rest(name, began, message, source.limit_bytes, receive, send)
            if whole is None:
                return
            body = whole
        delivery = Delivery(name, "webhook", body, signature)
        if (left := began + ANSWER_SECONDS - time.monotonic()) > ANSWER_SECONDS - _PROMPT_SECONDS:
            outcome = (await self._receiver.receive((delivery,)))[0].outcome
        else:
            outcome = await self._receive_within(left, delivery)
        self._meter.add_key(("callfacts_requests", name, _STATUS[outcome]))
        self._meter.add_key(("callfacts_received_bytes", name), len(body))
        start, end = _ANSWERS[outcome]
        await send(start)
        await send(end)

    async def _receive_within(self, seconds: float, delivery: Delivery) -> Outcome:
        """The outcome for a body that took its time: its commit has only what is left of the four seconds."""
        try:
            async with asyncio.timeout(seconds):
                return (await self._receiver.receive((delivery,)))[0].outcome
        except TimeoutError:
            return Outcome.NOT_DURABLE

    async def _rest(self, name: str, began: float, first: Message, limit: int, receive: Receive, send: Send) -> bytes | None:
        """The whole body of a request that came in pieces; None where it has been answered, or its client is gone."""
        pieces, size, more = [first["body"]], len(first["body"]), first["more_body"]
        while size <= limit and more:
            message = await receive()  # the server wakes us when the time is up
            if message["type"] != "http.request":
                return None
            pieces.append(message["body"])
            size += len(message["body"])
            more = message["more_body"]
            if more and time.monotonic() > began + BODY_SECONDS - _SWEEP_SECONDS:
                self._meter.add("callfacts_requests", name, "503")
                await _reply(send, _TOO_SLOW)
                return None
        if size > limit:
            await self._refuse_large(name, receive, send, wait=more)
            return None
        return b"".join(pieces)

    async def _refuse_large(self, name: str, receive: Receive, send: Send, *, wait: bool) -> None:
        outcome = self._receiver.too_large(name).outcome
        self._meter.add("callfacts_requests", name, _STATUS[outcome])
        start, end = _ANSWERS[outcome]
        await send(start)
        await send({**end, "more_body": True})
        if wait:
            await _discard(receive)
        await send({"type": "http.response.body", "body": b""})


async def _reply(send: Send, answer: tuple[Message, Message]) -> None:
    start, end = answer
    await send(start)
    await send(end)


async def _discard(receive: Receive) -> None:
    """Throw away what the client is still sending, up to a limit, so that it gets to read the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while size < _DISCARD_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                size += len(message["body"])


# ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Phase(IntEnum):
    NEW = 0
    """No byte has come."""
    HEAD = 1
    """A request's head is arriving."""
    BODY = 2
    """Its head is whole, its body is not."""
    ANSWER = 3
    """It is whole and being answered."""
    IDLE = 4
    """Between two requests."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each phase may last, in seconds."""

    first_byte: float = FIRST_BYTE_SECONDS
    head: float = HEAD_SECONDS
    body: float = BODY_SECONDS
    idle: float = IDLE_SECONDS


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol, which also notes since when it is in which phase."""

    door: "Door"
    phase = _Phase.NEW
    since = 0.0
    head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = self.door.now
        self.door.admit(self)

    def data_received(self, data: bytes) -> None:
        if self.parser is None:  # it was refused
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self.phase is _Phase.HEAD:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_HEAD_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.phase, self.since, self.head_bytes = _Phase.HEAD, self.door.now, 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.phase, self.since = _Phase.BODY, self.door.now
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.phase = _Phase.ANSWER
        super().on_message_complete()
        if self.cycle.response_complete:  # it was answered before its body was there
            self.phase, self.since = _Phase.IDLE, self.door.now

    def on_response_complete(self) -> None:
        if self.phase is _Phase.ANSWER:
            self.phase, self.since = _Phase.IDLE, self.door.now
        super().on_response_complete()

    def _stay(self, rest: bytes) -> None:
        """Go on with HTTP/1.1 for a client that offers another protocol, as Java's does with h2c at each first request.

        The parser takes whatever follows such a head for the other protocol, and the body would be lost. So it reads the same
        head again without the offer.
        """
        if self.parser.get_method() == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/1.1\r\n"]
        for name, value in self.headers:
            if name not in (b"upgrade", b"connection", b"http2-settings"):
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))

    def hurry(self) -> None:
        """Wake the application that waits for the body: its time is up."""
        if self.cycle is not None:
            self.cycle.message_event.set()


class Door:
    """All connections of a server: their number, and their patience."""

    def __init__(self, *, meter: Meter, max_connections: int, patience: Patience) -> None:
        self._meter, self._max, self._patience = meter, max_connections, patience
        self._connections: set[_Connection] = set()
        self.now = 0.0  # a coarse clock, set by the sweep: one reading for all

    def opened(self, connections: set[Any], now: float) -> None:
        """Begin: the server's own set of its connections."""
        self._connections, self.now = connections, now

    @property
    def count(self) -> int:
        return len(self._connections)

    def admit(self, connection: _Connection) -> None:
        """Make room for a new connection, or turn it away."""
        if len(self._connections) <= self._max:
            return
        waiting = [
            other for other in self._connections if other.phase in (_Phase.NEW, _Phase.HEAD, _Phase.IDLE) and other is not connection
        ]
        waiting.sort(key=lambda other: other.since)
        for other in waiting[: max(1, self._max // 32)]:
            self._close(other, "crowded")
        if not waiting:
            self._meter.add("callfacts_connections_closed", "crowded")
            connection.transport.write(_CROWDED)
            connection.transport.close()

    def sweep(self, now: float) -> None:
        """Close who is too slow or too silent."""
        self.now = now
        patience = self._patience
        for connection in list(self._connections):
            waited = now - connection.since
            phase = connection.phase
            if phase is _Phase.IDLE:
                if waited > patience.idle:
                    self._close(connection, "idle")
            elif phase is _Phase.NEW:
                if waited > patience.first_byte:
                    self._close(connection, "idle")
            elif phase is _Phase.HEAD:
                if waited > patience.head:
                    self._close(connection, "slow")
            elif phase is _Phase.BODY and patience.body < waited <= patience.body + _DISCARD_SECONDS:
                connection.hurry()
            elif waited > _STUCK_SECONDS:
                self._meter.add("callfacts_connections_closed", "slow")
                connection.transport.abort()

    def _close(self, connection: _Connection, why: str) -> None:
        self._meter.add("callfacts_connections_closed", why)
        connection.transport.close()
        self._connections.discard(connection)


class Server(uvicorn.Server):
    """uvicorn without its signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def connection_limit() -> int:
    """How many connections the process can have; raises its soft limit of file descriptors first, if it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MAX_CONNECTIONS, soft - SPARE_DESCRIPTORS))


async def serve(
    app: Webhook,
    sock: socket.socket,
    *,
    stop: asyncio.Event,
    meter: Meter,
    on_listening: Callable[[], None],
    max_connections: int | None = None,
    patience: Patience | None = None,
) -> None:
    """Serve until `stop` is set, then answer what is in flight, and return."""
    loop = asyncio.get_running_loop()
    door = Door(meter=meter, max_connections=max_connections or connection_limit(), patience=patience or Patience())
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=type("Connection", (_Connection,), {"door": door}),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(IDLE_SECONDS) + 1,
        timeout_graceful_shutdown=6,
        backlog=2048,
    )
    server = Server(config)
    door.opened(server.server_state.connections, loop.time())

    async def sweep() -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            door.sweep(loop.time())
            meter.set("callfacts_connections", value=door.count)

    async def end() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        on_listening()
        await stop.wait()
        server.should_exit = True

    helpers = [asyncio.ensure_future(sweep()), asyncio.ensure_future(end())]
    try:
        await server.serve(sockets=[sock])
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
