"""The running ingester: opens its parts, hands them down, runs transports, roller and workers; reload and drain.

One worker is this process. Several are child processes on one port (SO_REUSEPORT), each with its own writers and its own
roller, under a supervisor that replaces the dead, sums up their counts for /metrics, and ends them.

The end of a worker, on SIGTERM or SIGINT: stop accepting, answer what is in flight, close the journal, have the roller land
everything, exit 0. A second signal exits at once: what is acknowledged is in the journal, and the next start lands it.

A changed configuration (the file, a secret's file, or SIGHUP) takes effect between two requests; a broken one is refused with
a log line and the old one stays in force. Where storage is, and how many workers there are, change with a restart alone.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from ingest.child import Channel
from ingest.config import Config, Source, load_config
from ingest.errors import CallfactsError, ConfigError, NotDurable, SourceStopped, StorageError, UsageError
from ingest.failpoints import arm, armed
from ingest.journal import Journal, Limits
from ingest.receiver import OpenSource, Receiver, open_sources
from ingest.rejections import Rejections, put_rejections
from ingest.roller import expectations
from ingest.roller_process import RollerProcess
from ingest.storage import open_zone
from ingest.supervisor import Peers, Supervisor
from ingest.telemetry import Counts, Meter, exposition, logger, set_up_logs

log = logger(__name__)

REJECTIONS_SECONDS: Final = 10.0
_WATCH_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Roles:
    """What a worker does.

    Attributes:
        http: host and port; None: no HTTP at all.
        webhook, sqs: the transports whose sources it serves.
        names: only these SQS sources; empty: all.
        until_empty: end when the queues stay empty.
    """

    http: tuple[str, int] | None
    webhook: bool
    sqs: bool
    names: tuple[str, ...] = ()
    until_empty: bool = False


def serve(config: Config, environ: Mapping[str, str], roles: Roles, *, workers: int = 1) -> int:
    """Run the ingester until it is told to end; the exit code. Raises ConfigError, UsageError, OSError before it has begun."""
    _refuse_nothing_to_do(config, roles)
    open_sources(config, environ)  # a secret that cannot be had is said before anything is started
    for warning in config.warnings:
        log.warning("configuration", warning=warning)
    if workers == 1:
        sock = _listening(roles.http, shared=False) if roles.http is not None else None
        return _run(lambda: _Worker(config, environ, roles, share=1.0).run(sock))
    return _supervise(config, environ, roles, workers)


def check_config(config: Config, environ: Mapping[str, str]) -> list[str]:
    """What the configuration means, a line each; its warnings among them. Raises ConfigError."""
    opened = open_sources(config, environ)
    if (phases := config.transforms.call_phases) is not None:
        try:
            Path(phases).read_bytes()  # what is in it, the build judges
        except OSError as error:
            raise ConfigError(f"{config.where}: transforms.call_phases: {phases} cannot be read: {error.strerror}") from None
    lines = [f"{config.where}: the landing zone is {config.storage.landing_url}, the journal {config.storage.journal_path}"]
    for source in opened.values():
        secrets = len(source.verifier or ())
        lines.append(f"source {source.name}: {source.transport}, {secrets} secret{'s' if secrets != 1 else ''}")
    return [*lines, *(f"warning: {warning}" for warning in config.warnings)]


def _run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    try:
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        factory = None

    gc.collect()
    gc.freeze()  # what has been imported stays: the collector need not look at it while requests wait

    async def begin() -> int:  # what is made for a loop is made within it
        return await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(begin())


def _refuse_nothing_to_do(config: Config, roles: Roles) -> None:
    for name in roles.names:
        if config.source(name).transport != "sqs":
            raise UsageError(f"source {name!r} is no SQS source")
    served = [source for source in config.sources if _serves(roles, source)]
    if not served:
        kind = "webhook or SQS" if roles.webhook and roles.sqs else "webhook" if roles.webhook else "SQS"
        raise ConfigError(f"{config.where}: sources: there is no {kind} source; add one as README.md shows")


def _serves(roles: Roles, source: Source) -> bool:
    if source.transport == "webhook":
        return roles.webhook
    return roles.sqs and (not roles.names or source.name in roles.names)


def _listening(address: tuple[str, int], *, shared: bool) -> socket.socket:
    """A bound socket. Raises OSError that names the address."""
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen there: {error.strerror}", f"{host}:{port}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(where)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen there: {error.strerror}", f"{host}:{port}") from None
    return sock


# ── one worker ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Worker:
    """Journal, receiver, roller and transports of one process."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], roles: Roles, *, share: float, supervised: Channel | None = None
    ) -> None:
        self.config, self.environ, self.roles, self.share = config, environ, roles, share
        self.meter, self.rejections = Meter(), Rejections()
        self.zone = open_zone(config.storage)
        self.roller = RollerProcess(config.storage.journal_path, config.storage, expectations(config), meter=self.meter)
        self.journal = Journal(config.storage.journal_path, limits=_limits(config), handover=self.roller, meter=self.meter)
        self.receiver = Receiver(self.journal, open_sources(config, environ, share=share), meter=self.meter, rejections=self.rejections)
        self.stop = asyncio.Event()
        self.reload_now = asyncio.Event()
        self.sqs: dict[str, _SqsTask] = {}
        self.sqs_trouble: dict[str, str] = {}
        self.failed: CallfactsError | None = None
        self.peers: Peers | None = None
        if supervised is not None:
            self.peers = Peers(supervised, counts=self.counts, stop=self.stop.set, reload=self.reload_now.set)

    async def run(self, sock: socket.socket | None) -> int:
        """Everything from start to drained; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT) if self.peers is None else (signal.SIGTERM,):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGHUP, self.reload_now.set)
        self.roller.start()
        try:
            await self.journal.start()
        except (OSError, sqlite3.Error) as error:
            self.roller.kill()
            raise NotDurable(f"{self.config.storage.journal_path}: the journal cannot be written: {error}") from None
        helpers = [asyncio.create_task(self._watch()), asyncio.create_task(self._keep_rejections())]
        if self.peers is not None:
            self.peers.begin()
        try:
            await self._serve(sock)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return await self._drain()

    async def _serve(self, sock: socket.socket | None) -> None:
        from ingest.connections import serve as serve_http
        from ingest.webhook import Webhook

        if self.roles.sqs:
            self._start_sqs(self.config)
        if sock is None or self.roles.http is None:
            await self.stop.wait()
        else:
            host, port = sock.getsockname()[:2]
            app = Webhook(self.receiver, meter=self.meter, trouble=self._trouble, metrics=self._metrics)
            await serve_http(
                app,
                sock,
                stop=self.stop,
                meter=self.meter,
                on_listening=lambda: log.info("listening", host=host, port=port, pid=os.getpid()),
            )
        for task in self.sqs.values():
            task.stop.set()
        await asyncio.gather(*(task.task for task in self.sqs.values()), return_exceptions=True)

    async def _drain(self) -> int:
        log.info("draining", pending_bytes=self.journal.pending_bytes)
        await self.journal.close()
        await self._put_rejections()
        left = await self.roller.drain()
        self.journal.close_connections()
        if self.peers is not None:
            self.peers.tell()
        if left:
            log.error("not_all_landed", files=left, hint="they are safe in the journal; the next start lands them")
        else:
            log.info("drained")
        if self.failed is not None and self.roles.http is None:
            raise self.failed
        return 1 if left else 0

    def _signalled(self) -> None:
        if self.stop.is_set():
            log.warning("ended_at_once", hint="what is acknowledged is in the journal; the next start lands it")
            self.roller.kill()
            os._exit(1)
        self.stop.set()

    # ── SQS ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_sqs(self, config: Config) -> None:
        """Begin the SQS sources that are not running as they are configured, end those that are gone."""
        wanted = {source.name: source for source in config.sources if source.transport == "sqs" and _serves(self.roles, source)}
        for name, running in list(self.sqs.items()):
            if not running.same_queue(wanted.get(name)) and not running.stop.is_set():
                running.stop.set()
        for name, source in wanted.items():
            running_now = self.sqs.get(name)
            if running_now is None or running_now.stop.is_set() or running_now.task.done():
                stop = asyncio.Event()
                before = running_now.task if running_now is not None else None
                self.sqs[name] = _SqsTask(source, stop, asyncio.create_task(self._run_sqs(source, stop, before)))

    async def _run_sqs(self, source: Source, stop: asyncio.Event, before: "asyncio.Task[None] | None") -> None:
        from ingest.sqs import run_source

        if before is not None:
            await asyncio.gather(before, return_exceptions=True)

        def ready(why: str | None) -> None:
            if why is None:
                self.sqs_trouble.pop(source.name, None)
            else:
                self.sqs_trouble[source.name] = why

        try:
            await run_source(
                source,
                self.receiver,
                stop=stop,
                until_empty=self.roles.until_empty,
                meter=self.meter,
                trust_path=self.config.storage.journal_path / f"{source.name}.trust",
                on_ready=ready,
            )
        except SourceStopped as error:
            self.sqs_trouble[source.name] = "stopped"
            log.error("source_stopped", source=source.name, error=str(error))
            self.failed = error
        except CallfactsError as error:
            self.sqs_trouble[source.name] = str(error)
            log.error("source_failed", source=source.name, error=str(error))
            self.failed = error
        finally:
            others = [task for name, task in self.sqs.items() if name != source.name and not task.task.done()]
            if not others and not self.stop.is_set() and not stop.is_set() and self.roles.http is None:
                self.stop.set()  # nothing is left to do

    # ── configuration ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _watch(self) -> None:
        """Reload at SIGHUP, or when the file or a secret's file has changed."""
        seen = _fingerprint(self.config)
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.reload_now.wait(), _WATCH_SECONDS)
            asked = self.reload_now.is_set()
            self.reload_now.clear()
            now = await asyncio.to_thread(_fingerprint, self.config)
            if asked or now != seen:
                await self._reload()
                seen = _fingerprint(self.config)

    async def _reload(self) -> None:
        if self.config.file is None:
            return
        try:
            config = await asyncio.to_thread(load_config, self.config.file, self.environ)
            sources = await asyncio.to_thread(open_sources, config, self.environ, share=self.share)
            _refuse_nothing_to_do(config, self.roles)
        except CallfactsError as error:
            self.meter.add("callfacts_reloads", "refused")
            log.error("reload_refused", error=str(error), hint="the old configuration stays in force")
            return
        if structs.replace(config.storage, journal_max_bytes=0) != structs.replace(self.config.storage, journal_max_bytes=0):
            log.warning("reload_needs_restart", key="storage", hint="where storage is changes with a restart; all else is in force")
            config = structs.replace(
                config, storage=structs.replace(self.config.storage, journal_max_bytes=config.storage.journal_max_bytes)
            )
        self.config = config
        self._keep_pace(sources)
        self.receiver.obey(sources)
        self.journal.obey(_limits(config))
        self.roller.obey(expectations(config))
        if self.roles.sqs:
            self._start_sqs(config)
        self.meter.add("callfacts_reloads", "done")
        log.info("reloaded", sources=len(sources))
        for warning in config.warnings:
            log.warning("configuration", warning=warning)

    def _keep_pace(self, sources: Mapping[str, OpenSource]) -> None:
        """A reload gives nobody a fresh burst: a source whose rate is unchanged keeps its bucket."""
        for source in sources.values():
            before = self.receiver.source(source.name, source.transport)
            if before is not None and before.source.requests_per_second == source.source.requests_per_second:
                source.pace = before.pace

    # ── what it says about itself ────────────────────────────────────────────────────────────────────────────────────

    def _trouble(self) -> Sequence[str]:
        """Why it is not ready."""
        reasons = []
        if self.stop.is_set():
            reasons.append("it is shutting down")
        if (journal := self.journal.trouble) is not None:
            reasons.append(journal)
        reasons += [f"source {name}: {why}" for name, why in sorted(self.sqs_trouble.items())]
        return reasons

    def counts(self) -> Counts:
        """The counts of this process, its gauges read now."""
        rows, oldest_at = self.roller.backlog
        current_rows, current_at = self.journal.current
        oldest = min((at for at in (oldest_at, current_at) if at is not None), default=None)
        meter = self.meter
        meter.set("callfacts_pending_bytes", value=self.journal.pending_bytes)
        meter.set("callfacts_journal_rows", value=rows + current_rows)
        meter.set("callfacts_journal_bytes", value=self.journal.stored_bytes)
        meter.set("callfacts_journal_oldest_seconds", value=0.0 if oldest is None else max(0.0, time.time() - oldest / 1e6))
        meter.set("callfacts_ready", value=0 if self._trouble() else 1)
        return meter.snapshot()

    async def _metrics(self) -> bytes:
        counts = self.counts() if self.peers is None else await self.peers.merged()
        return exposition(counts)

    async def _keep_rejections(self) -> None:
        while True:
            await asyncio.sleep(REJECTIONS_SECONDS)
            await self._put_rejections()

    async def _put_rejections(self) -> None:
        changed = self.rejections.take_changed()
        for writer, counts in changed.items():
            try:
                await asyncio.to_thread(put_rejections, self.zone.rejections, writer, counts)
            except (StorageError, OSError) as error:
                self.rejections.give_back([writer])
                log.warning("rejections_not_written", error=str(error))


