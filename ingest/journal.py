"""The journal: deliveries on stable storage before anybody is told so. SQLite files in rotation, one sync for many rows.

Invariants:
 1. `await journal.submit(rows)` gives None only after the rows' transaction is committed with synchronous=FULL: they outlive
    SIGKILL and power loss. Anything else gives `NotDurable`; such rows may have been written all the same ("ambiguous").
 2. A writer has a random id and numbers its rows 1, 2, 3, … without gap in the order of their commits, over all its files.
    After any error of a commit it is closed for good and a new one with a new id goes on: a number is never used twice.
 3. A file is written by one connection, and never again once it is reported closed. Rows are never updated or deleted here:
    the roller unlinks a whole file after everything in it has landed.
 4. The holder of the flock on `<writer>.land` alone may land a writer's files. The journal takes it before the first file
    exists and shares the descriptor with its own roller, so the lock is free only when both are gone: a living writer's
    files are never taken, a dead one's always.
 5. Memory is bounded: `max_pending_bytes` wait at most, the folder holds `max_bytes` at most; beyond that `JournalFull`.
 6. A submission is answered within `ANSWER_SECONDS`, whatever the disk does.

On disk, in the journal's folder:

    <writer>.land              empty; the lock. 32 lower-case hex digits
    <writer>-<n>.sqlite        n from 000001; prepared ahead, since creating one costs seven syncs
    <writer>-<n>.sqlite-wal    the rows, until the file is unlinked: there are no checkpoints in the way of a reply
    <writer>-<n>.sqlite-shm

    table j: seq integer primary key, received_at (µs since 1970, UTC), source, transport, signature (as received),
             reason (set: the row goes to the quarantine unread), detail (context for a person), body

Three threads: the event loop gathers rows and hands the whole list over (a committer that took it from under the loop would
race with an append), the committer writes one multi-row INSERT per batch (executemany lets the GIL go at every row) and wakes
the loop once, the keeper prepares files, closes retired connections and measures the folder.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ingest.errors import JournalFull, LockHeld, NotDurable
from ingest.failpoints import reach
from ingest.layout import MAX_SEQ, new_writer_id
from ingest.telemetry import Meter, logger

log = logger(__name__)

ANSWER_SECONDS: Final = 3.7
"""Every request is answered within 4 s; the sweep below and the answer itself take their share."""
_SWEEP_SECONDS: Final = 0.15
_HOPELESS_SECONDS: Final = ANSWER_SECONDS - 0.5
"""Behind a commit that has taken so long nobody need wait: those of its own batch are about to be told the same."""
_STALL_SECONDS: Final = 2.0
"""A commit that takes longer makes the service unready."""
_KEEPER_SECONDS: Final = 0.25
_KEPT_OPEN: Final = 6
"""Retired connections kept open for the roller's sake; older ones are closed at the price of a checkpoint."""
_OVERDUE_SECONDS: Final = 3.0
_STATEMENT_ROWS: Final = 256
_REOPEN_SECONDS: Final = (0.0, 0.25, 0.5, 1.0, 2.0)

_DDL: Final = (
    "create table j(seq integer primary key, received_at integer not null, source text not null, transport text not null, "
    "signature text, reason text, detail text, body blob not null)"
)
_COLUMNS: Final = "seq, received_at, source, transport, signature, reason, detail, body"
_INSERTS: Final = ["", *("insert into j values " + ",".join(["(?,?,?,?,?,?,?,?)"] * n) for n in range(1, _STATEMENT_ROWS + 1))]
_FILE_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{6,})\.sqlite")
_LOCK_NAME = re.compile(r"([0-9a-f]{32})\.land")

NewRow = tuple[int, str, str, str | None, str | None, str | None, bytes]
"""received_at (µs), source, transport, signature, reason, detail, body."""


