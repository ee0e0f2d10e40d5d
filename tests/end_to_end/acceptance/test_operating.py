"""The operator's commands over a real landing zone. (CONTRACT §3, §5; issue 4)"""

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.acceptance.house import PART, SOURCES, House, compare, sign

T = 1_760_000_000_000
AS_OF_US = (T + 3_600_000) * 1000
OPEN = SOURCES
CLOSED = SOURCES + 'integration_id = "abc123"\n'


def event(n: int, **more: Any) -> bytes:
    return orjson.dumps(
        {
            "id": f"c{n}",
            "company": "it_w100001",
            "time": T + n,
            "type": "call:start",
            "integrationId": "abc123",
            "data": {"status": "RINGING"},
        }
        | more
    )


def as_if_yesterday(house: House) -> None:
    """Moves the landing zone's only day into the past, as no writer can: rows and folder alike."""
    for zone in ("landing", "quarantine"):
        for path in house.parts(zone):
            day = path.parent.parent / "received_date=2025-01-02"
            day.mkdir(exist_ok=True)
            whole = pq.ParquetFile(path).read()
            at = whole.schema.get_field_index("received_at")
            past = whole.column(at).cast("int64").to_pylist()
            shifted = [value % 86_400_000_000 + 1_735_776_000_000_000 for value in past]
            column = pa.array(shifted, pa.int64()).cast(pa.timestamp("us", "UTC"))
            pq.write_table(whole.set_column(at, whole.schema.field(at), column), day / path.name)
            path.unlink()


@pytest.fixture
def judged(tmp_path: Path) -> House:
    """Four deliveries of another integration and one that is no JSON in the quarantine, one landed."""
    house = House(tmp_path, CLOSED)
    with house.serving() as server:
        bodies = [
            event(0),
            event(1, integrationId="other"),
            b"\x1b[31mnonsense\x07",
            event(2, integrationId=None),
            event(3, integrationId="other"),
        ]
        assert server.post_all(bodies) == [200] * 5
        assert server.stop() == 0
    return house


def test_quarantine_is_listed_shown_and_judged_again(judged: House) -> None:
    house = judged
    before = {(row["seq"]): row for row in house.rows("quarantine")}
    writer = house.rows("quarantine")[0]["writer"]
    listed = house.ok("ingest", "quarantine", "list")
    for seq in (2, 3, 4, 5):
        assert f"{writer}-{seq}" in listed
    assert listed.count("wrong_integration") == 3 and listed.count("not_json") == 1
    shown = house.ok("ingest", "quarantine", "show", f"{writer}-3")
    assert "nonsense" in shown and "\x1b" not in shown and "\x07" not in shown
    for wrong in (f"{writer}-1", "nonsense"):
        done = house.run("ingest", "quarantine", "show", wrong)
        assert done.returncode in (1, 2) and len(done.stderr.strip().splitlines()) == 1, wrong

    house.ok("ingest", "quarantine", "retry")
    assert len(house.rows("quarantine")) == 4, "under the same configuration nothing passes"
    house.build(as_of_us=AS_OF_US)

    house.config.write_text(OPEN)
    house.ok("ingest", "quarantine", "retry")
    rescued = [row for row in house.rows() if row["writer"] != writer]
    assert len({row["writer"] for row in rescued}) == 1 and all(PART.fullmatch(path.name) for path in house.parts())
    assert [row["seq"] for row in rescued] == [1, 2, 3], "a writer of its own, numbered from 1"
    for row, seq in zip(rescued, (2, 4, 5), strict=True):
        assert row["payload"].encode() == before[seq]["body"]
        assert (row["received_at"], row["source"], row["transport"]) == (before[seq]["received_at"], "acme", "webhook")
    assert [(row["seq"], row["reason"]) for row in house.rows("quarantine")] == [(3, "not_json")]
    names = [path.name for path in house.parts()]

    house.ok("ingest", "quarantine", "retry")
    assert [path.name for path in house.parts()] == names, "run twice it writes the same names"
    house.ok("ingest", "check")
    house.build(as_of_us=AS_OF_US)
    compare(house.oracle(as_of_us=AS_OF_US), house.warehouse)
    assert house.query("select count(*) from calls") == [(4,)]
    assert house.query("select seq, reason from quarantine") == [(3, "not_json")]


@pytest.mark.slow
def test_a_retry_that_died_half_way_writes_the_same_name_again(judged: House) -> None:
    """The landing part of the rescued is there, the quarantine part still holds them: the next retry ends the same."""
    house = judged
    saved = house.folder / "saved"
    shutil.copytree(house.data / "quarantine", saved)
    house.config.write_text(OPEN)
    house.ok("ingest", "quarantine", "retry")
    names = [path.name for path in house.parts()]
    shutil.rmtree(house.data / "quarantine")
    shutil.copytree(saved, house.data / "quarantine")

    house.ok("ingest", "quarantine", "retry")

    assert [path.name for path in house.parts()] == names
    assert [row["seq"] for row in house.rows("quarantine")] == [3]
    assert len(house.landed()) == 4


