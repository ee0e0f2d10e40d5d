"""The builder's own two files, and the file that is published. (CONTRACT §6, DESIGN 6 and 10)

    <root>/build/lock              who builds: flock, with the holder's pid in it
    <root>/build/events.duckdb     typed deliveries, a row each; `taken`: the ranges of numbers that they come from
    <root>/build/facts.duckdb      every published table; schema `builder`: the state that counts
    <root>/build/tmp/              what DuckDB and the engine spill; empty between builds
    <root>/warehouse.duckdb        a copy of facts.duckdb: closed, whole, mode 0444, no .wal beside it

Invariants:
 1. The facts and the ranges that they come from change in one transaction of facts.duckdb.
 2. events.duckdb holds at least the ranges of facts.duckdb. It may run ahead; rows that are there twice change nothing.
 3. `builder.meta` says what the facts were made with. Where that does not match, or a file is missing or damaged, nothing
    is mended: the build begins afresh.
 4. The published file is replaced by a rename alone. Readers keep the file they opened; the builder never opens it.

DuckDB has no transaction over two files, so events are committed first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import polars as pl
import pyarrow as pa

from ingest.errors import LockHeld
from ingest.failpoints import reach
from transforms import rollups
from transforms.people import newest
from transforms.ranges import Ranges
from transforms.tables import (
    BUILDS,
    DELIVERIES,
    OPEN_CALLS,
    PEOPLE,
    PEOPLE_SEEN,
    TABLES,
    TYPED_CALL,
    TYPED_PRESENCE,
    TYPED_VENDOR,
    Table,
    quoted,
)

STORAGE_VERSION: Final = "v1.4.0"
"""The oldest DuckDB that can open the published file."""

CHECKPOINT_BYTES: Final = 32 * 1024**2
"""A log of events.duckdb longer than this is worked into its file at the end of a build: to replay it costs more a build than
to leave a short one costs."""

DELIVERY: Final = ("writer", "seq", "received_at", "source", "integration_id")
"""The columns of a delivery that stand behind those of its event."""


def _with_delivery(table: Table) -> Table:
    behind = tuple(column for column in DELIVERIES.columns if column.name in DELIVERY)
    return Table(table.name, table.columns + behind, (), ("k",), table.meaning)


CALL_ROWS: Final = _with_delivery(TYPED_CALL)
VENDOR_ROWS: Final = _with_delivery(TYPED_VENDOR)
PRESENCE_ROWS: Final = _with_delivery(TYPED_PRESENCE)
TYPED_ROWS: Final = (CALL_ROWS, VENDOR_ROWS, PRESENCE_ROWS)
"""The tables of events.duckdb: a row a delivery, so that what counts deliveries needs no second table."""

OF_CALLS: Final = ("calls", "call_states", "call_legs", "queue_visits", "call_events", "vendor_calls")
OF_PERSONS: Final = ("presence_intervals", "conference_events")
"""The tables of which an incremental build replaces the rows of some calls, or of some persons."""

_REMEMBERED: Final = {"calls": "calls", "queue_visits": "visits"}
"""What an incremental build keeps of its removed and its new rows for the prepared tables: temp tables <value>_old and <value>_new."""

K_END: Final = 2**63
"""`k` lies within 0 ≤ k < K_END, evenly."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Whole calls and whole persons: those with low ≤ k < high; of an incremental build only the touched ones. `rows`: about."""

    low: int
    high: int
    rows: int


@dataclass(frozen=True, slots=True)
class BucketEvents:
    """Typed deliveries of one bucket, as declared in tables.py."""

    call: pl.DataFrame
    vendor: pl.DataFrame
    presence: pl.DataFrame
    deliveries: pl.DataFrame


def bucket_events(call: pl.DataFrame, vendor: pl.DataFrame, presence: pl.DataFrame) -> BucketEvents:
    """Typed rows, one a delivery, as events and their deliveries."""
    return BucketEvents(
        call.select(TYPED_CALL.names),
        vendor.select(TYPED_VENDOR.names),
        presence.select(TYPED_PRESENCE.names),
        pl.concat([call.select(DELIVERIES.names), vendor.select(DELIVERIES.names)]),
    )


