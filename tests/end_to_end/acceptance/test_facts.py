"""Events in, tables out: every published row against an oracle that knows nothing of the product. (CONTRACT §6)

`ACCEPTANCE_SEEDS=20 pytest …` runs the random cases over so many seeds.
"""

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.acceptance.adversary import AS_OF_MS, BOUNDARY_MS, HOUR_MS, T0, Adversary
from tests.end_to_end.acceptance.house import SOURCES, House, compare, query, sign
from tests.end_to_end.acceptance.oracle import event_uid, facts_of, refusal

SEEDS = range(int(os.environ.get("ACCEPTANCE_SEEDS", "1")))
AS_OF_US = AS_OF_MS * 1000
TWO_SOURCES = (
    SOURCES
    + """
[[sources]]
name = "second"
transport = "webhook"
secrets = ["acceptance-secret-2"]
"""
)


def body(kind: str, name: str, t: int, data: Any = None, **more: Any) -> bytes:
    return orjson.dumps(
        {"id": name, "pbx": "000000000001", "company": "it_w100001", "time": t, "type": kind, "integrationId": "abc123", "data": data}
        | more
    )


def ndjson(bodies: list[bytes]) -> list[bytes]:
    assert not any(b"\n" in one for one in bodies)
    return bodies


@pytest.mark.parametrize("oddness", [pytest.param(0.001, marks=pytest.mark.slow), 0.03])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_build_gives_every_row_that_the_contract_gives(tmp_path: Path, seed: int, oddness: float) -> None:
    house = House(tmp_path)
    sent = ndjson(Adversary(1000 + seed, oddness=oddness).bodies(150, 120))
    house.load(sent)

    house.build(as_of_us=AS_OF_US, full=True)

    assert sorted(one.body for one in house.landed()) == sorted(sent)
    compare(house.oracle(as_of_us=AS_OF_US), house.warehouse)


@pytest.mark.parametrize("seed", SEEDS)
def test_incremental_builds_over_random_slices_give_the_rows_of_a_full_one(tmp_path: Path, seed: int) -> None:
    """Slices by load and by webhook, through two sources, with an as-of that jumps to and fro."""
    house = House(tmp_path, TWO_SOURCES)
    rng = Random(seed)
    sent = Adversary(2000 + seed, oddness=0.02).bodies(120, 100, duplicates=0.4)
    cuts = sorted(rng.sample(range(len(sent)), 2))
    slices = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    for i, some in enumerate(slices):
        source = rng.choice(("acme", "second"))
        if i % 2 == 0:
            with house.serving() as server:
                secret = {"acme": "acceptance-secret-1", "second": "acceptance-secret-2"}[source]
                assert set(server.post_all(some, source=source, secret=secret)) <= {200}
                assert server.stop() == 0
        else:
            house.load(some, source=source, zipped=True)
        as_of_us = AS_OF_US if i == len(slices) - 1 else AS_OF_US + rng.choice((-5, 0, 3, 100)) * HOUR_MS * 1000
        house.build(as_of_us=as_of_us)
        compare(house.oracle(as_of_us=as_of_us), house.warehouse)
    assert sorted(one.body for one in house.landed()) == sorted(sent)
    expected = house.oracle(as_of_us=AS_OF_US)

    modes = [mode for (mode,) in house.query("select mode from builds order by started_at")]
    assert modes[-1] == "incremental", modes
    house.build(as_of_us=AS_OF_US, full=True)
    compare(expected, house.warehouse)