@pytest.mark.slow
def test_what_failed_its_signature_never_lands(judged: House) -> None:
    """Signatures are judged again too: a row whose signature no active secret made stays where it is."""
    house = judged
    house.config.write_text(OPEN.replace("acceptance-secret-1", "a new secret"))

    house.ok("ingest", "quarantine", "retry")

    assert len(house.landed()) == 1 and len(house.rows("quarantine")) == 4


@pytest.mark.slow
def test_compaction_keeps_every_row_and_a_build_counts_each_once(tmp_path: Path) -> None:
    house = House(tmp_path, SOURCES + '\n[ingest]\nroll_seconds = 0.2\ncompact_grace = "1h"\n')
    with house.serving() as server:
        for n in range(4):
            assert server.post_all([event(10 * n + i) for i in range(3)] + [b"nonsense"]) == [200] * 4
            time.sleep(0.6)
        assert server.stop() == 0
    as_if_yesterday(house)
    before = house.rows()
    parts = house.parts()
    assert len(parts) > 1
    house.build(as_of_us=AS_OF_US)
    expected = house.oracle(as_of_us=AS_OF_US)

    house.ok("ingest", "compact")

    assert house.rows() == before
    added = [path for path in house.parts() if path not in parts]
    assert len(added) == 1, added
    joined = added[0]
    assert set(parts) <= set(house.parts()), "within the grace period what is superseded stays"
    house.ok("ingest", "check")
    house.build(as_of_us=AS_OF_US)
    compare(expected, house.warehouse)
    assert house.query("select sum(delivery_count)::int from calls") == [(12,)]
    house.config.write_text(SOURCES + '\n[ingest]\ncompact_grace = "0s"\n')
    house.ok("ingest", "compact")
    assert house.parts() == [joined]
    house.build(as_of_us=AS_OF_US, full=True)
    compare(expected, house.warehouse)
    assert house.query("select count(*) from quarantine") == [(4,)]


@pytest.mark.slow
def test_retention_deletes_old_days_of_landing_and_quarantine_and_the_next_build_says_so(judged: House) -> None:
    house = judged
    as_if_yesterday(house)
    house.load([event(50)])
    house.build(as_of_us=AS_OF_US)
    everything = house.parts() + house.parts("quarantine")

    house.ok("ingest", "retain", "--older-than", "100d", "--dry-run")
    assert house.parts() + house.parts("quarantine") == everything
    house.ok("ingest", "retain", "--older-than", "100d")

    assert [row["subject_id"] for row in house.rows()] == ["c50"]
    assert house.parts("quarantine") == []
    house.ok("ingest", "check")
    done = house.run("transforms", "build")
    assert done.returncode == 0
    assert "full" in done.stdout + done.stderr
    assert house.query("select call_id from calls") == [("c50",)]
    assert house.query("select count(*) from quarantine") == [(0,)]
    assert house.query("select mode from builds order by started_at desc limit 1") == [("full",)]


@pytest.mark.slow
def test_check_lists_what_is_wrong_and_is_exit_1(judged: House) -> None:
    house = judged
    assert house.run("ingest", "check").returncode == 0
    part = house.parts()[0]
    whole = part.read_bytes()

    def found(what: str) -> None:
        done = house.run("ingest", "check")
        assert done.returncode == 1, what
        assert part.name[:32] in done.stdout + done.stderr or "foreign" in what, done.stdout + done.stderr
        assert "Traceback" not in done.stderr

    part.chmod(0o644)
    part.write_bytes(whole[:-20])
    found("damaged part")
    part.write_bytes(whole)
    later = part.with_name(f"{part.name[:32]}-000000000007-000000000007.parquet")
    shutil.copy(part, later)
    found("rows beside the name, and a hole")
    later.unlink()
    quarantined = house.parts("quarantine")[0]
    kept = quarantined.read_bytes()
    quarantined.unlink()
    found("a hole that no quarantine part explains")
    quarantined.write_bytes(kept)
    (part.parent / ".0123.tmp").write_bytes(b"nobody's finding")
    assert house.run("ingest", "check").returncode == 0
    (part.parent / "notes.txt").write_bytes(b"x")
    found("foreign file")


def test_status_says_per_source_what_came_as_a_table_and_as_json(judged: House) -> None:
    table = judged.ok("ingest", "status")
    assert "acme" in table
    said = json.loads(judged.ok("ingest", "status", "--json"))
    assert "acme" in json.dumps(said)


def test_a_signature_of_the_first_of_two_secrets_is_good_after_rotation(tmp_path: Path) -> None:
    """A changed file is taken up without a dropped request; a broken one leaves the old in force."""
    house = House(tmp_path)
    one = event(1)
    with house.serving() as server:
        assert server.post(one) == 200
        assert server.post(one, secret="the next secret") == 401
        house.config.write_text(SOURCES.replace('["', '["the next secret", "'))
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 15
        while server.post(one, secret="the next secret") != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert (server.post(one), server.post(one, secret="the next secret")) == (200, 200)
        house.config.write_text("[[sources")
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert (server.post(one), server.post(one, secret="the next secret"), server.post(one, signature=sign(one, "x" * 9))) == (
            200,
            200,
            401,
        )
        assert server.stop() == 0
