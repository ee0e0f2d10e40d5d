"""Landed deliveries → typed events: the fast way gives what the exact way gives, and the exact way is CONTRACT §1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import duckdb
import orjson
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import envelope
from tests.landing import landed_rows
from transforms import landed
from transforms.landed import KNOWN_TYPES, Typed, rows_within, typed, typed_exactly, unknown_types
from transforms.tables import key_of

TIME = 1_772_442_000_000


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


def in_order(made: Typed) -> list[dict[str, Any]]:
    return [row for _, frame in made.frames() for row in frame.sort("seq").to_dicts()]


def one_row(body: bytes) -> dict[str, Any]:
    rows = in_order(typed_exactly(landed_rows([body])[0]))
    assert len(rows) == 1
    return rows[0]


def body_of(data: str, event_type: str = "call:update", event_id: str = "c_1") -> bytes:
    return b'{"type":"%s","time":%d,"company":"c","id":"%s","data":%s}' % (
        event_type.encode(), TIME, event_id.encode(), data.encode("utf-8"),
    )  # fmt: skip


# ---------------------------------------------------------------- both ways

SPELLINGS = (
    "0 -0 1 -1 7 007x 1.0 1.10 1e3 1E3 1.5E+2 0.1e1 -0.0 -1.5 1e-400 123456789012345 1234567890123456 -999999999999999 "
    "9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 "
    "123456789012345678901234567890 1e22 1e21 12345678.9 0.1 5e-324 1.7976931348623157e308 4.2 5 1772442001000 4102444800000 946684800000"
).replace("007x", "").split()  # fmt: skip
TEXTS = (
    *SPELLINGS, "", "null", "true", "false", "[1]", "{}", "{\"a\":1}", "[", "-", "1.", ".5", "+1", "1e", "007", " 1", "1 ", "x1.5",
    "\u0000", "\u001f1.5\u001f", "\u001f", "a\u001f[", "\n1e3\n", "İΣß", "٣٤٥", "😀", "\u202eabc", "\uffff", "'; drop", 'say "hi"',
    "\\", "Anna",
    "call.start", "call.update", "c_1", "LOCAL", "VOICEBOT", "RINGING", "2026-03-02T10:00:00Z", "2026-03-02T10:00:00.1239Z",
    "2026-03-02T10:00:00,1239+01", "2026-02-30", "2026-03-02", "2026-03-02 10:00-0530", "2026-03-02T24:00", "2026-03-02T10:00:60Z",
    "1999-12-31T23:30-01:00", "2099-12-31T23:59:59.999Z", "2100-01-01", "0000-01-01", "0001-01-01T00:00+23:59",
    "2026-03-02T10:00:00.1234567Z",
    "2026-03-02t10:00:00Z", "2026-03-02T10Z", "2026-03-02Z", "２026-03-02",
)  # fmt: skip

ESCAPED = (r'"\u0041"', r'"\u0000"', r'"1\u002e5"', r'"\u007b"', r'"\ud83d\ude00"', r'"\/"')
Make = Callable[[Random], str]


def literal(rng: Random) -> str:
    return rng.choice([*SPELLINGS, "true", "false", "null"])


def string(rng: Random) -> str:
    return rng.choice(ESCAPED) if rng.random() < 0.1 else orjson.dumps(rng.choice(TEXTS)).decode()


def anything(rng: Random, depth: int = 2) -> str:
    """Any JSON, in any spelling."""
    kind = rng.random() if depth else rng.random() * 0.6
    if kind < 0.6:
        return rng.choice([literal, string])(rng)
    inner = [anything(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    if kind < 0.8:
        return "[" + ", ".join(inner) + "]"
    names = rng.sample(["a", "type", "phone", "recording"], len(inner))
    return "{" + ",".join(f'"{name}" :{value}' for name, value in zip(names, inner, strict=True)) + "}"


def mostly(make: Make) -> Make:
    return lambda rng: make(rng) if rng.random() < 0.98 else anything(rng)


def obj(fields: dict[str, Make]) -> Make:
    """An object with some of the fields, in any order, and an unknown one now and then."""

    def made(rng: Random) -> str:
        names = [name for name in (*fields, "Status", "DATA") if rng.random() < 0.6]
        rng.shuffle(names)
        return "{" + ",".join(f'"{name}":{fields.get(name, anything)(rng)}' for name in names) + "}"

    return made


def listed(item: Make) -> Make:
    return lambda rng: "[" + ",".join(item(rng) for _ in range(rng.randint(0, 3))) + "]"


def calm(rng: Random) -> str:
    """A value that need not be odd: otherwise hardly a row would go the fast way."""
    return orjson.dumps(rng.choice(["Anna", "", "RINGING", "007", "c_1", "call.start", "1", "İΣß", "12", None, None, 7, True])).decode()


def field(rng: Random) -> str:
    return calm(rng) if rng.random() < 0.97 else rng.choice([literal, string, anything])(rng)


def some(*names: str) -> dict[str, Make]:
    return dict.fromkeys(names, field)


party = mostly(obj(some("type", "phone", "name", "userId", "userExtension", "userDevice")))
tags = mostly(listed(field))
SNAPSHOT: dict[str, Make] = {
    **some("status", "destination", "service", "queueName", "endCause", "endBy", "direction"),
    **{"caller": party, "callee": party, "tags": tags, "flags": tags},
}
attachments = mostly(listed(mostly(obj(some("recording", "voicemail", "fax")))))
flow = mostly(
    obj(
        SNAPSHOT
        | some("flowIndex", "startTime", "endTime", "talkTime", "connectTime", "callerMos", "calleeMos", "remotePhone")
        | {"attachments": attachments, "startTime": lambda rng: rng.choice([str(TIME), f'"{TIME}"', field(rng)])}
    )
)
location = mostly(obj(some("address", "lat", "lng")))
presence = obj(
    some("extension", "status", "email", "message", "isJoined", "isLeaved")
    | {"until": mostly(string), "location": location, "participant": party}
)
call = obj(SNAPSHOT | {"flows": mostly(listed(flow))} | some("id", "eventTrigger"))


def body(rng: Random) -> bytes:
    event_type = rng.choice(sorted(KNOWN_TYPES))
    data = mostly(presence if event_type.startswith("presence") else call)
    return body_of(data(rng), event_type, rng.choice(["c_1", "201", "c_", "_", "it_c_9.1"]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_the_fast_way_gives_what_the_exact_way_gives(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = Random(seed)
    rows, refused = landed_rows([body(rng) for _ in range(150)])
    assert not refused.num_rows
    fast = typed(con, rows)
    assert in_order(fast) == in_order(typed_exactly(rows))
    assert fast.odd < 150


def test_simulated_events_all_go_the_fast_way(con: duckdb.DuckDBPyConnection) -> None:
    from ingest.simulate.scenario import Scenario, events

    scenario = Scenario(seed=5, calls=150, end_ms=TIME, days=2, completed_share=0.5, live_share=0.3)
    rows, _ = landed_rows([event.body for event in events(scenario)])
    fast = typed(con, rows)
    assert fast.odd == 0
    assert in_order(fast) == in_order(typed_exactly(rows))
    assert min(fast.call.height, fast.vendor.height, fast.presence.height) > 50


def test_one_odd_event_costs_itself_alone(con: duckdb.DuckDBPyConnection) -> None:
    rows, _ = landed_rows([body_of('{"status":"RINGING"}')] * 50 + [body_of('{"status":1.50}')] + [body_of('{"status":"UP"}')] * 50)
    assert typed(con, rows).odd == 1


def test_the_deepest_body_that_is_accepted_is_typed(con: duckdb.DuckDBPyConnection) -> None:
    deep = body_of('{"status":"UP","x":' + "[" * 252 + "]" * 252 + "}")
    rows, refused = landed_rows([deep])
    assert (rows.num_rows, refused.num_rows) == (1, 0)
    assert in_order(typed(con, rows))[0]["status"] == "UP"


# ---------------------------------------------------------------- the exact way


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"x"', "x"), ('""', ""), ("null", None), ("5", "5"), ("1.10", "1.1"), ("1e3", "1000.0"), ("-0", "0"), ("-0.0", "-0.0"),
        ("true", "true"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"), ("{}", None), ('["x"]', None), (r'"\u0000"', "\0"),
        ('"1.10"', "1.10"),
    ],
)  # fmt: skip
def test_a_text_is_the_string_or_the_scalars_json(con: duckdb.DuckDBPyConnection, sent: str, kept: str | None) -> None:
    body = body_of(f'{{"status":{sent}}}')
    assert one_row(body)["status"] == kept
    assert in_order(typed(con, landed_rows([body])[0]))[0]["status"] == kept


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (5, 5), (-5, -5), ("5", 5), ("005", 5), ("-5", None), ("+5", None), (" 5", None), ("", None), ("٣", None), (True, None),
        (1.0, None),
        (10**15 - 1, 10**15 - 1), (10**15, None), (-(10**15), None), ("9" * 15, 10**15 - 1), ("1" * 16, None), (None, None), ([1], None),
    ],
)  # fmt: skip
def test_whole(sent: object, number: int | None) -> None:
    assert landed.whole(sent) == number


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        (1, 1.0), (-1.5, -1.5), ("1.5", 1.5), ("-1e3", -1000.0), ("1e400", None), ("nan", None), ("", None), (True, None), ("1.", None),
        (".5", None), ("01", None), (" 1", None), ({}, None), (2**64 - 1, 18446744073709551615.0),
    ],
)  # fmt: skip
def test_real(sent: object, number: float | None) -> None:
    assert landed.real(sent) == number


@pytest.mark.parametrize(
    ("sent", "iso"),
    [
        ("2026-03-02", "2026-03-02T00:00:00"), ("2026-03-02T10:20", "2026-03-02T10:20:00"),
        ("2026-03-02 10:20:30", "2026-03-02T10:20:30"),
        ("2026-03-02T10:20:30.9999Z", "2026-03-02T10:20:30.999"), ("2026-03-02T10:20:30,5Z", "2026-03-02T10:20:30.500"),
        ("2026-03-02T10:20+02:30", "2026-03-02T07:50:00"), ("2026-03-02T10:20-0230", "2026-03-02T12:50:00"),
        ("2026-03-02T10:20+02", "2026-03-02T08:20:00"),
        ("2026-03-02Z", None), ("2026-03-02T10", None), ("2026-03-02T10:20:30.Z", None), ("2026-02-29", None), ("2026-03-02T24:00", None),
        ("2026-03-02T10:20:60", None), ("2026-03-02T10:20+24", None), ("1999-12-31", None), ("2100-01-01", None),
        ("2099-12-31T23:59:59.999", "2099-12-31T23:59:59.999"),
        ("1999-12-31T23:00-02", "2000-01-01T01:00:00"), ("2026-03-02 10:20 Z", None), ("2026-03-02\n", None), (20260302, None),
        (None, None),
    ],
)  # fmt: skip
def test_until(sent: object, iso: str | None) -> None:
    assert landed.until(sent) == (None if iso is None else datetime.fromisoformat(iso).replace(tzinfo=UTC))


def test_a_participant_that_is_an_object_is_there_even_if_empty() -> None:
    row = one_row(body_of('{"caller":{},"callee":"x"}'))
    assert (row["caller_present"], row["callee_present"], row["caller_phone"]) == (True, False, None)


def test_lists_drop_what_is_no_scalar_and_are_missing_where_no_list() -> None:
    row = one_row(body_of('{"tags":["a",1,null,[2],{"b":3},true,""],"flags":"x"}'))
    assert (row["tags"], row["flags"]) == (["a", "1", "true", ""], None)


def test_a_live_event_shows_its_last_flow_then_data() -> None:
    row = one_row(
        body_of(
            '{"id":"call_9","eventTrigger":"call.start","status":"UP","queueName":"Q","tags":["d"],"caller":{"phone":"1"},"flows":['
            '{"flowIndex":1,"status":"old","tags":"none"},{"flowIndex":1,"status":"HOLD","callee":{"phone":"2"},"tags":null},{"flowIndex":0,"status":"x"}]}',
            "call:live:progress",
        )
    )
    shown = ("call_id", "family", "kind", "status", "queue_name", "tags", "caller_phone", "callee_phone")
    assert [row[name] for name in shown] == ["call_9", "live", "start", "HOLD", "Q", ["d"], "1", "2"]
    assert row["k"] == key_of("c", "call_9")


def test_flows_are_in_order_of_index_and_of_equal_ones_the_later_counts() -> None:
    flows_sent = '[{"flowIndex":"2","talkTime":1},5,{"talkTime":2},{"flowIndex":0,"talkTime":3},{"flowIndex":2,"talkTime":"4"}]'
    row = one_row(body_of(f'{{"flows":{flows_sent}}}', "call:completed"))
    assert [(flow["flow_index"], flow["talk_ms"]) for flow in row["flows"]] == [(0, 3), (2, 4)]


def test_attachments_are_counted() -> None:
    sent = '[{"recording":{}},{"recording":null,"fax":0},{"voicemail":"v","fax":false},3,null]'
    row = one_row(body_of(f'{{"flows":[{{"attachments":{sent}}},{{"attachments":5}}]}}', "call:completed"))
    assert [[flow[name] for name in ("recordings", "voicemails", "faxes")] for flow in row["flows"]] == [[1, 1, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("event_id", "sent", "extension"),
    [
        ("c_201", "{}", "201"),
        ("201", "{}", "201"),
        ("c_x_", "{}", ""),
        ("c_201", '{"extension":7}', "7"),
        ("c_201", '{"extension":""}', ""),
    ],
)
def test_the_extension_is_the_datas_else_the_ids(event_id: str, sent: str, extension: str) -> None:
    assert one_row(body_of(sent, "presence:user", event_id))["extension"] == extension


def test_texts_and_times_are_read_as_the_ingester_reads_them() -> None:
    """Two packages read bodies, and neither may import the other's reader."""
    for sent in (*TEXTS, *map(orjson.loads, SPELLINGS), None, True, [], {}):
        assert landed.text(sent) == envelope.text(sent)
        ms = envelope.usable_time_ms(sent)
        assert landed.usable_time(sent) == (
            None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
        )


# ---------------------------------------------------------------- what is new


def test_rows_within_keeps_the_numbers_of_the_spans() -> None:
    rows, _ = landed_rows([body_of("{}")] * 6, first=3)
    assert rows_within(rows, [(1, 3), (5, 6), (8, 20)])["seq"].to_pylist() == [3, 5, 6, 8]
    assert rows_within(rows, []).num_rows == 0


def test_unknown_types_are_told_by_event() -> None:
    strange = body_of("{}", "call:live:transcription")
    rows, _ = landed_rows([strange, strange, body_of('{"a":1}', "call:live:transcription"), body_of("{}", "odd"), body_of("{}")])
    assert {kind: len(uids) for kind, uids in unknown_types(rows).items()} == {"call:live:transcription": 2, "odd": 1}


def test_no_rows_are_no_rows(con: duckdb.DuckDBPyConnection) -> None:
    nothing = landed_rows([])[0]
    assert in_order(typed(con, nothing)) == []
    assert isinstance(typed(con, nothing).call, pl.DataFrame) and isinstance(nothing, pa.Table)
