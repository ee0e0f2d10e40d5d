"""Several workers on one port: started, replaced when they die, their counts made one, ended together.

The supervisor does no work of its own: it has no thread, no journal and listens to nothing; it only keeps the port, by a socket
that is bound and never listens. The workers share the port by SO_REUSEPORT, so connections spread evenly and a dead worker's
share goes to the others. Each tells its counts once a second and when asked; what was heard last outlives a worker that is killed.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingest.child import Channel, Child, spawn
from ingest.telemetry import Counts, lasting, logger, merged

log = logger(__name__)

SNAPSHOT_SECONDS: Final = 1.0
ASK_SECONDS: Final = 0.5
"""How long /metrics waits for the other workers; then it goes by what they said last."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A worker's counts; `asked`: in answer to `_Tell`."""

    counts: Counts
    asked: int | None = None


@dataclass(frozen=True, slots=True)
class _Tell:
    """The supervisor wants a worker's counts."""

    asked: int


@dataclass(frozen=True, slots=True)
class _Ask:
    """A worker wants the counts of all others."""

    number: int


@dataclass(frozen=True, slots=True)
class _Others:
    number: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class _Stop:
    at_once: bool


@dataclass(frozen=True, slots=True)
class _Reload:
    pass


class Peers:
    """A worker's end of the talk with its supervisor."""

    def __init__(self, channel: Channel, *, counts: Callable[[], Counts], stop: Callable[[], None], reload: Callable[[], None]) -> None:
        self._channel, self._counts, self._stop, self._reload = channel, counts, stop, reload
        self._waiting: dict[int, asyncio.Future[Counts]] = {}
        self._number = 0

    def begin(self) -> None:
        """Listen to the supervisor, and tell it the counts now and then: what it heard last outlives this process."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._channel.fileno(), self._hear)

        def again() -> None:
            self.tell()
            loop.call_later(SNAPSHOT_SECONDS, again)

        again()

    def tell(self) -> None:
        """Say the counts."""
        self._channel.send(_Said(self._counts()))

    async def merged(self) -> Counts:
        """The counts of all workers."""
        self._number += 1
        number = self._number
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._channel.send(_Ask(number))
        try:
            async with asyncio.timeout(2 * ASK_SECONDS):
                others = await self._waiting[number]
        except TimeoutError:
            others = {}
        finally:
            del self._waiting[number]
        return merged([self._counts(), others])

    def _hear(self) -> None:
        for message, _ in self._channel.receive():
            match message:
                case _Tell(asked):
                    self._channel.send(_Said(self._counts(), asked))
                case _Others(number, counts):
                    if (waiting := self._waiting.get(number)) is not None and not waiting.done():
                        waiting.set_result(counts)
                case _Reload():
                    self._reload()
                case _Stop(at_once):
                    if at_once:
                        os._exit(1)
                    self._stop()
        if self._channel.ended:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._stop()


class Supervisor:
    """Keeps N workers alive on one port."""

    def __init__(self, workers: int, target: str, settings: Callable[[], object]) -> None:
        self.workers, self.target, self.settings = workers, target, settings
        self.children: dict[int, Child] = {}
        self.said: dict[int, Counts] = {}
        self.past: Counts = {}
        self.stopping = False
        self.codes: list[int] = []
        self.done = asyncio.Event()
        self.starts = self.alive = 0
        self.deaths: list[float] = []
        self.asks: dict[int, tuple[int, _Ask, set[int]]] = {}
        self.asked = 0

    async def run(self) -> int:
        """Until all workers have ended; the exit code. `settings()` is asked for at each start of one."""
        self.loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._signalled)
        self.loop.add_signal_handler(signal.SIGHUP, lambda: self._tell_all(_Reload()))
        for _ in range(self.workers):
            self._start()
        await self.done.wait()
        return max(self.codes, default=0)

    def _start(self) -> None:
        if self.stopping:
            return
        child = spawn(self.target, self.settings())
        self.starts, self.alive = self.starts + 1, self.alive + 1
        self.children[child.pid] = child
        log.info("worker_started", pid=child.pid)
        self.loop.add_reader(child.channel.fileno(), self._hear, child)
        self._flush(child)

    def _flush(self, child: Child) -> None:
        child.channel.flush()
        if child.channel.has_unsent and child.pid in self.children:
            self.loop.call_later(0.02, self._flush, child)

    def _send(self, child: Child, message: object) -> None:
        child.channel.send(message)
        self._flush(child)

    def _tell_all(self, message: object) -> None:
        for child in self.children.values():
            self._send(child, message)

    def _signalled(self) -> None:
        if self.stopping:
            log.warning("ended_at_once", hint="what is acknowledged is in the journal; the next start lands it")
            self._tell_all(_Stop(at_once=True))
            os._exit(1)
        self.stopping = True
        self._tell_all(_Stop(at_once=False))
        if not self.alive:
            self.done.set()

    def _hear(self, child: Child) -> None:
        for message, _ in child.channel.receive():
            match message:
                case _Said(counts, asked):
                    self.said[child.pid] = counts
                    if asked is not None:
                        self._answered(asked, child.pid)
                case _Ask():
                    self._ask(child, message)
        if child.channel.ended:
            self._bury(child)

    def _ask(self, child: Child, ask: _Ask) -> None:
        self.asked += 1
        others = {pid for pid in self.children if pid != child.pid}
        self.asks[self.asked] = (child.pid, ask, others)
        for pid in others:
            self._send(self.children[pid], _Tell(self.asked))
        self.loop.call_later(ASK_SECONDS, self._answered, self.asked, None)
        if not others:
            self._answered(self.asked, None)

    def _answered(self, asked: int, pid: int | None) -> None:
        """A worker has answered, or (None) the time is up."""
        if asked not in self.asks:
            return
        who, ask, missing = self.asks[asked]
        missing.discard(pid or 0)
        if missing and pid is not None:
            return
        del self.asks[asked]
        if who in self.children:
            own: Counts = {("callfacts_worker_starts",): float(self.starts)}
            others = [counts for other, counts in self.said.items() if other != who]
            self._send(self.children[who], _Others(ask.number, merged([self.past, own, *others])))

    def _bury(self, child: Child) -> None:
        self.loop.remove_reader(child.channel.fileno())
        del self.children[child.pid]
        self.past = merged([self.past, lasting(self.said.pop(child.pid, {}))])
        self.loop.create_task(self._reap(child))

    async def _reap(self, child: Child) -> None:
        with contextlib.suppress(Exception):
            await asyncio.to_thread(child.process.wait, 5)
        code = await asyncio.to_thread(child.kill)
        self.alive -= 1
        if self.stopping:
            self.codes.append(0 if code == 0 else 1)
            if not self.alive:
                self.done.set()
            return
        now = self.loop.time()
        self.deaths = [at for at in self.deaths if now - at < 10] + [now]
        wait = min(0.05 * 2 ** len(self.deaths), 5.0)
        log.warning("worker_died", pid=child.pid, code=code, again_in_s=round(wait, 2))
        self.loop.call_later(wait, self._start)
