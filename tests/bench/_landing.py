"""Landing zones of any size, for benchmarks: a few hundred believable calls, copied by DuckDB under other ids and times."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from ingest.config import Config
from ingest.layout import LANDING_SCHEMA, PART_ROWS, PartName
from ingest.parts import write_part
from ingest.storage import open_zone
from tests.bench.transforms_facts import TEMPLATES, believable
from tests.builders import Event
from tests.landing import landed_rows

DAY = datetime(2026, 11, 2, tzinfo=UTC).date()
WRITER = "b" * 32
PARTY: dict[str, str | None] = dict.fromkeys(
    ("company", "email", "userId", "userExtension", "userDepartment", "groupId", "groupName", "userDevice")
)
PARTY["userAgent"] = "Wildix Zero Distance 4.0.1 WebRTC-00000000-0000-0000-0000-000000000000"
DATA: dict[str, None] = dict.fromkeys(("service", "queueName", "queueId", "endCause", "endCauseStr", "endBy"))
NUMBERS = 600
"""Outside numbers come again after so many copies."""
COPY_MS = 97_000
"""How much later each copy of the calls is than the one before."""


def templates(seed: int = 1) -> pa.Table:
    """Landing rows of the calls that are copied: about 2,500 events of about 860 bytes."""
    rng = random.Random(seed)
    sent = [as_sent(event) for number in range(TEMPLATES) for event in believable(rng, number).events()]
    return landed_rows(orjson.dumps(event) for event in sent)[0]


def as_sent(event: Event) -> Event:
    """The event with every field that the phone system sends, null or not: what has to be read past is part of the work."""
    data = event["data"]
    parties = {side: {**PARTY, **data[side]} if data.get(side) else None for side in ("caller", "callee")}
    return event | {"data": {**DATA, **data, **parties}}


def copies(template: pa.Table, events: int, *, first_copy: int = 0) -> pa.Table:
    """So many landing rows, 4 % of them delivered again, in order of event_time, numbered from 1."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("template", template)
        return con.sql(
            f"""
            with copied as (
                select t.* replace (
                    sha256(event_uid || copy) as event_uid,
                    subject_id || '.' || copy as subject_id,
                    event_time + to_milliseconds({COPY_MS} * copy) as event_time,
                    regexp_replace(
                        replace(
                            replace(payload, '"' || subject_id || '"', '"' || subject_id || '.' || copy || '"'),
                            epoch_ms(event_time)::varchar, (epoch_ms(event_time) + {COPY_MS} * copy)::varchar),
                        '"phone":"([+][0-9]+)"', '"phone":"\\1' || copy % {NUMBERS} || '"', 'g') as payload)
                from template t, range({first_copy}, {first_copy} + {-(-events // template.num_rows)}) r(copy)
            ), delivered as (
                select copied.*, again from copied, range(2) a(again) where again = 0 or hash(event_uid) % 25 = 0
            )
            select * exclude (again) replace (
                '{WRITER}' as writer,
                row_number() over (order by event_time, again, event_uid) as seq,
                event_time + to_milliseconds(300 + 5000 * again) as received_at)
            from delivered order by seq limit {events}
            """
        ).to_arrow_table().select(LANDING_SCHEMA.names).cast(LANDING_SCHEMA)  # fmt: skip


def land_copies(config: Config, template: pa.Table, events: int, *, writer: str = WRITER, first_copy: int = 0) -> None:
    """Land so many events as parts of the usual size."""
    landing, done, batch = open_zone(config.storage).landing, 0, 0
    while done < events:
        rows = copies(template, min(500_000, events - done), first_copy=first_copy + batch * 1000)
        for start in range(0, rows.num_rows, PART_ROWS):
            part = rows.slice(start, PART_ROWS)
            name = PartName(writer, done + start + 1, done + start + part.num_rows)
            numbered = part.set_column(0, "writer", pa.array([writer] * part.num_rows)).set_column(
                1, "seq", pa.array(range(name.first, name.last + 1), pa.int64())
            )
            write_part(landing, numbered, date=DAY, name=name)
        done, batch = done + rows.num_rows, batch + 1


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
