"""Disks that are full, broken, slow or away: 503 for what is not durable, and nothing acknowledged is lost."""

import resource
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from tests.ingester import Ingester, Traffic, assert_exactly_once, event, journal_names, toml, wait_for


def test_a_full_disk_is_503_and_a_new_writer_and_loses_nothing(tmp_path: Path) -> None:
    limits = {resource.RLIMIT_FSIZE: 300_000}
    with Ingester(tmp_path, config=toml(ingest="roll_seconds = 1.5"), limits=limits) as ingester:
        with Traffic(ingester) as traffic:
            wait_for(lambda: len(ingester.said("writer_began")) >= 3, "three writers have failed")
        assert ingester.metric("callfacts_commit_failures_total") >= 3
    assert traffic.statuses[503] >= 3
    assert_exactly_once(tmp_path, traffic.acknowledged)


def test_an_io_error_of_one_commit_fails_that_batch_alone(tmp_path: Path) -> None:
    with Ingester(tmp_path, failpoint="journal_append:raise:2") as ingester:
        answers = [ingester.answer(event(n)) for n in range(4)]
        assert [answer.status for answer in answers] == [200, 503, 200, 200]
        assert answers[1].headers["retry-after"] == "1"
        assert len(ingester.said("writer_began")) == 1
        assert ingester.get("/readyz").status == 200
    assert_exactly_once(tmp_path, [event(n) for n in (0, 2, 3)])


def test_an_error_after_the_commit_leaves_ambiguous_rows_and_no_number_is_used_twice(tmp_path: Path) -> None:
    with Ingester(tmp_path, failpoint="journal_committed:raise:2") as ingester:
        assert [ingester.post(event(n)) for n in range(4)] == [200, 503, 200, 200]
    assert_exactly_once(tmp_path, [event(n) for n in (0, 2, 3)])


def test_a_journal_that_cannot_be_written_is_503_and_unready_until_it_can(tmp_path: Path) -> None:
    with Ingester(tmp_path, failpoint="journal_append:full:2") as ingester:
        assert ingester.post(event(1)) == 200
        journal = tmp_path / "data" / "journal"
        wait_for(lambda: not any(name.endswith("-wal") and "-000001" in name for name in journal_names(tmp_path)), "it is landed")
        shutil.rmtree(journal)
        journal.write_bytes(b"in the way")
        assert ingester.post(event(2)) == 503
        assert ingester.post(event(3)) == 503
        ready = ingester.get("/readyz")
        assert (ready.status, b"the journal cannot be written" in ready.body) == (503, True)
        journal.unlink()
        journal.mkdir()
        wait_for(lambda: ingester.get("/readyz").status == 200, "it is ready again")
        assert ingester.post(event(4)) == 200
    assert_exactly_once(tmp_path, [event(1), event(4)])


def test_a_disk_that_does_not_answer_is_503_within_four_seconds(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path, failpoint="journal_append:hang:2")
    assert ingester.post(event(1)) == 200
    began = time.monotonic()
    assert ingester.post(event(2)) == 503
    assert time.monotonic() - began < 5  # when the sender gives up; the server answers within 4
    assert ingester.get("/readyz").status == 503
    began = time.monotonic()
    assert ingester.post(event(3)) == 503  # not another four seconds
    assert time.monotonic() - began < 2
    ingester.kill()
    with Ingester(tmp_path):
        pass
    assert_exactly_once(tmp_path, [event(1)])


def test_while_the_landing_zone_is_away_the_journal_holds_and_then_lands(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    landing = tmp_path / "data" / "landing"
    landing.write_bytes(b"no folder")
    with Ingester(tmp_path) as ingester:
        assert ingester.post(event(1)) == 200
        wait_for(lambda: ingester.metric("callfacts_landing_failures_total", error="StorageError"), "landing fails")
        assert ingester.metric("callfacts_journal_rows") == 1
        assert ingester.get("/readyz").status == 200
        landing.unlink()
        wait_for(lambda: ingester.metric("callfacts_landed_rows_total") == 1, "it has landed")
    assert_exactly_once(tmp_path, [event(1)])


def test_a_second_sigterm_ends_at_once_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    landing = tmp_path / "data" / "landing"
    landing.write_bytes(b"no folder")
    ingester = Ingester(tmp_path)
    assert ingester.post(event(1)) == 200
    ingester.signal(signal.SIGTERM)
    wait_for(lambda: ingester.said("draining"), "it drains")
    time.sleep(0.3)
    assert ingester.process.poll() is None
    ingester.signal(signal.SIGTERM)
    assert ingester.wait(10) == 1
    landing.unlink()
    with Ingester(tmp_path):
        pass
    assert_exactly_once(tmp_path, [event(1)])


def test_a_full_journal_is_503_and_unready_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    landing = tmp_path / "data" / "landing"
    landing.write_bytes(b"no folder")
    with Ingester(tmp_path, config=toml(storage="journal_max_bytes = 400000")) as ingester:
        with Traffic(ingester, clients=2) as traffic:
            wait_for(lambda: traffic.statuses.get(503), "it is full")
        refused = ingester.answer(event(1))
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert b"the journal is full" in ingester.get("/readyz").body
        landing.unlink()
        wait_for(lambda: ingester.get("/readyz").status == 200, "it is ready again")
        assert ingester.post(event(1)) == 200
    assert_exactly_once(tmp_path, [*traffic.acknowledged, event(1)])


def test_a_damaged_journal_stays_and_the_others_land(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path, config=toml(ingest="roll_seconds = 60"))
    assert ingester.post(event(1)) == 200
    ingester.kill()
    damaged = tmp_path / "data" / "journal" / (name := next(n for n in journal_names(tmp_path) if n.endswith("-000001.sqlite")))
    with sqlite3.connect(damaged) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()
    damaged.write_bytes(b"\xff" * 100 + damaged.read_bytes()[100:])
    with Ingester(tmp_path) as again:
        assert again.post(event(2)) == 200
        wait_for(lambda: again.metric("callfacts_damaged_journals") == 1, "it is noticed")
        again.signal(signal.SIGTERM)
        assert again.wait() == 1  # said, not hidden
        again.process.returncode = 0
    assert name in journal_names(tmp_path)