class Row(NamedTuple):
    """One delivery as the journal holds it."""

    seq: int
    received_at: int
    source: str
    transport: str
    signature: str | None
    reason: str | None
    detail: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What of the configuration the journal obeys; may be replaced while it runs."""

    roll_seconds: float
    roll_bytes: int
    max_pending_bytes: int
    max_bytes: int


@dataclass(frozen=True, slots=True, order=True)
class JournalName:
    """A journal file: the n-th of its writer."""

    writer: str
    n: int

    def __str__(self) -> str:
        return f"{self.writer}-{self.n:06d}.sqlite"


@dataclass(frozen=True, slots=True)
class ClosedFile:
    """A file that will not be written again.

    Attributes:
        rows: how many are known to be committed in it.
        oldest_at: received_at (µs) of its first row; None where it has none.
    """

    name: JournalName
    rows: int
    oldest_at: int | None


class WriterLock:
    """The flock on `<writer>.land`; held until `close`, or by whoever else has the descriptor."""

    def __init__(self, folder: Path, writer: str, descriptor: int) -> None:
        self.folder, self.writer, self.descriptor = folder, writer, descriptor

    @classmethod
    def take(cls, folder: Path, writer: str) -> "WriterLock":
        """Take it. Raises LockHeld where a living process has it."""
        path = folder / f"{writer}.land"
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same_file(descriptor, path):
                    return cls(folder, writer, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                raise LockHeld(f"{path}: a living process writes or lands this writer's journal") from None
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its last holder unlinked it between our open and our lock: that lock guards nothing

    def remove(self) -> None:
        """Unlink the lock file and let go: nothing of this writer is left."""
        (self.folder / f"{self.writer}.land").unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def journal_files(folder: Path) -> list[JournalName]:
    """Every journal file of the folder, by writer and number."""
    names = []
    for name in _names(folder):
        if match := _FILE_NAME.fullmatch(name):
            names.append(JournalName(match[1], int(match[2])))
    return sorted(names)


def writers(folder: Path) -> list[str]:
    """Every writer that has left a journal file or a lock in the folder."""
    found = {name.writer for name in journal_files(folder)}
    found.update(match[1] for name in _names(folder) if (match := _LOCK_NAME.fullmatch(name)))
    return sorted(found)


def folder_bytes(folder: Path) -> int:
    """Size of all that lies in the journal's folder."""
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are enough, and there may be thousands
    except FileNotFoundError:
        return []


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection for the one who lands a file. It may recover the WAL of a dead writer, so it is no read-only one.

    Raises sqlite3.Error where the file is damaged.
    """
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("pragma wal_autocheckpoint=0")
        connection.execute("pragma query_only=on")
        connection.execute("select count(*) from sqlite_schema").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def rows_of(connection: sqlite3.Connection) -> Iterator[Row]:
    """All rows of a journal file in order of seq, a few at a time."""
    if connection.execute("select 1 from sqlite_schema where name = 'j'").fetchone() is None:
        return  # its writer died while preparing it
    cursor = connection.execute(f"select {_COLUMNS} from j order by seq")
    while found := cursor.fetchmany(500):
        for columns in found:
            yield Row(*columns)


def discard(connection: sqlite3.Connection | None, path: Path) -> None:
    """Unlink a journal file of which everything has landed, then close the connection.

    The last close of a WAL database checkpoints it with a sync: off, since nobody needs these bytes any more. The main file
    goes first: a WAL without it is nothing, while the other way round the file would look empty.
    """
    if connection is not None:
        connection.execute("pragma synchronous=off")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            connection.close()


def discard_strays(folder: Path, writer: str) -> None:
    """Unlink the WALs of a writer whose main file is gone: what `discard` left when it was killed in between."""
    for name in _names(folder):
        stem, dash, suffix = name.rpartition("-")
        if dash and suffix in ("wal", "shm") and stem.startswith(writer) and not (folder / stem).exists():
            (folder / name).unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class _File:
    """The journal file being written."""

    def __init__(self, folder: Path, name: JournalName) -> None:
        self.name, self.path = name, folder / str(name)
        self.rows, self.bytes = 0, 0
        self.oldest_at: int | None = None
        self.first_row_at = 0.0  # monotonic
        reach("journal_create")
        self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=300)
        try:
            for setting in ("journal_mode=wal", "synchronous=full", "wal_autocheckpoint=0"):
                self.connection.execute(f"pragma {setting}")
            self.connection.execute(_DDL)
            _sync_folder(folder)
        except (sqlite3.Error, OSError):
            self.connection.close()
            raise

    def append(self, first_seq: int, rows: Sequence[NewRow], size: int) -> None:
        """Commit the rows under the numbers from `first_seq` on, all or none."""
        reach("journal_append")
        if len(rows) <= _STATEMENT_ROWS:
            self._insert(first_seq, rows)
        else:
            self.connection.execute("begin immediate")
            try:
                for i in range(0, len(rows), _STATEMENT_ROWS):
                    self._insert(first_seq + i, rows[i : i + _STATEMENT_ROWS])
                self.connection.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("rollback")
                raise
        if not self.rows:
            self.first_row_at, self.oldest_at = time.monotonic(), rows[0][0]
        self.rows += len(rows)
        self.bytes += size
        reach("journal_committed")

    def _insert(self, first_seq: int, rows: Sequence[NewRow]) -> None:
        values: list[object] = []
        for seq, row in enumerate(rows, first_seq):
            values.append(seq)
            values += row
        self.connection.execute(_INSERTS[len(rows)], values)

    def closed(self) -> ClosedFile:
        return ClosedFile(self.name, self.rows, self.oldest_at)


def _sync_folder(folder: Path) -> None:
    """fsync the folder too: a file's name may not survive power loss without."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create the journal's folder durably: each new folder's parent is synced."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        _sync_folder(path.parent)


