"""HTTP connections: uvicorn's, with their number, their patience, and a short way for what comes all day.

Invariants:
 1. A head has `HEAD_SECONDS` and 64 KiB, a body `BODY_SECONDS`, a silent connection `IDLE_SECONDS`. There are at most as many
    connections as file descriptors allow; a new one closes the longest idle ones, so idle clients cannot shut out a busy one.
 2. A body that an `Inlet` takes goes to it straight from the parser. Whatever is out of the ordinary (a path that is no
    inlet's, another method, `Expect`, a body over the limit, a request behind an unanswered one) goes to the ASGI application:
    a request ends on one way only, and answers keep the order of their requests on both.

The short way is there because a task, a scope and three coroutines for each request cost more than verifying and storing it.
uvicorn serves with httptools, without its signal handling and time-outs: it drops neither half heads nor slow bodies.
"""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, Protocol

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest.telemetry import Meter

BODY_SECONDS: Final = 3.4
HEAD_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 75.0
FIRST_BYTE_SECONDS: Final = 20.0
MAX_HEAD_BYTES: Final = 64 * 1024
MAX_CONNECTIONS: Final = 8192
SPARE_DESCRIPTORS: Final = 200
DISCARD_SECONDS: Final = 2.0
"""How long what a refused client is still sending is thrown away."""
_SWEEP_SECONDS: Final = 0.2
_STUCK_SECONDS: Final = 10.0
_CROWDED: Final = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
_HEAD_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

Message = MutableMapping[str, Any]


