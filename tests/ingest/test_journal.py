"""The journal by itself: what is acknowledged is on disk, numbers are never used twice, memory and disk are bounded."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from ingest import failpoints
from ingest.errors import JournalFull, LockHeld, NotDurable
from ingest.journal import JournalName, Limits, WriterLock, discard, discard_strays, journal_files, open_to_read, rows_of, writers
from ingest.telemetry import Meter
from tests.journals import ROOMY, Reports, journal, looped, new_row, stored


@pytest.fixture(autouse=True)
def _disarmed() -> object:
    yield
    failpoints.arm("")


def limits(**changed: float) -> Limits:
    return Limits(**({name: getattr(ROOMY, name) for name in ROOMY.__dataclass_fields__} | changed))  # type: ignore[arg-type]


@looped
async def test_rows_are_numbered_from_1_in_the_order_of_their_commits_over_all_files(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports, limits(roll_bytes=30)) as opened:
        for n in range(12):
            assert await opened.submit([new_row(b"%010d" % n), new_row(b"also %05d" % n)], 20) is None
            await asyncio.sleep(0.05)
        writer = opened.writer
    assert len(reports.files) > 3 and reports.ended == [writer]
    assert [file.name.writer for file in reports.files] == [writer] * len(reports.files)
    assert [file.name.n for file in reports.files] == sorted({file.name.n for file in reports.files})
    rows = [row for file in reports.files for row in stored(tmp_path, file.name)]
    assert [row.seq for row in rows] == list(range(1, 25))
    assert [row.body for row in rows] == [body for n in range(12) for body in (b"%010d" % n, b"also %05d" % n)]
    assert [file.rows for file in reports.files] == [len(stored(tmp_path, file.name)) for file in reports.files]


@looped
async def test_a_row_comes_back_as_it_was_given(tmp_path: Path) -> None:
    reports = Reports()
    row = new_row(b"\x00\xff'\"", received_at=7, source="s", transport="sqs", signature="é\x00", reason="bad_signature", detail="here")
    async with journal(tmp_path, reports) as opened:
        await opened.submit([row], 4)
    assert stored(tmp_path, reports.files[0].name) == [(1, *row)]


@looped
async def test_requests_of_one_instant_share_a_commit(tmp_path: Path) -> None:
    meter = Meter()
    async with journal(tmp_path, Reports(), meter=meter) as opened:
        answers = await asyncio.gather(*(opened.submit([new_row()], 2) for _ in range(64)))
    assert answers == [None] * 64
    commits = sum(n for key, n in meter.snapshot().items() if key[0] == "callfacts_commit_seconds" and key[1] != "sum")
    assert commits == 1


@looped
async def test_a_batch_larger_than_one_statement_is_one_transaction(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports) as opened:
        assert await opened.submit([new_row(b"%d" % n) for n in range(1000)], 4000) is None
    assert [row.body for row in stored(tmp_path, reports.files[0].name)] == [b"%d" % n for n in range(1000)]


@looped
async def test_a_row_that_sqlite_refuses_fails_its_batch_whole_and_begins_a_new_writer(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports) as opened:
        first = opened.writer
        assert await opened.submit([new_row(b"one")], 3) is None
        bad = [*(new_row(b"%d" % n) for n in range(400)), new_row(b"x", signature="\ud800")]
        assert isinstance(await opened.submit(bad, 400), NotDurable)
        assert opened.writer != first
        assert await opened.submit([new_row(b"two")], 3) is None
    assert len(reports.ended) == 2 and reports.ended[0] == first
    assert [(file.name.writer == first, [(r.seq, r.body) for r in stored(tmp_path, file.name)]) for file in reports.files] == [
        (True, [(1, b"one")]),
        (False, [(1, b"two")]),
    ]


@looped
async def test_a_new_writer_without_a_row_leaves_no_file(tmp_path: Path) -> None:
    reports = Reports()
    failpoints.arm("journal_append:raise:1")
    async with journal(tmp_path, reports) as opened:
        first = opened.writer
        assert isinstance(await opened.submit([new_row()], 2), NotDurable)
        for _ in range(500):  # a spare of the first writer that is just being made is discarded once it is there
            if not [name for name in journal_files(tmp_path) if name.writer == first]:
                break
            await asyncio.sleep(0.01)
        assert [name for name in journal_files(tmp_path) if name.writer == first] == []


@looped
async def test_a_file_is_closed_when_it_is_old_enough_though_nothing_more_comes(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports, limits(roll_seconds=0.1)) as opened:
        await opened.submit([new_row(received_at=5)], 2)
        await asyncio.sleep(0.6)
        assert [(file.rows, file.oldest_at) for file in reports.files] == [(1, 5)]
        await asyncio.sleep(0.3)
        assert len(reports.files) == 1  # an empty file has no age
        assert opened.current == (0, None)


@looped
async def test_a_cancelled_request_takes_nobody_with_it(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports) as opened:
        answers = [opened.submit([new_row(b"%d" % n)], 1) for n in range(3)]
        answers[1].cancel()
        assert (await answers[0], await answers[2]) == (None, None)
        assert await opened.submit([new_row(b"3")], 1) is None
    assert [row.body for row in stored(tmp_path, reports.files[0].name)] == [b"0", b"1", b"2", b"3"]


@looped
async def test_more_bytes_than_may_wait_are_refused_untried(tmp_path: Path) -> None:
    async with journal(tmp_path, Reports(), limits(max_pending_bytes=100)) as opened:
        first = opened.submit([new_row(b"x" * 90)], 90)
        with pytest.raises(JournalFull):
            opened.submit([new_row(b"x" * 20)], 20)
        assert await first is None
        assert opened.pending_bytes == 0
        assert await opened.submit([new_row(b"x" * 500)], 500) is None  # one alone always fits


@looped
async def test_a_folder_that_holds_as_much_as_it_may_is_refused_untried(tmp_path: Path) -> None:
    async with journal(tmp_path, Reports(), limits(max_bytes=10)) as opened:
        await asyncio.sleep(0.4)
        with pytest.raises(JournalFull):
            opened.submit([new_row()], 2)
        assert opened.trouble is not None and "full" in opened.trouble


@looped
async def test_what_waits_at_the_end_is_committed(tmp_path: Path) -> None:
    reports = Reports()
    async with journal(tmp_path, reports) as opened:
        answers = [opened.submit([new_row()], 2) for _ in range(10)]
    assert [await answer for answer in answers] == [None] * 10
    with pytest.raises(NotDurable):
        opened.submit([new_row()], 2)


@looped
async def test_a_commit_is_synced_and_never_checkpointed_in_the_way(tmp_path: Path) -> None:
    async with journal(tmp_path, Reports()) as opened:
        assert opened._file is not None
        ask = opened._file.connection.execute
        settings = [ask(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "wal_autocheckpoint")]
    assert settings == ["wal", 2, 0]


def test_a_lock_is_held_by_one_and_free_when_all_its_descriptors_are_closed(tmp_path: Path) -> None:
    writer = "a" * 32
    lock = WriterLock.take(tmp_path, writer)
    with pytest.raises(LockHeld, match="a living process"):
        WriterLock.take(tmp_path, writer)
    lock.close()
    again = WriterLock.take(tmp_path, writer)
    again.remove()
    assert writers(tmp_path) == []
    WriterLock.take(tmp_path, writer).close()


def test_foreign_names_are_no_journals(tmp_path: Path) -> None:
    for name in (
        "acme.trust",
        f"{'a' * 32}-000001.sqlite",
        f"{'a' * 32}-000001.sqlite-wal",
        f"{'b' * 31}-000001.sqlite",
        f"{'c' * 32}.land",
    ):
        (tmp_path / name).touch()
    assert journal_files(tmp_path) == [JournalName("a" * 32, 1)]
    assert writers(tmp_path) == ["a" * 32, "c" * 32]
    assert journal_files(tmp_path / "nowhere") == []


def test_an_empty_file_holds_no_rows(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").touch()
    connection = open_to_read(tmp_path / "x.sqlite")
    assert list(rows_of(connection)) == []
    discard(connection, tmp_path / "x.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        open_to_read(tmp_path / "x.sqlite")


def test_strays_are_unlinked_and_what_has_a_main_file_stays(tmp_path: Path) -> None:
    writer = "a" * 32
    for name in (f"{writer}-000001.sqlite-wal", f"{writer}-000001.sqlite-shm", f"{writer}-000002.sqlite", f"{writer}-000002.sqlite-wal"):
        (tmp_path / name).touch()
    discard_strays(tmp_path, writer)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{writer}-000002.sqlite", f"{writer}-000002.sqlite-wal"]
