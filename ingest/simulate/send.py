"""Sign and deliver simulated events as the vendor does: at least once, not quite in order, by HTTP or SQS; or write them down.

Promises:
- Every body goes out byte for byte as the scenario made it, signed; what is delivered, and in which order, follows from the seed.
- A delivery counts as accepted only once the other side has said so (HTTP 200, an entry under `Successful`). A 503, a broken
  connection or a missing reply is tried again up to three times, a 503 after the time in its Retry-After.
- A connection carries one request at a time and is kept alive. Memory holds what is in flight, never the scenario.
"""

import asyncio
import contextlib
import gzip
import heapq
import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import httptools

from ingest.errors import UsageError
from ingest.signature import Verifier
from ingest.simulate.scenario import Event

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

TRIES_AGAIN: Final = 3
REPLY_SECONDS: Final = 5.0  # the vendor waits no longer
RETRY_AFTER_LIMIT_SECONDS: Final = 30.0
BATCH_MESSAGES: Final = 10
BATCH_BYTES: Final = 250_000
NO_REPLY: Final = "no reply"
SIGNATURE_ATTRIBUTE: Final = "X-SIGNATURE"

Seen = Callable[[Event], None]


@dataclass(slots=True)
class Tally:
    """What became of the deliveries.

    Attributes:
        accepted: deliveries the other side has taken (or lines written).
        refused: the others, by HTTP status, SQS error code or `no reply`.
        retried: tries beyond the first.
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    retried: int = 0
    seconds: float = 0.0

    @property
    def deliveries(self) -> int:
        return self.accepted + self.refused.total()

    def summary(self) -> str:
        """One line for people."""
        rate = self.deliveries / self.seconds if self.seconds > 0 else 0
        text = f"{self.deliveries:,} deliveries, {self.accepted:,} accepted"
        if self.refused:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in sorted(self.refused.items()))
            text += f", {self.refused.total():,} not ({reasons})"
        if self.retried:
            text += f", {self.retried:,} tried again"
        return f"{text}, {self.seconds:.1f} s, {rate:,.0f}/s"


def deliveries(events: Iterable[Event], *, duplicates: float, disorder: float, seed: int) -> Iterator[Event]:
    """The events as they are delivered: a share of them twice, a share of them up to 64 places late.

    The same for the same seed. With both shares 0 the events as they come.
    """
    if not duplicates and not disorder:
        yield from events
        return
    draw = random.Random(f"deliveries {seed}").random
    waiting: list[tuple[int, int, Event]] = []
    number = 0
    place = 0
    for place, event in enumerate(events):
        late = 1 + int(draw() * 64) if draw() < disorder else 0
        heapq.heappush(waiting, (place + late, number, event))
        number += 1
        if draw() < duplicates:
            heapq.heappush(waiting, (place + 1 + int(draw() * 256), number, event))
            number += 1
        while waiting and waiting[0][0] <= place:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def write(events: Iterable[Event], path: Path, *, seen: Seen | None = None) -> Tally:
    """Write one body a line; gzip where the name ends in .gz, standard output for `-`."""
    tally, began = Tally(), time.monotonic()
    with _opened(path) as file:
        for event in events:
            file.write(event.body + b"\n")
            tally.accepted += 1
            if seen is not None:
                seen(event)
    tally.seconds = time.monotonic() - began
    return tally


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        import sys

        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif path.suffix == ".gz":
        # no time in the header: the same bytes for the same seed
        with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=5, fileobj=raw, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
    else:
        with path.open("wb", buffering=1 << 20) as file:
            yield file


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook URL leads: address, TLS or not, and the request up to the signature."""

    host: str
    port: int
    tls: bool
    head: bytes


