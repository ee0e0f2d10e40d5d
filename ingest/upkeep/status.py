"""How it goes, per source: last event, rate, backlog, quarantine. Changes nothing.

What is counted where: deliveries of the last day in the landing zone, and not yet landed ones in the journal here (other hosts have
journals of their own); rows of the quarantine that count; requests refused unverified, of seven days, from the writers' totals.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ingest.config import Config
from ingest.errors import DamagedJournal
from ingest.journal import folder_bytes, journal_files, writers
from ingest.layout import joined_ranges, lies_within
from ingest.parts import Listing, iter_part, list_all, list_parts, read_part
from ingest.rejections import list_rejections
from ingest.storage import Zone, open_zone
from ingest.upkeep.journals import is_living, journal_content
from ingest.upkeep.quarantine import safe

_DAY: Final = timedelta(days=1)
_LOOK_BACK: Final = timedelta(days=7)
"""A source that was silent for longer is only said to be silent."""
_RATE_WINDOW: Final = timedelta(minutes=15)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class SourceStatus:
    """One source.

    Attributes:
        configured: whether the configuration (still) has it.
        last_received_at: of its newest delivery; None: none for seven days.
        last_15_minutes, last_24_hours: deliveries received.
        backlog: deliveries in the journal that are not landed; oldest_backlog_at of the oldest.
        quarantine, refused: by reason.
    """

    source: str
    transport: str | None = None
    configured: bool = False
    last_received_at: datetime | None = None
    last_15_minutes: int = 0
    last_24_hours: int = 0
    backlog: int = 0
    oldest_backlog_at: datetime | None = None
    quarantine: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def per_minute(self) -> float:
        """Deliveries a minute over the last quarter of an hour."""
        return round(self.last_15_minutes / (_RATE_WINDOW / timedelta(minutes=1)), 2)

    def saw(self, at: datetime) -> None:
        self.last_received_at = at if self.last_received_at is None else max(self.last_received_at, at)


@dataclass(frozen=True, slots=True)
class Status:
    """The whole: sources by name, and what lies where."""

    sources: tuple[SourceStatus, ...]
    parts: int
    superseded: int
    landed_bytes: int
    journal_files: int
    journal_bytes: int
    living_writers: int
    dead_writers: int


def status(config: Config, *, now: datetime) -> Status:
    """How it goes at this moment."""
    zone = open_zone(config.storage)
    sources: dict[str, SourceStatus] = {}
    for source in config.sources:
        sources[source.name] = SourceStatus(source.name, source.transport, configured=True)
    folder = config.storage.journal_path
    alive = [is_living(folder, writer) for writer in writers(folder)]
    listing = list_all(zone.landing)
    _count_landed(zone, listing, now, sources)
    _count_journal(config, listing, now, sources)
    _count_quarantine(zone, listing, sources)
    for refused in list_rejections(zone.rejections):
        if refused.day > (now - _LOOK_BACK).date():
            _of(sources, refused.source).refused[refused.reason] += refused.count
    return Status(
        sources=tuple(sources[name] for name in sorted(sources)),
        parts=len(listing.counted.parts),
        superseded=len(listing.counted.superseded),
        landed_bytes=sum(part.size for part in listing.counted.parts),
        journal_files=len(journal_files(folder)),
        journal_bytes=folder_bytes(folder),
        living_writers=sum(alive),
        dead_writers=len(alive) - sum(alive),
    )


def as_dict(status: Status) -> dict[str, Any]:
    """For `--json`."""
    return {
        "sources": [
            {
                "source": of.source,
                "transport": of.transport,
                "configured": of.configured,
                "last_event_at": None if of.last_received_at is None else of.last_received_at.isoformat(),
                "rate_per_minute": of.per_minute,
                "last_15_minutes": of.last_15_minutes,
                "last_24_hours": of.last_24_hours,
                "backlog": of.backlog,
                "oldest_backlog_at": None if of.oldest_backlog_at is None else of.oldest_backlog_at.isoformat(),
                "quarantine": of.quarantine.total(),
                "quarantine_by_reason": dict(sorted(of.quarantine.items())),
                "refused_last_7_days": dict(sorted(of.refused.items())),
            }
            for of in status.sources
        ],
        "landing": {"parts": status.parts, "superseded": status.superseded, "bytes": status.landed_bytes},
        "journal": {
            "files": status.journal_files,
            "bytes": status.journal_bytes,
            "living_writers": status.living_writers,
            "dead_writers": status.dead_writers,
        },
    }


def table(status: Status, *, now: datetime) -> Iterator[str]:
    """For a person."""
    rows = [("source", "last event", "per minute", "last 24 h", "backlog", "quarantine", "refused 7 d")]
    for of in status.sources:
        name = safe(of.source) + ("" if of.configured else " (not configured)")
        last = (
            "none for 7 days"
            if of.last_received_at is None
            else f"{of.last_received_at:%Y-%m-%d %H:%M:%S} ({_ago(now - of.last_received_at)})"
        )
        backlog = f"{of.backlog:,}" + ("" if of.oldest_backlog_at is None else f" ({_ago(now - of.oldest_backlog_at)})")
        counts = (f"{of.per_minute:,.1f}", f"{of.last_24_hours:,}", backlog, f"{of.quarantine.total():,}", f"{of.refused.total():,}")
        rows.append((name, last, *counts))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
    yield (
        f"landing: {status.parts:,} parts, {status.landed_bytes:,} bytes, {status.superseded:,} superseded; "
        f"journal: {status.journal_files} files, {status.journal_bytes:,} bytes, {status.living_writers} living writers"
        + (f", {status.dead_writers} dead, to be landed at the next start" if status.dead_writers else "")
    )


def _of(sources: dict[str, SourceStatus], name: str) -> SourceStatus:
    """A source; one that the configuration does not know is added when it is met."""
    return sources.setdefault(name, SourceStatus(name))


def _count_landed(zone: Zone, listing: Listing, now: datetime, sources: dict[str, SourceStatus]) -> None:
    """Deliveries of the last 24 hours; further back only until each source of the configuration has been seen."""
    day_ago, back = now - _DAY, now - _LOOK_BACK
    for part in sorted(listing.counted.parts, key=lambda part: part.date, reverse=True):
        if part.date < back.date():
            break
        if part.date < day_ago.date() and all(of.last_received_at is not None for of in sources.values()):
            break
        for batch in iter_part(zone.landing, part, ["source", "received_at"]):
            _count_batch(batch, now, sources)


def _count_batch(batch: pa.RecordBatch, now: datetime, sources: dict[str, SourceStatus]) -> None:
    rows = pa.Table.from_batches([batch])
    counted = pa.table(
        {
            "source": rows["source"],
            "at": rows["received_at"],
            "day": pc.greater(rows["received_at"], pa.scalar(now - _DAY, pa.timestamp("us", "UTC"))).cast(pa.int64()),
            "quarter": pc.greater(rows["received_at"], pa.scalar(now - _RATE_WINDOW, pa.timestamp("us", "UTC"))).cast(pa.int64()),
        }
    )
    for group in counted.group_by("source").aggregate([("at", "max"), ("day", "sum"), ("quarter", "sum")]).to_pylist():
        of = _of(sources, group["source"])
        of.saw(group["at_max"])
        of.last_24_hours += group["day_sum"]
        of.last_15_minutes += group["quarter_sum"]


def _count_journal(config: Config, listing: Listing, now: datetime, sources: dict[str, SourceStatus]) -> None:
    """What waits in the journal here, apart from what has landed already."""
    folder = config.storage.journal_path
    landed = joined_ranges(part.name for part in listing.counted.parts)
    since = [(instant - _EPOCH) // timedelta(microseconds=1) for instant in (now - _DAY, now - _RATE_WINDOW)]
    for name in journal_files(folder):
        reached = max((last for _, last in landed.get(name.writer, ())), default=0)
        try:
            content = journal_content(folder / str(name), beyond=reached, since_us=since)
        except DamagedJournal:  # for `ingest check` to tell
            continue
        for rows in content.sources if content is not None else ():
            of = _of(sources, rows.source)
            of.backlog += rows.rows
            oldest_at = _EPOCH + timedelta(microseconds=rows.oldest_us)
            of.oldest_backlog_at = oldest_at if of.oldest_backlog_at is None else min(of.oldest_backlog_at, oldest_at)
            of.saw(_EPOCH + timedelta(microseconds=rows.newest_us))
            of.last_24_hours += rows.since[0]
            of.last_15_minutes += rows.since[1]


def _count_quarantine(zone: Zone, listing: Listing, sources: dict[str, SourceStatus]) -> None:
    landed = joined_ranges(part.name for part in listing.counted.parts)
    for part in list_parts(zone.quarantine):
        if lies_within(part.name, landed.get(part.name.writer, ())):
            groups = read_part(zone.quarantine, part, ["source", "reason"]).group_by(["source", "reason"]).aggregate([([], "count_all")])
            for group in groups.to_pylist():
                _of(sources, group["source"]).quarantine[group["reason"]] += group["count_all"]


def _ago(age: timedelta) -> str:
    """An age in its largest unit, and the next one."""
    seconds = max(0, int(age.total_seconds()))
    for unit, size, smaller, smaller_size in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller_size} {smaller}"
    return f"{seconds} s"