@dataclass(frozen=True, slots=True)
class _SqsTask:
    source: Source
    stop: asyncio.Event
    task: "asyncio.Task[None]"

    def same_queue(self, source: Source | None) -> bool:
        """Whether a source is served by this task: its secrets and limits are the receiver's concern."""
        if source is None:
            return False
        mine = self.source
        return (mine.queue_url, mine.region, mine.endpoint_url) == (source.queue_url, source.region, source.endpoint_url)


def _limits(config: Config) -> Limits:
    return Limits(
        roll_seconds=float(config.ingest.roll_seconds),
        roll_bytes=int(config.ingest.roll_bytes),
        max_pending_bytes=int(config.ingest.max_pending_bytes),
        max_bytes=config.storage.journal_limit_bytes,
    )


def _fingerprint(config: Config) -> list[tuple[str, int, int, int]]:
    """What tells that the configuration file, or the file of a secret, has changed."""
    paths = [] if config.file is None else [str(config.file)]
    paths += [secret.removeprefix("file:") for source in config.sources for secret in source.secrets if secret.startswith("file:")]
    found = []
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            found.append((path, 0, 0, 0))
        else:
            found.append((path, status.st_ino, status.st_mtime_ns, status.st_size))
    return found


# ── several workers ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _WorkerSettings:
    config: Config
    environ: Mapping[str, str]
    roles: Roles
    share: float
    failpoints: str


