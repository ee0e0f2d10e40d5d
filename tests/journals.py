"""Journals for tests: a real one in a loop of its own, and what it reported."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

from ingest.journal import ClosedFile, Handover, Journal, JournalName, Limits, NewRow, Row, WriterLock, open_to_read, rows_of
from ingest.telemetry import Meter

ROOMY = Limits(roll_seconds=3600, roll_bytes=1 << 30, max_pending_bytes=1 << 26, max_bytes=1 << 40)


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


class Reports(Handover):
    """Remembers what a journal reports."""

    def __init__(self) -> None:
        self.locks: dict[str, WriterLock] = {}
        self.files: list[ClosedFile] = []
        self.ended: list[str] = []

    def own(self, lock: WriterLock) -> None:
        self.locks[lock.writer] = lock

    def closed(self, file: ClosedFile) -> None:
        self.files.append(file)

    def finished(self, writer: str) -> None:
        self.ended.append(writer)

    def release(self) -> None:
        """Let go of every lock, as a dead process does."""
        for lock in self.locks.values():
            lock.close()


@contextlib.asynccontextmanager
async def journal(folder: Path, reports: Reports, limits: Limits = ROOMY, meter: Meter | None = None) -> AsyncIterator[Journal]:
    """A started journal; closed at the end."""
    opened = Journal(folder, limits=limits, handover=reports, meter=meter or Meter())
    await opened.start()
    try:
        yield opened
    finally:
        await opened.close()
        await asyncio.sleep(0.01)
        opened.close_connections()


def new_row(body: bytes = b"{}", *, received_at: int = 1_764_000_000_000_000, source: str = "acme", **more: str) -> NewRow:
    """A row as the receiver makes it."""
    return (received_at, source, more.get("transport", "webhook"), more.get("signature"), more.get("reason"), more.get("detail"), body)


def stored(folder: Path, name: JournalName) -> list[Row]:
    """What a journal file holds."""
    with contextlib.closing(open_to_read(folder / str(name))) as connection:
        return list(rows_of(connection))


async def left_behind(folder: Path, *batches: list[NewRow], limits: Limits = ROOMY) -> str:
    """A journal as a dead process leaves it, with these batches committed; its writer."""
    reports = Reports()
    async with journal(folder, reports, limits) as opened:
        for batch in batches:
            assert await opened.submit(batch, sum(len(row[6]) for row in batch)) is None
        writer = opened.writer
    reports.release()
    return writer