class Handover:
    """What the journal reports to whoever lands its files. Called in the loop's thread."""

    def own(self, lock: WriterLock) -> None:
        """A new writer has begun; its lock is to be shared."""

    def closed(self, file: ClosedFile) -> None:
        """A file will not be written again."""

    def finished(self, writer: str) -> None:
        """No file of this writer will be written again; the lock is the receiver's alone from now on."""


class _Pending:
    """A submission. A class with slots: it is made once a request, and answered once."""

    __slots__ = ("rows", "since", "size", "then")

    def __init__(self, rows: Sequence[NewRow], size: int, then: Callable[[NotDurable | None], None], since: float) -> None:
        self.rows, self.size, self.since = rows, size, since
        self.then: Callable[[NotDurable | None], None] | None = then

    def answer(self, error: NotDurable | None) -> None:
        """Say what became of it, unless that has been said."""
        if (then := self.then) is not None:
            self.then = None
            then(error)


class Journal:
    """Group commit into rotating files. Create, `start` and use it in the thread of one event loop; end with `close`."""

    def __init__(
        self, folder: Path, *, limits: Limits, handover: Handover, meter: Meter, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._folder, self._limits, self._handover, self._meter, self._random = folder, limits, handover, meter, random
        self._pending: list[_Pending] = []
        self._in_flight: list[_Pending] = []
        self._busy_since: float | None = None
        self._pending_bytes = 0
        self._folder_bytes = 0
        self._trouble: str | None = None
        self._closing = False
        self._batches: queue.SimpleQueue[list[_Pending] | None] = queue.SimpleQueue()
        self._keeper_wakes = threading.Event()
        self._spares: queue.SimpleQueue[_File] = queue.SimpleQueue()
        self._retired: queue.SimpleQueue[_File] = queue.SimpleQueue()
        self._writer_lock = threading.Lock()  # guards the four below: the committer changes them, the keeper prepares ahead
        self._lock: WriterLock | None = None
        self._file_count = 0
        self._file: _File | None = None
        self._seq = 0
        self._ended = threading.Event()

    # ── the loop's side ──────────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begin the first writer. Raises OSError or sqlite3.Error where the folder cannot be written."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(make_folder, self._folder)
        self._folder_bytes = await asyncio.to_thread(folder_bytes, self._folder)
        await asyncio.to_thread(self._begin_writer)
        self._threads = [
            threading.Thread(target=self._commit_batches, name="journal-committer", daemon=True),
            threading.Thread(target=self._keep, name="journal-keeper", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    @property
    def writer(self) -> str:
        """The id under which rows are numbered now."""
        lock = self._lock
        return lock.writer if lock is not None else ""

    @property
    def trouble(self) -> str | None:
        """Why the journal takes nothing now, or None."""
        if self._trouble is not None:
            return self._trouble
        if self._busy_since is not None and self._loop.time() - self._busy_since > _STALL_SECONDS:
            return "the disk does not answer"
        if self._folder_bytes >= self._limits.max_bytes:
            return "the journal is full: landing does not keep up, or the landing zone is away"
        return None

    @property
    def pending_bytes(self) -> int:
        return self._pending_bytes

    @property
    def stored_bytes(self) -> int:
        return self._folder_bytes

    @property
    def current(self) -> tuple[int, int | None]:
        """Rows of the file being written, and received_at (µs) of its first."""
        file = self._file
        return (file.rows, file.oldest_at) if file is not None else (0, None)

    def obey(self, limits: Limits) -> None:
        """Replace the limits."""
        self._limits = limits

    def submit(self, rows: Sequence[NewRow], size: int) -> "asyncio.Future[NotDurable | None]":
        """`ask`, with a future for the answer. Raises what `ask` raises."""
        answer: asyncio.Future[NotDurable | None] = self._loop.create_future()

        def then(error: NotDurable | None) -> None:
            if not answer.done():  # a cancelled one; set_result on it would lose the rest of the batch
                answer.set_result(error)

        self.ask(rows, size, then)
        return answer

    def ask(self, rows: Sequence[NewRow], size: int, then: Callable[[NotDurable | None], None], *, since: float | None = None) -> None:
        """Ask for rows of `size` bytes in all to be made durable; `then` is told None, or the error as a value, in the loop's thread.

        It is told within `ANSWER_SECONDS` from `since` (the loop's time; None: now). It must not raise. Raises JournalFull or NotDurable
        where the rows are not even tried.
        """
        if self._closing:
            raise NotDurable("the journal is closing")
        if self._pending_bytes + size > self._limits.max_pending_bytes and self._pending_bytes:
            raise JournalFull("too many bytes wait for a commit")
        if self._folder_bytes >= self._limits.max_bytes:
            raise JournalFull(f"{self._folder}: the journal has reached its limit")
        now = self._loop.time()
        if self._busy_since is None:
            if not self._pending:
                self._loop.call_soon(self._hand_over)
        elif now - self._busy_since > _HOPELESS_SECONDS:
            raise NotDurable("the disk does not answer")
        self._pending.append(_Pending(rows, size, then, now if since is None else since))
        self._pending_bytes += size

    async def close(self) -> None:
        """Commit what waits, close the file and the writer, and report both. Gives up on a disk that does not answer."""
        self._closing = True
        give_up = self._loop.time() + ANSWER_SECONDS + 1
        while (self._pending or self._in_flight) and self._loop.time() < give_up:
            await asyncio.sleep(0.01)
        self._sweeper.cancel()
        self._batches.put(None)
        self._ended.set()
        self._keeper_wakes.set()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.1, give_up - self._loop.time()))
        await asyncio.sleep(0)  # the committer's last reports

    def close_connections(self) -> None:
        """Close the connections that were kept open for the roller; call it when the roller is done."""
        while True:
            try:
                self._close_retired(self._retired.get_nowait())
            except queue.Empty:
                return

    def _hand_over(self) -> None:
        if self._pending and self._busy_since is None:
            self._in_flight, self._pending = self._pending, []
            self._busy_since = self._loop.time()
            self._batches.put(self._in_flight)

    def _done(self, batch: list[_Pending], error: NotDurable | None, seconds: float, size: int) -> None:
        self._pending_bytes -= size
        self._busy_since = None
        self._in_flight = []
        for pending in batch:
            pending.answer(error)
        if error is None:
            self._folder_bytes += size
            self._meter.observe("callfacts_commit_seconds", seconds)
        self._hand_over()

    def _sweep(self) -> None:
        """Answer what has waited too long; drop it where it has not been handed over."""
        self._sweeper = self._loop.call_later(_SWEEP_SECONDS, self._sweep)
        now = self._loop.time()
        if self._busy_since is None or self._busy_since > now - _SWEEP_SECONDS:
            return
        limit = now - ANSWER_SECONDS
        for pending in self._in_flight:
            if pending.since < limit:
                pending.answer(NotDurable("the commit has not come back in time"))
        kept = []
        for pending in self._pending:
            if pending.since >= limit:
                kept.append(pending)
                continue
            self._pending_bytes -= pending.size
            pending.answer(NotDurable("the commit before it has not come back in time"))
        self._pending = kept

    def _report(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(call, *arguments)

    # ── the committer's side ─────────────────────────────────────────────────────────────────────────────────────────

    def _commit_batches(self) -> None:
        retries, retry_at = 0, 0.0
        while True:
            try:
                batch = self._batches.get(timeout=self._idle_seconds(retry_at))
            except queue.Empty:
                if self._file is None:
                    retries, retry_at = self._try_again(retries)
                else:
                    self._rotate()
                continue
            if batch is None:
                self._end_writer(failed=False)
                return
            retries, retry_at = self._commit(batch, retries, retry_at)

    def _commit(self, batch: list[_Pending], retries: int, retry_at: float) -> tuple[int, float]:
        rows = [row for pending in batch for row in pending.rows]
        size = sum(pending.size for pending in batch)
        if self._file is None and time.monotonic() >= retry_at:
            retries, retry_at = self._try_again(retries)
        error: NotDurable | None = None
        if self._file is not None:
            self._rotate()
        started = time.monotonic()
        if self._file is None:
            error = NotDurable(f"{self._folder}: no journal file can be written: {self._trouble}")
        else:
            try:
                if self._seq + len(rows) > MAX_SEQ:
                    raise OverflowError("the numbers of this writer are used up")
                self._file.append(self._seq + 1, rows, size)
                self._seq += len(rows)
            except Exception as failure:  # noqa: BLE001 - whatever it was: these rows are ambiguous, and this thread must go on
                error = NotDurable(f"{self._file.path}: the commit failed: {failure}")
                log.error("commit_failed", file=str(self._file.name), error=str(failure))
                self._meter.add("callfacts_commit_failures")
                self._end_writer(failed=True)
                retries, retry_at = self._try_again(0)
        self._report(self._done, batch, error, time.monotonic() - started, size)
        return retries, retry_at

    def _idle_seconds(self, retry_at: float) -> float | None:
        """How long the committer may sleep: until the file is due, or a new writer may be tried."""
        if self._file is None:
            return max(0.01, retry_at - time.monotonic())
        if not self._file.rows:
            return None
        return max(0.05, self._file.first_row_at + self._limits.roll_seconds - time.monotonic())

    def _is_due(self, file: _File) -> bool:
        if not file.rows:
            return False
        if file.bytes >= self._limits.roll_bytes:
            return True
        return time.monotonic() - file.first_row_at >= self._limits.roll_seconds

    def _rotate(self) -> None:
        """Go on in the spare file, if one is ready; else in this one for a little longer, and then as a new writer:
        where no file can be made, what is in this one must be landed all the same."""
        assert self._file is not None
        if not self._is_due(self._file):
            return
        try:
            spare = self._spares.get_nowait()
        except queue.Empty:
            self._keeper_wakes.set()
            if time.monotonic() - self._file.first_row_at > self._limits.roll_seconds + _OVERDUE_SECONDS:
                self._end_writer(failed=False)
            return
        if spare.name.writer != self._file.name.writer:  # prepared for a writer that has failed since
            self._retire(spare)
            return
        retired, self._file = self._file, spare
        self._retire(retired)

    def _retire(self, file: _File) -> None:
        """Report a file as closed. Its connection stays open: the last close would checkpoint."""
        self._retired.put(file)
        self._keeper_wakes.set()
        self._report(self._handover.closed, file.closed())

    def _begin_writer(self) -> None:
        lock = WriterLock.take(self._folder, new_writer_id(self._random(16)))
        try:
            file = _File(self._folder, JournalName(lock.writer, 1))
        except (sqlite3.Error, OSError):
            discard(None, self._folder / str(JournalName(lock.writer, 1)))
            lock.remove()
            raise
        with self._writer_lock:
            self._lock, self._file, self._file_count, self._seq = lock, file, 1, 0
        self._trouble = None
        self._keeper_wakes.set()
        self._report(self._handover.own, lock)

    def _try_again(self, retries: int) -> tuple[int, float]:
        """Begin a new writer; otherwise say when to try next."""
        try:
            self._begin_writer()
        except (sqlite3.Error, OSError, LockHeld) as failure:
            if self._trouble is None:
                log.error("journal_unwritable", folder=str(self._folder), error=str(failure))
            self._trouble = f"the journal cannot be written: {failure}"
            wait = _REOPEN_SECONDS[min(retries + 1, len(_REOPEN_SECONDS) - 1)]
            return retries + 1, time.monotonic() + wait
        log.info("writer_began", writer=self.writer)
        return 0, 0.0

    def _end_writer(self, *, failed: bool) -> None:
        """Close the writer for good and report it.

        After an error its connection is closed at once: what SQLite recovers afterwards is what the file holds, the same for
        everybody who opens it. A file without one acknowledged row is dropped.
        """
        with self._writer_lock:
            lock, file = self._lock, self._file
            self._lock = self._file = None
        with contextlib.suppress(queue.Empty):
            spare = self._spares.get_nowait()
            with contextlib.suppress(sqlite3.Error, OSError):
                discard(spare.connection, spare.path)
        if lock is None or file is None:
            return
        if failed:
            with contextlib.suppress(sqlite3.Error):
                file.connection.close()
        if file.rows == 0:
            with contextlib.suppress(sqlite3.Error, OSError):
                discard(None if failed else file.connection, file.path)
        elif failed:
            self._report(self._handover.closed, file.closed())
        else:
            self._retire(file)
        self._report(self._handover.finished, lock.writer)

    # ── the keeper's side ────────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self) -> None:
        """Prepare the next file, close retired connections once the roller is done with them, measure the folder."""
        kept: list[_File] = []
        prepare_at = 0.0
        while not self._ended.is_set():
            self._keeper_wakes.wait(_KEEPER_SECONDS)
            self._keeper_wakes.clear()
            if time.monotonic() >= prepare_at and not self._prepare_spare():
                prepare_at = time.monotonic() + _STALL_SECONDS
            with contextlib.suppress(queue.Empty):
                while True:
                    kept.append(self._retired.get_nowait())
            gone = [file for file in kept if not file.path.exists()]
            late = [file for file in kept if file not in gone][:-_KEPT_OPEN]
            for file in (*gone, *late):
                self._close_retired(file)
                kept.remove(file)
            self._folder_bytes = folder_bytes(self._folder)
        for file in kept:
            self._retired.put(file)

    def _prepare_spare(self) -> bool:
        """Have a file ready for the next rotation; False where none can be made."""
        if not self._spares.empty():
            return True
        with self._writer_lock:
            if self._lock is None:
                return True
            self._file_count += 1
            name = JournalName(self._lock.writer, self._file_count)
        try:
            spare = _File(self._folder, name)
        except (sqlite3.Error, OSError) as failure:  # the committer goes on in its file, and finds out by itself
            log.warning("spare_not_prepared", file=str(name), error=str(failure))
            with contextlib.suppress(OSError):
                discard(None, self._folder / str(name))
            return False
        with self._writer_lock:
            if self._lock is not None and self._lock.writer == name.writer:
                self._spares.put(spare)
                return True
        with contextlib.suppress(sqlite3.Error, OSError):
            discard(spare.connection, spare.path)
        return True

    def _close_retired(self, file: _File) -> None:
        with contextlib.suppress(sqlite3.Error):
            if not file.path.exists():
                file.connection.execute("pragma synchronous=off")
            file.connection.close()