def target(url: str) -> Target:
    """Raises UsageError for what is no http(s) URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"--to {url}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--to {url}: is no http:// or https:// URL")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    name = host if port is None else f"{host}:{port}"
    head = f"POST {path} HTTP/1.1\r\nHost: {name}\r\nContent-Type: application/json\r\nx-signature: "
    return Target(parts.hostname, port or (443 if tls else 80), tls, head.encode())


def post(
    events: Iterable[Event],
    *,
    to: Target,
    signer: Verifier,
    connections: int = 16,
    rate: float | None = None,
    seen: Seen | None = None,
    accepted: Seen | None = None,
) -> Tally:
    """Deliver by HTTP: `connections` at a time, at most `rate` a second.

    `seen` hears of each event as it goes out, `accepted` of each that was answered 200.
    """
    poster = _Poster(iter(events), to, signer, rate, seen, accepted)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(poster.run(connections))
    return poster.tally


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


class _Connection(asyncio.Protocol):
    """One keep-alive connection: `ask` writes a request and waits for the reply's status."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reply: asyncio.Future[tuple[int, float | None]] | None = None
        self._begin()

    def _begin(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        self.retry_after: float | None = None

    async def ask(self, request: bytes) -> tuple[int, float | None]:
        """Status and Retry-After (seconds). Raises OSError, or TimeoutError after five seconds."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        loop = asyncio.get_running_loop()
        self.reply = loop.create_future()
        self.transport.write(request)
        deadline = loop.call_later(REPLY_SECONDS, self._fail, TimeoutError(NO_REPLY))
        try:
            return await self.reply
        finally:
            deadline.cancel()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _fail(self, error: Exception) -> None:
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"no HTTP reply: {error}"))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(ConnectionResetError("the connection was closed"))

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            with contextlib.suppress(ValueError):
                self.retry_after = float(value)

    def on_message_complete(self) -> None:
        status, keep = self.parser.get_status_code(), self.parser.should_keep_alive()
        if status < 200:  # 100 Continue and the like: the reply is still to come
            return
        if self.reply is not None and not self.reply.done():
            self.reply.set_result((status, self.retry_after))
        if keep:
            self._begin()
        else:
            self.close()


class _Poster:
    def __init__(
        self,
        events: Iterator[Event],
        to: Target,
        signer: Verifier,
        rate: float | None,
        seen: Seen | None,
        accepted: Seen | None,
    ) -> None:
        self.events, self.to, self.signer, self.rate = events, to, signer, rate
        self.seen, self.accepted = seen, accepted
        self.tally = Tally()
        self.tls = ssl.create_default_context() if to.tls else None
        self.taken = 0
        self.began = 0.0

    async def run(self, connections: int) -> None:
        self.began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._deliver())
        self.tally.seconds = time.monotonic() - self.began

    async def _deliver(self) -> None:
        connection: _Connection | None = None
        try:
            while not self._nobody_there() and (event := next(self.events, None)) is not None:
                if self.rate is not None:
                    self.taken += 1
                    ahead = self.began + self.taken / self.rate - time.monotonic()
                    if ahead > 0:
                        await asyncio.sleep(ahead)
                if self.seen is not None:
                    self.seen(event)
                connection = await self._one(connection, event)
        finally:
            if connection is not None:
                connection.close()

    def _nobody_there(self) -> bool:
        """Whether it is no use to go on: each delivery so far, four tries each, met silence."""
        return not self.tally.accepted and self.tally.refused[NO_REPLY] == self.tally.refused.total() > 0

    async def _one(self, connection: _Connection | None, event: Event) -> _Connection | None:
        body = event.body
        signature, length = self.signer.sign(body), len(body)
        request = b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (self.to.head, signature.encode(), length, body)
        for attempt in range(TRIES_AGAIN + 1):
            wait = 0.25 * 2**attempt
            try:
                if connection is None or connection.transport is None or connection.transport.is_closing():
                    connection = await self._connect()
                status, retry_after = await connection.ask(request)
            except OSError:  # TimeoutError is one: refused, reset, or no reply in time
                reason = NO_REPLY
                if connection is not None:
                    connection.close()
                    connection = None
            else:
                if status == 200:
                    self.tally.accepted += 1
                    if self.accepted is not None:
                        self.accepted(event)
                    return connection
                reason = str(status)
                if status != 503:
                    break
                if retry_after is not None:
                    wait = min(max(retry_after, 0.0), RETRY_AFTER_LIMIT_SECONDS)
            if attempt < TRIES_AGAIN:
                self.tally.retried += 1
                await asyncio.sleep(wait)
        self.tally.refused[reason] += 1
        return connection

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        made = loop.create_connection(_Connection, self.to.host, self.to.port, ssl=self.tls)
        _, connection = await asyncio.wait_for(made, REPLY_SECONDS)
        return connection


# ── SQS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def enqueue(
    events: Iterable[Event],
    *,
    queue_url: str,
    signer: Verifier,
    endpoint_url: str | None = None,
    region: str | None = None,
    connections: int = 8,
    rate: float | None = None,
    seen: Seen | None = None,
    accepted: Seen | None = None,
) -> Tally:
    """Deliver to an SQS queue in batches of ten, from `connections` threads; credentials by boto3's own chain.

    Raises UsageError where boto3 cannot even begin (no region, no credentials, no URL).
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        client = boto3.client(
            "sqs",
            endpoint_url=endpoint_url,
            region_name=region,
            config=Config(max_pool_connections=connections, retries={"mode": "standard", "max_attempts": TRIES_AGAIN + 1}),
        )
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"--queue-url {queue_url}: {error}") from None
    enqueuer = _Enqueuer(iter(events), client, queue_url, signer, rate, seen, accepted)
    with ThreadPoolExecutor(connections, thread_name_prefix="enqueue") as pool:
        for done in [pool.submit(enqueuer.deliver) for _ in range(connections)]:
            done.result()
    enqueuer.tally.seconds = time.monotonic() - enqueuer.began
    return enqueuer.tally