class Answer:
    """A whole response: as two ASGI messages, and as bytes."""

    def __init__(self, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
        self.status = str(status)
        length = (b"content-length", str(len(body)).encode())
        self.start: Message = {"type": "http.response.start", "status": status, "headers": [length, *headers]}
        self.end: Message = {"type": "http.response.body", "body": body}
        self.closes = (b"connection", b"close") in headers

    def raw(self, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """What goes over the wire, the server's own headers first."""
        lines = [name + b": " + value + b"\r\n" for name, value in (*default_headers, *self.start["headers"])]
        body: bytes = self.end["body"]
        return b"".join([STATUS_LINE[self.start["status"]], *lines, b"\r\n", body])


class Inlet(Protocol):
    """Takes the bodies that are posted to one path."""

    limit_bytes: int

    def take(self, body: bytes, signature: str | None, since: float, answer: Callable[[Answer], None]) -> None:
        """Take a whole body whose head arrived at `since` (the loop's time); `answer` is called once, now or later."""

    def too_slow(self) -> Answer:
        """The answer to a body that has used up its time."""


class Application(Protocol):
    """The ASGI application, which may have inlets."""

    def inlet(self, url: bytes) -> Inlet | None:
        """Who takes what is posted to this URL, if anybody."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""


def claims(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str | None, int]:
    """What a head says of its body: the signature as received, None where there is none, and the length, 0 where it is not declared."""
    signature, declared = None, 0
    for name, value in headers:
        if name == b"x-signature":
            signature = value.strip(b" \t").decode("latin-1")
        elif name == b"content-length":
            declared = int(value)
    return signature, declared


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


class _Silent:
    """Where uvicorn would wake the application that waits for a body: an inlet's request has none."""

    def set(self) -> None:
        """Nobody waits."""


class _Direct:
    """A request on the short way. It stands where uvicorn has the cycle of a request, with what uvicorn asks of one."""

    __slots__ = ("connection", "disconnected", "inlet", "keep_alive", "pieces", "response_complete", "signature", "since", "size")
    message_event = _Silent()

    def __init__(self, connection: "_Connection", inlet: Inlet, signature: str | None, *, keep_alive: bool) -> None:
        self.connection, self.inlet, self.signature, self.keep_alive = connection, inlet, signature, keep_alive
        self.since = connection.since
        self.pieces: list[bytes] = []
        self.size = 0
        self.response_complete = self.disconnected = False

    def answer(self, answer: Answer) -> None:
        if not self.response_complete and not self.disconnected:
            self.response_complete = True
            self.connection.answered(self, answer)


def _direct(cycle: object) -> _Direct | None:
    return cycle if isinstance(cycle, _Direct) else None


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol, which also notes since when it is in which phase, and knows the short way."""

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
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.phase, self.since, self.head_bytes = _Phase.HEAD, self.door.now, 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.phase, self.since = _Phase.BODY, self.door.now
        if (direct := self._directly()) is not None:
            self.cycle = direct  # type: ignore[assignment]
        else:
            self._to_application()

    def on_body(self, body: bytes) -> None:
        direct = _direct(self.cycle)
        if direct is None:
            super().on_body(body)
        elif not direct.response_complete:
            direct.size += len(body)
            direct.pieces.append(body)
            if direct.size > direct.inlet.limit_bytes:  # one that did not declare its length
                self.cycle = None  # type: ignore[assignment]
                self._to_application()
                super().on_body(b"".join(direct.pieces))

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self.phase = _Phase.ANSWER
        direct = _direct(self.cycle)
        if direct is None:
            super().on_message_complete()
        elif not direct.response_complete:
            body = direct.pieces[0] if len(direct.pieces) == 1 else b"".join(direct.pieces)
            direct.inlet.take(body, direct.signature, direct.since, direct.answer)
        if self.cycle.response_complete:  # it was answered at once, or before its body was there
            self.phase, self.since = _Phase.IDLE, self.door.now

    def on_response_complete(self) -> None:
        if self.phase is _Phase.ANSWER:
            self.phase, self.since = _Phase.IDLE, self.door.now
        super().on_response_complete()

    def answered(self, direct: _Direct, answer: Answer) -> None:
        """Send the answer of a request on the short way, and go on."""
        keep_alive = direct.keep_alive and not answer.closes
        self.transport.write(self.door.raw(answer, self.server_state.default_headers, keep_alive=keep_alive))
        if not keep_alive:
            self.transport.close()
        if self.pipeline:
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.phase is _Phase.ANSWER:
            self.phase, self.since = _Phase.IDLE, self.door.now

    def _directly(self) -> _Direct | None:
        """The request whose head is whole as one on the short way; None where it goes to the application."""
        before = self.cycle
        if (before is not None and not before.response_complete) or self.expect_100_continue or self.parser.get_method() != b"POST":
            return None
        inlet = self.door.application.inlet(self.url)
        if inlet is None:
            return None
        signature, declared = claims(self.headers)
        if declared > inlet.limit_bytes:
            return None
        keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        return _Direct(self, inlet, signature, keep_alive=keep_alive)

    def _to_application(self) -> None:
        """What uvicorn does with a head. It makes the scope at a head's first byte; here only once it is needed."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

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
        """Its time for the body is up: answer, or wake the application that waits for it."""
        if (direct := _direct(self.cycle)) is not None:
            direct.answer(direct.inlet.too_slow())
        elif self.cycle is not None:
            self.cycle.message_event.set()


class Door:
    """All connections of a server: their number, and their patience."""

    def __init__(self, application: Application, *, meter: Meter, max_connections: int, patience: Patience) -> None:
        self.application, self._meter, self._max, self._patience = application, meter, max_connections, patience
        self._connections: set[_Connection] = set()
        self._raw: dict[Answer, bytes] = {}
        self._raw_with: list[tuple[bytes, bytes]] | None = None
        self.now = 0.0  # a coarse clock, set by the sweep: one reading for all

    def opened(self, connections: set[Any], now: float) -> None:
        """Begin: the server's own set of its connections."""
        self._connections, self.now = connections, now

    @property
    def count(self) -> int:
        return len(self._connections)

    def raw(self, answer: Answer, default_headers: list[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
        """An answer's bytes; made again only when the server's own headers have changed, as its date does."""
        if not keep_alive:
            return answer.raw(default_headers if answer.closes else [*default_headers, (b"connection", b"close")])
        if self._raw_with is not default_headers:
            self._raw, self._raw_with = {}, default_headers
        raw = self._raw.get(answer)
        if raw is None:
            raw = self._raw[answer] = answer.raw(default_headers)
        return raw

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
            elif phase is _Phase.BODY and patience.body < waited <= patience.body + DISCARD_SECONDS:
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
    app: Application,
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
    door = Door(app, meter=meter, max_connections=max_connections or connection_limit(), patience=patience or Patience())
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
