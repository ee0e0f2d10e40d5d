"""Look at everything that is kept, and list what is wrong. Changes nothing. (CONTRACT §5)

What holds, or is a finding:

    landing, quarantine   every part can be read whole, page checksums included; its rows are of the name's writer, in the name's range and
                          in order, and arrived on its folder's day; nothing lies there that is neither a part nor temporary
    a writer's ranges     no hole between its first and last part, no overlap without containment
    superseded parts      hold the numbers that the wider part holds in their range
    landing ↔ quarantine  a landing part lacks exactly the numbers that the quarantine holds, or held until they were rescued and landed
    rejections            only the totals of writers
    journal               every file can be read, and follows on what has landed of its writer

Beside a running ingester it finds nothing that is only not finished: the journal is looked at first, then the landing zone, then the
quarantine (whose part is written before), and a hole is looked at twice, since a listing is no snapshot.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ingest.config import Config
from ingest.errors import CallfactsError, DamagedJournal, DamagedPart, StorageMissing
from ingest.journal import journal_files, writers
from ingest.layout import PartName, PartRef, is_temporary, joined_ranges, lies_within
from ingest.parts import Listing, iter_part, list_all
from ingest.storage import Entry, Store, Zone, open_zone
from ingest.upkeep.journals import is_living, journal_content
from ingest.upkeep.quarantine import read_rescue_notes, rescuing_writer

_UNLANDED_AGE: Final = timedelta(hours=1)
"""A quarantine part whose landing part is missing for longer than this was left behind, unless a journal file still holds the range."""
_NAMED: Final = 5
_REJECTIONS = re.compile(r"[0-9a-f]{32}\.json")
_REQUIRED: Final = {
    "landing": ("event_uid", "received_at", "source", "transport", "event_type", "event_time", "payload"),
    "quarantine": ("received_at", "source", "transport", "reason", "body"),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong: where, and what; `kind` is one word for machines."""

    kind: str
    where: str
    what: str


