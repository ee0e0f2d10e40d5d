"""The landing zone's words: schemas, part names, which parts count, and why a delivery is quarantined. Pure. (CONTRACT §1, §5)

A zone is a folder of parts, one folder a day of arrival:

    landing/received_date=2026-11-24/0f3c…9a-000000000001-000000030000.parquet
    │       │                        │       │            └ last number, 12 digits
    │       │                        │       └ first number, 12 digits
    │       │                        └ writer: 32 lower-case hex digits, random at each start of a worker
    │       └ UTC day on which the part's deliveries were received
    └ `quarantine/` beside it is laid out alike

Invariants:
 1. The name is the manifest: it says which numbers of which writer the part answers for. A listing alone tells what is there.
 2. A part whose range lies strictly within another part's of the same writer is superseded and does not count.
 3. Of equal names in two folders the one of the earlier day counts.
 4. Any other name does not count; temporary names (`.<random>.tmp`) are nobody's finding.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa

LANDING_SCHEMA: Final = pa.schema(
    [
        ("writer", pa.string()),
        ("seq", pa.int64()),
        ("event_uid", pa.string()),
        ("received_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("transport", pa.string()),
        ("integration_id", pa.string()),
        ("company", pa.string()),
        ("pbx", pa.string()),
        ("event_type", pa.string()),
        ("subject_id", pa.string()),
        ("event_time", pa.timestamp("ms", "UTC")),
        ("payload", pa.string()),
    ]
)
"""One row a delivery that is an event; key writer, seq; payload is the verified body, byte for byte."""

QUARANTINE_SCHEMA: Final = pa.schema(
    [
        ("writer", pa.string()),
        ("seq", pa.int64()),
        ("received_at", pa.timestamp("us", "UTC")),
        ("source", pa.string()),
        ("transport", pa.string()),
        ("signature", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("body", pa.binary()),
    ]
)
"""One row a delivery that is none, with the signature as received; key writer, seq."""

PART_ROWS: Final = 30_000
"""A part of the roller, and a row group, holds no more rows than this: larger ones cost memory in every reader."""

MAX_SEQ: Final = 10**12 - 1
"""The largest number that the twelve digits of a part's name can say."""

_PART_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{12})-([0-9]{12})\.parquet")
_DATE_FOLDER = re.compile(r"received_date=([0-9]{4}-[0-9]{2}-[0-9]{2})")
_TEMPORARY = re.compile(r"\.[^/]+\.tmp")
_WRITER = re.compile(r"[0-9a-f]{32}")


class Reason(StrEnum):
    """Why a delivery is in the quarantine; those of a body in the order in which they are judged."""

    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    NO_TYPE = "no_type"
    NO_TIME = "no_time"
    NO_COMPANY = "no_company"
    NO_ID = "no_id"
    WRONG_INTEGRATION = "wrong_integration"
    WRONG_COMPANY = "wrong_company"
    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True, order=True)
class PartName:
    """Which deliveries a part answers for: the numbers `first` … `last` of one writer, both included."""

    writer: str
    first: int
    last: int

    def __post_init__(self) -> None:
        if _WRITER.fullmatch(self.writer) is None:
            raise ValueError(f"{self.writer!r} is not a writer id: 32 lower-case hex digits")
        if not 1 <= self.first <= self.last <= MAX_SEQ:
            raise ValueError(f"{self.first} to {self.last} is not a range of numbers")

    def __str__(self) -> str:
        return f"{self.writer}-{self.first:012d}-{self.last:012d}.parquet"

    @property
    def span(self) -> int:
        """How many numbers the range has."""
        return self.last - self.first + 1

    def covers(self, other: "PartName") -> bool:
        """Whether the other's range lies within this one, or equals it."""
        return self.writer == other.writer and self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class PartRef:
    """A part as a listing shows it.

    Attributes:
        name: the range it answers for.
        date: its day's folder, the UTC day of arrival of its deliveries.
        key: where it lies in its store: `received_date=…/<name>`.
        size: bytes.
        modified: when it was written, by the store's clock, where a listing has told it; no part of its identity.
    """

    name: PartName
    date: date
    key: str
    size: int
    modified: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Superseded:
    """A part that does not count, and the counting part that answers for its range."""

    part: PartRef
    by: PartRef


@dataclass(frozen=True, slots=True)
class Counted:
    """A listing, sorted out. `parts` and `superseded` are in order of date and name."""

    parts: tuple[PartRef, ...]
    superseded: tuple[Superseded, ...]


def new_writer_id(random_bytes: bytes) -> str:
    """A writer's id from 16 random bytes."""
    if len(random_bytes) != 16:
        raise ValueError("a writer id is made of 16 random bytes")
    return random_bytes.hex()


def parse_part_name(filename: str) -> PartName | None:
    """What a file name says, or None where it is not a part's name."""
    if (match := _PART_NAME.fullmatch(filename)) is None:
        return None
    writer, first, last = match[1], int(match[2]), int(match[3])
    return PartName(writer, first, last) if 1 <= first <= last else None


def date_folder(day: date) -> str:
    """The name of a day's folder."""
    return f"received_date={day.isoformat()}"


def part_key(day: date, name: PartName) -> str:
    """Where a part lies in its store."""
    return f"{date_folder(day)}/{name}"


def parse_part_key(key: str) -> tuple[date, PartName] | None:
    """Day and name of a part's key, or None where it is not one."""
    folder, slash, filename = key.partition("/")
    if not slash or (name := parse_part_name(filename)) is None or (day := parse_day(folder)) is None:
        return None
    return day, name


def parse_day(folder: str) -> date | None:
    """The day of a day's folder, or None where it is none."""
    if (match := _DATE_FOLDER.fullmatch(folder)) is None:
        return None
    try:
        return date.fromisoformat(match[1])
    except ValueError:
        return None


def is_temporary(key: str) -> bool:
    """Whether a key is that of a temporary file, which is nobody's finding."""
    return _TEMPORARY.fullmatch(key.rpartition("/")[2]) is not None


def counting(parts: Iterable[PartRef]) -> Counted:
    """Which parts of a listing count. (CONTRACT §5)

    A part whose range lies strictly within another's of the same writer is superseded, whatever the folders; of equal names the one
    of the earlier date counts, and the other is superseded by it.
    """
    kept: list[PartRef] = []
    dropped: list[Superseded] = []
    # By writer, then wide before narrow at the same start: whatever lies within an earlier part lies within the one that reaches furthest.
    for part in sorted(parts, key=lambda part: (part.name.writer, part.name.first, -part.name.last, part.date)):
        if kept and kept[-1].name.covers(part.name):
            dropped.append(Superseded(part, kept[-1]))
        else:
            kept.append(part)
    return Counted(
        tuple(sorted(kept, key=lambda part: (part.date, part.name))),
        tuple(sorted(dropped, key=lambda superseded: (superseded.part.date, superseded.part.name))),
    )


def joined_ranges(names: Iterable[PartName]) -> dict[str, list[tuple[int, int]]]:
    """Writer → the numbers its parts answer for, as ascending (first, last) ranges that neither touch nor overlap."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    for name in sorted(names):
        of_writer = ranges.setdefault(name.writer, [])
        if of_writer and name.first <= of_writer[-1][1] + 1:
            of_writer[-1] = (of_writer[-1][0], max(of_writer[-1][1], name.last))
        else:
            of_writer.append((name.first, name.last))
    return ranges


def lies_within(name: PartName, ranges: Iterable[tuple[int, int]]) -> bool:
    """Whether one of the writer's joined ranges holds all of a part's numbers."""
    return any(first <= name.first and name.last <= last for first, last in ranges)
