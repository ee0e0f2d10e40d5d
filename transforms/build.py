"""One build, read top to bottom: list → plan → scan → run → store → publish. (CONTRACT §5, §6)

Promise: the published warehouse is always whole, and after a build that ends without an error it is what a full build with the
same as-of over the same landing zone gives, `builds` aside. Whatever fails, it stays as it was.

A build takes the ranges of numbers that the facts lack, computes the calls and persons that these touch, and those whose
outcome follows from the as-of. It begins afresh where asked to, where the files of the last one cannot be used, and where a
range that was taken is gone from the landing zone; it says why.

What dies where: before the facts' commit the next build takes the same ranges again (events that are there twice change
nothing); between commit and rename the next build publishes; a rename is whole or has not been.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import duckdb
import orjson
import polars as pl
import pyarrow as pa

from ingest.config import Config
from ingest.errors import BuildError
from ingest.failpoints import reach
from ingest.layout import LANDING_SCHEMA, PartRef
from ingest.parts import iter_part, list_parts, read_part
from ingest.rejections import list_rejections
from ingest.storage import Store, Zone, open_zone
from transforms import rollups
from transforms.engine import local, spark
from transforms.facts import call_facts, presence_facts
from transforms.landed import rows_within, typed, unknown_types
from transforms.ranges import Ranges
from transforms.reference import call_phases, end_causes
from transforms.tables import BUILDS, QUARANTINE, REJECTIONS
from transforms.warehouse import TYPED_ROWS, Bucket, BucketEvents, Workshop, bucket_events, building, publish

BATCH_ROWS: Final = 250_000
BATCH_BYTES: Final = 256 * 1024**2
"""Deliveries that are parsed at once: no more than either."""

_RULES: Final = (
    *(f"{module}.py" for module in (
        "calls", "events", "facts", "landed", "legs", "outcome", "people", "presence", "queues", "rollups", "runs", "states", "tables",
        "vendor", "warehouse", "reports/catalog",
    )),
    *(f"reports/{name}.sql" for name in rollups.DEFINITIONS),
)  # fmt: skip
"""The files that decide what is in the warehouse: where one has changed, the next build begins afresh."""


class Progress(Protocol):
    """Who watches a build."""

    def phase(self, name: str, total: int) -> None:
        """A phase begins, of so many deliveries."""

    def advance(self, done: int) -> None:
        """So many more are done."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did.

    Attributes:
        mode: full or incremental.
        reason: why it was a full one; empty else.
        files, events, odd: parts and deliveries read, and how many of these took the exact way.
        calls: calls computed.
        unlisted_statuses: status as sent → events in the warehouse, of those that the list of phases lacks.
        unknown_types: event type → events read, of those that no table is made of.
        next_turn_at: when the next call that is in_progress will be lost; None where there is none.
        published_bytes: size of the published file.
        seconds: how long each phase took: reading, computing, storing, publishing.
    """

    build_id: str
    mode: str
    reason: str
    files: int
    events: int
    odd: int
    calls: int
    unlisted_statuses: dict[str, int]
    unknown_types: dict[str, int]
    next_turn_at: datetime | None = None
    published_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Scanned:
    """What reading parts came to."""

    files: int = 0
    events: int = 0
    odd: int = 0
    unknown: dict[str, set[str]] = field(default_factory=dict)
    unknown_types: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What facts are made with, besides events; `made_with` identifies it."""

    phases: pl.DataFrame
    end_causes: pl.DataFrame
    made_with: dict[str, str]


@dataclass(frozen=True, slots=True)
class OnSpark:
    """Where Spark computes, and where it keeps the facts."""

    cluster: spark.Cluster
    facts: Store
    bucket_rows: int = spark.BUCKET_ROWS


class _NotIncremental(Exception):
    """Why the build must begin afresh."""