@dataclass(slots=True)
class Checked:
    """What was looked at and found.

    Attributes:
        notes: what a person may want to know and is not wrong.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parts: int = 0
    superseded: int = 0
    deliveries: int = 0
    quarantined: int = 0
    bytes: int = 0
    journal_files: int = 0
    journal_rows: int = 0

    def found(self, kind: str, where: str, what: str) -> None:
        self.findings.append(Finding(kind, where, what))


def check(config: Config, *, now: datetime) -> Checked:
    """Look at everything. Raises StorageError where the zone itself cannot be listed."""
    zone = open_zone(config.storage)
    checked = Checked()
    # In an order in which no delivery gets out of sight: journal, landing (its part comes last), quarantine (its part came before).
    journal = [_journal_writer(config, writer, checked) for writer in writers(config.storage.journal_path)]
    landing = _whole_listing(zone.landing)
    quarantine = list_all(zone.quarantine)
    _foreign(zone, landing, quarantine, checked)
    _ranges(zone.landing, landing, checked)
    _ranges(zone.quarantine, quarantine, checked, holes=False)
    lacking = _exceptions(zone.landing, landing, checked, "landing")
    held = _exceptions(zone.quarantine, quarantine, checked, "quarantine")
    _superseded_agree(zone.landing, landing, lacking, checked)
    _superseded_agree(zone.quarantine, quarantine, held, checked)
    _zones_agree(zone, landing, quarantine, lacking, held, checked)
    _journal_agrees(config, journal, landing, checked)
    _unlanded(zone, {of_writer.writer for of_writer in journal}, landing, quarantine, now, checked)
    checked.parts, checked.superseded = len(landing.counted.parts), len(landing.counted.superseded)
    checked.deliveries = sum(part.name.span - len(lacking[part.key]) for part in landing.counted.parts if part.key in lacking)
    checked.quarantined = sum(len(held[part.key]) for part in quarantine.counted.parts if part.key in held)
    checked.bytes = sum(part.size for part in landing.counted.parts)
    checked.findings.sort()
    return checked


def report(checked: Checked) -> Iterator[str]:
    """What was found, for a person."""
    for finding in checked.findings:
        yield f"{finding.kind}: {finding.where}: {finding.what}"
    yield from checked.notes
    yield (
        f"{checked.parts:,} parts with {checked.deliveries:,} deliveries ({checked.bytes:,} bytes), {checked.superseded:,} superseded; "
        f"{checked.quarantined:,} deliveries in the quarantine; {checked.journal_rows:,} rows in {checked.journal_files:,} journal files"
    )
    count = len(checked.findings)
    yield "all is well" if count == 0 else f"{count} finding{'s' if count != 1 else ''}"


# ---------------------------------------------------------------- names


def _whole_listing(store: Store) -> Listing:
    """A listing; one more where the first shows a hole, which a part that appeared meanwhile may have filled."""
    listing = list_all(store)
    if any(len(ranges) > 1 for ranges in joined_ranges(part.name for part in listing.counted.parts).values()):
        return list_all(store)
    return listing


def _foreign(zone: Zone, landing: Listing, quarantine: Listing, checked: Checked) -> None:
    siblings = tuple(
        f"{store.url.removeprefix(zone.landing.url).lstrip('/')}/"
        for store in (zone.quarantine, zone.rejections)
        if store.url.startswith(f"{zone.landing.url}/")  # the landing zone is a whole bucket
    )
    for store, entries in (
        (zone.landing, [entry for entry in landing.foreign if not entry.key.startswith(siblings)] if siblings else landing.foreign),
        (zone.quarantine, quarantine.foreign),
        (zone.rejections, [entry for entry in zone.rejections.list() if not (_REJECTIONS.fullmatch(entry.key) or is_temporary(entry.key))]),
    ):
        for entry in entries:
            if not _is_folder_mark(entry):
                checked.found("foreign", f"{store.url}/{entry.key}", "is no file of callfacts; move it away")


def _is_folder_mark(entry: Entry) -> bool:
    """The empty object that S3 consoles make for a folder."""
    return entry.size == 0 and (entry.key == "" or entry.key.endswith("/"))


def _ranges(store: Store, listing: Listing, checked: Checked, *, holes: bool = True) -> None:
    """Holes and overlaps of each writer's counting parts."""
    in_order = sorted(listing.counted.parts, key=lambda part: part.name)
    for before, after in pairwise(in_order):
        if before.name.writer != after.name.writer:
            continue
        where = f"{store.url}/{after.key}"
        if after.name.first <= before.name.last:
            checked.found("overlap", where, f"shares numbers with {before.key}, and neither lies within the other")
        elif holes and after.name.first > before.name.last + 1:
            checked.found("hole", where, f"numbers {before.name.last + 1} to {after.name.first - 1} of its writer lie in no part")


# ---------------------------------------------------------------- rows

Exceptions = Mapping[str, list[int]]
"""Key of a part → the numbers, ascending, that lie in the quarantine: those a landing part lacks, those a quarantine part holds. Few,
and so the numbers of billions of deliveries need not be kept in memory. Parts that could not be read are missing."""


def _exceptions(store: Store, listing: Listing, checked: Checked, kind: str) -> Exceptions:
    """Read every part, superseded ones too, whole."""
    found = {}
    superseded = {superseded.part.key for superseded in listing.counted.superseded}
    for part in (*listing.counted.parts, *(superseded.part for superseded in listing.counted.superseded)):
        try:
            found[part.key] = _numbers(store, part, kind)
        except StorageMissing:
            if part.key not in superseded:  # else its grace was over
                checked.found("missing", f"{store.url}/{part.key}", "went away while it was looked at; check again")
        except DamagedPart as error:
            checked.found("damaged", f"{store.url}/{part.key}", str(error).removeprefix(f"{store.url}/{part.key}: "))
    return found