@pytest.mark.slow
def test_order_and_repetition_change_no_fact(tmp_path: Path) -> None:
    """The same events in another order, other spellings and other numbers of copies: equal but for arrival."""
    first, second = House(tmp_path / "first"), House(tmp_path / "second", TWO_SOURCES)
    writer = Adversary(7, oddness=0.01)
    events = writer.events(60, 60)
    first.load([writer.body(event) for event in events])
    again = [writer.body(event) for event in events * 2]
    writer.rng.shuffle(again)
    second.load(again[: len(again) // 2], source="second")
    second.load(again[len(again) // 2 :], source="acme")
    for house in (first, second):
        house.build(as_of_us=AS_OF_US)
    arrival = {"received_at", "source", "integration_id", "writer", "seq", "delivery_count", "first_received_at", "last_received_at"}
    tables = (
        "calls",
        "call_states",
        "call_legs",
        "queue_visits",
        "call_events",
        "presence_intervals",
        "conference_events",
        "vendor_calls",
        "people",
    )
    expected = {name: [{k: v for k, v in row.items() if k not in arrival} for row in first.table(name)] for name in tables}
    found = {name: [{k: v for k, v in row.items() if k not in arrival} for row in second.table(name)] for name in tables}

    for name in tables:
        assert sorted(map(repr, expected[name])) == sorted(map(repr, found[name])), name
    assert expected["calls"]


def test_a_call_becomes_lost_at_exactly_four_hours_and_only_the_as_of_time_decides(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.load(
        [body("call:start", "c1", BOUNDARY_MS, {"status": "RINGING"}), body("call:update", "c2", BOUNDARY_MS, {"status": "TALKING"})]
    )
    for as_of_us, outcome in (
        (AS_OF_US - 1, "in_progress"),
        (AS_OF_US, "lost"),
        (AS_OF_US - 1000, "in_progress"),
    ):
        house.build(as_of_us=as_of_us)
        assert house.query("select call_id, outcome from calls order by all") == [("c1", outcome), ("c2", outcome)], as_of_us


def test_the_vendors_own_example_is_a_rejected_internal_call(tmp_path: Path) -> None:
    house = House(tmp_path)
    guide = Path(__file__).parents[2] / "golden" / "vendor_guide.ndjson"
    house.load(guide.read_bytes().splitlines())
    house.build(as_of_us=AS_OF_US)

    assert house.query(
        "select basis, direction, duration_ms, ring_ms, talk_ms, hold_ms, other_ms, wait_ms, end_cause, end_cause_text, end_cause_name, "
        "end_cause_category, ended_by, outcome, event_count, delivery_count, leg_count, answered_by_at, abandoned, has_start, tags, "
        "queue_name from calls"
    ) == [
        (
            "call",
            "internal",
            2801,
            2801,
            0,
            0,
            0,
            2801,
            "21",
            "Call Rejected",
            "Call rejected",
            "rejected",
            "caller",
            "rejected",
            3,
            3,
            1,
            None,
            True,
            True,
            [],
            None,
        )
    ]
    assert house.query("select leg, callee_phone, ring_ms, answered from call_legs") == [(0, "10020", 2801, False)]
    assert house.query("select seq, status, phase, duration_ms from call_states order by seq") == [
        (0, "CONNECTING", "ringing", 0),
        (1, "CONNECTING", "ringing", 2801),
    ]


@pytest.mark.slow
def test_ten_thousand_events_of_one_call(tmp_path: Path) -> None:
    house = House(tmp_path)
    rng = Random(5)
    parties: list[Any] = [None, {}, {"userId": "u1", "type": "LOCAL", "userExtension": "201"}, {"phone": "+15550100", "type": "REMOTE"}]
    sent = [
        body(
            "call:update",
            "big",
            T0 + i // 3,
            {
                "status": rng.choice(("RINGING", "TALKING", "HOLD", "x")),
                "callee": rng.choice(parties),
                "queueName": rng.choice(("a", "b", None, None)),
            },
        )
        for i in range(9_999)
    ]
    sent.append(body("call:end", "big", T0 + 9_999, {"endBy": "CALLER"}))
    house.load(rng.sample(sent, len(sent)))
    house.build(as_of_us=AS_OF_US)

    compare(house.oracle(as_of_us=AS_OF_US), house.warehouse)
    assert house.query("select event_count from calls") == [(len({event_uid(orjson.loads(one)) for one in sent}),)]


@pytest.mark.slow
def test_received_at_source_and_integration_are_those_of_the_first_delivery(tmp_path: Path) -> None:
    house = House(tmp_path, TWO_SOURCES)
    event = orjson.loads(body("call:start", "c1", T0, {"status": "RINGING"}))
    house.load([orjson.dumps(event | {"integrationId": "one"})], source="second")
    house.build(as_of_us=AS_OF_US)
    house.load([orjson.dumps(event | {"integrationId": "two"})], source="acme")
    house.build(as_of_us=AS_OF_US)

    assert house.query("select source, integration_id from call_events") == [("second", "one")]
    assert house.query("select event_count, delivery_count, last_received_at > first_received_at from calls") == [(1, 2, True)]


@pytest.mark.slow
def test_an_own_list_of_phases_stands_in_place_of_the_shipped_one(tmp_path: Path) -> None:
    house = House(tmp_path, SOURCES + '\n[transforms]\ncall_phases = "own.csv"\n')
    own = tmp_path / "own.csv"
    own.write_text("status,phase\nPIPPO,talking\n")
    house.load(
        [
            body("call:start", "c1", T0, {"status": "RINGING"}),
            body("call:update", "c1", T0 + 5, {"status": "pippo"}),
            body("call:end", "c1", T0 + 9, {}),
        ]
    )
    said = house.run("transforms", "build")
    assert said.returncode == 0
    assert "RINGING" in said.stdout + said.stderr, "a build names each status that the list in force lacks"
    assert house.query("select other_ms, talk_ms, ring_ms from calls") == [(5, 4, 0)]

    own.write_text("status,phase\nPIPPO,held\nRINGING,ringing\n")
    house.ok("transforms", "build")

    assert house.query("select other_ms, talk_ms, hold_ms, ring_ms from calls") == [(0, 0, 4, 5)]
    assert house.query("select mode from builds order by started_at desc limit 1") == [("full",)], "a changed list means a full build"


def columns() -> dict[str, list[tuple[str, str]]]:
    """Tables of the contract: columns in its order, each with its type."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in Path(__file__).with_name("columns.txt").read_text().splitlines():
        if line.startswith("["):
            found[table := line.strip("[]")] = []
        elif line and not line.startswith("#"):
            name, kind = line.split(" ", 1)
            found[table].append((name, kind))
    return found


COLUMNS = columns()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("small"))
    house.load(
        [
            body("call:start", "c1", T0, {"status": "RINGING"}),
            body("call:end", "c1", T0 + 5, {}),
            body("call:live:transcription", "c1", T0),
            body("call:live:transcription", "c1", T0 + 1),
            body("chat:message", "c1", T0),
            b"nonsense",
        ]
    )
    house.ok("transforms", "build", "--full", "--as-of", "2025-10-09T12:00:00+02:00")
    return house


def test_columns_are_the_contracts_in_its_order_with_its_types(small: House) -> None:
    for table in COLUMNS:
        assert small.query(f"select column_name, column_type from (describe {table})") == COLUMNS[table], table


def test_every_table_and_column_has_a_comment(small: House) -> None:
    ours = "comment is null and database_name = 'w' and schema_name = 'main' and not internal"
    assert small.query(f"select table_name from duckdb_tables() where {ours}") == []
    assert small.query(f"select table_name, column_name from duckdb_columns() where {ours}") == []


def test_a_build_says_what_it_was(small: House) -> None:
    assert small.query("select epoch_ms(as_of), mode, engine, files, events, calls_changed, started_at <= finished_at from builds") == [
        (1_760_004_000_000, "full", "polars", 1, 5, 1, True)
    ]
    assert small.query("select map_entries(unknown_types) from builds") == [
        ([{"key": "call:live:transcription", "value": 2}, {"key": "chat:message", "value": 1}],)
    ]


def test_the_quarantine_is_a_table_too(small: House) -> None:
    assert small.query("select source, transport, reason, length(writer), seq from quarantine") == [("acme", "load", "not_json", 32, 6)]
    detail = small.query("select detail from quarantine")[0][0]
    assert "load.ndjson" in detail and "6" in detail, "file and line"


def test_the_warehouse_is_published_whole_read_only_and_without_a_wal(small: House) -> None:
    assert small.warehouse.stat().st_mode & 0o777 == 0o444
    assert not small.warehouse.with_name("warehouse.duckdb.wal").exists()
    before = small.warehouse.stat().st_ino
    wal = small.warehouse.with_name("warehouse.duckdb.wal")
    wal.write_bytes(b"left by a stranger")

    small.ok("transforms", "build", "--full", "--as-of", "2025-10-09T12:00:00+02:00")

    assert not wal.exists()
    assert small.warehouse.stat().st_ino != before, "a new file, renamed in place"
    assert small.warehouse.stat().st_mode & 0o777 == 0o444
    assert query(small.warehouse, "select count(*) from calls") == [(1,)]


def test_duckdb_1_4_can_read_the_published_file(small: House) -> None:
    """The storage version of a file stands behind its magic bytes: DuckDB 1.4 reads up to 67."""
    head = small.warehouse.read_bytes()[:32]
    assert head[8:12] == b"DUCK"
    assert int.from_bytes(head[12:20], "little") <= 67


def test_an_empty_landing_zone_gives_empty_tables(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.ok("transforms", "build")

    assert [house.query(f"select count(*) from {name}")[0][0] for name in COLUMNS if name not in ("end_causes", "builds")] == [0] * 11
    assert house.query("select count(*) from end_causes") == [(71,)]


@pytest.mark.slow
def test_a_damaged_part_fails_the_build_by_name_and_leaves_the_published_file(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.load([body("call:start", "c1", T0)])
    house.ok("transforms", "build")
    before = house.warehouse.read_bytes()
    house.load([body("call:start", "c2", T0)])
    part = max(house.parts(), key=lambda path: path.stat().st_mtime_ns)
    whole = part.read_bytes()
    part.chmod(0o644)
    part.write_bytes(whole[: len(whole) // 2])

    for mode in ([], ["--full"]):
        done = house.run("transforms", "build", *mode)
        assert done.returncode == 1
        assert part.name in done.stderr and "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert house.warehouse.read_bytes() == before

    part.write_bytes(whole)
    house.ok("transforms", "build")
    assert house.query("select count(*) from calls") == [(2,)]


@pytest.mark.slow
def test_overlapping_parts_count_each_delivery_once_and_strangers_files_count_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    for i in range(3):
        house.load([body("call:start", f"c{i}", T0), body("call:end", f"c{i}", T0 + 5, {})])
    part = house.parts()[0]
    other_day = part.parent.parent / "received_date=2099-01-01"
    other_day.mkdir()
    shutil.copy(part, other_day / part.name)
    for name in ("x.parquet", f"{part.name}.tmp", ".abc.tmp", part.name.upper(), "notes.txt", part.name.replace("-", "_")):
        (part.parent / name).write_bytes(b"not parquet at all")
    house.ok("transforms", "build", "--as-of", "2025-10-09T12:00:00Z")

    assert house.query("select call_id, event_count, delivery_count from calls order by all") == [(f"c{i}", 2, 2) for i in range(3)]


@pytest.mark.parametrize("bad", ["yesterday", "2025-13-01", "", "1760000000"])
def test_a_bad_as_of_is_bad_usage(tmp_path: Path, bad: str) -> None:
    done = House(tmp_path).run("transforms", "build", "--as-of", bad)

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


@pytest.mark.slow
def test_parts_that_overlap_by_half_count_each_delivery_once_whenever_they_appear(tmp_path: Path) -> None:
    """Ranges 1–6, cut anew into 1–4 and 3–6; the upper one comes first, the lower one after a build has taken the upper."""
    house = House(tmp_path)
    house.load([body("call:update", f"c{i % 2}", T0 + i, {"status": "RINGING"}) for i in range(6)])
    part = house.parts()[0]
    whole = pq.ParquetFile(part).read()
    house.load([body("call:start", "c9", T0)])
    part.unlink()

    def land(first: int, last: int) -> None:
        pq.write_table(whole.slice(first - 1, last - first + 1), part.with_name(f"{part.name[:32]}-{first:012d}-{last:012d}.parquet"))

    for first, last in ((3, 6), (1, 4), (2, 5), (1, 6)):
        land(first, last)
        house.build(as_of_us=AS_OF_US)
        compare(house.oracle(as_of_us=AS_OF_US), house.warehouse)
    assert house.query("select call_id, event_count, delivery_count from calls order by all") == [("c0", 3, 3), ("c1", 3, 3), ("c9", 1, 1)]
    assert house.query("select list(mode order by started_at) from builds") == [(["full", "incremental", "incremental", "incremental"],)]


@pytest.mark.slow
def test_the_same_body_by_load_and_by_webhook_is_one_event(tmp_path: Path) -> None:
    house = House(tmp_path)
    one = body("call:start", "c1", T0, {"status": "RINGING"})
    house.load([one])
    with house.serving() as server:
        assert server.request("POST", "/webhook/acme", one, {"X-Signature": sign(one)})[0] == 200
        assert server.stop() == 0
    house.build(as_of_us=AS_OF_US)

    assert house.query("select event_count, delivery_count from calls") == [(1, 2)]


def test_the_oracle_itself_on_cases_worked_out_by_hand() -> None:
    """An oracle that nobody checks proves nothing: queues A → B → A with a transfer, told in rows."""
    from tests.end_to_end.acceptance.oracle import Landed

    agent = {"type": "LOCAL", "userId": "u1", "userExtension": "201", "phone": "201"}
    other = {"type": "LOCAL", "userId": "u2", "userExtension": "202", "phone": "202"}
    caller = {"type": "REMOTE", "phone": "+15550100"}
    story = [
        ("call:start", 0, {"status": "RINGING", "caller": caller, "queueName": "a", "queueId": "1"}),
        ("call:update", 10, {"status": "RINGING", "caller": caller, "callee": agent}),
        ("call:update", 30, {"status": "RINGING", "caller": caller, "queueName": "b"}),
        ("call:update", 30, {"status": "TALKING", "caller": caller, "callee": agent, "queueName": "b"}),
        ("call:update", 70, {"status": "HOLD", "caller": caller, "callee": agent, "queueName": "b"}),
        ("call:update", 75, {"status": "TALKING", "caller": caller, "callee": other, "queueName": "a"}),
        ("call:end", 100, {"endBy": "CALLER", "endCause": "16"}),
        ("call:update", 101, {"status": "TALKING", "tags": ["late"]}),
    ]
    landed = [Landed("w", i, 0, "s", body(kind, "c", T0 + at, data)) for i, (kind, at, data) in enumerate(story)]
    facts = facts_of(
        landed, as_of_us=AS_OF_US, phases={"RINGING": "ringing", "TALKING": "talking", "HOLD": "held"}, causes={"16": ("n", "normal")}
    )

    legs = [(leg["callee_user_id"], leg["ring_ms"], leg["talk_ms"], leg["hold_ms"], leg["answered"]) for leg in facts["call_legs"]]
    assert legs == [(None, 10, 0, 0, False), ("u1", 20, 0, 0, False), ("u1", 0, 40, 5, True), ("u2", 0, 25, 0, True)]
    visits = [(v["queue_name"], v["wait_ms"], v["answered_by_user_id"], v["next_queue"], v["result"]) for v in facts["queue_visits"]]
    assert visits == [("a", 30, None, "b", "overflowed"), ("b", 0, "u1", "a", "answered"), ("a", 0, "u2", None, "answered")]
    call = facts["calls"][0]
    assert (call["wait_ms"], call["hold_count"], call["transfer_count"], call["late_events"], call["tags"]) == (30, 1, 1, 1, [])
    assert (call["outcome"], call["answered_by_user_id"], call["external_key"], call["queue_name"]) == ("answered", "u1", "15550100", "a")
    assert refusal(b'{"type":"call:start","time":"0000946684800000","company":"c","id":"i"}') == "no_time"
