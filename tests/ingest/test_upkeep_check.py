"""Each kind of damage is found, with where and what; a zone that is well has no finding."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.config import Config
from ingest.errors import LockHeld
from ingest.journal import JournalName, WriterLock, open_to_read, rows_of
from ingest.layout import PartName
from ingest.parts import list_parts, read_part, replace_part
from ingest.signature import sign
from ingest.storage import Zone
from ingest.upkeep.check import check, report
from ingest.upkeep.compact import compact
from ingest.upkeep.quarantine import rescuing_writer, retry
from tests.zones import DAY, SECRET, W1, W2, Refused, configured, event_body, journal_of, land, zone_of

NOW = datetime.now(UTC)
NAME = PartName(W1, 1, 4)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def found(config: Config, now: datetime = NOW) -> list[tuple[str, str, str]]:
    """(kind, place below the data root, what)."""
    root = f"{config.storage.root}/"
    return [(finding.kind, finding.where.removeprefix(root), finding.what) for finding in check(config, now=now).findings]


def path_of(zone: Zone, name: PartName, day: date = DAY) -> Path:
    return Path(zone.landing.url) / f"received_date={day}" / str(name)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Put other rows under a part's name, as no part of callfacts would."""
    table = pq.ParquetFile(path).read()
    pq.write_table(change(table), path)


def test_an_empty_zone_is_well(config: Config) -> None:
    assert list(report(check(config, now=NOW)))[-1] == "all is well"


def test_a_zone_in_full_use_is_well(config: Config, zone: Zone) -> None:
    body = event_body(3)
    land(zone, W1, 1, 4, refused={2: Refused(), 3: Refused(body, signature=sign(SECRET.encode(), body), reason=None)})
    land(zone, W1, 5, 8, refused={5: Refused(), 8: Refused()})
    land(zone, W1, 9, 9, day=date(2026, 11, 21))
    land(zone, W2, 1, 1, refused={1: Refused()})
    compact(config, now=NOW)
    retry(config, {})
    checked = check(config, now=NOW)
    assert checked.findings == []
    assert (checked.parts, checked.superseded, checked.deliveries, checked.quarantined) == (3, 2, 6, 4)
    assert checked.notes == []


def test_a_writer_may_begin_above_one_since_retention_deletes_from_below(config: Config, zone: Zone) -> None:
    land(zone, W1, 5, 8)
    assert found(config) == []


def test_a_hole_inside_a_writers_ranges(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4)
    land(zone, W1, 8, 9, day=date(2026, 11, 21))
    assert found(config) == [
        ("hole", f"landing/received_date=2026-11-21/{PartName(W1, 8, 9)}", "numbers 5 to 7 of its writer lie in no part"),
    ]


def test_an_overlap_without_containment(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4)
    land(zone, W1, 3, 6)
    ((kind, where, what),) = found(config)
    assert (kind, where) == ("overlap", f"landing/received_date=2026-11-20/{PartName(W1, 3, 6)}")
    assert str(NAME) in what


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_part_that_cannot_be_read(config: Config, zone: Zone, content: bytes | None) -> None:
    land(zone, W1, 1, 4)
    path = path_of(zone, NAME)
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    ((kind, where, what),) = found(config)
    assert (kind, where) == ("damaged", f"landing/received_date=2026-11-20/{NAME}")
    assert "cannot be read" in what


def test_a_flipped_bit_in_any_column(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4)
    path = path_of(zone, NAME)
    whole = path.read_bytes()
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(12)
    at = chunk.data_page_offset + chunk.total_compressed_size - 5
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert [kind for kind, _, _ in found(config)] == ["damaged"]


def test_a_damaged_superseded_or_quarantine_part_is_found_too(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4, refused={3: Refused()})
    compact(config, now=NOW)
    path_of(zone, PartName(W1, 1, 2)).write_bytes(b"")
    (Path(zone.quarantine.url) / "received_date=2026-11-20" / str(PartName(W1, 3, 4))).write_bytes(b"")
    assert [kind for kind, _, _ in found(config)] == ["damaged", "damaged", "lost"]


CHANGES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "fewer rows": (lambda t: t.slice(0, 3), "lacks number 4, and the quarantine does not hold it"),
    "a row missing inside": (lambda t: t.filter(pa.array([True, False, False, True])), "lacks 2 numbers (2, 3)"),
    "no rows": (lambda t: t.slice(0, 0), "lacks 4 numbers (1, 2, 3, 4)"),
    "rows beyond": (lambda t: t.set_column(1, "seq", pa.array([1, 2, 3, 5])), "out of its range"),
    "rows before": (lambda t: t.set_column(1, "seq", pa.array([0, 1, 2, 3])), "out of order or out of its range"),
    "rows twice": (lambda t: t.set_column(1, "seq", pa.array([1, 2, 2, 4])), "out of order"),
    "rows in another order": (lambda t: t.take([1, 0, 2, 3]), "out of order"),
    "another writer": (lambda t: t.set_column(0, "writer", pa.array([W1, W1, W2, W1])), "of another writer"),
    "no identity": (lambda t: t.set_column(2, "event_uid", pa.array(["x", None, "x", "x"])), "rows without event_uid"),
    "another day": (
        lambda t: t.set_column(3, "received_at", pa.array([datetime(2026, 11, 21, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC"))),
        "arrived on another day",
    ),
    "a column missing": (lambda t: t.drop_columns(["pbx"]), "no column pbx"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_make_a_name_a_lie(config: Config, zone: Zone, change: str) -> None:
    land(zone, W1, 1, 4)
    edit, what = CHANGES[change]
    rewrite(path_of(zone, NAME), edit)
    findings = found(config)
    assert len(findings) == 1
    assert findings[0][1] == f"landing/received_date=2026-11-20/{NAME}"
    assert what in findings[0][2]


def test_a_row_in_landing_and_quarantine_at_once(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused(), 4: Refused()})
    path_of(zone, NAME).unlink()
    (Path(zone.quarantine.url) / "received_date=2026-11-20" / str(NAME)).rename(path := path_of(zone, NAME).with_suffix(".kept"))
    land(zone, W1, 1, 4, refused={2: Refused()})
    path.rename(Path(zone.quarantine.url) / "received_date=2026-11-20" / str(NAME))
    assert found(config) == [("twice", f"landing/received_date=2026-11-20/{NAME}", "holds number 4, and so does the quarantine")]


def test_a_quarantine_part_that_went_away(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused()})
    (Path(zone.quarantine.url) / "received_date=2026-11-20" / str(NAME)).unlink()
    assert [(kind, what) for kind, _, what in found(config)] == [("lost", "lacks number 2, and the quarantine does not hold it")]


def test_a_rescue_whose_landing_part_went_away(config: Config, zone: Zone) -> None:
    body = event_body(2)
    land(zone, W1, 1, 4, refused={2: Refused(body, reason=None, signature=sign(SECRET.encode(), body)), 3: Refused()})
    (part,) = list_parts(zone.quarantine)
    table = read_part(zone.quarantine, part)
    replace_part(zone.quarantine, part, table, notes={"callfacts.rescued": b"[[2]]"})
    findings = found(config)
    assert any(kind == "lost" and rescuing_writer(NAME, [2]) in what for kind, _, what in findings)
    replace_part(zone.quarantine, part, table, notes={"callfacts.rescued": b"{}"})
    assert ("damaged", f"quarantine/received_date=2026-11-20/{NAME}") in [(kind, where) for kind, where, _ in found(config)]


def test_a_superseded_part_that_says_otherwise(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    compact(config, now=NOW)
    rewrite(path_of(zone, PartName(W1, 3, 4)), lambda table: table.slice(1))
    assert [(kind, where.rpartition("/")[2]) for kind, where, _ in found(config)] == [("conflict", str(PartName(W1, 3, 4)))]


def test_foreign_files_in_each_zone_but_no_temporary_ones(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused()})
    landing, quarantine, rejections = (Path(store.url) for store in (zone.landing, zone.quarantine, zone.rejections))
    rejections.mkdir()
    (landing / "received_date=2026-11-20" / ".0af3.tmp").write_bytes(b"")
    (rejections / ".0af3.tmp").write_bytes(b"")
    (rejections / f"{W1}.json").write_bytes(b"{}")
    for path in (
        landing / "README",
        landing / "received_date=2026-11-20" / "part-1.parquet",
        quarantine / "x" / "y",
        rejections / "z.json",
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert [(kind, where) for kind, where, _ in found(config)] == [
        ("foreign", "landing/README"),
        ("foreign", "landing/received_date=2026-11-20/part-1.parquet"),
        ("foreign", "quarantine/x/y"),
        ("foreign", "rejections/z.json"),
    ]


def test_a_quarantine_part_waits_for_its_landing_part_for_an_hour(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused()}, landing=False)
    checked = check(config, now=NOW)
    assert checked.findings == []
    assert "still to come" in checked.notes[0]
    assert [kind for kind, _, _ in found(config, NOW + timedelta(hours=2))] == ["unlanded"]


# ---------------------------------------------------------------- journal


def journal_file(config: Config, writer: str) -> Path:
    return config.storage.journal_path / str(JournalName(writer, 1))


def test_a_living_writers_journal_is_well_and_stays_its_own(config: Config) -> None:
    def look(writer: str) -> None:
        checked = check(config, now=NOW)
        assert (checked.findings, checked.notes, checked.journal_rows) == ([], [], 3)
        with pytest.raises(LockHeld):
            WriterLock.take(config.storage.journal_path, writer)

    journal_of(config, 3, look=look)


def test_a_dead_writers_rows_are_safe_and_told_of(config: Config) -> None:
    writer = journal_of(config, 3)
    before = {path.name for path in config.storage.journal_path.iterdir()}
    checked = check(config, now=NOW)
    assert (checked.findings, checked.journal_rows) == ([], 3)
    assert checked.notes == [
        f"{config.storage.journal_path}: 3 deliveries of writer {writer}, which is dead, land with the next start of the ingester"
    ]
    assert before <= {path.name for path in config.storage.journal_path.iterdir()}
    with closing(open_to_read(journal_file(config, writer))) as connection:
        assert [row.seq for row in rows_of(connection)] == [1, 2, 3]
    WriterLock.take(config.storage.journal_path, writer).close()


@pytest.mark.parametrize("damage", [b"this is no database, whatever its name says" * 100, None])
def test_a_journal_file_that_cannot_be_read(config: Config, damage: bytes | None) -> None:
    writer = journal_of(config, 300)
    path = journal_file(config, writer)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    whole = path.read_bytes()
    path.write_bytes(damage or whole[:4096] + b"\x00" * (len(whole) - 4096))
    assert [(kind, where.rpartition("/")[2]) for kind, where, _ in found(config)] == [("journal", path.name)]


def test_a_journal_that_does_not_follow_on_what_has_landed(config: Config, zone: Zone) -> None:
    writer = journal_of(config, 3)
    path = journal_file(config, writer)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update j set seq = seq + 10")
    land(zone, writer, 1, 10)
    assert found(config) == []
    path_of(zone, PartName(writer, 1, 10)).unlink()
    land(zone, writer, 1, 9)
    ((kind, where, what),) = found(config)
    assert (kind, where.rpartition("/")[2]) == ("journal", writer)
    assert "1 to 9, 11 to 13" in what
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("delete from j where seq = 12")
    assert ("journal", "holds 2 of the numbers 11 to 13") in [(kind, what) for kind, _, what in found(config)]


def test_a_lock_or_a_file_without_rows_is_nobodys_finding(config: Config) -> None:
    writer = journal_of(config, 1)
    journal_file(config, writer).unlink()
    for suffix in ("-wal", "-shm"):
        journal_file(config, writer).with_name(f"{journal_file(config, writer).name}{suffix}").unlink(missing_ok=True)
    assert found(config) == []
    (config.storage.journal_path / str(JournalName("9" * 32, 1))).write_bytes(b"")
    assert found(config) == []
