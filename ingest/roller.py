"""From closed journal files to parts: a niced process of its own. (A thread would stall replies for 300 ms.)

For each journal file, in order of its writer's numbers:

    rows → ranges → envelopes → quarantine part (if any row is refused) → landing part (always) → … → unlink the file

Invariants:
 1. Boundaries follow from the journal's content alone: a new UTC day of received_at (also where a clock stepped back), every
    30,000 rows, the end of the file. So whoever does it again writes the same names.
 2. A journal file is unlinked only after all its ranges are landed. Dying on any line loses nothing: the next roller drops
    what the listing shows as landed and goes on.
 3. The quarantine part comes first, and once it exists it *is* the decision for its range: what it holds does not land, all
    else does, whatever the configuration says by now.
 4. Only files of writers whose lock this process holds or shares are touched. Those of dead writers are found at the start
    and every few seconds.
 5. No more than one range of rows is in memory.

Its parent's end of the talk, with all the messages below, is `roller_process`.
"""

import contextlib
import os
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ingest.child import Channel
from ingest.config import Config, Storage
from ingest.envelope import Envelope, Refusal, read_envelope
from ingest.errors import CallfactsError, DamagedPart, LockHeld, PartConflict
from ingest.failpoints import arm, reach
from ingest.journal import (
    ClosedFile,
    JournalName,
    Row,
    WriterLock,
    discard,
    discard_strays,
    journal_files,
    open_to_read,
    rows_of,
    writers,
)
from ingest.layout import LANDING_SCHEMA, PART_ROWS, QUARANTINE_SCHEMA, PartName, PartRef, date_folder, parse_part_key
from ingest.parts import read_part, write_part
from ingest.storage import Store, Zone, open_zone
from ingest.telemetry import logger, set_up_logs

log = logger(__name__)

_NICE: Final = 10
_SCAN_SECONDS: Final = 3.0
_BACK_OFF_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_DRAIN_SECONDS: Final = 30.0
"""How long a draining roller goes on trying while the landing zone is away."""
_STUCK_SECONDS: Final = 60.0
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()


# ── what a range becomes (pure) ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Expected:
    """What a source names: events of another integration or company go to the quarantine. None: it names none."""

    integration_id: str | None
    company: str | None


_ANY: Final = Expected(None, None)


def expectations(config: Config) -> dict[str, Expected]:
    """By source."""
    return {source.name: Expected(source.integration_id, source.company) for source in config.sources}


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of one writer and one UTC day of arrival, with unbroken numbers: what one part answers for."""

    day: date
    rows: list[Row]

    def name(self, writer: str) -> PartName:
        return PartName(writer, self.rows[0].seq, self.rows[-1].seq)


def ranges(rows: Iterable[Row], *, size: int = PART_ROWS) -> Iterator[Range]:
    """The rows of a journal file cut at each new day and every `size` rows."""
    for day, of_day in groupby(rows, key=lambda row: row.received_at // _DAY_US):
        of_range: list[Row] = []
        for row in of_day:
            of_range.append(row)
            if len(of_range) == size:
                yield Range(date.fromordinal(_EPOCH + day), of_range)
                of_range = []
        if of_range:
            yield Range(date.fromordinal(_EPOCH + day), of_range)


def judged(row: Row, expected: Expected) -> Envelope | Refusal:
    """The envelope of a row, or why it goes to the quarantine."""
    if row.reason is not None:
        return Refusal(row.reason, row.detail or "")  # type: ignore[arg-type]
    found = read_envelope(row.body, integration_id=expected.integration_id, company=expected.company)
    if isinstance(found, Refusal) and row.detail:
        return Refusal(found.reason, f"{row.detail}: {found.detail}")
    return found


def landing_table(writer: str, events: list[tuple[Row, Envelope]]) -> pa.Table:
    """Rows of a landing part."""
    columns: dict[str, Any] = {
        "writer": pa.array([writer] * len(events), pa.string()),
        "seq": [row.seq for row, _ in events],
        "event_uid": [envelope.event_uid for _, envelope in events],
        "received_at": [row.received_at for row, _ in events],
        "source": [row.source for row, _ in events],
        "transport": [row.transport for row, _ in events],
        "integration_id": [envelope.integration_id for _, envelope in events],
        "company": [envelope.company for _, envelope in events],
        "pbx": [envelope.pbx for _, envelope in events],
        "event_type": [envelope.event_type for _, envelope in events],
        "subject_id": [envelope.subject_id for _, envelope in events],
        "event_time": [envelope.event_time_ms for _, envelope in events],
        "payload": pa.array([row.body for row, _ in events], pa.binary()).cast(pa.string()),
    }
    return pa.table(columns, schema=LANDING_SCHEMA)


def quarantine_table(writer: str, refused: list[tuple[Row, Refusal]]) -> pa.Table:
    """Rows of a quarantine part."""
    columns: dict[str, Any] = {
        "writer": pa.array([writer] * len(refused), pa.string()),
        "seq": [row.seq for row, _ in refused],
        "received_at": [row.received_at for row, _ in refused],
        "source": [row.source for row, _ in refused],
        "transport": [row.transport for row, _ in refused],
        "signature": [row.signature for row, _ in refused],
        "reason": [str(refusal.reason) for _, refusal in refused],
        "detail": [refusal.detail for _, refusal in refused],
        "body": pa.array([row.body for row, _ in refused], pa.binary()),
    }
    return pa.table(columns, schema=QUARANTINE_SCHEMA)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process is started with."""

    folder: Path
    storage: Storage
    expected: Mapping[str, Expected]
    failpoints: str
    log_level: int


