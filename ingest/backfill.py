"""Backfill: the lines of an NDJSON file become deliveries, through the same journal and roller as any other.

One raw body a line, already verified by the operator. Empty lines are skipped; a line that is no event goes to the quarantine
with file and line in its detail. Memory holds one batch. Running it twice adds deliveries and changes no fact.
"""

import asyncio
import gzip
import signal
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from ingest.config import Config
from ingest.errors import JournalFull, NotDurable
from ingest.journal import Journal, Limits
from ingest.layout import Reason
from ingest.receiver import Delivery, Outcome, Receiver
from ingest.rejections import Rejections
from ingest.roller import expectations
from ingest.roller_process import RollerProcess
from ingest.telemetry import Meter

_GZIP_MAGIC: Final = b"\x1f\x8b"
_SKIP_BYTES: Final = 1 << 20
_BATCH_ROWS: Final = 1000
_BATCH_BYTES: Final = 4 << 20
_AHEAD_BYTES: Final = 512 << 20
"""With more than this in the journal the roller is waited for: a backfill must not fill the disk that live traffic needs."""
_PATIENCE_SECONDS: Final = 120.0
_TRIES: Final = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a backfill did.

    Attributes:
        deliveries: lines made durable.
        landed, quarantined: where they went; by reason.
        left: journal files not landed yet; the next start of any ingester lands them.
        ended_early: why not every line was read; None: all were.
    """

    deliveries: int
    landed: int
    quarantined: Mapping[str, int]
    left: int
    ended_early: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: its number from 1, its bytes without the line break (the first, of one that is too long), its size."""

    number: int
    body: bytes
    size: int


def load(config: Config, file: Path, name: str, *, progress: Callable[[int], None] = lambda read: None) -> Loaded:
    """Bring the lines of a file, plain or gzip, into the landing zone; `progress` hears how many bytes have been read.

    Raises ConfigError for a source that is not configured (where none is configured at all, any name will do), OSError
    for a file that cannot be read.
    """
    limit = config.body_limit_bytes(config.source(name)) if config.sources else int(config.ingest.max_body_bytes)
    with file.open("rb") as raw:
        return asyncio.run(_load(config, lines(raw, limit), str(file), name, limit, lambda: progress(raw.tell())))


def lines(raw: IO[bytes], limit: int) -> Iterator[Line]:
    """The lines that are not empty; holds one of at most `limit` bytes. Raises OSError, EOFError, zlib.error."""
    gzipped = raw.read(2) == _GZIP_MAGIC
    raw.seek(0)
    file: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if gzipped else raw
    number = 0
    while piece := file.readline(limit + 2):
        number += 1
        body, size = piece, len(piece)
        while not piece.endswith(b"\n") and (piece := file.readline(_SKIP_BYTES)):  # too long: the rest is passed over
            size += len(piece)
        if body.endswith(b"\n"):
            body = body[:-2] if body.endswith(b"\r\n") else body[:-1]
            size = len(body)
        if body:
            yield Line(number, body, size)


def _delivery(line: Line, file: str, name: str, limit: int) -> Delivery:
    at = f"{file}:{line.number}"
    if line.size > limit:
        return Delivery(
            name, "load", line.body, detail=f"{at}: {line.size} bytes, the limit is {limit}", reason=str(Reason.TOO_LARGE), trusted=True
        )
    return Delivery(name, "load", line.body, detail=at, trusted=True)


async def _load(config: Config, found: Iterator[Line], file: str, name: str, limit: int, progress: Callable[[], None]) -> Loaded:
    meter = Meter()
    folder = config.storage.journal_path
    roller = RollerProcess(folder, config.storage, expectations(config), meter=meter)
    limits = Limits(
        roll_seconds=max(30.0, config.ingest.roll_seconds),
        roll_bytes=int(config.ingest.roll_bytes),
        max_pending_bytes=int(config.ingest.max_pending_bytes),
        max_bytes=config.storage.journal_limit_bytes,
    )
    journal = Journal(folder, limits=limits, handover=roller, meter=meter)
    loader = _Loader(
        Receiver(journal, {}, meter=meter, rejections=Rejections()), journal, ahead_bytes=min(_AHEAD_BYTES, limits.max_bytes // 2)
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    roller.start()
    try:
        await journal.start()
    except (OSError, sqlite3.Error) as error:
        roller.kill()
        raise NotDurable(f"{folder}: the journal cannot be written: {error}") from None
    ended_early = None
    try:
        for line in found:
            if await loader.add(_delivery(line, file, name, limit)):
                progress()
                if stop.is_set():
                    ended_early = "interrupted"
                    break
    except (EOFError, zlib.error, OSError) as error:  # a gzip file that is cut or damaged, or a disk that fails
        ended_early = f"{file}: cannot be read to its end: {error}"
    except NotDurable as error:
        ended_early = str(error)
    try:
        await loader.commit()
    except NotDurable as error:
        ended_early = str(error)
    progress()
    await journal.close()
    left = await roller.drain()
    journal.close_connections()
    return Loaded(loader.done, roller.own_landed, dict(roller.own_quarantined), left, ended_early)


class _Loader:
    """Batches of deliveries, one commit each."""

    def __init__(self, receiver: Receiver, journal: Journal, *, ahead_bytes: int) -> None:
        self._receiver, self._journal, self._ahead_bytes = receiver, journal, ahead_bytes
        self._batch: list[Delivery] = []
        self._bytes = 0
        self.done = 0

    async def add(self, delivery: Delivery) -> bool:
        """One more; True where that made a batch durable. Raises NotDurable."""
        self._batch.append(delivery)
        self._bytes += len(delivery.body)
        if len(self._batch) < _BATCH_ROWS and self._bytes < _BATCH_BYTES:
            return False
        await self.commit()
        return True

    async def commit(self) -> None:
        """Make the batch durable; wait while the journal is too full. Raises NotDurable."""
        batch, self._batch, self._bytes = self._batch, [], 0
        if not batch:
            return
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _PATIENCE_SECONDS
        while self._journal.stored_bytes > self._ahead_bytes:
            if loop.time() > give_up_at:
                raise JournalFull("the journal does not get shorter: is the landing zone away?")
            await asyncio.sleep(0.1)
        tries = 0
        while True:
            receipt = (await self._receiver.receive(batch))[0]
            if receipt.outcome is Outcome.ACCEPTED:
                self.done += len(batch)
                return
            tries += 1
            if tries == _TRIES:
                raise NotDurable(f"after {self.done} lines: {receipt.detail}")
            await asyncio.sleep(0.5 * tries)