def _numbers(store: Store, part: PartRef, kind: str) -> list[int]:
    """The exceptions of one part, every column of it having been read. Raises DamagedPart for rows that make its name a lie."""
    lacking: list[int] = []
    held: list[int] = []
    before = part.name.first - 1
    for batch in iter_part(store, part):
        if batch.num_rows == 0:
            continue
        if (wrong := _wrong_with(batch, part, before, kind)) is not None:
            raise DamagedPart(f"{store.url}/{part.key}: {wrong}; compare with a back-up")
        seq = batch["seq"]
        last = seq[-1].as_py()
        if kind == "quarantine":
            held += seq.to_pylist()
        elif last - before != len(seq):
            for number in seq.to_pylist():
                lacking.extend(range(before + 1, number))
                before = number
        before = last
    return held if kind == "quarantine" else [*lacking, *range(before + 1, part.name.last + 1)]


def _wrong_with(batch: pa.RecordBatch, part: PartRef, before: int, kind: str) -> str | None:
    """What makes a part's name a lie in some of its rows, or None; `before` is the number of the last row seen."""
    seq = batch["seq"]
    if not _all(pc.equal(batch["writer"], part.name.writer)):
        return "has rows of another writer"
    if seq.null_count or seq[0].as_py() <= before or not _all(pc.less(seq.slice(0, len(seq) - 1), seq.slice(1))):
        return "has rows out of order or out of its range"
    if seq[-1].as_py() > part.name.last:
        return "has rows out of its range"
    if empty := [column for column in _REQUIRED[kind] if batch[column].null_count]:
        return f"has rows without {', '.join(empty)}"
    if not _all(pc.equal(batch["received_at"].cast(pa.date32()), pa.scalar(part.date))):
        return "has rows that arrived on another day than its folder's"
    return None


def _all(flags: Any) -> bool:
    """Whether all are true; of none, yes; a null is no."""
    return flags.null_count == 0 and pc.all(flags).as_py() is not False


def _within(numbers: Sequence[int], name: PartName) -> list[int]:
    """Those of ascending numbers that lie in a part's range."""
    return list(numbers[bisect_left(numbers, name.first) : bisect_right(numbers, name.last)])


def _superseded_agree(store: Store, listing: Listing, exceptions: Exceptions, checked: Checked) -> None:
    for superseded in listing.counted.superseded:
        part, by = superseded.part, superseded.by
        if part.key in exceptions and by.key in exceptions and exceptions[part.key] != _within(exceptions[by.key], part.name):
            checked.found("conflict", f"{store.url}/{part.key}", f"holds other numbers than {by.key}, which supersedes it")


# ---------------------------------------------------------------- landing and quarantine


def _zones_agree(zone: Zone, landing: Listing, quarantine: Listing, lacking: Exceptions, held: Exceptions, checked: Checked) -> None:
    """A landing part lacks exactly what the quarantine holds or has given back; what it has given back is landed."""
    elsewhere = _elsewhere(zone, landing, quarantine, held, checked)
    for part in landing.counted.parts:
        if part.key not in lacking:
            continue
        missing, kept = set(lacking[part.key]), set(_within(elsewhere.get(part.name.writer, ()), part.name))
        where = f"{zone.landing.url}/{part.key}"
        if lost := sorted(missing - kept):
            checked.found("lost", where, f"lacks {_some(lost)}, and the quarantine does not hold {'it' if len(lost) == 1 else 'them'}")
        if twice := sorted(kept - missing):
            checked.found("twice", where, f"holds {_some(twice)}, and so does the quarantine")


