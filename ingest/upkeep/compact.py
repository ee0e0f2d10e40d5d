"""Join small parts into few; remove what they supersede when nobody reads it any more. (CONTRACT §5, DESIGN 2)

Promise: before, during and after, killed on any line, every delivery counts exactly once; doing it again takes up where it ended.

Invariants:
 1. Only neighbours (last + 1 = first) of one writer and one day's folder are joined, days that are over by default. The wide part appears
    whole and at once supersedes the narrow ones; those stay where they are.
 2. A superseded part is removed only when the wider part has been there for `compact_grace` (longer than any reader takes that may
    have listed before), and only after the wider one was seen to hold the same numbers in that range.
 3. Memory does not grow with the day: rows stream by row groups. A joined part is made of at most 1 GiB of parts.
 4. A running ingester is not disturbed: it writes other names. Two compactions at once write the same names with the same rows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

import pyarrow as pa

from ingest.config import Config
from ingest.errors import CallfactsError, StorageMissing
from ingest.failpoints import reach
from ingest.layout import LANDING_SCHEMA, PartName, PartRef, Superseded
from ingest.parts import iter_part, list_all, list_parts, read_part, write_batches
from ingest.storage import Store, open_zone
from ingest.telemetry import logger

log = logger(__name__)

MAX_JOINED_BYTES: Final = 1024**3
"""Of the parts that become one: a wider part would be no faster to read, and S3 takes 5 GiB in one PUT."""
STRAY_AGE: Final = timedelta(days=1)
"""A temporary file this old belongs to nobody: a part is written within seconds, or minutes where a day is joined."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A part made of several."""

    part: PartRef
    of: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """What a run did.

    Attributes:
        joined: the wide parts made.
        removed: superseded parts removed.
        waiting: superseded parts whose grace is not over.
        strays: temporary files removed.
        problems: what could not be done, a line each; all else was.
    """

    joined: tuple[Joined, ...]
    removed: tuple[PartRef, ...]
    waiting: int
    strays: int
    problems: tuple[str, ...]


def compact(config: Config, *, now: datetime, open_day: bool = False) -> Compaction:
    """Join, then remove what is superseded and due. `open_day`: also the day that is not over."""
    store = open_zone(config.storage).landing
    problems: list[str] = []
    joined = []
    for run in _runs(list_parts(store)):
        if open_day or run[0].date < now.date():
            try:
                joined.append(_join(store, run))
            except CallfactsError as error:  # one damaged part must not keep the other days from being joined
                problems.append(str(error))
    listing = list_all(store)
    due = [superseded for superseded in listing.counted.superseded if _is_due(superseded, now, config.ingest.grace)]
    removed = list(_remove(store, due, problems))
    strays = [entry for entry in listing.temporary if now - entry.modified >= STRAY_AGE]
    for entry in strays:
        store.delete(entry.key)
    return Compaction(tuple(joined), tuple(removed), len(listing.counted.superseded) - len(due), len(strays), tuple(problems))


def report(compaction: Compaction) -> Iterator[str]:
    """What a run did, for a person."""
    for joined in compaction.joined:
        yield f"{joined.part.date}: {joined.of} parts joined into {joined.part.name}"
    yield (
        f"{len(compaction.joined)} parts made of {sum(joined.of for joined in compaction.joined)}, "
        f"{len(compaction.removed)} superseded parts removed, {compaction.waiting} wait for their grace"
        + (f", {compaction.strays} stray temporary files removed" if compaction.strays else "")
    )


def _runs(parts: Iterable[PartRef]) -> Iterator[list[PartRef]]:
    """Neighbours worth joining: two or more parts of one day and writer, in order, without a gap, within the limit of bytes."""
    in_order = sorted(parts, key=lambda part: (part.date, part.name))
    for _, of_one in groupby(in_order, key=lambda part: (part.date, part.name.writer)):
        run: list[PartRef] = []
        size = 0
        for part in of_one:
            if run and (run[-1].name.last + 1 != part.name.first or size + part.size > MAX_JOINED_BYTES):
                if len(run) > 1:
                    yield run
                run, size = [], 0
            run.append(part)
            size += part.size
        if len(run) > 1:
            yield run


def _join(store: Store, run: Sequence[PartRef]) -> Joined:
    """Write the wide part of a run."""
    name = PartName(run[0].name.writer, run[0].name.first, run[-1].name.last)
    part = write_batches(store, _rows(store, run), LANDING_SCHEMA, date=run[0].date, name=name)
    reach("compact_joined")
    log.info("parts_joined", part=str(name), date=str(part.date), parts=len(run), bytes=part.size)
    return Joined(part, len(run))


def _rows(store: Store, run: Sequence[PartRef]) -> Iterator[pa.RecordBatch]:
    for part in run:
        yield from iter_part(store, part)
        reach("compact_between_parts")


def _is_due(superseded: Superseded, now: datetime, grace: timedelta) -> bool:
    """Whether the wider part has been there for long enough; of an age nobody knows, not yet."""
    if superseded.by.modified is None:
        return False
    return max(now - superseded.by.modified, timedelta(0)) >= grace


def _remove(store: Store, due: Iterable[Superseded], problems: list[str]) -> Iterator[PartRef]:
    """Remove superseded parts, one wider part after the other."""
    by_wider = sorted(due, key=lambda superseded: (superseded.by.date, superseded.by.name, superseded.part.name))
    for wider, of_wider in groupby(by_wider, key=lambda superseded: superseded.by):
        try:
            numbers = _numbers(store, wider)
        except CallfactsError as error:
            problems.append(f"{error} (nothing that it supersedes was removed)")
            continue
        gone = 0
        for superseded in of_wider:
            part = superseded.part
            try:
                same = _numbers(store, part) == numbers[bisect_left(numbers, part.name.first) : bisect_right(numbers, part.name.last)]
            except StorageMissing:  # somebody else was faster
                continue
            except CallfactsError as error:  # what it should hold is in the wider part; but a person should look before it goes
                problems.append(f"{error} (it is superseded by {wider.name} and was not removed)")
                continue
            if not same:
                problems.append(f"{store.url}/{part.key}: holds other numbers than {wider.name}, which supersedes it; it was not removed")
                continue
            reach("compact_before_remove")
            store.delete(part.key)
            reach("compact_removed")
            gone += 1
            yield part
        log.info("parts_removed", by=str(wider.name), date=str(wider.date), parts=gone, reason="superseded")


def _numbers(store: Store, part: PartRef) -> "memoryview[int]":
    """The numbers of a part's rows, ascending."""
    seq = read_part(store, part, ["seq"])["seq"].combine_chunks()
    if isinstance(seq, pa.ChunkedArray):
        seq = seq.chunk(0) if seq.num_chunks else pa.array([], pa.int64())
    data = seq.buffers()[1]
    return memoryview(data or b"").cast("q")[seq.offset : seq.offset + len(seq)]