def build(
    config: Config,
    clock: Callable[[], datetime],
    *,
    as_of: datetime | None = None,
    full: bool = False,
    on_spark: OnSpark | None = None,
    progress: Progress | None = None,
) -> Built:
    """One build; on Spark always a full one. Raises CallfactsError; the published warehouse then stays as it was."""
    started_at = clock()
    folder, warehouse = config.storage.root_path / "build", config.storage.warehouse_path
    job = _Build(
        open_zone(config.storage), known(config), folder, config.transforms.memory_limit_bytes,
        clock=clock, started_at=started_at, as_of=as_of or started_at, progress=progress,
    )  # fmt: skip
    with building(folder, pid=os.getpid()):
        if on_spark is not None:
            done = job.made_on_spark(on_spark)
        elif full:
            done = job.made_afresh("asked for")
        else:
            done = job.made()
        job.begins("publishing")
        size = publish(folder / "facts.duckdb", warehouse)
    return replace(done, published_bytes=size, seconds=job.seconds())


def inputs(config: Config) -> object:
    """All that a build's tables follow from, but the as-of, to compare with what it was: a listing of everything. Raises CallfactsError."""
    zone = open_zone(config.storage)
    beside = [(entry.key, entry.size, entry.modified) for store in (zone.quarantine, zone.rejections) for entry in store.list()]
    return [(part.date, part.name) for part in list_parts(zone.landing)], beside, known(config).made_with


def known(config: Config) -> Known:
    """The reference tables in force, and what identifies all that facts are made with. Raises ConfigError."""
    own = config.transforms.call_phases
    phases, causes = call_phases(Path(own) if own is not None else None), end_causes()
    made_with = {
        "landing": config.storage.landing_url,
        "rules": _digest(*((Path(__file__).parent / name).read_bytes() for name in _RULES)),
        "reference": _digest(orjson.dumps(causes.rows())),
        "phases": _digest(orjson.dumps(phases.rows())),
    }
    return Known(phases, causes, made_with)


def _digest(*texts: bytes) -> str:
    return hashlib.sha256(b"".join(texts)).hexdigest()