@dataclass(frozen=True, slots=True)
class Own:
    """Land this writer's closed files; its lock comes with the message. `fresh`: nothing of it can have landed yet."""

    writer: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """A file that will not be written again."""

    name: JournalName


@dataclass(frozen=True, slots=True)
class Finished:
    """No file of this writer will be written again."""

    writer: str


@dataclass(frozen=True, slots=True)
class Obey:
    """Judge by these from now on."""

    expected: Mapping[str, Expected]


@dataclass(frozen=True, slots=True)
class Drain:
    """Land everything, then end."""


@dataclass(frozen=True, slots=True)
class Found:
    """Files of a dead writer, to be landed."""

    files: list[ClosedFile]


@dataclass(frozen=True, slots=True)
class Landed:
    """A journal file is landed and gone."""

    name: JournalName
    parts: int
    rows: int
    quarantined: Mapping[str, int]
    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Landing failed and is tried again; `error` is its class."""

    error: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file cannot be read; it stays where it is."""

    name: JournalName


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing of this writer is left."""

    writer: str


@dataclass(frozen=True, slots=True)
class Drained:
    """The last message: how many files are left."""

    left: int


# ── the process ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Writer:
    lock: WriterLock
    fresh: bool
    finished: bool = False
    closed: deque[JournalName] = field(default_factory=deque)
    stuck_until: float = 0.0


class Roller:
    """Lands journal files, one after the other. `report` gets the messages above."""

    def __init__(self, folder: Path, zone: Zone, expected: Mapping[str, Expected], report: Any) -> None:
        self._folder, self._zone, self._expected, self._report = folder, zone, expected, report
        self._writers: dict[str, _Writer] = {}
        self._damaged: set[JournalName] = set()

    def own(self, lock: WriterLock, *, fresh: bool) -> None:
        """Take charge of a living writer's files."""
        self._writers[lock.writer] = _Writer(lock, fresh)

    def closed(self, name: JournalName) -> None:
        """A file of an owned writer may be landed."""
        self._writers[name.writer].closed.append(name)

    def finished(self, writer: str) -> None:
        """No more files will come."""
        self._writers[writer].finished = True

    def obey(self, expected: Mapping[str, Expected]) -> None:
        """Judge by these from now on."""
        self._expected = expected

    @property
    def left(self) -> int:
        """Files of finished writers, and closed ones of others, that are not landed."""
        return sum(len(writer.closed) for writer in self._writers.values()) + len(self._damaged)

    def take_dead(self) -> None:
        """Take charge of the writers that nobody holds."""
        for name in writers(self._folder):
            if name in self._writers:
                continue
            try:
                lock = WriterLock.take(self._folder, name)
            except LockHeld:
                continue
            files = [file for file in journal_files(self._folder) if file.writer == name and file not in self._damaged]
            self._writers[name] = _Writer(lock, fresh=False, finished=True, closed=deque(files))
            if files:
                log.info("dead_writer_found", writer=name, files=len(files))
                self._report(Found([self._counted(file) for file in files]))

    def land_next(self) -> bool:
        """Land one file; False if there is none. Raises StorageError or OSError, and may be called again.

        A writer whose part is in conflict with what is landed needs a person: it waits, and the others go on.
        """
        for writer in list(self._writers.values()):
            if writer.closed and time.monotonic() < writer.stuck_until:
                continue
            if writer.closed:
                try:
                    self._land(writer, writer.closed[0])
                except (PartConflict, DamagedPart) as error:
                    log.error("writer_stuck", file=str(writer.closed[0]), error=str(error), again_in_s=_STUCK_SECONDS)
                    writer.stuck_until = time.monotonic() + _STUCK_SECONDS
                    self._report(Failed(type(error).__name__))
                    continue
                writer.closed.popleft()
                return True
            if writer.finished:
                self._end(writer)
        return False

    def _land(self, writer: _Writer, name: JournalName) -> None:
        path = self._folder / str(name)
        if not path.exists():  # landed by a roller that died before it could say so
            discard(None, path)
            self._report(Landed(name, 0, 0, {}, time.time()))
            return
        started = time.monotonic()
        quarantined: Counter[str] = Counter()
        parts = rows = 0
        connection: sqlite3.Connection | None = None
        try:
            connection = open_to_read(path)
            for found in ranges(rows_of(connection)):
                quarantined += self._land_range(found, writer)
                parts, rows = parts + 1, rows + len(found.rows)
                reach("roller_between_parts")
            reach("roller_before_unlink")
            discard(connection, path)
            connection = None
        except sqlite3.OperationalError as error:
            raise OSError(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            log.error(
                "journal_damaged", file=str(name), error=str(error), hint="it stays where it is: restore it from the disk, or move it away"
            )
            self._damaged.add(name)
            self._report(Damaged(name))
            return
        finally:
            if connection is not None:
                connection.close()
        reach("roller_after_unlink")
        self._report(Landed(name, parts, rows, dict(quarantined), time.time()))
        if rows:
            log.info(
                "journal_landed", file=str(name), parts=parts, deliveries=rows, quarantined=quarantined.total(),
                ms=round((time.monotonic() - started) * 1000),
            )  # fmt: skip

    def _land_range(self, found: Range, writer: _Writer) -> Counter[str]:
        """Bring one range to its place; how many were refused, by reason."""
        name = found.name(writer.lock.writer)
        if not writer.fresh and (landed := self._landed(found.day, name)):
            for part in landed:
                self._zone.landing.settle(part.key)
            return Counter()
        decision = None if writer.fresh else self._decision(found.day, name)
        if decision is None:
            events, refused = self._judge(found)
            if refused:
                try:
                    write_part(self._zone.quarantine, quarantine_table(name.writer, refused), date=found.day, name=name)
                except PartConflict:  # written by a roller that died at this very moment, under another configuration
                    decision = self._decision(found.day, name)
                    if decision is None:
                        raise
            reach("roller_after_quarantine")
        if decision is not None:
            events, refused = _obeyed(found, name, decision)
        write_part(self._zone.landing, landing_table(name.writer, events), date=found.day, name=name)
        return Counter(str(refusal.reason) for _, refusal in refused)

    def _judge(self, found: Range) -> tuple[list[tuple[Row, Envelope]], list[tuple[Row, Refusal]]]:
        events: list[tuple[Row, Envelope]] = []
        refused: list[tuple[Row, Refusal]] = []
        for row in found.rows:
            judgement = judged(row, self._expected.get(row.source, _ANY))
            if isinstance(judgement, Envelope):
                events.append((row, judgement))
            else:
                refused.append((row, judgement))
        return events, refused

    def _landed(self, day: date, name: PartName) -> list[PartRef]:
        """The parts that show the whole range as landed; empty if it is not."""
        reached, needed = name.first - 1, []
        for part in sorted(_parts(self._zone.landing, day, name.writer), key=lambda part: (part.name.first, -part.name.last)):
            if part.name.first <= reached + 1 and part.name.last > reached and part.name.last >= name.first:
                needed.append(part)
                reached = part.name.last
        return needed if reached >= name.last else []

    def _decision(self, day: date, name: PartName) -> dict[int, Refusal] | None:
        """What an earlier attempt decided about a range: number → refusal. None where there was none."""
        for part in _parts(self._zone.quarantine, day, name.writer):
            if part.name == name:
                self._zone.quarantine.settle(part.key)
                table = read_part(self._zone.quarantine, part, ["seq", "reason", "detail"])
                columns = (table[column].to_pylist() for column in ("seq", "reason", "detail"))
                return {seq: Refusal(reason, detail) for seq, reason, detail in zip(*columns, strict=True)}
        return None

    def _end(self, writer: _Writer) -> None:
        """Let go of a writer of which everything is landed."""
        name = writer.lock.writer
        del self._writers[name]
        if any(file.writer == name for file in journal_files(self._folder)):  # damaged ones stay, and their lock file too
            writer.lock.close()
            return
        discard_strays(self._folder, name)
        writer.lock.remove()
        self._report(Ended(name))

    def _counted(self, name: JournalName) -> ClosedFile:
        try:
            with contextlib.closing(open_to_read(self._folder / str(name))) as connection:
                rows, oldest_at = connection.execute("select count(*), min(received_at) from j").fetchone()
        except sqlite3.Error:  # empty, or damaged: landing it will tell
            return ClosedFile(name, 0, None)
        return ClosedFile(name, rows, oldest_at)


def _obeyed(found: Range, name: PartName, decision: Mapping[int, Refusal]) -> tuple[list[tuple[Row, Envelope]], list[tuple[Row, Refusal]]]:
    """The range as an earlier attempt decided it."""
    events: list[tuple[Row, Envelope]] = []
    refused: list[tuple[Row, Refusal]] = []
    for row in found.rows:
        if (refusal := decision.get(row.seq)) is not None:
            refused.append((row, refusal))
            continue
        envelope = read_envelope(row.body)
        if isinstance(envelope, Refusal):
            raise PartConflict(f"quarantine/{date_folder(found.day)}/{name}: lacks number {row.seq}, which is no event ({envelope.reason})")
        events.append((row, envelope))
    return events, refused


def _parts(store: Store, day: date, writer: str) -> list[PartRef]:
    """The parts of a writer in a day's folder."""
    found = []
    for entry in store.list(f"{date_folder(day)}/{writer}-"):
        if (parsed := parse_part_key(entry.key)) is not None:
            found.append(PartRef(parsed[1], parsed[0], entry.key, entry.size, entry.modified))
    return found


def main(channel: Channel, settings: Settings, messages: list[tuple[Any, list[int]]]) -> int:
    """The process: obey the parent, land what is closed, until told to drain or the parent is gone."""
    os.nice(_NICE)
    set_up_logs(level=settings.log_level)
    arm(settings.failpoints)
    roller = Roller(settings.folder, open_zone(settings.storage), settings.expected, channel.send)
    failures, next_try, next_scan, drain_until = 0, 0.0, 0.0, float("inf")
    draining = False
    while True:
        for message, descriptors in messages:
            match message:
                case Own(writer, fresh):
                    roller.own(WriterLock(settings.folder, writer, descriptors[0]), fresh=fresh)
                case Closed(name):
                    roller.closed(name)
                case Finished(writer):
                    roller.finished(writer)
                case Obey(expected):
                    roller.obey(expected)
                case Drain():
                    draining, drain_until, next_try = True, time.monotonic() + _DRAIN_SECONDS, 0.0
        if channel.ended:
            return 1
        now = time.monotonic()
        busy = False
        if now >= next_try:
            try:
                if now >= next_scan:
                    roller.take_dead()
                    next_scan = now + _SCAN_SECONDS
                busy = roller.land_next()
                failures = 0
            except (CallfactsError, OSError) as error:
                wait = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)]
                failures, next_try = failures + 1, time.monotonic() + (min(wait, 2.0) if draining else wait)
                log.warning("landing_failed", error=str(error), again_in_s=wait, left=roller.left)
                channel.send(Failed(type(error).__name__))
        if draining and not busy and (failures == 0 or time.monotonic() > drain_until):
            channel.send(Drained(roller.left))
            while channel.has_unsent and not channel.ended:
                channel.wait(1.0)
            return 0
        soonest = next_try if failures else next_scan
        messages = channel.wait(0 if busy else max(0.0, soonest - time.monotonic()))
