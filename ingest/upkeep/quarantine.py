"""The quarantine: list it, look at one delivery, judge all of it again. (CONTRACT §5)

A row's id is `<writer>-<seq>`. A row counts once its number lies in a landed range; what is not landed yet is left to the roller, for
whom the quarantine part is the decision about its range.

`retry`, part by part:

    judge each row: signature under the secrets in force, then the body → those that pass are the rescued
    → their numbers noted in the quarantine part's footer as about to be rescued
    → landing part of a writer of its own, numbered from 1, in the order of the old numbers, day and times as they were
    → the quarantine part replaced without them, the note turned into one of a rescue done

Invariants:
 1. What fails its signature never lands. A delivery of `ingest load` has none: the operator vouched for it.
 2. The rescuing writer's id follows from the part and the rescued numbers alone (`rescuing_writer`). A run that died after landing is
    completed by the next as it was begun, whatever the configuration says by then: nothing lands twice.
 3. An emptied quarantine part stays: it says why its landing part lacks those numbers. So do the notes in its footer, one list of
    numbers a rescue: `callfacts.rescued` = `[[3,5],[7]]`, and of the one being done `callfacts.rescuing` = `[8]`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ingest.config import Config, Source
from ingest.envelope import Envelope, read_envelope
from ingest.errors import CallfactsError, DamagedPart, UsageError
from ingest.failpoints import reach
from ingest.journal import Row
from ingest.layout import PartName, PartRef, Reason, joined_ranges, lies_within, part_key
from ingest.parts import iter_part, list_parts, read_notes, read_part, read_rows, replace_part, write_part
from ingest.roller import landing_table
from ingest.signature import Verifier, open_verifier
from ingest.storage import Zone, open_zone
from ingest.telemetry import logger

log = logger(__name__)

RESCUED: Final = "callfacts.rescued"
RESCUING: Final = "callfacts.rescuing"
CUT_BYTES: Final = 65_536
"""Of a body over the limit no more than this is kept as evidence: one of this length may be cut, and is never judged."""

_ROW_ID = re.compile(r"([0-9a-f]{32})-([0-9]{1,12})")
_LISTED: Final = ("writer", "seq", "received_at", "source", "transport", "reason", "detail")


@dataclass(frozen=True, slots=True)
class Listed:
    """A delivery in the quarantine."""

    id: str
    received_at: datetime
    source: str
    transport: str
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery in the quarantine with all that is kept of it."""

    listed: Listed
    signature: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Rescue:
    """Rows of one quarantine part that have landed now: their old numbers in order, and the part they are in."""

    part: PartRef
    numbers: tuple[int, ...]
    landed: PartRef


@dataclass(frozen=True, slots=True)
class Retry:
    """What a retry did.

    Attributes:
        rescues: by part.
        stayed: how many rows stay, by the reason kept with them.
        waiting: parts left alone, since their ranges are not landed yet.
        problems: parts that could not be judged, a line each.
    """

    rescues: tuple[Rescue, ...]
    stayed: Mapping[str, int]
    waiting: int
    problems: tuple[str, ...]


def quarantined(config: Config, *, source: str | None = None, reason: str | None = None) -> Iterator[Listed]:
    """The rows that count, by day of arrival, writer and number. Raises DamagedPart, StorageError."""
    zone = open_zone(config.storage)
    for part in _landed_parts(zone)[0]:
        for batch in iter_part(zone.quarantine, part, _LISTED):
            for row in batch.to_pylist():
                if source in (None, row["source"]) and reason in (None, row["reason"]):
                    yield _listed(row)


def show(config: Config, row_id: str) -> Shown:
    """One row. Raises UsageError for what is no id, CallfactsError where there is no such row."""
    if (match := _ROW_ID.fullmatch(row_id)) is None or int(match[2]) == 0:
        raise UsageError(f"{row_id!r} is not the id of a delivery: <writer>-<number>, as `ingest quarantine list` prints it")
    writer, seq = match[1], int(match[2])
    zone = open_zone(config.storage)
    for part in _landed_parts(zone)[0]:
        if part.name.writer == writer and part.name.first <= seq <= part.name.last:
            for row in read_rows(zone.quarantine, part, first=seq, last=seq).to_pylist():
                return Shown(_listed(row), row["signature"], row["body"])
    raise CallfactsError(f"{zone.quarantine.url}: there is no delivery {row_id} (any longer); see `ingest quarantine list`")