def _supervise(config: Config, environ: Mapping[str, str], roles: Roles, workers: int) -> int:
    assert roles.http is not None
    with contextlib.closing(_listening(roles.http, shared=False)) as probe:  # in use by another: say so now
        address = (roles.http[0], probe.getsockname()[1])
    roles = replace(roles, http=address)
    with contextlib.closing(_listening(address, shared=True)):  # never listens: it only keeps the port
        first = [_WorkerSettings(config, dict(environ), roles, 1 / workers, armed())]

        def settings() -> _WorkerSettings:
            """Of the next worker: by the configuration as it is by now, unless it has been broken since."""
            given = first[0]
            first[0] = replace(given, config=_current(given.config, environ), failpoints="")
            return replace(first[0], failpoints=given.failpoints)

        return _run(lambda: Supervisor(workers, "ingest.service:worker_main", settings).run())


def _current(config: Config, environ: Mapping[str, str]) -> Config:
    if config.file is None:
        return config
    try:
        now = load_config(config.file, environ)
        open_sources(now, environ)
    except ConfigError as error:
        log.error("reload_refused", error=str(error), hint="the old configuration stays in force")
        return config
    return structs.replace(now, storage=config.storage)


def worker_main(channel: Channel, settings: _WorkerSettings, messages: list[tuple[Any, list[int]]]) -> int:
    """A worker process."""
    set_up_logs()
    arm(settings.failpoints)
    roles = settings.roles
    try:
        sock = _listening(roles.http, shared=True) if roles.http is not None else None
        return _run(lambda: _Worker(settings.config, settings.environ, roles, share=settings.share, supervised=channel).run(sock))
    except (CallfactsError, OSError) as error:
        log.error("worker_failed", error=str(error))
        return 1