@contextmanager
def building(folder: Path, *, pid: int) -> Iterator[None]:
    """Hold the lock of the builder's folder. Raises LockHeld, with the holder's pid."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
            raise LockHeld(f"{folder}: another build is at work (pid {holder}); wait for it to end") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{pid}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


DUCKDB_SHARE: Final = 0.5
"""Of the memory limit: polars and Arrow, which know no limit, keep half a gigabyte of what the buckets took."""
DUCKDB_BYTES_AT_BUCKETS: Final = 320 * 1024**2
"""DuckDB's most while events are read and computed: with more it would only keep blocks that are not read again soon."""
READ_AT_ONCE: Final = 3
"""Buckets whose events are fetched together."""
SORTED_AT_ONCE: Final = 1_000_000
"""Rows that are put in order together: as many as fit into DuckDB's memory, so that nothing of them goes to disk and comes back."""


class Workshop:
    """The builder's files, open. Whoever opens it holds the lock and closes it."""

    def __init__(self, folder: Path, *, memory_limit_bytes: int) -> None:
        self.folder = folder
        self.duckdb_bytes = int(memory_limit_bytes * DUCKDB_SHARE)
        self.events_path = folder / "events.duckdb"
        self.facts_path = folder / "facts.duckdb"
        self.spill = folder / "tmp"
        shutil.rmtree(self.spill, ignore_errors=True)
        self.spill.mkdir(parents=True)
        self.con = duckdb.connect(config={"allow_community_extensions": "false"})
        self._attached: list[str] = []
        for setting, value in {
            "TimeZone": "UTC",
            "memory_limit": f"{self.duckdb_bytes}B",
            "temp_directory": str(self.spill / "duckdb"),
            "checkpoint_threshold": "1TB",  # a checkpoint is ours to time, not in the middle of a build
            "autoinstall_known_extensions": "false",
        }.items():
            self.con.execute(f"set global {setting} = {_literal(value)}")
        self.con.execute("pragma disable_checkpoint_on_shutdown")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.con.close()
        shutil.rmtree(self.spill, ignore_errors=True)

    @contextmanager
    def at_buckets(self) -> Iterator[None]:
        """DuckDB's memory while polars has most of it."""
        self._allow(min(self.duckdb_bytes, DUCKDB_BYTES_AT_BUCKETS))
        yield
        self._allow(self.duckdb_bytes)

    def _allow(self, limit: int) -> None:
        self.con.execute(f"set global memory_limit = '{limit}B'")

    # ---------------------------------------------------------------- opening

    def open(self, made_with: Mapping[str, str]) -> str | None:
        """Open what an earlier build left. None, or why it cannot be used: then `begin_afresh`."""
        if not self.facts_path.exists():
            return "there are no facts yet"
        if not self.events_path.exists():
            return f"{self.events_path.name} is missing"
        for name, path in (("facts", self.facts_path), ("events", self.events_path)):
            try:
                self._attach(name, path)
                found = self._meta(name)
            except duckdb.Error as error:
                if "lock on file" in str(error):  # not "block": a damaged one is named so
                    raise LockHeld(f"{path}: another process has opened it: {_one_line(error)}") from None
                return f"{path.name} cannot be used: {_one_line(error)}"
            if name == "facts" and "complete" not in found:
                return "the last full build was not finished"
        facts, events = self._meta("facts"), self._meta("events")
        if facts["pair"] != events.get("pair"):
            return f"{self.events_path.name} and {self.facts_path.name} are not of one build"
        for what, value in made_with.items():
            if facts.get(what) != value:
                return _CHANGED.get(what, f"{what} has changed")
        if (gone := self.events_taken().first_missing(self.facts_taken())) is not None:
            return f"{self.events_path.name} lacks numbers {gone[1]} to {gone[2]} of writer {gone[0]}"
        self.con.execute("use facts")
        return None

    def begin_afresh(self) -> None:
        """Two new, empty files. The published one stays."""
        # A commit longer than this goes straight into the file instead of first into a log, which a build afresh need not have.
        self.con.execute("set global checkpoint_threshold = '16MB'")
        self.con.execute("use memory")
        for name in self._attached:
            with suppress(duckdb.Error):
                self.con.execute(f"detach {name}")
        self._attached.clear()
        for path in (self.facts_path, self.events_path):
            for stale in (path, path.with_name(path.name + ".wal")):
                stale.unlink(missing_ok=True)
        pair = secrets.token_hex(8)
        for name, path in (("events", self.events_path), ("facts", self.facts_path)):
            self._attach(name, path)
            home = "events.main" if name == "events" else "facts.builder"
            self.con.execute(f"create schema if not exists {home}")
            self.con.execute(f"create table {home}.meta (name varchar, value varchar)")
            self.con.execute(f"create table {home}.taken (writer varchar, first bigint, last bigint)")
            self.con.execute(f"insert into {home}.meta values ('pair', ?)", [pair])
        for table in TYPED_ROWS:
            self.con.execute(table.ddl(f"events.main.{table.name}"))
        self.con.execute("use facts")
        for table in TABLES.values():
            self.con.execute(table.ddl())
        for table in (PEOPLE_SEEN, OPEN_CALLS):
            self.con.execute(table.ddl(f"builder.{table.name}"))

    def _attach(self, name: str, path: Path) -> None:
        self.con.execute(f"attach {_literal(str(path))} as {name} (storage_version {_literal(STORAGE_VERSION)})")
        self._attached.append(name)

    def _meta(self, name: str) -> dict[str, str]:
        home = "events.main" if name == "events" else "facts.builder"
        return dict(self.con.sql(f"select name, value from {home}.meta").fetchall())

    # ---------------------------------------------------------------- events

    def events_taken(self) -> Ranges:
        return self._taken("events.main")

    def facts_taken(self) -> Ranges:
        return self._taken("facts.builder")

    def _taken(self, home: str) -> Ranges:
        return Ranges(self.con.sql(f"select writer, first, last from {home}.taken").fetchall())

    def add_events(self, frames: Iterable[tuple[Table, pl.DataFrame]], spans: Iterable[tuple[str, int, int]]) -> None:
        """Typed deliveries, and the ranges that they are all the deliveries of, in one transaction."""
        with self._transaction():
            for table, frame in frames:
                # Within a batch in order of k: a bucket then finds its rows in few row groups.
                self._insert(f"events.main.{table.name}", frame.sort("k"))
            self._insert("events.main.taken", _spans_frame(spans))

    def touch(self, new: Ranges, *, as_of: Any) -> None:
        """Note what is to be computed anew (temp table touched): calls and persons with new deliveries, and open calls that
        this as-of makes in_progress or lost."""
        self._put("new_spans", _spans_frame(new))
        self.con.execute("create or replace temp table touched (k bigint)")
        for table in TYPED_ROWS:
            self.con.execute(
                f"insert into touched select distinct k from events.main.{table.name} e "
                "semi join new_spans s on e.writer = s.writer and e.seq between s.first and s.last"
            )
        self.con.execute(
            "insert into touched select k from builder.open_calls "
            "where (outcome = 'in_progress') <> ($as_of < turns_lost_at)", {"as_of": as_of},
        )  # fmt: skip

    def buckets(self, rows: int, *, touched: bool) -> list[Bucket]:
        """Buckets of about `rows` deliveries."""
        some = "semi join touched using (k)" if touched else ""
        count = sum(self._count(f"events.main.{table.name} {some}") for table in TYPED_ROWS)
        n = max(1, -(-count // rows))
        bounds = [K_END * i // n for i in range(n + 1)]
        return [Bucket(low, high, count // n) for low, high in pairwise(bounds)]

    def read(self, buckets: Sequence[Bucket], *, touched: bool) -> Iterator[BucketEvents]:
        """All deliveries of each bucket's calls and persons. Buckets: in order, each beginning where the one before it ends."""
        # Several at once: every look for a range of k reads a part of all that is there, so that with a bucket of its own each
        # twice the events would cost four times the reading.
        for some in (buckets[at : at + READ_AT_ONCE] for at in range(0, len(buckets), READ_AT_ONCE)):
            frames = [self._rows(table, some[0].low, some[-1].high, touched=touched) for table in TYPED_ROWS]
            for bucket in some:
                within = pl.col("k").is_between(bucket.low, bucket.high - 1)
                yield bucket_events(*(frame.filter(within) for frame in frames))
            del frames

    def _rows(self, table: Table, low: int, high: int, *, touched: bool) -> pl.DataFrame:
        name = f"events.main.{table.name}"
        # Which rows first, then the rows: half the time of a wide semi join.
        some = f"and rowid in (select e.rowid from {name} e semi join touched using (k))" if touched else ""
        # Both ends within: K_END itself is no BIGINT.
        frame: pl.DataFrame = self.con.sql(f"select * from {name} where k between {low} and {high - 1} {some}").pl()
        return frame.cast(table.polars)

    # ---------------------------------------------------------------- facts

    def fill(self, files: Mapping[str, Sequence[Path]]) -> None:
        """The tables of an empty facts.duckdb from Parquet files, each in its order."""
        for name, table in TABLES.items():
            if found := [str(path) for path in files.get(name, ())]:
                names = ", ".join(map(quoted, table.names))
                order = ", ".join(map(quoted, table.order_by))
                for within, bounds in self._slices(table, found):
                    insert = f"insert into {quoted(name)} select {names} from read_parquet($files) where {within} order by {order}"
                    self.con.execute(insert, {"files": found, **bounds})

    def _slices(self, table: Table, files: list[str]) -> list[tuple[str, dict[str, Any]]]:
        """Conditions, one after the other in the table's order, that part the rows of Parquet files into about SORTED_AT_ONCE each.
        A table that is not in order of time is one slice: vendor_calls alone is large."""
        if not pa.types.is_timestamp(table.arrow.field(table.order_by[0]).type):
            return [("true", {})]
        first = quoted(table.order_by[0])
        n = -(-self._count("read_parquet($files)", files=files) // SORTED_AT_ONCE)
        if n < 2:
            return [("true", {})]
        shares = [i / n for i in range(1, n)]
        quantiles = f"select approx_quantile({first}, {shares}) from read_parquet($files)"
        cuts = sorted(set(self.con.execute(quantiles, {"files": files}).fetchall()[0][0]))
        inner = [(f"{first} >= $low and {first} < $high", {"low": low, "high": high}) for low, high in pairwise(cuts)]
        # in DuckDB's order nulls come last
        return [(f"{first} < $high", {"high": cuts[0]}), *inner, (f"({first} >= $low or {first} is null)", {"low": cuts[-1]})]

    def replace(self, frames: Iterable[dict[str, pl.DataFrame]]) -> int:
        """Replace the touched calls' and persons' rows; how many calls were computed. Within `changing`."""
        self._touched_keys()
        for names, keys, key in ((OF_CALLS, "touched_calls", "call_id"), (OF_PERSONS, "touched_persons", "extension")):
            for name in names:
                # Which rows first: then none is found twice, and no wide row is read but those that go.
                self.con.execute(
                    f"create or replace temp table going as select t.rowid as place from {name} t semi join {keys} using (company, {key})"
                )
                if name in _REMEMBERED:
                    self.con.execute(f"create or replace temp table {_REMEMBERED[name]}_old as from {name} where rowid in (from going)")
                    self.con.execute(f"create or replace temp table {_REMEMBERED[name]}_new as from {name} limit 0")
                self.con.execute(f"delete from {name} where rowid in (from going)")
        self.con.execute("delete from builder.open_calls where k in (from touched)")
        computed = 0
        for tables in frames:
            computed += tables["calls"].height
            self.add(tables)
            for name, kept in _REMEMBERED.items():
                self._insert(f"{kept}_new", tables[name].select(TABLES[name].names))
        return computed

    def add(self, tables: Mapping[str, pl.DataFrame]) -> None:
        """Add rows to tables, published ones and the builder's."""
        for name, frame in tables.items():
            if name in TABLES:
                self._insert(quoted(name), frame.select(TABLES[name].names).sort(TABLES[name].order_by))
        self._insert("builder.open_calls", tables["open_calls"].select(OPEN_CALLS.names))
        self.see_people([tables["people_seen"]])

    def see_people(self, seen: Iterable[pl.DataFrame]) -> None:
        """Keep who was seen last, and bring the table people in line."""
        found = pl.concat([PEOPLE_SEEN.empty(), *seen])
        if found.is_empty():
            return
        found = newest(found)
        self._put("seen_now", found)
        known = "select s.* from builder.people_seen s semi join seen_now using (company, extension)"
        latest = newest(pl.concat([self.con.sql(known).pl().cast(PEOPLE_SEEN.polars), found]))
        for name, table in (("builder.people_seen", PEOPLE_SEEN), ("people", PEOPLE)):
            self.con.execute(
                f"delete from {name} where rowid in (select p.rowid from {name} p semi join seen_now using (company, extension))"
            )
            self._insert(name, latest.select(table.names))

    def replace_whole(self, name: str, frame: pl.DataFrame) -> None:
        """All rows of a small table."""
        table = TABLES[name]
        self.con.execute(f"delete from {quoted(name)}")
        self._insert(quoted(name), frame.select(table.names).sort(table.order_by))

    def note(self, people_seen: Sequence[pl.DataFrame], open_calls: Sequence[pl.DataFrame]) -> None:
        """Keep the builder's own of all buckets."""
        self._insert("builder.open_calls", pl.concat([OPEN_CALLS.empty(), *open_calls]))
        self.see_people(people_seen)

    def add_arrow(self, name: str, rows: pa.Table) -> None:
        """Add rows to a table; for types that polars lacks."""
        self._insert(quoted(name), rows)

    def unlisted_statuses(self, phases: pl.DataFrame) -> dict[str, int]:
        """status as sent → events, of those that the list of phases lacks."""
        counts = self.con.sql(
            "select status, count(*) from call_events where phase = 'other' and status is not null group by status order by status"
        ).fetchall()
        listed = set(phases["status"])
        return {status: events for status, events in counts if status.upper() not in listed}

    def next_turn_at(self) -> datetime | None:
        """When the next call that is in progress will be lost."""
        turns = self.con.sql("select min(turns_lost_at) from builder.open_calls where outcome = 'in_progress'").pl()
        found: datetime | None = turns.item()
        return found

    def earlier_builds(self) -> pa.Table:
        """The table builds of the facts that are there, before they are given up; empty where it cannot be read."""
        if not self.facts_path.exists():
            return BUILDS.arrow.empty_table()
        try:
            self._attach("facts", self.facts_path)
            return self.con.sql("from facts.main.builds").to_arrow_table().select(BUILDS.names).cast(BUILDS.arrow)
        except (duckdb.Error, pa.ArrowInvalid, KeyError):
            return BUILDS.arrow.empty_table()

    def finish(self, taken: Ranges, made_with: Mapping[str, str]) -> None:
        """Note what the facts are made of and with. Within `changing`."""
        self.con.execute("delete from builder.taken")
        self._insert("builder.taken", _spans_frame(taken))
        self.con.execute("delete from builder.meta where name <> 'pair'")
        meta = {"complete": "yes", **made_with}
        self._insert("builder.meta", pl.DataFrame({"name": list(meta), "value": list(meta.values())}))

    def define(self) -> None:
        """Macros and prepared report tables, all of them, and every comment."""
        rollups.rebuild(self.con)
        for table in TABLES.values():
            for comment in table.comments():
                self.con.execute(comment)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction of facts.duckdb: all of it, or nothing."""
        with self._transaction():
            yield
            reach("facts_before_commit")
        reach("facts_after_commit")

    def settle(self) -> None:
        """Bring both files to rest: facts.duckdb without a log, ready to be copied."""
        self.con.execute("checkpoint facts")
        log = self.events_path.with_name(self.events_path.name + ".wal")
        if log.exists() and log.stat().st_size > CHECKPOINT_BYTES:
            self.con.execute("checkpoint events")
        self.con.execute("use memory")
        self.con.execute("detach facts")
        self._attached.remove("facts")

    # ---------------------------------------------------------------- small tools

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.con.execute("begin")
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):
                self.con.execute("rollback")
            raise
        self.con.execute("commit")

    def _insert(self, name: str, frame: pl.DataFrame | pa.Table) -> None:
        if len(frame) == 0:
            return
        self.con.register("incoming", frame)
        try:
            self.con.execute(f"insert into {name} select * from incoming")
        finally:
            self.con.unregister("incoming")

    def _put(self, name: str, frame: pl.DataFrame) -> None:
        self.con.register("incoming", frame)
        try:
            self.con.execute(f"create or replace temp table {name} as select * from incoming")
        finally:
            self.con.unregister("incoming")

    def _count(self, of: str, **parameters: Any) -> int:
        return int(self.con.execute(f"select count(*) from {of}", parameters).fetchall()[0][0])

    def _touched_keys(self) -> None:
        calls = " union ".join(
            f"select company, call_id from events.main.{table.name} where k in (from touched)" for table in (CALL_ROWS, VENDOR_ROWS)
        )
        self.con.execute(f"create or replace temp table touched_calls as {calls}")
        self.con.execute(
            "create or replace temp table touched_persons as "
            f"select distinct company, extension from events.main.{PRESENCE_ROWS.name} where k in (from touched)"
        )


_CHANGED: Final = {
    "landing": "the landing zone is another one",
    "rules": "the rules or tables have changed",
    "reference": "the reference tables have changed",
    "phases": "the list of call phases has changed",
}


def _spans_frame(spans: Iterable[tuple[str, int, int]]) -> pl.DataFrame:
    schema = {"writer": pl.String, "first": pl.Int64, "last": pl.Int64}
    return pl.DataFrame(list(spans), schema=schema, orient="row")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


# ---------------------------------------------------------------------------------------------------------------------
# Publishing

_FICLONE: Final = 0x40049409


def publish(facts: Path, warehouse: Path) -> int:
    """Copy the facts, closed and checkpointed, and rename the copy in place; bytes published."""
    for left in warehouse.parent.glob(f".{warehouse.name}.*.tmp"):  # of a build that died here
        left.unlink(missing_ok=True)
    copy = warehouse.with_name(f".{warehouse.name}.{secrets.token_hex(8)}.tmp")
    try:
        _copy(facts, copy)
        reach("publish_before_rename")
        _remove_stranger(warehouse)
        copy.replace(warehouse)
    finally:
        copy.unlink(missing_ok=True)
    reach("publish_after_rename")
    _remove_stranger(warehouse)
    _fsync(warehouse.parent)
    return warehouse.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())  # free where the file system shares blocks
        except OSError:
            _copy_bytes(read.fileno(), write.fileno(), os.fstat(read.fileno()).st_size)
        os.fchmod(write.fileno(), 0o444)
        reach("publish_before_sync")
        os.fsync(write.fileno())


def _copy_bytes(source: int, target: int, size: int) -> None:
    done = 0
    while done < size:
        copied = os.sendfile(target, source, done, min(size - done, 2**30))
        if copied == 0:
            raise OSError(errno.EIO, "the facts file became shorter while it was copied")
        done += copied


def _remove_stranger(warehouse: Path) -> None:
    """The log of someone who opened the published file to write: DuckDB refuses a file whose log belongs to another."""
    warehouse.with_name(warehouse.name + ".wal").unlink(missing_ok=True)


def _fsync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
