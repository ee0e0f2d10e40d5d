"""A delivery's signed body, byte for byte, from the landing zone by its coordinate (writer, seq).

Promise: what comes back is what was verified and landed, or a reason in words why it is not to be had; the zone is only read. One
listing and one row group are read, whatever the size of the zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.config import Config
from ingest.errors import StorageMissing
from ingest.parts import list_parts, read_rows
from ingest.storage import open_zone


class Absent(StrEnum):
    """Why there is no body to show."""

    RETAINED = "no part of the landing zone covers this delivery: it was deleted by `ingest retain`, or lies in another landing zone"
    MASKED = "it holds whole numbers, and the setting masked_digits hides them"
    QUARANTINED = "the part that covers this delivery does not hold it: it was quarantined"


@dataclass(frozen=True, slots=True)
class Payload:
    """A delivery as it landed. `part` is the key of the file it lies in."""

    writer: str
    seq: int
    received_at: datetime
    source: str
    transport: str
    integration_id: str | None
    event_uid: str
    body: str
    part: str


def payload(config: Config, writer: str, seq: int) -> Payload | Absent:
    """The body of a delivery. Raises StorageError, DamagedPart."""
    if config.reports.masked_digits:
        return Absent.MASKED
    landing = open_zone(config.storage).landing
    for _ in range(2):
        covering = (part for part in list_parts(landing) if part.name.writer == writer and part.name.first <= seq <= part.name.last)
        if (part := next(covering, None)) is None:
            return Absent.RETAINED
        try:
            rows = read_rows(landing, part, first=seq, last=seq).to_pylist()
        except StorageMissing:
            continue  # compacted between listing and reading: a wider part has taken its place
        if not rows:
            return Absent.QUARANTINED
        row = rows[0]
        own = {name: row[name] for name in ("received_at", "source", "transport", "integration_id", "event_uid")}
        return Payload(writer, seq, **own, body=row["payload"], part=part.key)
    return Absent.RETAINED
