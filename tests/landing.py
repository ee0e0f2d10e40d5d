"""A landing zone by hand: bodies → parts, through ingest's own envelope and parts, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from ingest.config import Config, Storage, Transforms
from ingest.envelope import Refusal, read_envelope
from ingest.layout import LANDING_SCHEMA, QUARANTINE_SCHEMA, PartName, PartRef
from ingest.parts import write_part
from ingest.storage import open_zone

RECEIVED = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
WRITER = "a" * 32


def configured(root: Path, **transforms: str) -> Config:
    """A configuration with everything below `root`."""
    return Config(storage=Storage(root=str(root)), transforms=Transforms(**transforms))


def landed_rows(
    bodies: Iterable[bytes], *, writer: str = WRITER, first: int = 1, source: str = "acme", received_at: datetime = RECEIVED
) -> tuple[pa.Table, pa.Table]:
    """Landing and quarantine rows of bodies, numbered from `first`, a second apart."""
    landing, quarantine = [], []
    for i, body in enumerate(bodies):
        row = {
            "writer": writer,
            "seq": first + i,
            "received_at": received_at + timedelta(seconds=i),
            "source": source,
            "transport": "webhook",
        }
        found = read_envelope(body)
        if isinstance(found, Refusal):
            quarantine.append(row | {"reason": str(found.reason), "detail": found.detail, "body": body, "signature": None})
            continue
        names = ("event_uid", "integration_id", "company", "pbx", "event_type", "subject_id")
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=found.event_time_ms)
        landing.append(row | {name: getattr(found, name) for name in names} | {"event_time": when, "payload": body.decode()})
    return pa.Table.from_pylist(landing, LANDING_SCHEMA), pa.Table.from_pylist(quarantine, QUARANTINE_SCHEMA)


def land(
    config: Config,
    events: Iterable[object],
    *,
    writer: str = WRITER,
    first: int = 1,
    source: str = "acme",
    received_at: datetime = RECEIVED,
) -> PartRef:
    """Land events (objects, or bodies as bytes) as one part, the quarantine's first."""
    bodies = [event if isinstance(event, bytes) else json.dumps(event, ensure_ascii=False).encode() for event in events]
    landing, quarantine = landed_rows(bodies, writer=writer, first=first, source=source, received_at=received_at)
    zone, name = open_zone(config.storage), PartName(writer, first, first + len(bodies) - 1)
    if quarantine.num_rows:
        write_part(zone.quarantine, quarantine, date=received_at.date(), name=name)
    return write_part(zone.landing, landing, date=received_at.date(), name=name)
