"""Bodies in by HTTP and by `load`, parts and quarantine out: every status, every refusal, every byte. (CONTRACT §1, §4, §5)"""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.acceptance.house import PART, SECRET, SOURCES, House, Server, sign
from tests.end_to_end.acceptance.oracle import event_uid, text, usable_time

OLD = "the old secret of acme"
KEYED = (
    SOURCES.replace(f'["{SECRET}"]', f'["{SECRET}", "env:OLD_SECRET", "file:third.key"]')
    + """
[[sources]]
name = "strict"
transport = "webhook"
secrets = ["acceptance-secret-3"]
integration_id = "abc123"
company = "it_w100001"

[[sources]]
name = "narrow"
transport = "webhook"
secrets = ["acceptance-secret-4"]
max_body_bytes = 200
"""
)
ENV = {"OLD_SECRET": OLD}
T = 1_760_000_000_000
MIB = 1024 * 1024

LANDING = pa.schema(
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
QUARANTINE = pa.schema(
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


def event(**more: Any) -> dict[str, Any]:
    return {
        "id": "it_w100001_1.1",
        "pbx": "000000000001",
        "company": "it_w100001",
        "time": T,
        "type": "call:start",
        "integrationId": "abc123",
        "data": {},
    } | more


def without(*names: str, **more: Any) -> bytes:
    return orjson.dumps({k: v for k, v in event(**more).items() if k not in names})


def sized(size: int) -> bytes:
    head = orjson.dumps(event(pad=""))
    return head.replace(b'"pad":""', b'"pad":"' + b"x" * (size - len(head)) + b'"')


DEEP = b'{"type":"x","time":1760000000000,"a":' + b"[" * 254 + b"]" * 254 + b"}"
REFUSED: list[tuple[str, bytes]] = [
    *(
        ("not_json", body)
        for body in (
            *(
                b"",
                b" ",
                b"nonsense",
                b"{",
                b'{"type":"call:start"',
                b"'x'",
                b'{"type":"x","time":NaN}',
                b'{"type":"x","time":1e999}',
                b"{} {}",
                b'{"a":1,}',
            ),
            *(
                b'{"type":"x","time":01760000000000}',
                b'\xef\xbb\xbf{"type":"x","time":1760000000000}',
                b'{"type":"\xff","time":1760000000000}',
            ),
            *(
                b'{"type":"\\ud800","time":1760000000000}',
                b'{"type":"a\nb","time":1760000000000}',
                b'{"type":"x","time":1760000000000}\x00',
                DEEP,
            ),
            *(b"[" * 255 + b"]" * 255, b"[" * 5000 + b"]" * 5000),
        )
    ),
    *(("not_object", body) for body in (b"[]", b'["type"]', b"null", b"1", b'"call:start"', b"true", b"1.5", b"[" * 254 + b"]" * 254)),
    *(("no_type", without("type", **more)) for more in ({}, {"time": None})),
    *(("no_type", orjson.dumps(event(type=kind))) for kind in (None, "", 5, True, ["call:start"], {"a": 1})),
    *(
        ("no_time", orjson.dumps(event(time=t)))
        for t in (None, True, 1.76e12, "", "x", "-1", [T], {"t": T}, " 1760000000000", "1760000000000 ", "1760000000000.0")
    ),
    *(
        ("no_time", orjson.dumps(event(time=t)))
        for t in (946_684_799_999, 4_102_444_800_000, 0, -T, 10**18, "0000001760000000000", "946684799999", "４", "١٧٦٠٠٠٠٠٠٠٠٠٠")
    ),
    ("no_time", without("time")),
    ("no_time", without("time", "company", "id")),
    ("no_time", b'{"type":"x","time":1760000000000.0}'),
    ("no_time", b'{"type":"x","time":1.76e12}'),
    *(
        ("no_company", orjson.dumps(event(type=kind, company=c)))
        for kind in ("call:start", "presence:user", "call:", "call:new")
        for c in (None, "", 5, True, {}, ["c"])
    ),
    ("no_company", without("company", "id")),
    *(
        ("no_id", orjson.dumps(event(type=kind, id=i)))
        for kind in ("call:end", "presence:conference", "call:completed", "call:live:progress")
        for i in (None, "", 5, False, {}, ["i"])
    ),
    ("no_id", without("id")),
    ("no_id", orjson.dumps(event(type="call:start", id=None, data={"id": "only live events have it here"}))),
    ("no_id", orjson.dumps(event(type="call:completed", id=None, data={"id": 5}))),
    ("no_id", orjson.dumps(event(type="call:live:x", id="", data=[{"id": "x"}]))),
]
STRICT_REFUSED: list[tuple[str, bytes]] = [
    *(("wrong_integration", orjson.dumps(event(integrationId=i))) for i in (None, "abc124", "ABC123", "", 5, {}, ["abc123"])),
    ("wrong_integration", without("integrationId")),
    ("wrong_integration", without("integrationId", company="other")),
    *(("wrong_company", orjson.dumps(event(type="chat", company=c))) for c in (None, "", 5, {}, "it_w100002", "it_w100001 ")),
    ("wrong_company", orjson.dumps(event(company="it_w100002"))),
    ("wrong_company", without("company", type="chat")),
    ("no_id", without("id", "integrationId")),
    ("not_object", b"[]"),
]
USED: list[bytes] = [
    orjson.dumps(event()),
    orjson.dumps(event(), option=orjson.OPT_INDENT_2),
    b" \t\r\n" + orjson.dumps(event(time="1760000000000")) + b"\r\n \n",
    orjson.dumps(event(time="001760000000000")),
    orjson.dumps(event(time=946_684_800_000)),
    orjson.dumps(event(time=4_102_444_799_999)),
    orjson.dumps(event(type="call:live:progress", id=None, data={"id": "x"})),
    orjson.dumps(event(type="call:live:anything", id=5, data={"id": "x"})),
    orjson.dumps(event(type="call:completed", id={}, data={"id": "x"})),
    orjson.dumps(event(type="call:completed", data={"id": {}})),
    b'{"type":"x","time":1760000000000}',
    b'{"type":"call","time":1760000000000,"company":5,"id":1.50,"pbx":1e3,"integrationId":true}',
    b'{"type":"Call:start","time":1760000000000,"company":[],"id":{},"pbx":null,"integrationId":[1]}',
    b'{"type":"\\u0000","time":1760000000000,"company":"\\u0000","id":"\\ud83d\\ude00","pbx":"\xf0\x9f\x98\x80"}',
    b'{"type":"x","time":1760000000000,"a":' + b"[" * 253 + b"]" * 253 + b"}",
    orjson.dumps(event(data="a string")),
    orjson.dumps(event(data=None, type="presence:whatever")),
    '{"type":"unicode","time":1760000000000,"id":"\u2028\ufeff\uffff\U0010ffff\x7f"}'.encode(),
]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house that has been sent everything below, and whose server has stopped."""
    house = House(tmp_path_factory.mktemp("receiving"), KEYED)
    (house.folder / "third.key").write_bytes(b"third secret\n")
    with house.serving(env=ENV) as server:
        replies(server)
        house_replies.update(status_matrix(server))
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 15
    return house


house_replies: dict[str, Any] = {}


def replies(server: Server) -> None:
    house_replies["used"] = server.post_all(USED)
    house_replies["refused"] = server.post_all([body for _, body in REFUSED])
    house_replies["strict"] = server.post_all([body for _, body in STRICT_REFUSED], source="strict", secret="acceptance-secret-3")
    house_replies["strict_used"] = server.post_all([orjson.dumps(event(type="strict"))], source="strict", secret="acceptance-secret-3")


def status_matrix(server: Server) -> dict[str, Any]:
    """Status of every request that stores nothing, by name."""
    good = orjson.dumps(event(type="matrix"))
    right = sign(good)
    post = server.post
    raw = server.request
    return {
        "missing": post(good, signature=None),
        "empty": raw("POST", "/webhook/acme", good, {"x-signature": ""})[0],
        "upper": post(good, signature=right.upper()),
        "truncated": post(good, signature=right[:-1]),
        "longer": post(good, signature=right + "0"),
        "prefixed": post(good, signature="sha256=" + right),
        "other body": post(good, signature=sign(good + b" ")),
        "reserialised": post(json.dumps(orjson.loads(good), indent=1).encode(), signature=right),
        "other secret": post(good, secret="acceptance-secret-3"),
        "other source": post(good, source="strict"),
        "not ascii": raw("POST", "/webhook/acme", good, {"x-signature": "é" * 64})[0],
        "unknown source": post(good, source="nobody"),
        "unknown source, prefix": post(good, source="acm"),
        "unknown source, case": post(good, source="Acme"),
        "unknown source, unsigned": post(good, source="nobody", signature=None),
        "unknown path": raw("POST", "/", good)[0],
        "no source": raw("POST", "/webhook/", good)[0],
        "get": raw("GET", "/webhook/acme")[0],
        "put": raw("PUT", "/webhook/acme", good, {"x-signature": right})[0],
        "delete": raw("DELETE", "/webhook/acme")[0],
        "post to healthz": raw("POST", "/healthz", b"")[0],
        "healthz": raw("GET", "/healthz")[0],
        "readyz": raw("GET", "/readyz")[0],
        "metrics": raw("GET", "/metrics"),
        "at the limit": post(sized(MIB)),
        "over the limit": post(sized(MIB + 1)),
        "over the limit, unsigned": post(sized(MIB + 1), signature=None),
        "over the limit, chunked": chunked(server, sized(MIB + 1)),
        "at the limit, chunked": chunked(server, sized(MIB)),
        "at the source's limit": post(sized(200), source="narrow", secret="acceptance-secret-4"),
        "over the source's limit": post(sized(201), source="narrow", secret="acceptance-secret-4"),
        "second secret": post(good, secret=OLD),
        "third secret": post(good, secret="third secret"),
        "third secret with its line break": post(good, secret="third secret\n"),
        "query": raw("POST", "/webhook/acme?x=1", good, {"x-signature": right})[0],
        "header in capitals": raw("POST", "/webhook/acme", good, {"X-SIGNATURE": right})[0],
    }


def chunked(server: Server, body: bytes) -> int:
    """Status of a signed POST without a Content-Length."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    try:
        pieces = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
        connection.request("POST", "/webhook/acme", pieces, {"x-signature": sign(body)}, encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
        pass
    status = connection.getresponse().status
    connection.close()
    return status


EXPECTED = {
    **dict.fromkeys(("missing", "empty", "upper", "truncated", "longer", "prefixed", "other body", "reserialised", "other secret"), 401),
    **dict.fromkeys(("other source", "not ascii", "third secret with its line break"), 401),
    **dict.fromkeys(
        ("unknown source", "unknown source, prefix", "unknown source, case", "unknown source, unsigned", "unknown path", "no source"), 404
    ),
    **dict.fromkeys(("get", "put", "delete", "post to healthz"), 405),
    **dict.fromkeys(("healthz", "readyz", "at the limit", "at the limit, chunked", "at the source's limit"), 200),
    **dict.fromkeys(("over the limit", "over the limit, unsigned", "over the limit, chunked", "over the source's limit"), 413),
    **dict.fromkeys(("second secret", "third secret", "query", "header in capitals"), 200),
}


def test_every_status_is_the_contracts(house: House) -> None:
    wrong = {name: house_replies[name] for name, status in EXPECTED.items() if house_replies[name] != status}
    assert not wrong


def test_metrics_are_prometheus_text_and_show_no_secret(house: House) -> None:
    status, headers, body = house_replies["metrics"]
    assert status == 200 and headers["content-type"].startswith("text/plain")
    assert b"# TYPE" in body and b"acme" in body
    for secret in (SECRET, OLD, "third secret", "acceptance-secret-3"):
        assert secret.encode() not in body
        assert secret not in (house.folder / "server.log").read_text()


def test_what_is_verified_is_answered_200_whatever_it_is(house: House) -> None:
    for name in ("used", "refused", "strict", "strict_used"):
        assert set(house_replies[name]) == {200}, name


def test_landed_payloads_are_the_bodies_byte_for_byte(house: House) -> None:
    rows = house.rows()
    sent = Counter(
        USED + [orjson.dumps(event(type="strict")), sized(MIB), sized(MIB), sized(200)] + [orjson.dumps(event(type="matrix"))] * 4
    )
    assert Counter(row["payload"].encode() for row in rows) == sent


def test_landed_columns_are_what_the_body_says(house: House) -> None:
    rows = house.rows()
    assert rows
    for row in rows:
        raw = orjson.loads(row["payload"])
        assert row["event_uid"] == event_uid(raw)
        assert row["event_type"] == raw["type"]
        for column, key in (("integration_id", "integrationId"), ("company", "company"), ("pbx", "pbx"), ("subject_id", "id")):
            assert row[column] == text(raw.get(key)), (column, raw)
        time_ms = usable_time(raw["time"])
        assert time_ms is not None and row["event_time"].timestamp() * 1000 == pytest.approx(time_ms)
        assert row["transport"] == "webhook"
        assert abs((datetime.now(UTC) - row["received_at"]).total_seconds()) < 600


def test_parts_have_the_contracts_names_schemas_and_order(house: House) -> None:
    seen: dict[str, list[int]] = {}
    for zone, schema in (("landing", LANDING), ("quarantine", QUARANTINE)):
        for path in house.parts(zone):
            table = pq.read_table(path, partitioning=None)
            assert table.schema.remove_metadata() == schema, (zone, table.schema)
            day = path.parent.name
            assert re.fullmatch(r"received_date=\d{4}-\d{2}-\d{2}", day)
            match = PART.fullmatch(path.name)
            assert match
            writer, first, last = match[1], int(match[2]), int(match[3])
            rows = table.to_pylist()
            assert {row["writer"] for row in rows} <= {writer}
            assert all(first <= row["seq"] <= last for row in rows)
            assert {f"received_date={row['received_at'].date()}" for row in rows} <= {day}
            seen.setdefault(writer, []).extend(row["seq"] for row in rows)
            if zone == "quarantine":
                assert (house.data / "landing" / day / path.name).exists(), "the landing part is always written, even empty"
    for numbers in seen.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1)), "landed and quarantined together: 1, 2, 3, … without a gap, each once"
    assert not list(house.data.rglob("*.tmp"))


def test_each_refusal_is_quarantined_with_the_first_reason_that_holds(house: House) -> None:
    expected = Counter([("acme", *pair) for pair in REFUSED] + [("strict", *pair) for pair in STRICT_REFUSED])
    rows = house.rows("quarantine")
    found = Counter((row["source"], row["reason"], row["body"]) for row in rows)
    wrong = [(key[:2], key[2][:120]) for key in ((expected - found) + (found - expected))]
    assert not wrong
    assert all(row["signature"] == sign(row["body"], {"acme": SECRET, "strict": "acceptance-secret-3"}[row["source"]]) for row in rows)
    assert all(row["detail"] for row in rows)


def test_rejected_requests_are_counted_by_source_reason_and_day_and_never_stored(house: House) -> None:
    files = list((house.data / "rejections").glob("*.json"))
    assert files and all(re.fullmatch(r"[0-9a-f]{32}\.json", path.name) for path in files)
    house.ok("transforms", "build")
    counted: Counter[tuple[str, str]] = Counter()
    for source, reason, day, count in house.query("select source, reason, day, count from rejections"):
        counted[source, "signature" if reason in ("no_signature", "bad_signature") else reason] += count
        assert abs((datetime.now(UTC).date() - day).days) <= 1

    assert counted == {("acme", "signature"): 11, ("acme", "too_large"): 3, ("strict", "signature"): 1, ("narrow", "too_large"): 1}
    assert house.query("select count from rejections where reason = 'no_signature' and count > 0") in ([(1,)], [(2,)])
    assert b"matrix" not in b"".join(path.read_bytes() for path in files)


def test_check_finds_nothing_wrong(house: House) -> None:
    done = house.run("ingest", "check", env=ENV)
    assert done.returncode == 0, done.stdout + done.stderr


LIMITED = (
    SOURCES
    + """requests_per_second = 2

[ingest]
max_body_bytes = "1KiB"
"""
)


def test_over_its_limits_a_source_is_asked_to_come_again_and_only_verified_requests_count(tmp_path: Path) -> None:
    house = House(tmp_path, LIMITED)
    body = orjson.dumps(event())
    with house.serving() as server:
        assert server.request("POST", "/webhook/acme", body + b" " * 1024, {"x-signature": sign(body)})[0] == 413
        assert {server.post(body, signature=None) for _ in range(30)} == {401}, "the limit counts after verifying"
        replies = [server.request("POST", "/webhook/acme", body, {"x-signature": sign(body)}) for _ in range(30)]
        assert server.stop() == 0
    statuses = [status for status, _, _ in replies]
    assert set(statuses) == {200, 503} and statuses[0] == 200
    assert all(headers["retry-after"].isdigit() for status, headers, _ in replies if status == 503)
    assert len(house.landed()) == statuses.count(200)


def test_what_cannot_be_made_durable_is_503_and_not_ready(tmp_path: Path) -> None:
    house = House(tmp_path)
    body = orjson.dumps(event(data={"pad": "x" * 500_000}))
    with house.serving() as server:
        house.config.write_text(SOURCES)
        assert server.post(body) == 200
        assert server.stop() == 0
    house.config.write_text(SOURCES + '\n[storage]\nlanding = "landing-file"\njournal_max_bytes = "1MiB"\n')
    (tmp_path / "landing-file").write_bytes(b"no folder: nothing can land")
    with house.serving() as server:
        replies = [server.request("POST", "/webhook/acme", body, {"x-signature": sign(body)}) for _ in range(8)]
        ready = server.request("GET", "/readyz")[0]
        server.process.kill()
        server.process.wait(10)
    refused = [headers for status, headers, _ in replies if status == 503]
    assert {status for status, _, _ in replies} == {200, 503}
    assert refused and all("retry-after" in headers for headers in refused)
    assert ready == 503
    (tmp_path / "landing-file").unlink()
    with house.serving() as server:
        assert server.stop() == 0
    landed = sum(pq.read_metadata(path).num_rows for path in (tmp_path / "landing-file").rglob("*.parquet"))
    assert landed == len(replies) - len(refused), "what was acknowledged lands once the trouble is over"


# --- restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_each_start_is_a_new_writer_that_numbers_from_one(tmp_path: Path) -> None:
    house = House(tmp_path)
    for _ in range(2):
        with house.serving() as server:
            assert server.post_all([orjson.dumps(event()), b"nonsense", orjson.dumps(event(type="x"))]) == [200] * 3
            assert server.stop() == 0
    names = [PART.fullmatch(path.name) for path in house.parts()]

    assert len({match[1] for match in names if match}) == 2
    assert [(match[2], match[3]) for match in names if match] == [("000000000001", "000000000003")] * 2


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed twice under traffic, the second time while the roller is at work; then a clean start and stop."""
    house = House(tmp_path, SOURCES + "\n[ingest]\nroll_seconds = 0.3\n")
    acknowledged: list[bytes] = []
    for turn in range(2):
        with house.serving() as server:
            halt = threading.Event()

            def send(lane: int, server: Server = server, turn: int = turn, halt: threading.Event = halt) -> None:
                n = 0
                while not halt.is_set():
                    body = orjson.dumps(event(id=f"{turn}.{lane}.{n}", data={"pad": "x" * (n % 5000)}))
                    try:
                        if server.post(body) == 200:
                            acknowledged.append(body)
                    except (OSError, http.client.HTTPException):
                        return
                    n += 1

            lanes = [threading.Thread(target=send, args=(lane,)) for lane in range(4)]
            for lane in lanes:
                lane.start()
            time.sleep(1.0 + turn * 0.35)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait(10)
            halt.set()
            for lane in lanes:
                lane.join(20)
    with house.serving() as server:
        assert server.stop() == 0

    landed = Counter(one.body for one in house.landed())
    missing = [body for body in acknowledged if body not in landed]
    assert not missing
    assert len(acknowledged) > 100
    assert max(landed.values()) == 1
    assert house.run("ingest", "check").returncode == 0
    assert not [path for path in (house.data / "journal").iterdir() if path.suffix == ".sqlite"]


@pytest.mark.slow
def test_half_a_request_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    house = House(tmp_path)
    with house.serving() as server:
        hangers = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(20)]
        for i, hanger in enumerate(hangers):
            hanger.sendall(b"POST /webhook/acme HTTP/1.1\r\nHost: x\r\n" + (b"Content-Length: 100\r\n\r\n{" if i % 2 else b"X-Sig"))
        started = time.monotonic()
        assert server.post(orjson.dumps(event())) == 200
        assert time.monotonic() - started < 4
        hangers[1].close()
        assert server.stop() == 0
        for hanger in hangers:
            hanger.close()
    assert [one.body for one in house.landed()] == [orjson.dumps(event())]


# --- load -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_load_lands_lines_as_they_are_and_quarantines_what_is_no_event(tmp_path: Path) -> None:
    house = House(tmp_path)
    many = [orjson.dumps({"type": "x", "time": T + i}) for i in range(30_100)]
    many[7] = b'{"type":"x"}'
    house.load(many, zipped=True)

    rows, out = house.rows(), house.rows("quarantine")
    assert [row["payload"].encode() for row in rows] == [body for i, body in enumerate(many) if i != 7]
    assert {(row["transport"], row["source"]) for row in rows + out} == {("load", "acme")}
    assert [(row["reason"], row["body"], row["signature"]) for row in out] == [("no_time", b'{"type":"x"}', None)]
    assert "load.ndjson.gz" in out[0]["detail"] and "8" in out[0]["detail"]
    spans = sorted((m[1], int(m[2]), int(m[3])) for m in (PART.fullmatch(path.name) for path in house.parts()) if m)
    assert all(last - first < 30_000 for _, first, last in spans) and len(spans) >= 2
    assert all(a[2] + 1 == b[1] for a, b in pairwise(spans) if a[0] == b[0])
    assert house.run("ingest", "check").returncode == 0


@pytest.mark.parametrize(
    "arguments", [["none.ndjson", "--source", "acme"], ["callfacts.toml", "--source", "nobody"], ["callfacts.toml"], []]
)
def test_load_of_what_is_not_there_says_so_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    done = House(tmp_path).run("ingest", "load", *arguments)

    assert done.returncode in ((1, 2) if "none.ndjson" in arguments else (2,))
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr
