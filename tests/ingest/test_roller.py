"""Journal files → parts: boundaries from the content alone, quarantine first, exactly once whatever was done before."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import failpoints
from ingest.config import Storage
from ingest.errors import CallfactsError
from ingest.journal import Row, WriterLock, journal_files
from ingest.layout import LANDING_SCHEMA, PartName, Reason
from ingest.parts import list_parts, read_part, write_part
from ingest.roller import Expected, Found, Landed, Roller, landing_table, ranges
from ingest.storage import Zone, open_zone
from tests.ingester import event
from tests.journals import ROOMY, left_behind, looped, new_row

MIDNIGHT = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1_000_000)
DAY_1, DAY_2 = date(2026, 11, 24), date(2026, 11, 25)
HOUR = 3_600_000_000


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    failpoints.arm("")


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return open_zone(Storage(root=str(tmp_path)))


def rolled(folder: Path, zone: Zone, expected: Mapping[str, Expected] | None = None) -> list[Any]:
    """What a roller says while it lands what a dead writer left, trying until it is done."""
    said: list[Any] = []
    roller = Roller(folder, zone, expected or {}, said.append)
    for _ in range(20):
        try:
            roller.take_dead()
            while roller.land_next():
                pass
            return said
        except (CallfactsError, OSError):
            continue
    raise AssertionError("it never gets done")


def parts(zone: Zone) -> list[tuple[str, str, int, int, int]]:
    """(zone, day, first, last, rows) of every part that counts."""
    return [
        (name, str(part.date), part.name.first, part.name.last, read_part(store, part).num_rows)
        for name, store in (("landing", zone.landing), ("quarantine", zone.quarantine))
        for part in list_parts(store)
    ]


def rows(times: list[int]) -> list[Row]:
    return [Row(seq, at, "acme", "webhook", None, None, None, b"{}") for seq, at in enumerate(times, 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(MIDNIGHT - 3 * 24 * HOUR, MIDNIGHT + 24 * HOUR), max_size=40), st.integers(1, 7))
def test_ranges_are_unbroken_of_one_day_within_the_size_and_lose_nothing(times: list[int], size: int) -> None:
    found = list(ranges(rows(times), size=size))
    assert [row for one in found for row in one.rows] == rows(times)
    for one in found:
        assert 1 <= len(one.rows) <= size
        assert {datetime.fromtimestamp(row.received_at / 1e6, UTC).date() for row in one.rows} == {one.day}
    for before, after in pairwise(found):
        assert len(before.rows) == size or before.day != after.day


@looped
async def test_a_day_ends_a_part_and_so_does_a_clock_that_steps_back_over_midnight(tmp_path: Path, zone: Zone) -> None:
    times = [MIDNIGHT - 2, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 1, MIDNIGHT - 5, MIDNIGHT + 2]
    await left_behind(tmp_path / "journal", [new_row(event(n), received_at=at) for n, at in enumerate(times)])
    rolled(tmp_path / "journal", zone)
    assert sorted(parts(zone), key=lambda part: part[2]) == [
        ("landing", "2026-11-24", 1, 2, 2),
        ("landing", "2026-11-25", 3, 4, 2),
        ("landing", "2026-11-24", 5, 5, 1),
        ("landing", "2026-11-25", 6, 6, 1),
    ]


@looped
async def test_a_landed_row_says_all_of_its_delivery(tmp_path: Path, zone: Zone) -> None:
    body = event(1, pbx="000000000001", integrationId="abc", data={"x": "\u0000é"})
    writer = await left_behind(tmp_path / "journal", [new_row(body, received_at=MIDNIGHT + 7, transport="sqs", signature="s", detail="d")])
    rolled(tmp_path / "journal", zone)
    [part] = list_parts(zone.landing)
    [row] = read_part(zone.landing, part).to_pylist()
    assert row["event_uid"] and len(row.pop("event_uid")) == 64
    assert row == {
        "writer": writer,
        "seq": 1,
        "received_at": datetime(2026, 11, 25, tzinfo=UTC) + timedelta(microseconds=7),
        "source": "acme",
        "transport": "sqs",
        "integration_id": "abc",
        "company": "it_w100001",
        "pbx": "000000000001",
        "event_type": "call:start",
        "subject_id": "it_w100001_1764000000.1",
        "event_time": datetime(2025, 11, 24, 16, 0, 0, 1000, tzinfo=UTC),
        "payload": body.decode(),
    }


@looped
async def test_what_is_refused_goes_to_the_quarantine_with_its_reason_and_the_landing_part_is_written_all_the_same(
    tmp_path: Path, zone: Zone
) -> None:
    given_rows = [
        new_row(b"nonsense", signature="abc", detail="file.ndjson:7"),
        new_row(event(1), reason="bad_signature", signature="abc", transport="sqs"),
        new_row(event(2), source="picky"),
    ]
    writer = await left_behind(tmp_path / "journal", given_rows)
    said = rolled(tmp_path / "journal", zone, {"picky": Expected(None, "another")})
    assert parts(zone) == [("landing", "2025-11-24", 1, 3, 0), ("quarantine", "2025-11-24", 1, 3, 3)]
    found = read_part(zone.quarantine, list_parts(zone.quarantine)[0]).to_pylist()
    assert [
        (row["writer"], row["seq"], row["source"], row["transport"], row["signature"], row["reason"], row["body"]) for row in found
    ] == [
        (writer, 1, "acme", "webhook", "abc", "not_json", b"nonsense"),
        (writer, 2, "acme", "sqs", "abc", "bad_signature", event(1)),
        (writer, 3, "picky", "webhook", None, "wrong_company", event(2)),
    ]
    assert found[0]["detail"].startswith("file.ndjson:7: ")
    [landed] = [message for message in said if isinstance(message, Landed)]
    assert (landed.parts, landed.rows, landed.quarantined) == (1, 3, {"not_json": 1, "bad_signature": 1, "wrong_company": 1})


@looped
async def test_every_reason_of_a_body_is_known(tmp_path: Path, zone: Zone) -> None:
    bodies = [b"", b"[]", b"{}", b'{"type":"x"}', b'{"type":"call:start","time":1764000000000}', event(1, id="")]
    await left_behind(tmp_path / "journal", [new_row(body) for body in bodies])
    rolled(tmp_path / "journal", zone)
    reasons = read_part(zone.quarantine, list_parts(zone.quarantine)[0], ["reason"])["reason"].to_pylist()
    assert reasons == ["not_json", "not_object", "no_type", "no_time", "no_company", "no_id"]
    assert set(reasons) <= set(Reason)


@looped
async def test_many_rows_are_cut_at_30_000(tmp_path: Path, zone: Zone) -> None:
    await left_behind(tmp_path / "journal", *([new_row(b'{"type":"t","time":1764000000000}')] * 6000 for _ in range(6)))
    rolled(tmp_path / "journal", zone)
    assert parts(zone) == [("landing", "2025-11-24", 1, 30_000, 30_000), ("landing", "2025-11-24", 30_001, 36_000, 6_000)]


@looped
async def test_a_dead_writers_files_are_reported_landed_and_unlinked(tmp_path: Path, zone: Zone) -> None:
    journal = tmp_path / "journal"
    limits = type(ROOMY)(3600, 10, 1 << 26, 1 << 40)
    reports = []
    for n in range(2):
        reports.append(await left_behind(journal, [new_row(event(n))], limits=limits))
    said = rolled(journal, zone)
    found = [file for message in said if isinstance(message, Found) for file in message.files]
    assert sorted((file.name.writer, file.rows) for file in found if file.rows) == sorted((writer, 1) for writer in reports)
    assert list(journal.iterdir()) == []


@looped
async def test_a_living_writers_files_are_left_alone(tmp_path: Path, zone: Zone) -> None:
    journal = tmp_path / "journal"
    writer = await left_behind(journal, [new_row(event(1))])
    with contextlib.closing(WriterLock.take(journal, writer)):
        assert rolled(journal, zone) == []
        assert journal_files(journal) != []
    assert rolled(journal, zone) != []


@pytest.mark.parametrize(
    "place",
    ["part_half_written", "part_before_link", "part_after_link", "roller_after_quarantine", "roller_between_parts", "roller_before_unlink"],
)
@pytest.mark.parametrize("visit", [1, 2])
def test_an_error_at_any_place_is_repaired_by_trying_again(place: str, visit: int, tmp_path: Path, zone: Zone) -> None:
    times = [MIDNIGHT - 1, MIDNIGHT - 1, MIDNIGHT, MIDNIGHT]
    batch = [new_row(body, received_at=at) for body, at in zip([event(1), b"x", event(2), b"y"], times, strict=True)]
    asyncio.run(left_behind(tmp_path / "journal", batch))
    failpoints.arm(f"{place}:raise:{visit}")
    rolled(tmp_path / "journal", zone)
    assert parts(zone) == [
        ("landing", "2026-11-24", 1, 2, 1),
        ("landing", "2026-11-25", 3, 4, 1),
        ("quarantine", "2026-11-24", 1, 2, 1),
        ("quarantine", "2026-11-25", 3, 4, 1),
    ]
    assert list((tmp_path / "journal").iterdir()) == []


def interrupted(folder: Path, zone: Zone, place: str, expected: Mapping[str, Expected]) -> None:
    """A roller that dies at a place."""
    failpoints.arm(f"{place}:raise")
    roller = Roller(folder, zone, expected, lambda message: None)
    roller.take_dead()
    with pytest.raises((OSError, CallfactsError)):
        roller.land_next()
    failpoints.arm("")
    for writer in roller._writers.values():
        writer.lock.close()


STRICT = {"acme": Expected(None, "another")}


@looped
async def test_a_quarantine_part_that_exists_is_the_decision_under_any_configuration(tmp_path: Path, zone: Zone) -> None:
    await left_behind(tmp_path / "journal", [new_row(event(1)), new_row(event(2, company="another"))])
    interrupted(tmp_path / "journal", zone, "roller_after_quarantine", STRICT)
    rolled(tmp_path / "journal", zone, {})
    assert parts(zone) == [("landing", "2025-11-24", 1, 2, 1), ("quarantine", "2025-11-24", 1, 2, 1)]


@looped
async def test_what_a_decision_lets_land_lands_though_the_configuration_would_refuse_it_by_now(tmp_path: Path, zone: Zone) -> None:
    await left_behind(tmp_path / "journal", [new_row(event(1)), new_row(b"nonsense")])
    interrupted(tmp_path / "journal", zone, "roller_after_quarantine", {})
    rolled(tmp_path / "journal", zone, STRICT)
    assert parts(zone) == [("landing", "2025-11-24", 1, 2, 1), ("quarantine", "2025-11-24", 1, 2, 1)]


@looped
async def test_a_range_that_is_landed_is_not_judged_again(tmp_path: Path, zone: Zone) -> None:
    await left_behind(tmp_path / "journal", [new_row(event(1))])
    interrupted(tmp_path / "journal", zone, "roller_before_unlink", {})
    rolled(tmp_path / "journal", zone, STRICT)
    assert parts(zone) == [("landing", "2025-11-24", 1, 1, 1)]
    assert list((tmp_path / "journal").iterdir()) == []


@looped
async def test_a_range_within_a_compacted_part_is_landed(tmp_path: Path, zone: Zone) -> None:
    times = [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT - 1]
    await left_behind(tmp_path / "journal", [new_row(event(n), received_at=at) for n, at in enumerate(times)])
    interrupted(tmp_path / "journal", zone, "roller_before_unlink", {})
    pieces = {part.name.first: read_part(zone.landing, part) for part in list_parts(zone.landing)}
    wide = PartName(list_parts(zone.landing)[0].name.writer, 1, 2)
    import pyarrow as pa

    write_part(zone.landing, pa.concat_tables([pieces[1], pieces[2]]).cast(LANDING_SCHEMA), date=DAY_2, name=wide)
    for part in list_parts(zone.landing):
        if part.name.first == 2:
            zone.landing.delete(part.key)
    rolled(tmp_path / "journal", zone)
    assert {(part.name.first, part.name.last) for part in list_parts(zone.landing)} == {(1, 2), (3, 3)}


@looped
async def test_a_part_of_that_name_with_other_rows_is_never_overwritten_and_the_journal_stays(tmp_path: Path, zone: Zone) -> None:
    journal = tmp_path / "journal"
    writer = await left_behind(journal, [new_row(event(1))])
    said: list[Any] = []
    roller = Roller(journal, zone, {}, said.append)
    roller.take_dead()
    roller._writers[writer].fresh = True  # so that the listing does not tell it beforehand
    other = await left_behind(tmp_path / "other", [new_row(event(2))])
    rolled(tmp_path / "other", open_zone(Storage(root=str(tmp_path / "elsewhere"))))
    del other
    table = landing_table(writer, []).cast(LANDING_SCHEMA)
    write_part(zone.landing, table, date=date(2025, 11, 24), name=PartName(writer, 1, 1))
    assert roller.land_next() is False
    assert [type(message).__name__ for message in said] == ["Found", "Failed"]
    assert journal_files(journal) != []
    assert roller.left == 1