def retry(config: Config, environ: Mapping[str, str]) -> Retry:
    """Judge every row again and land what passes. Raises ConfigError where the secrets of a source concerned cannot be had."""
    zone = open_zone(config.storage)
    judge = _Judge(config, environ)
    parts, waiting = _landed_parts(zone)
    rescues: list[Rescue] = []
    stayed: Counter[str] = Counter()
    problems: list[str] = []
    for part in parts:
        try:
            rescue, left = _retry_part(zone, part, judge)
        except DamagedPart as error:  # the other parts can be judged all the same
            problems.append(str(error))
            continue
        stayed += left
        if rescue is not None:
            rescues.append(rescue)
    return Retry(tuple(rescues), stayed, waiting, tuple(problems))


def rescuing_writer(part: PartName, numbers: Sequence[int]) -> str:
    """The id of the writer that lands the rescued rows of a quarantine part: the first 32 hex digits of the SHA-256 over
    the part's file name and, in ascending order, each rescued number in decimal, all joined by single line feeds (U+000A), in ASCII.

    >>> rescuing_writer(PartName("a" * 32, 1, 3), [2, 3])  # over aaaa…-000000000001-000000000003.parquet⏎2⏎3
    '82e8dcaaf8d63b9212fc8f571731ff95'
    """
    return sha256("\n".join([str(part), *(str(number) for number in sorted(numbers))]).encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Notes:
    """What a quarantine part's footer tells of rescues: the numbers of each one done, and of the one being done (empty: none)."""

    rescued: list[list[int]]
    rescuing: list[int]


def read_rescue_notes(zone: Zone, part: PartRef) -> Notes:
    """The notes of a quarantine part. Raises DamagedPart."""
    notes = read_notes(zone.quarantine, part)
    try:
        return Notes(
            msgspec.json.decode(notes.get(RESCUED, b"[]"), type=list[list[int]]),
            msgspec.json.decode(notes.get(RESCUING, b"[]"), type=list[int]),
        )
    except msgspec.MsgspecError as error:
        raise DamagedPart(f"{zone.quarantine.url}/{part.key}: its notes about rescues cannot be read: {error}") from error


def listing_lines(rows: Iterator[Listed]) -> Iterator[str]:
    """The quarantine for a person: a line a delivery, a last one with their number."""
    count = 0
    for row in rows:
        detail = f": {safe(row.detail)}" if row.detail else ""
        yield f"{row.id}  {row.received_at:%Y-%m-%d %H:%M:%S}  {safe(row.source)}/{safe(row.transport)}  {safe(row.reason)}{detail}"
        count += 1
    yield f"{count} deliveries in the quarantine"


def shown_lines(shown: Shown) -> Iterator[str]:
    """A delivery for a person. Nothing in it reaches the terminal as a command: see `safe`. Its body's lines are indented, so that
    none can pass for one of ours."""
    row = shown.listed
    yield f"id           {row.id}"
    yield f"received_at  {row.received_at.isoformat()}"
    yield f"source       {safe(row.source)} ({safe(row.transport)})"
    yield f"reason       {safe(row.reason)}"
    yield f"detail       {safe(row.detail or '')}"
    yield f"signature    {'(none)' if shown.signature is None else safe(shown.signature)}"
    yield f"body         {len(shown.body)} bytes"
    for line in shown.body.decode("utf-8", "backslashreplace").split("\n"):
        yield f"    {safe(line)}"


def retry_lines(retried: Retry) -> Iterator[str]:
    """What a retry did, for a person."""
    for rescue in retried.rescues:
        yield f"{rescue.part.name}: {len(rescue.numbers)} rescued into {rescue.landed.name}"
    stayed = ", ".join(f"{count} {safe(reason)}" for reason, count in sorted(retried.stayed.items())) or "none"
    yield f"{sum(len(rescue.numbers) for rescue in retried.rescues)} rescued; still in the quarantine: {stayed}"
    if retried.waiting:
        yield f"{retried.waiting} parts are not landed yet and were left alone"


def safe(text: str) -> str:
    """The text with everything escaped that a terminal would obey or hide: controls (C0, C1), line breaks, and what steers direction or
    has no shape of its own."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


class _Judge:
    """Whether a row passes now. Secrets of a source are resolved when its first row comes."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config, self._environ = config, environ
        self._places: dict[str, tuple[int, Source]] = {source.name: (i, source) for i, source in enumerate(config.sources)}
        self._verifiers: dict[str, Verifier] = {}

    def passes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row would be accepted and land today."""
        if (found := self._places.get(row["source"])) is None:
            return False
        source, body = found[1], row["body"]
        if row["reason"] == Reason.TOO_LARGE and len(body) >= CUT_BYTES:
            return False
        if row["transport"] != "load":
            if len(body) > self._config.body_limit_bytes(source):
                return False
            if not self._verifier(source).accepts(body, row["signature"]):
                return False
        return isinstance(read_envelope(body, integration_id=source.integration_id, company=source.company), Envelope)

    def _verifier(self, source: Source) -> Verifier:
        if (verifier := self._verifiers.get(source.name)) is None:
            where = f"{self._config.where}: sources[{self._places[source.name][0]}].secrets"
            verifier = self._verifiers[source.name] = open_verifier(source.secrets, self._environ, where=where)
        return verifier


def _landed_parts(zone: Zone) -> tuple[list[PartRef], int]:
    """The quarantine's parts whose ranges are landed, and how many others there are."""
    parts = list_parts(zone.quarantine)
    landed = joined_ranges(part.name for part in list_parts(zone.landing))
    counting = [part for part in parts if lies_within(part.name, landed.get(part.name.writer, ()))]
    return counting, len(parts) - len(counting)


def _retry_part(zone: Zone, part: PartRef, judge: _Judge) -> tuple[Rescue | None, Counter[str]]:
    """Rescue what passes of one part; and how many rows stay, by reason."""
    table = read_part(zone.quarantine, part)
    notes = read_rescue_notes(zone, part)
    begun = _begun(zone, part, notes)
    numbers = notes.rescuing if begun is not None else [row["seq"] for row in table.to_pylist() if judge.passes(row)]
    going = pc.is_in(table["seq"], pa.array(numbers, pa.int64()))
    left = table.filter(pc.invert(going))
    stayed = Counter(str(reason) for reason in left["reason"].to_pylist())
    if not numbers:
        return None, stayed
    if begun is None:
        reach("retry_before_note")
        replace_part(zone.quarantine, part, table, notes=_encoded(Notes(notes.rescued, numbers)))
        reach("retry_before_landing")
    landed = begun or _land(zone, part, table.filter(going), numbers)
    reach("retry_after_landing")
    replace_part(zone.quarantine, part, left, notes=_encoded(Notes([*notes.rescued, numbers], [])))
    reach("retry_after_replace")
    log.info("deliveries_rescued", part=str(part.name), into=str(landed.name), deliveries=len(numbers))
    return Rescue(part, tuple(numbers), landed), stayed


def _begun(zone: Zone, part: PartRef, notes: Notes) -> PartRef | None:
    """The landed part of a rescue that died before the quarantine part was replaced; it has to be completed as it was begun."""
    if not notes.rescuing:
        return None
    name = _rescuing_name(part, notes.rescuing)
    return next(
        (PartRef(name, part.date, entry.key, entry.size, entry.modified) for entry in zone.landing.list(part_key(part.date, name))), None
    )


def _rescuing_name(part: PartRef, numbers: Sequence[int]) -> PartName:
    return PartName(rescuing_writer(part.name, numbers), 1, len(numbers))


def _land(zone: Zone, part: PartRef, table: pa.Table, numbers: Sequence[int]) -> PartRef:
    """Land quarantined deliveries that pass as a writer of their own."""
    name = _rescuing_name(part, numbers)
    return write_part(zone.landing, _rescued_rows(table, name.writer), date=part.date, name=name)


def _rescued_rows(table: pa.Table, writer: str) -> pa.Table:
    """Landing rows of quarantined deliveries that pass, numbered anew."""
    events = []
    received_at = table["received_at"].cast(pa.int64()).to_pylist()
    for seq, (row, received_us) in enumerate(zip(table.to_pylist(), received_at, strict=True), 1):
        envelope = read_envelope(row["body"])
        assert isinstance(envelope, Envelope)  # judged more strictly just now
        events.append((Row(seq, received_us, row["source"], row["transport"], None, None, None, row["body"]), envelope))
    return landing_table(writer, events)


def _encoded(notes: Notes) -> dict[str, bytes]:
    encoded = {RESCUED: msgspec.json.encode(notes.rescued), RESCUING: msgspec.json.encode(notes.rescuing)}
    return {key: value for key, value in encoded.items() if value != b"[]"}


def _listed(row: Mapping[str, Any]) -> Listed:
    return Listed(f"{row['writer']}-{row['seq']}", row["received_at"], row["source"], row["transport"], row["reason"], row["detail"])
