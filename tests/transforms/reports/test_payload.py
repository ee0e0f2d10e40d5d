"""The signed body behind an event, from parts on disk."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from ingest.config import Config, Storage
from ingest.layout import LANDING_SCHEMA, PartName
from ingest.parts import write_part
from ingest.storage import open_zone
from transforms.reports.payload import Absent, payload

WRITER = "0" * 31 + "7"
DAY = date(2026, 3, 2)


def landed(folder: Path, first: int, last: int, *, without: int | None = None) -> Config:
    """One part with these numbers; the body of each names its number, with blanks and an escape to be kept."""
    config = Config(storage=Storage(root=str(folder)))
    rows = [
        dict.fromkeys(LANDING_SCHEMA.names)
        | {
            "writer": WRITER, "seq": seq, "event_uid": "u", "received_at": datetime(2026, 3, 2, 9, tzinfo=UTC), "source": "acme",
            "transport": "webhook", "event_type": "call:start", "event_time": datetime(2026, 3, 2, 9, tzinfo=UTC), "payload": body(seq),
        }
        for seq in range(first, last + 1)
        if seq != without
    ]  # fmt: skip
    write_part(open_zone(config.storage).landing, pa.Table.from_pylist(rows, LANDING_SCHEMA), date=DAY, name=PartName(WRITER, first, last))
    return config


def body(seq: int) -> str:
    return f'{{ "n" : {seq},\n  "name": "\\u00c5got \\ud83d\\ude00" }}'


def test_a_body_comes_back_byte_for_byte(tmp_path: Path) -> None:
    config = landed(tmp_path, 1, 3)
    landed(tmp_path, 4, 6)
    for seq in (1, 3, 4, 6):
        found = payload(config, WRITER, seq)
        assert not isinstance(found, Absent)
        assert (found.body, found.seq, found.source, found.transport) == (body(seq), seq, "acme", "webhook")
        assert found.part.startswith("received_date=2026-03-02/")


def test_a_compacted_part_holds_the_same_body(tmp_path: Path) -> None:
    config = landed(tmp_path, 2, 2)
    landed(tmp_path, 1, 3)
    found = payload(config, WRITER, 2)
    assert not isinstance(found, Absent)
    assert (found.body, found.part) == (body(2), f"received_date=2026-03-02/{PartName(WRITER, 1, 3)}")


def test_what_is_not_there_says_why(tmp_path: Path) -> None:
    config = landed(tmp_path, 1, 3, without=2)
    assert payload(config, WRITER, 2) is Absent.QUARANTINED
    assert payload(config, WRITER, 4) is Absent.RETAINED
    assert payload(config, "0" * 32, 1) is Absent.RETAINED
