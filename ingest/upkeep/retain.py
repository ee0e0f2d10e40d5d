"""Delete whole days that are older than an age: quarantine, then superseded parts, then those that count. (CONTRACT §5)

The order is the promise. Killed on any line it leaves nothing half deleted that would come back: a superseded part never outlives the
part that supersedes it (it would count again), and a landing part that says less than its range is explained by its quarantine part or is
deleted itself by the next run, which takes up where this one ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ingest.config import Config
from ingest.errors import UsageError
from ingest.failpoints import reach
from ingest.layout import parse_day
from ingest.parts import Listing, list_all
from ingest.storage import Store, open_zone
from ingest.telemetry import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One object to delete.

    Attributes:
        kind: quarantine, superseded, landing or temporary.
    """

    store: Store
    kind: str
    day: date
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Retention:
    """What a run deleted, or would delete; `before` is the first day that stays."""

    before: date
    deletions: tuple[Deletion, ...]
    dry_run: bool


def retain(config: Config, *, older_than: timedelta, now: datetime, dry_run: bool) -> Retention:
    """Delete every day of arrival that was over `older_than` ago. Raises UsageError for an age without sense."""
    if older_than <= timedelta(0):
        raise UsageError("--older-than: must be longer than nothing")
    try:
        before = (now - older_than).date()
    except OverflowError:
        raise UsageError("--older-than: nothing is that old") from None
    zone = open_zone(config.storage)
    deletions = (
        *_deletions(zone.quarantine, list_all(zone.quarantine), before, kind="quarantine"),
        *_deletions(zone.landing, list_all(zone.landing), before, kind="landing"),
    )
    if not dry_run:
        for deletion in deletions:
            reach(f"retain_{deletion.kind}")
            deletion.store.delete(deletion.key)
        if deletions:
            log.info("days_deleted", before=str(before), objects=len(deletions), bytes=sum(deletion.size for deletion in deletions))
    return Retention(before, deletions, dry_run)


def report(retention: Retention) -> Iterator[str]:
    """What a run did, for a person."""
    days: dict[date, list[Deletion]] = {}
    for deletion in retention.deletions:
        days.setdefault(deletion.day, []).append(deletion)
    for day, deletions in sorted(days.items()):
        kinds = {
            kind: sum(deletion.kind == kind for deletion in deletions) for kind in ("quarantine", "superseded", "landing", "temporary")
        }
        yield f"{day}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    verb = "would be deleted" if retention.dry_run else "deleted"
    size = sum(deletion.size for deletion in retention.deletions)
    yield f"{len(retention.deletions)} files, {size:,} bytes {verb}: all that arrived before {retention.before}"


def _deletions(store: Store, listing: Listing, before: date, *, kind: str) -> Iterator[Deletion]:
    """Superseded parts first (in whatever folder, where what supersedes them goes), then those that count, then what crashes have left."""
    going = {part.key for part in listing.counted.parts if part.date < before}
    for superseded in listing.counted.superseded:
        part = superseded.part
        if part.date < before or superseded.by.key in going:
            yield Deletion(store, "superseded" if kind == "landing" else kind, part.date, part.key, part.size)
    for part in listing.counted.parts:
        if part.date < before:
            yield Deletion(store, kind, part.date, part.key, part.size)
    for entry in listing.temporary:
        if (day := parse_day(entry.key.partition("/")[0])) is not None and day < before:
            yield Deletion(store, "temporary", day, entry.key, entry.size)