def _elsewhere(zone: Zone, landing: Listing, quarantine: Listing, held: Exceptions, checked: Checked) -> Mapping[str, list[int]]:
    """Writer → the numbers that the quarantine holds or that were rescued from it, ascending."""
    names = {part.name for part in landing.counted.parts}
    found: dict[str, list[int]] = defaultdict(list)
    for part in quarantine.counted.parts:
        if part.key not in held:
            continue
        where = f"{zone.quarantine.url}/{part.key}"
        try:
            notes = read_rescue_notes(zone, part)
        except CallfactsError as error:
            checked.found("damaged", where, str(error).removeprefix(f"{where}: "))
            continue
        found[part.name.writer] += held[part.key]
        for group in notes.rescued:
            if (rescuer := PartName(rescuing_writer(part.name, group), 1, len(group))) not in names:
                checked.found("lost", where, f"{_some(group)} rescued into {rescuer}, which is not landed")
            found[part.name.writer] += group
        if notes.rescuing and PartName(rescuing_writer(part.name, notes.rescuing), 1, len(notes.rescuing)) in names:
            checked.notes.append(f"{where}: a retry broke off after landing; run `ingest quarantine retry` to complete it")
    return {writer: sorted(numbers) for writer, numbers in found.items()}


def _unlanded(zone: Zone, journaled: set[str], landing: Listing, quarantine: Listing, now: datetime, checked: Checked) -> None:
    """Quarantine parts that wait for their landing part."""
    landed = joined_ranges(part.name for part in landing.counted.parts)
    for part in quarantine.counted.parts:
        if lies_within(part.name, landed.get(part.name.writer, ())):
            continue
        where = f"{zone.quarantine.url}/{part.key}"
        if part.name.writer in journaled or part.modified is None or now - part.modified < _UNLANDED_AGE:
            checked.notes.append(f"{where}: its landing part is still to come")
        else:
            checked.found("unlanded", where, "its landing part never came, and no journal file here holds its range")


# ---------------------------------------------------------------- journal


@dataclass(frozen=True, slots=True)
class _JournalWriter:
    """A writer that has left something in the journal: the ranges of its files that hold rows."""

    writer: str
    spans: tuple[PartName, ...]


def _journal_writer(config: Config, writer: str, checked: Checked) -> _JournalWriter:
    """Look at the journal files of a writer; those of a dead one thoroughly."""
    folder = config.storage.journal_path
    living = is_living(folder, writer)
    spans = []
    for name in (name for name in journal_files(folder) if name.writer == writer):
        where = f"{folder}/{name}"
        try:
            content = journal_content(folder / str(name), thorough=not living)
        except DamagedJournal as error:
            checked.found("journal", where, str(error).removeprefix(f"{where}: "))
            continue
        if content is None:  # landed and unlinked meanwhile
            continue
        checked.journal_files += 1
        if content.rows:
            checked.journal_rows += content.rows
            spans.append(PartName(writer, content.first, content.last))
            if spans[-1].span != content.rows:
                checked.found("journal", where, f"holds {content.rows} of the numbers {content.first} to {content.last}")
    if spans and not living:
        waiting = sum(span.span for span in spans)
        checked.notes.append(
            f"{folder}: {waiting:,} deliveries of writer {writer}, which is dead, land with the next start of the ingester"
        )
    return _JournalWriter(writer, tuple(spans))


def _journal_agrees(config: Config, journal: Sequence[_JournalWriter], landing: Listing, checked: Checked) -> None:
    """What a writer has in the journal follows on what has landed of it."""
    names = [part.name for part in landing.counted.parts]
    landed = joined_ranges(names)
    both = joined_ranges([*names, *(span for of_writer in journal for span in of_writer.spans)])
    for of_writer in journal:
        ranges = both.get(of_writer.writer, [])
        if len(ranges) > max(1, len(landed.get(of_writer.writer, ()))):
            shown = ", ".join(f"{first} to {last}" for first, last in ranges[:_NAMED])
            checked.found("journal", f"{config.storage.journal_path}/{of_writer.writer}", f"has a hole: there are the numbers {shown}")


def _some(listed: Sequence[int]) -> str:
    """Numbers in a message: a few of them."""
    shown = ", ".join(str(number) for number in listed[:_NAMED])
    if len(listed) == 1:
        return f"number {shown}"
    return f"{len(listed)} numbers ({shown}{', …' if len(listed) > _NAMED else ''})"
