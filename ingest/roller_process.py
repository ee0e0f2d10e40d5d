"""The roller's parent's end: start the process, tell it what is closed, start it anew when it dies.

Invariants:
 1. What is not landed is remembered here; a new process is told everything again.
 2. A writer's lock is shared with the process, never handed over: it is free only when both are gone.
 3. The process is started in the main thread, since it dies with the *thread* that started it.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.child import Child, spawn
from ingest.config import Storage
from ingest.failpoints import armed
from ingest.journal import ClosedFile, Handover, JournalName, WriterLock
from ingest.roller import Closed, Damaged, Drain, Drained, Ended, Expected, Failed, Finished, Found, Landed, Obey, Own, Settings
from ingest.telemetry import Meter, logger

log = logger(__name__)


@dataclass(slots=True)
class _Held:
    lock: WriterLock
    files: dict[JournalName, ClosedFile] = field(default_factory=dict)
    finished: bool = False


class RollerProcess(Handover):
    """Starts the roller, tells it what is closed, and starts it anew when it dies. Used in the loop of the main thread alone."""

    def __init__(self, folder: Path, storage: Storage, expected: Mapping[str, Expected], *, meter: Meter) -> None:
        self._folder, self._storage, self._expected, self._meter = folder, storage, expected, meter
        self._held: dict[str, _Held] = {}
        self._found: dict[JournalName, ClosedFile] = {}
        self._damaged: set[JournalName] = set()
        self._child: Child | None = None
        self._failpoints = armed()
        self._short_lives = 0
        self._started_at = 0.0
        self._again: asyncio.TimerHandle | None = None
        self._draining = False
        self._drained: asyncio.Future[int] | None = None
        self.failing: str | None = None
        self.own_landed = 0
        self.own_quarantined: Counter[str] = Counter()

    def start(self) -> None:
        """Start the process and tell it all that is not landed."""
        self._loop = asyncio.get_running_loop()
        self._again = None
        fresh = self._started_at == 0.0
        self._started_at = self._loop.time()
        settings = Settings(self._folder, self._storage, self._expected, self._failpoints, logging.getLogger().getEffectiveLevel())
        self._child = spawn("ingest.roller:main", settings)
        self._failpoints = ""  # a fault strikes once; the next process is to repair what it left
        self._meter.add("callfacts_roller_starts")
        log.info("roller_started", pid=self._child.pid)
        self._loop.add_reader(self._child.channel.fileno(), self._hear)
        self._found.clear()
        for held in self._held.values():
            self._send(Own(held.lock.writer, fresh), held.lock.descriptor)
            for name in sorted(held.files):
                self._send(Closed(name))
            if held.finished:
                self._send(Finished(held.lock.writer))
        if self._draining:
            self._send(Drain())
        self._watch_outbox()

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._child.pid if self._child is not None else None

    @property
    def backlog(self) -> tuple[int, int | None]:
        """Rows in closed files that are not landed, and received_at (µs) of the oldest."""
        files = [file for held in self._held.values() for file in held.files.values()] + list(self._found.values())
        return sum(file.rows for file in files), min((file.oldest_at for file in files if file.oldest_at is not None), default=None)

    def own(self, lock: WriterLock) -> None:
        self._held[lock.writer] = _Held(lock)
        self._send(Own(lock.writer, True), lock.descriptor)

    def closed(self, file: ClosedFile) -> None:
        self._held[file.name.writer].files[file.name] = file
        self._send(Closed(file.name))

    def finished(self, writer: str) -> None:
        self._held[writer].finished = True
        self._send(Finished(writer))

    def obey(self, expected: Mapping[str, Expected]) -> None:
        """Judge by these from now on."""
        self._expected = expected
        self._send(Obey(expected))

    async def drain(self) -> int:
        """Have everything landed and the process ended; how many files are left."""
        self._draining = True
        self._drained = self._loop.create_future()
        if self._child is not None:
            self._send(Drain())
        left = await self._drained
        if self._child is not None:
            child, self._child = self._child, None
            self._loop.remove_reader(child.channel.fileno())
            await asyncio.to_thread(_reap, child)
        for held in self._held.values():
            held.lock.close()
        return left

    def kill(self) -> None:
        """End the process now; nothing is lost by it."""
        if self._again is not None:
            self._again.cancel()
        if self._child is not None:
            self._loop.remove_reader(self._child.channel.fileno())
            self._child.kill()
            self._child = None

    def _send(self, message: object, *descriptors: int) -> None:
        if self._child is not None:
            self._child.channel.send(message, descriptors)
            self._watch_outbox()

    def _watch_outbox(self) -> None:
        if self._child is not None and self._child.channel.has_unsent:
            self._loop.add_writer(self._child.channel.fileno(), self._flush)

    def _flush(self) -> None:
        if self._child is None:
            return
        self._child.channel.flush()
        if not self._child.channel.has_unsent:
            self._loop.remove_writer(self._child.channel.fileno())

    def _hear(self) -> None:
        if self._child is None:
            return
        for message, _ in self._child.channel.receive():
            self._obey_report(message)
        if self._child.channel.ended:
            self._bury()

    def _obey_report(self, message: object) -> None:
        match message:
            case Landed(name, parts, rows, quarantined, at):
                self.failing = None
                if held := self._held.get(name.writer):
                    held.files.pop(name, None)
                    self.own_landed += rows - sum(quarantined.values())
                    self.own_quarantined.update(quarantined)
                self._found.pop(name, None)
                if parts:
                    self._meter.add("callfacts_parts", n=parts)
                    self._meter.add("callfacts_landed_rows", n=rows - sum(quarantined.values()))
                    self._meter.set("callfacts_last_landed_timestamp_seconds", value=at)
                for reason, n in quarantined.items():
                    self._meter.add("callfacts_quarantined", reason, n=n)
            case Found(files):
                self._found.update({file.name: file for file in files})
            case Failed(error):
                self.failing = error
                self._meter.add("callfacts_landing_failures", error)
            case Damaged(name):
                self._damaged.add(name)
                self._found.pop(name, None)
                if held := self._held.get(name.writer):
                    held.files.pop(name, None)
                self._meter.set("callfacts_damaged_journals", value=len(self._damaged))
            case Ended(writer):
                if gone := self._held.pop(writer, None):
                    gone.lock.close()
            case Drained(left):
                if self._drained is not None and not self._drained.done():
                    self._drained.set_result(left)

    def _bury(self) -> None:
        """The process has died: start another, soon, but not in a tight loop."""
        assert self._child is not None
        child, self._child = self._child, None
        descriptor = child.channel.fileno()
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)
        code = child.kill()
        if self._drained is not None and self._drained.done():
            return
        lived = self._loop.time() - self._started_at
        self._short_lives = 0 if lived > 10 else self._short_lives + 1
        wait = min(0.1 * 2**self._short_lives, 10.0)
        log.warning("roller_died", code=code, lived_s=round(lived, 1), again_in_s=round(wait, 1))
        if self._draining and self._short_lives > 5:
            assert self._drained is not None
            self._drained.set_result(sum(len(held.files) for held in self._held.values()) + len(self._found))
            return
        self._again = self._loop.call_later(wait, self.start)


def _reap(child: Child) -> None:
    """Let a process that has said its last word end by itself."""
    with contextlib.suppress(Exception):
        child.process.wait(timeout=5)
    child.kill()
