"""The HTTP door: POST /webhook/{source}, and /healthz, /readyz, /metrics. Limits, and a receipt's status. (CONTRACT §4)

| status | when |
|---|---|
| 200 | accepted: verified and on stable storage |
| 401 · 404 · 405 · 413 | signature missing or wrong · unknown source or path · method · body over the limit, also in mid-body |
| 503, Retry-After | not durable, over a limit, too slow; never a 4xx for our own trouble, since senders do not retry those |

Invariants:
 1. A request is answered, or its connection closed, within 4 s after its head has arrived: its body has `BODY_SECONDS`, the
    journal `ANSWER_SECONDS`, both from the same start.
 2. A body is read up to its limit and not further. After a refusal in mid-body what the client is still sending is thrown
    away for a moment, because closing at once would reset the connection before it has read the answer.

A body comes on one of two ways with the same end: from the parser into its source's `_Inlet`, or, where anything about its
request is out of the ordinary, through the ASGI application (`connections`).
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import orjson

from ingest.connections import BODY_SECONDS, DISCARD_SECONDS, Answer, Inlet, Message, claims
from ingest.journal import ANSWER_SECONDS
from ingest.receiver import Delivery, OpenSource, Outcome, Receipt, Receiver
from ingest.telemetry import Meter

_PROMPT_SECONDS: Final = 0.2
_DISCARD_BYTES: Final = 16 * 1024 * 1024

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PREFIX: Final = "/webhook/"
_RAW_PREFIX: Final = _PREFIX.encode()
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_RETRY: Final = (b"retry-after", b"1")
_CLOSE: Final = (b"connection", b"close")

_ANSWERS: Final = {
    Outcome.ACCEPTED: Answer(200),
    Outcome.NO_SIGNATURE: Answer(401, b"x-signature is missing\n", _TEXT),
    Outcome.BAD_SIGNATURE: Answer(401, b"x-signature is wrong\n", _TEXT),
    Outcome.UNKNOWN_SOURCE: Answer(404, b"no such source\n", _TEXT),
    Outcome.TOO_LARGE: Answer(413, b"the body is too large\n", _TEXT, _CLOSE),
    Outcome.OVER_LIMIT: Answer(503, b"too many requests a second\n", _TEXT, _RETRY),
    Outcome.NOT_DURABLE: Answer(503, b"cannot be stored now\n", _TEXT, _RETRY),
}
_NOT_FOUND: Final = Answer(404, b"not found\n", _TEXT)
_ONLY_POST: Final = Answer(405, b"use POST\n", _TEXT, (b"allow", b"POST"))
_ONLY_GET: Final = Answer(405, b"use GET\n", _TEXT, (b"allow", b"GET, HEAD"))
_TOO_SLOW: Final = Answer(503, b"the body came too slowly\n", _TEXT, _RETRY, _CLOSE)
_HEALTHY: Final = Answer(200, b"ok\n", _TEXT)


class _Inlet:
    """The short way of one source's bodies: verified and handed to the journal by the parser's own call."""

    __slots__ = ("_meter", "_receiver", "limit_bytes", "source")

    def __init__(self, source: OpenSource, receiver: Receiver, meter: Meter) -> None:
        self.source, self._receiver, self._meter = source, receiver, meter
        self.limit_bytes = source.limit_bytes

    def take(self, body: bytes, signature: str | None, since: float, answer: Callable[[Answer], None]) -> None:
        """Take a whole body; the answer comes when it is known what became of it."""
        delivery = Delivery(self.source.name, "webhook", body, signature)
        self._receiver.take(delivery, partial(self._answer, len(body), answer), since=since)

    def too_slow(self) -> Answer:
        """Count and give the answer to a body that has used up its time."""
        self._meter.add("callfacts_requests", self.source.name, _TOO_SLOW.status)
        return _TOO_SLOW

    def _answer(self, size: int, answer: Callable[[Answer], None], receipt: Receipt) -> None:
        found = _ANSWERS[receipt.outcome]
        _count(self._meter, self.source.name, found, size)
        answer(found)


def _count(meter: Meter, source: str, answer: Answer, size: int) -> None:
    meter.add_key(("callfacts_requests", source, answer.status))
    meter.add_key(("callfacts_received_bytes", source), size)


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
        self._inlets: dict[bytes, _Inlet] = {}

    def inlet(self, url: bytes) -> Inlet | None:
        """The inlet of the source whose path it is, as the configuration in force has it."""
        inlet = self._inlets.get(url)
        if inlet is not None and self._receiver.source(inlet.source.name, "webhook") is inlet.source:
            return inlet
        if not url.startswith(_RAW_PREFIX):
            return None
        source = self._receiver.source(url.removeprefix(_RAW_PREFIX).decode("latin-1"), "webhook")
        if source is None:
            return None
        self._inlets[url] = inlet = _Inlet(source, self._receiver, self._meter)
        return inlet

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
            await _reply(send, Answer(200, await self._metrics(), (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")))

    def _readiness(self) -> Answer:
        trouble = list(self._trouble())
        body = orjson.dumps({"ready": not trouble, "why": trouble})
        headers = [(b"content-type", b"application/json")]
        return Answer(503, body, *headers, _RETRY) if trouble else Answer(200, body, *headers)

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
        signature, declared = claims(scope["headers"])
        if declared > source.limit_bytes:
            expects = any(header == b"expect" for header, _ in scope["headers"])
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
        _count(self._meter, name, _ANSWERS[outcome], len(body))
        await _reply(send, _ANSWERS[outcome])

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
            if more and time.monotonic() > began + BODY_SECONDS - _PROMPT_SECONDS:
                self._meter.add("callfacts_requests", name, "503")
                await _reply(send, _TOO_SLOW)
                return None
        if size > limit:
            await self._refuse_large(name, receive, send, wait=more)
            return None
        return b"".join(pieces)

    async def _refuse_large(self, name: str, receive: Receive, send: Send, *, wait: bool) -> None:
        outcome = self._receiver.too_large(name).outcome
        answer = _ANSWERS[outcome]
        self._meter.add("callfacts_requests", name, answer.status)
        await send(answer.start)
        await send({**answer.end, "more_body": True})
        if wait:
            await _discard(receive)
        await send({"type": "http.response.body", "body": b""})


async def _reply(send: Send, answer: Answer) -> None:
    await send(answer.start)
    await send(answer.end)


async def _discard(receive: Receive) -> None:
    """Throw away what the client is still sending, up to a limit, so that it gets to read the answer."""
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while size < _DISCARD_BYTES:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                size += len(message["body"])
