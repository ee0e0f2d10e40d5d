"""One build: what counts, what it says, what it refuses, and that the published file stays whole."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingest.config import Config
from ingest.errors import BuildError, DamagedPart, LockHeld
from ingest.layout import LANDING_SCHEMA, PartName, Reason
from ingest.parts import list_parts, write_part
from ingest.rejections import Rejection, put_rejections
from ingest.storage import open_zone
from tests.builders import MONDAY, agent, call, customer, event
from tests.landing import configured, land
from tests.transforms.published import column, difference, rows_of
from transforms.build import Built, build
from transforms.warehouse import building

AS_OF = MONDAY + timedelta(hours=9)


def built(config: Config, as_of: datetime = AS_OF, *, full: bool = False) -> Built:
    return build(config, lambda: datetime.now(UTC), as_of=as_of, full=full)


def a_call(call_id: str = "c_1", **fields: Any) -> list[Any]:
    return call(call_id=call_id, ring=12_000, talk=95_000, **fields).events()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path / "data")


def warehouse(config: Config) -> Path:
    return config.storage.warehouse_path


# ---------------------------------------------------------------- what counts


def test_a_call_goes_from_landing_to_the_published_table(config: Config) -> None:
    land(config, a_call())
    done = built(config)
    assert (done.mode, done.files, done.events, done.calls) == ("full", 1, 3, 1)
    with duckdb.connect(str(warehouse(config)), read_only=True) as con:
        row = con.sql("select call_id, outcome, ring_ms, talk_ms, event_count, delivery_count from calls").fetchall()
    assert row == [("c_1", "answered", 12_000, 95_000, 3, 3)]


def test_nothing_landed_is_an_empty_warehouse(config: Config) -> None:
    built(config)
    assert column(warehouse(config), "select count(*) from calls") == [0]
    assert column(warehouse(config), "select count(*) from end_causes")[0] > 50


def test_each_delivery_counts_once_whatever_overlaps(config: Config) -> None:
    events = a_call()
    land(config, events)
    land(config, events[:2], received_at=datetime(2026, 11, 3, tzinfo=UTC))  # superseded
    land(config, [*events[1:], *a_call("c_2")], first=2)  # overlaps, neither within the other
    built(config)
    assert column(warehouse(config), "select delivery_count from calls order by call_id") == [3, 3]


def test_a_second_delivery_changes_only_what_counts_deliveries(config: Config) -> None:
    land(config, a_call())
    built(config)
    before = rows_of(warehouse(config), "call_states", "call_legs", "call_events")
    land(config, a_call(), first=4)
    assert built(config).mode == "incremental"
    assert rows_of(warehouse(config), *before) == before
    assert column(warehouse(config), "select delivery_count from calls") == [6]


def test_a_lower_part_that_shows_up_later_is_taken(config: Config) -> None:
    start, *rest = a_call()
    land(config, rest, first=2)
    built(config)
    assert column(warehouse(config), "select has_start from calls") == [False]
    land(config, [start])
    done = built(config)
    assert (done.mode, done.files, done.events, done.calls) == ("incremental", 1, 1, 1)
    assert column(warehouse(config), "select has_start from calls") == [True]


def test_a_call_turns_lost_without_an_event(config: Config) -> None:
    land(config, a_call()[:2])
    last = a_call()[1]["time"]
    four_hours = datetime.fromtimestamp(last / 1000, UTC) + timedelta(hours=4)
    for as_of, outcome in ((four_hours - timedelta(milliseconds=1), "in_progress"), (four_hours, "lost"), (AS_OF, "lost")):
        built(config, as_of)
        assert column(warehouse(config), "select outcome from calls") == [outcome]
    assert built(config, four_hours - timedelta(milliseconds=1)).mode == "incremental"
    assert column(warehouse(config), "select outcome from calls") == ["in_progress"]


def test_calls_lie_in_order_of_started_at(config: Config) -> None:
    for n in range(5):
        land(config, a_call(f"c_{n}", started_at=MONDAY + timedelta(minutes=(n * 7) % 5)), first=n * 3 + 1)
    built(config)
    started = column(warehouse(config), "select started_at from calls")
    assert started == sorted(started)


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_tables_put_in_order_slice_by_slice_are_the_same_in_the_same_order(
    config: Config, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    rng = random.Random(at_once)
    # several at one instant, so that a slice's border falls between equal times
    events = [sent for n in range(30) for sent in a_call(f"c_{n:02d}", started_at=MONDAY + timedelta(minutes=rng.randrange(6)))]
    vendor = [event("call:completed", MONDAY, call_id=f"c_{n:02d}", flows=[{"flowIndex": 0}]) for n in range(30)]
    land(config, [*rng.sample(events, len(events)), *vendor])
    names = ("calls", "call_states", "call_legs", "call_events", "vendor_calls")

    def stored() -> dict[str, list[Any]]:
        built(config, full=True)
        with duckdb.connect(str(warehouse(config)), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            return {name: con.sql(f"from {name} order by rowid").fetchall() for name in names}

    monkeypatch.setattr("transforms.engine.local.BUCKET_ROWS", 25)
    expected = stored()
    monkeypatch.setattr("transforms.warehouse.SORTED_AT_ONCE", at_once)
    assert stored() == expected
    assert [len(rows) for rows in expected.values()] == [30, 60, 30, 90, 30]


def test_quarantine_rows_count_once_their_number_has_landed(config: Config) -> None:
    zone = open_zone(config.storage)
    land(config, [b"not json", *a_call()])
    part = list_parts(zone.landing)[0]
    content = zone.landing.read(part.key)
    zone.landing.delete(part.key)
    built(config)
    assert rows_of(warehouse(config), "quarantine") == {"quarantine": []}
    zone.landing.put(part.key, content)
    built(config)
    assert column(warehouse(config), "select reason from quarantine") == [str(Reason.NOT_JSON)]


def test_rejections_are_added_up(config: Config) -> None:
    store, day = open_zone(config.storage).rejections, date(2026, 11, 2)
    put_rejections(store, "a" * 32, [Rejection("acme", "bad_signature", day, 2)])
    put_rejections(store, "b" * 32, [Rejection("acme", "bad_signature", day, 3), Rejection("acme", "too_large", day, 1)])
    built(config)
    assert rows_of(warehouse(config), "rejections")["rejections"] == [
        ("acme", "bad_signature", day, 5),
        ("acme", "too_large", day, 1),
    ]


# ---------------------------------------------------------------- what it says


def test_unlisted_statuses_and_unknown_types_are_named_with_their_count(config: Config) -> None:
    odd = {"type": "call:live:transcription", "id": "c_1", "company": "c", "time": 1_772_442_000_000}
    land(config, [*call(call_id="c_1", ring=1, talk=1).events(), odd, odd, odd | {"data": {"x": 1}}])
    land(config, [event | {"data": event["data"] | {"status": "PARKED"}} for event in a_call("c_2")], first=100)
    done = built(config)
    assert (done.unlisted_statuses, done.unknown_types) == ({"PARKED": 3}, {"call:live:transcription": 2})
    kept = column(warehouse(config), "select unknown_types['call:live:transcription'] from builds")
    assert kept == [2]
    assert built(config).unlisted_statuses == {"PARKED": 3}


def test_builds_are_remembered_also_by_a_full_one(config: Config) -> None:
    land(config, a_call())
    built(config)
    built(config)
    built(config, full=True)
    assert column(warehouse(config), "select mode from builds order by started_at") == ["full", "incremental", "full"]
    assert column(warehouse(config), "select as_of from builds") == [AS_OF] * 3


def test_every_table_and_column_has_its_comment(config: Config) -> None:
    built(config)
    query = "select table_name || '.' || column_name from duckdb_columns() where comment is null and not internal and schema_name = 'main'"
    assert column(warehouse(config), query) == []


# ---------------------------------------------------------------- when it begins afresh


def reason_of(config: Config) -> str:
    return built(config).reason


def test_a_range_that_is_gone_is_a_full_build(config: Config) -> None:
    first = land(config, a_call())
    land(config, a_call("c_2"), first=4)
    built(config)
    open_zone(config.storage).landing.delete(first.key)
    assert reason_of(config) == f"numbers 1 to 3 of writer {first.name.writer} are gone from the landing zone"
    assert column(warehouse(config), "select call_id from calls") == ["c_2"]


def test_a_changed_list_of_phases_is_a_full_build(config: Config, tmp_path: Path) -> None:
    land(config, a_call())
    built(config)
    own = tmp_path / "phases.csv"
    own.write_text("status,phase\nTALKING,ringing\nCONNECTING,ringing\nRINGING,ringing\n")
    changed = configured(tmp_path / "data", call_phases=str(own))
    assert reason_of(changed) == "the list of call phases has changed"
    assert column(warehouse(config), "select outcome from calls") == ["no_answer"]
    assert built(changed).mode == "incremental"


@pytest.mark.parametrize("which", ["events.duckdb", "facts.duckdb"])
@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" * 300])
def test_damaged_files_of_the_builder_are_a_full_build(config: Config, which: str, content: bytes) -> None:
    land(config, a_call())
    built(config)
    before = rows_of(warehouse(config))
    (config.storage.root_path / "build" / which).write_bytes(content)
    done = built(config)
    assert (done.mode, done.reason != "") == ("full", True)
    found = rows_of(warehouse(config))
    assert found == before, difference(found, before)


@pytest.mark.parametrize("which", ["events.duckdb", "facts.duckdb"])
@pytest.mark.parametrize("first", [3, 4, 20, 70, 100])
def test_flipped_bits_in_the_builders_files_are_a_full_build(config: Config, which: str, first: int) -> None:
    land(config, a_call())
    built(config)
    before = rows_of(warehouse(config))
    path = config.storage.root_path / "build" / which
    content = bytearray(path.read_bytes())
    for place in range(4096 * first, len(content), 4096):
        content[place] ^= 0xFF
    path.write_bytes(content)
    built(config)  # it may not meet them: then it goes on, and the facts are right all the same
    found = rows_of(warehouse(config))
    assert found == before, difference(found, before)


def test_files_of_two_builds_are_not_used_together(config: Config) -> None:
    land(config, a_call())
    built(config)
    files = [config.storage.root_path / "build" / name for name in ("events.duckdb", "events.duckdb.wal")]
    old = [path.read_bytes() for path in files]
    built(config, full=True)
    for path, content in zip(files, old, strict=True):
        path.write_bytes(content)
    assert reason_of(config) == "events.duckdb and facts.duckdb are not of one build"


# ---------------------------------------------------------------- the published file


def test_a_damaged_part_is_named_and_the_published_file_stays(config: Config) -> None:
    land(config, a_call())
    built(config)
    before = warehouse(config).read_bytes()
    part = land(config, a_call("c_2"), first=4)
    path = config.storage.root_path / "landing" / part.key
    path.write_bytes(path.read_bytes()[:-20])
    for full in (False, True):
        with pytest.raises(DamagedPart, match=str(part.name)):
            built(config, full=full)
        assert warehouse(config).read_bytes() == before


def test_the_published_file_is_read_only_and_nothing_lies_beside_it(config: Config) -> None:
    land(config, a_call())
    built(config)
    assert stat.S_IMODE(warehouse(config).stat().st_mode) == 0o444
    assert sorted(path.name for path in config.storage.root_path.iterdir()) == ["build", "landing", "warehouse.duckdb"]
    left = {path.name for path in (config.storage.root_path / "build").iterdir()} - {"events.duckdb.wal"}
    assert left == {"events.duckdb", "facts.duckdb", "lock"}


def test_an_analyst_who_wrote_into_it_neither_blocks_nor_spoils_the_next(config: Config) -> None:
    land(config, a_call())
    built(config)
    warehouse(config).chmod(0o644)
    with duckdb.connect(str(warehouse(config))) as con:
        con.execute("create table mine as select 1")
        assert warehouse(config).with_suffix(".duckdb.wal").exists()
        built(config)
    assert not warehouse(config).with_suffix(".duckdb.wal").exists()
    assert column(warehouse(config), "select count(*) from calls") == [1]


def test_a_reader_goes_on_with_the_file_it_opened(config: Config) -> None:
    land(config, a_call())
    built(config)
    with duckdb.connect(str(warehouse(config)), read_only=True) as con:
        land(config, a_call("c_2"), first=4)
        built(config)
        assert con.sql("select count(*) from calls").fetchall() == [(1,)]
    assert column(warehouse(config), "select count(*) from calls") == [2]


def test_the_file_opens_under_any_name_views_and_macros_too(config: Config) -> None:
    land(config, a_call())
    built(config)
    with duckdb.connect() as con:
        con.execute(f"attach '{warehouse(config)}' as elsewhere (read_only)")
        con.execute("use elsewhere")
        assert con.sql("select count(*) from reconciliation").fetchall() == [(0,)]
        assert con.sql("select share(1, 4)").fetchall() == [(0.25,)]


def test_two_builds_at_once_the_second_refuses_with_the_holders_pid(config: Config) -> None:
    with building(config.storage.root_path / "build", pid=4321), pytest.raises(LockHeld, match="pid 4321"):
        built(config)


def test_too_little_memory_is_one_line(config: Config, tmp_path: Path) -> None:
    land(config, a_call())
    with pytest.raises(BuildError, match="memory_limit"):
        built(configured(tmp_path / "data", memory_limit="1MB"))


# ---------------------------------------------------------------- killed


@pytest.mark.parametrize(
    "point", ["events_taken", "facts_before_commit", "facts_after_commit", "publish_before_rename", "publish_after_rename"]
)
def test_kill_leaves_the_old_file_and_the_next_build_is_right(config: Config, tmp_path: Path, point: str) -> None:
    land(config, a_call())
    built(config)
    before = rows_of(warehouse(config))
    land(config, a_call("c_2", caller=customer(), callee=agent("205")), first=4)
    environ = os.environ | {"CALLFACTS_DATA": config.storage.root, "CALLFACTS_FAILPOINT": point}
    killed = subprocess.run(
        [sys.executable, "-m", "transforms.cli", "build", "--as-of", AS_OF.isoformat()], env=environ, capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL
    if point != "publish_after_rename":
        assert rows_of(warehouse(config)) == before
    assert built(config).mode == "incremental"
    elsewhere = configured(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "landing").symlink_to(config.storage.root_path / "landing")
    built(elsewhere)
    found, expected = rows_of(warehouse(config)), rows_of(warehouse(elsewhere))
    assert found == expected, difference(found, expected)
    assert not list(config.storage.root_path.glob("*.tmp")) and not list(config.storage.root_path.glob(".*.tmp"))


def test_an_empty_part_still_counts_as_taken(config: Config) -> None:
    zone = open_zone(config.storage)
    write_part(zone.landing, LANDING_SCHEMA.empty_table(), date=date(2026, 11, 2), name=PartName("c" * 32, 1, 9))
    built(config)
    done = built(config)
    assert (done.mode, done.files) == ("incremental", 0)