class _Build:
    """One build at work, under the lock."""

    def __init__(
        self,
        zone: Zone,
        known: Known,
        folder: Path,
        memory_limit_bytes: int,
        *,
        clock: Callable[[], datetime],
        started_at: datetime,
        as_of: datetime,
        progress: Progress | None,
    ) -> None:
        self.zone, self.known, self.folder, self.memory_limit_bytes = zone, known, folder, memory_limit_bytes
        self.clock, self.started_at, self.as_of, self.progress = clock, started_at, as_of, progress
        self.phases: list[tuple[str, datetime]] = []
        self.build_id = f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"

    # ---------------------------------------------------------------- the two ways

    def made(self) -> Built:
        """What is new, or everything where that cannot be."""
        try:
            with self._workshop() as shop:
                done = self._incremental(shop)
                shop.settle()
                return done
        except _NotIncremental as reason:
            return self.made_afresh(str(reason))
        except duckdb.OutOfMemoryException as error:
            raise BuildError(f"{self.folder}: {_one_line(error)}; raise [transforms] memory_limit") from error
        except duckdb.Error as error:
            # A damaged block shows itself only when it is read.
            return self.made_afresh(f"the build's own files cannot be used: {_one_line(error)}")

    def made_afresh(self, reason: str) -> Built:
        """Everything, from the landing zone."""
        try:
            with self._workshop() as shop:
                done = self._full(shop, reason)
                shop.settle()
                return done
        except duckdb.Error as error:
            raise BuildError(f"{self.folder}: {_one_line(error)}; check the disk, and [transforms] memory_limit") from error

    def _incremental(self, shop: Workshop) -> Built:
        parts = list_parts(self.zone.landing)
        listed = _ranges(parts)
        if (reason := shop.open(self.known.made_with)) is not None:
            raise _NotIncremental(reason)
        for taken in (shop.facts_taken(), shop.events_taken()):
            if (gone := listed.first_missing(taken)) is not None:
                raise _NotIncremental(f"numbers {gone[1]} to {gone[2]} of writer {gone[0]} are gone from the landing zone")
        new = listed.without(shop.facts_taken())
        scanned = self._scan(shop, parts, listed.without(shop.events_taken()))
        with shop.changing():
            shop.touch(new, as_of=self.as_of)
            buckets = shop.buckets(local.BUCKET_ROWS, touched=True)
            calls = shop.replace(self._facts(shop, buckets, touched=True))
            self.begins("storing")
            rollups.refresh(shop.con)
            return self._stored(shop, scanned, listed, mode="incremental", reason="", calls=calls)

    def _full(self, shop: Workshop, reason: str) -> Built:
        parts = list_parts(self.zone.landing)
        listed = _ranges(parts)
        earlier = shop.earlier_builds()
        shop.begin_afresh()
        with shop.at_buckets():
            scanned = self._scan(shop, parts, listed)
            buckets = shop.buckets(local.BUCKET_ROWS, touched=False)
            computed = local.run(self._facts(shop, buckets, touched=False), shop.spill)
        return self._filled(shop, computed, earlier, scanned, listed, reason=reason, engine="polars")

    def _filled(
        self, shop: Workshop, computed: local.Computed, earlier: pa.Table, scanned: Scanned, taken: Ranges, *, reason: str, engine: str
    ) -> Built:
        """The empty facts.duckdb made full of what an engine computed."""
        self.begins("storing")
        with shop.changing():
            shop.fill(computed.files)
            shop.note(computed.people_seen, computed.open_calls)
            shop.replace_whole("end_causes", self.known.end_causes)
            shop.add_arrow("builds", earlier)
            shop.define()
            return self._stored(shop, scanned, taken, mode="full", reason=reason, calls=computed.calls, engine=engine)

    def made_on_spark(self, where: OnSpark) -> Built:
        """Everything, computed by Spark. The build after it begins afresh: the events stay with Spark's workers."""
        try:
            with self._workshop() as shop:
                done = self._full_on_spark(shop, where)
                shop.settle()
                return done
        except duckdb.Error as error:
            raise BuildError(f"{self.folder}: {_one_line(error)}; check the disk, and [transforms] memory_limit") from error

    def _full_on_spark(self, shop: Workshop, where: OnSpark) -> Built:
        parts = list_parts(self.zone.landing)
        listed = _ranges(parts)
        earlier = shop.earlier_builds()
        wanted = list(_wanted(parts, listed))
        computed = spark.run(
            wanted,
            scan=_Scan(self.zone.landing),
            facts_of=_Rules(self.as_of, self.known.phases, self.known.end_causes),
            cluster=where.cluster,
            store=where.facts,
            build_id=self.build_id,
            spill=shop.spill,
            bucket_rows=where.bucket_rows,
        )
        shop.begin_afresh()
        scanned = Scanned(files=len(wanted), events=sum(int(frame["deliveries"].sum()) for frame in computed.scanned))
        for kind, events in pl.concat([spark.NOTHING_STRANGE, *computed.strange]).iter_rows():
            scanned.unknown_types[kind] = scanned.unknown_types.get(kind, 0) + events
        built = self._filled(shop, computed, earlier, scanned, listed, reason="on Spark", engine="spark")
        spark.keep_current(where.facts, self.build_id)
        return built

    # ---------------------------------------------------------------- scan

    def _scan(self, shop: Workshop, parts: list[PartRef], wanted: Ranges) -> Scanned:
        """Bring the wanted deliveries into events.duckdb, each once, whatever overlaps."""
        scanned = Scanned()
        self.begins("reading", sum(last - first + 1 for _, first, last in wanted))
        batch: list[pa.Table] = []
        spans: list[tuple[str, int, int]] = []
        for piece, span in _pieces(self.zone.landing, parts, wanted, scanned):
            batch.append(piece)
            spans.append(span)
            if sum(table.num_rows for table in batch) >= BATCH_ROWS or sum(table.nbytes for table in batch) >= BATCH_BYTES:
                self._take(shop, batch, spans, scanned)
                batch, spans = [], []
        if spans:
            self._take(shop, batch, spans, scanned)
        return scanned

    def _take(self, shop: Workshop, batch: list[pa.Table], spans: list[tuple[str, int, int]], scanned: Scanned) -> None:
        landed = pa.concat_tables(batch)
        events = typed(shop.con, landed)
        for kind, uids in unknown_types(landed).items():
            scanned.unknown.setdefault(kind, set()).update(uids)
        shop.add_events(events.frames(), spans)
        scanned.events += landed.num_rows
        scanned.odd += events.odd
        self._advance(sum(last - first + 1 for _, first, last in spans))
        reach("events_taken")

    # ---------------------------------------------------------------- run

    def _facts(self, shop: Workshop, buckets: list[Bucket], *, touched: bool) -> Iterator[dict[str, pl.DataFrame]]:
        rules = _Rules(self.as_of, self.known.phases, self.known.end_causes)
        self.begins("computing", sum(bucket.rows for bucket in buckets))
        for events in shop.read(buckets, touched=touched):
            yield rules.facts(events)
            self._advance(events.deliveries.height + events.presence.height)

    # ---------------------------------------------------------------- store

    def _stored(
        self, shop: Workshop, scanned: Scanned, taken: Ranges, *, mode: str, reason: str, calls: int, engine: str = "polars"
    ) -> Built:
        """What goes with every build's facts: the small tables, and the state."""
        shop.replace_whole("rejections", self._rejections())
        shop.replace_whole("quarantine", self._quarantine(taken))
        unknown = dict(sorted({**{kind: len(uids) for kind, uids in scanned.unknown.items()}, **scanned.unknown_types}.items()))
        row = {
            "build_id": self.build_id,
            "started_at": self.started_at,
            "finished_at": self.clock(),
            "as_of": self.as_of,
            "mode": mode,
            "engine": engine,
            "files": scanned.files,
            "events": scanned.events,
            "calls_changed": calls,
            "unknown_types": list(unknown.items()),
        }
        shop.add_arrow("builds", pa.Table.from_pylist([row], schema=BUILDS.arrow))
        shop.finish(taken, self.known.made_with)
        unlisted = shop.unlisted_statuses(self.known.phases)
        turn = shop.next_turn_at()
        return Built(self.build_id, mode, reason, scanned.files, scanned.events, scanned.odd, calls, unlisted, unknown, turn)

    def _rejections(self) -> pl.DataFrame:
        rows = [(found.source, found.reason, found.day, found.count) for found in list_rejections(self.zone.rejections)]
        return pl.DataFrame(rows, schema=REJECTIONS.polars, orient="row")

    def _quarantine(self, taken: Ranges) -> pl.DataFrame:
        """Quarantined deliveries whose number lies in a landed range; each once."""
        frames = [QUARANTINE.empty()]
        counted = Ranges()
        for part in list_parts(self.zone.quarantine):
            name = part.name
            rows = read_part(self.zone.quarantine, part, QUARANTINE.names)
            fresh = counted.missing(name.writer, name.first, name.last)
            landed = Ranges((name.writer, *span) for span in fresh).without(
                Ranges((name.writer, *gap) for gap in taken.missing(name.writer, name.first, name.last))
            )
            counted.add(name.writer, name.first, name.last)
            found = pl.from_arrow(rows_within(rows, [(first, last) for _, first, last in landed]))
            assert isinstance(found, pl.DataFrame)
            frames.append(found.cast(QUARANTINE.polars))
        return pl.concat(frames)

    # ---------------------------------------------------------------- small tools

    def _workshop(self) -> Workshop:
        return Workshop(self.folder, memory_limit_bytes=self.memory_limit_bytes)

    def begins(self, name: str, total: int = 0) -> None:
        """A phase begins, of so many deliveries."""
        self.phases.append((name, self.clock()))
        if self.progress is not None:
            self.progress.phase(name, total)

    def seconds(self) -> dict[str, float]:
        """How long each phase took that has ended by now."""
        began = [*self.phases, ("", self.clock())]
        return {name: (after - at).total_seconds() for (name, at), (_, after) in pairwise(began)}

    def _advance(self, done: int) -> None:
        if self.progress is not None:
            self.progress.advance(done)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The facts of a bucket; goes to Spark's workers as it is."""

    as_of: datetime
    phases: pl.DataFrame
    end_causes: pl.DataFrame

    def facts(self, events: BucketEvents) -> dict[str, pl.DataFrame]:
        of_calls = call_facts(
            events.call, events.vendor, events.deliveries, as_of=self.as_of, phases=self.phases, end_causes=self.end_causes
        )
        return {**of_calls, **presence_facts(events.presence)}

    def __call__(self, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        rows = [frames[table.name] if table.name in frames else table.empty() for table in TYPED_ROWS]
        facts = self.facts(bucket_events(*rows))
        if (strange := frames.get(spark.STRANGE)) is not None:
            facts[spark.STRANGE] = strange.group_by("event_type").agg(events=pl.col("event_uid").n_unique())
        if (scanned := frames.get(spark.SCANNED)) is not None:
            facts[spark.SCANNED] = scanned.select("deliveries")
        return facts


@dataclass(frozen=True, slots=True)
class _Scan:
    """A part's typed rows; goes to Spark's workers, where nothing is open yet."""

    landing: Store

    def __call__(self, part: PartRef, spans: spark.Spans) -> Iterator[dict[str, pl.DataFrame]]:
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'")
            con.execute("set threads = 1")  # one task a core: Spark's own arithmetic
            for batch in iter_part(self.landing, part):
                landed = rows_within(pa.Table.from_batches([batch]), spans)
                if landed.num_rows:
                    yield {
                        **{table.name: frame for table, frame in typed(con, landed).frames()},
                        spark.STRANGE: _strange(landed),
                        spark.SCANNED: pl.DataFrame({"k": [0], "deliveries": [landed.num_rows]}),
                    }


def _strange(landed: pa.Table) -> pl.DataFrame:
    """Events that no table is made of: event_type, event_uid, and a k to spread them by."""
    rows = [(int(uid[:15], 16) << 3, kind, uid) for kind, uids in unknown_types(landed).items() for uid in uids]
    return pl.DataFrame(rows, schema={"k": pl.Int64, "event_type": pl.String, "event_uid": pl.String}, orient="row")


def _ranges(parts: Iterable[PartRef]) -> Ranges:
    return Ranges((part.name.writer, part.name.first, part.name.last) for part in parts)


def _wanted(parts: Iterable[PartRef], wanted: Ranges) -> Iterator[tuple[PartRef, spark.Spans]]:
    """Which numbers to read from which part; of parts that overlap the first one gives."""
    taken = Ranges()
    for part in parts:
        name = part.name
        here = Ranges([(name.writer, name.first, name.last)]).without(taken)
        spans = tuple((first, last) for _, low, high in here for first, last in _common(wanted, name.writer, low, high))
        if spans:
            taken.add(name.writer, name.first, name.last)
            yield part, spans


def _pieces(store: Store, parts: Iterable[PartRef], wanted: Ranges, scanned: Scanned) -> Iterator[tuple[pa.Table, tuple[str, int, int]]]:
    """The wanted rows, and the range that each piece answers for; of parts that overlap the first one gives."""
    for part, spans in _wanted(parts, wanted):
        name = part.name
        scanned.files += 1
        for first, last in spans:
            low = first
            for batch in iter_part(store, part):
                rows = rows_within(pa.Table.from_batches([batch]), [(low, last)])
                if rows.num_rows:
                    high = rows["seq"][-1].as_py()
                    yield rows, (name.writer, low, high)
                    low = high + 1
            if low <= last:  # numbers that lie in the quarantine
                yield LANDING_SCHEMA.empty_table(), (name.writer, low, last)


def _common(ranges: Ranges, writer: str, first: int, last: int) -> list[tuple[int, int]]:
    outside = Ranges((writer, *gap) for gap in ranges.missing(writer, first, last))
    return outside.missing(writer, first, last)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