class _Enqueuer:
    def __init__(
        self,
        events: Iterator[Event],
        client: "SQSClient",
        queue_url: str,
        signer: Verifier,
        rate: float | None,
        seen: Seen | None,
        accepted: Seen | None,
    ) -> None:
        self.events, self.client, self.queue_url, self.signer, self.rate = events, client, queue_url, signer, rate
        self.seen, self.accepted = seen, accepted
        self.tally = Tally()
        self.lock = threading.Lock()
        self.held: Event | None = None
        self.taken = 0
        self.began = time.monotonic()

    def deliver(self) -> None:
        while batch := self._next_batch():
            self._send(batch)

    def _next_batch(self) -> list[Event]:
        with self.lock:
            batch: list[Event] = []
            size = 0
            while len(batch) < BATCH_MESSAGES:
                event, self.held = self.held or next(self.events, None), None
                if event is None:
                    break
                if batch and size + len(event.body) > BATCH_BYTES:
                    self.held = event
                    break
                batch.append(event)
                size += len(event.body) + 100
                if self.seen is not None:
                    self.seen(event)
            self.taken += len(batch)
            ahead = 0.0 if self.rate is None else self.began + self.taken / self.rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        return batch

    def _send(self, batch: list[Event]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        for attempt in range(TRIES_AGAIN + 1):
            try:
                answer = self.client.send_message_batch(
                    QueueUrl=self.queue_url, Entries=[self._entry(n, event) for n, event in enumerate(batch)]
                )
            except ClientError as error:
                # boto3 has tried throttling and 5xx again by itself
                self._count(refused=batch, reason=error.response.get("Error", {}).get("Code", "error"))
                return
            except BotoCoreError as error:
                self._count(refused=batch, reason=type(error).__name__)
                return
            failed = {int(entry["Id"]): entry for entry in answer.get("Failed", [])}
            with self.lock:
                for n, event in enumerate(batch):
                    if n not in failed:
                        self.tally.accepted += 1
                        if self.accepted is not None:
                            self.accepted(event)
            again = [batch[n] for n, entry in failed.items() if not entry["SenderFault"]]
            for entry in (entry for entry in failed.values() if entry["SenderFault"]):
                self._count(refused=[batch[int(entry["Id"])]], reason=entry["Code"])
            batch = again
            if not batch:
                return
            if attempt < TRIES_AGAIN:
                with self.lock:
                    self.tally.retried += len(batch)
                time.sleep(0.25 * 2**attempt)
        self._count(refused=batch, reason=NO_REPLY)

    def _count(self, *, refused: list[Event], reason: str) -> None:
        with self.lock:
            self.tally.refused[reason] += len(refused)

    def _entry(self, n: int, event: Event) -> "SendMessageBatchRequestEntryTypeDef":
        signature = self.signer.sign(event.body)
        return {
            "Id": str(n),
            "MessageBody": event.body.decode(),
            "MessageAttributes": {SIGNATURE_ATTRIBUTE: {"DataType": "String", "StringValue": signature}},
        }
