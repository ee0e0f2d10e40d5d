"""Parts: written whole, listed, read."""

import random
import resource
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest import parts
from ingest.errors import DamagedPart, PartConflict, StorageError, StorageMissing, StorageUnavailable
from ingest.failpoints import arm
from ingest.layout import LANDING_SCHEMA, QUARANTINE_SCHEMA, PartName, PartRef
from ingest.storage import LocalStore

A = "a" * 32
DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row(seq: int, *, writer: str = A, **changes: Any) -> dict[str, Any]:
    return {
        "writer": writer,
        "seq": seq,
        "event_uid": f"{seq:064x}",
        "received_at": NOON + timedelta(microseconds=seq),
        "source": "acme",
        "transport": "webhook",
        "integration_id": "abc123",
        "company": "it_w100001",
        "pbx": "000000000001",
        "event_type": "call:start",
        "subject_id": f"it_w100001_{seq}.1",
        "event_time": NOON,
        "payload": f'{{"seq":{seq},"\u0000é":"😀"}}',
    } | changes


def landing(*seqs: int, **changes: Any) -> pa.Table:
    return pa.Table.from_pylist([row(seq, **changes) for seq in seqs], LANDING_SCHEMA)


def quarantined(*seqs: int) -> pa.Table:
    rows = [
        {
            "writer": A,
            "seq": seq,
            "received_at": NOON,
            "source": "acme",
            "transport": "webhook",
            "signature": "00",
            "reason": "not_json",
            "detail": "is none",
            "body": b"\xff\x00",
        }
        for seq in seqs
    ]
    return pa.Table.from_pylist(rows, QUARANTINE_SCHEMA)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "data" / "landing")


def write(store: LocalStore, table: pa.Table, first: int, last: int, *, day: date = DAY) -> PartRef:
    return parts.write_part(store, table, date=day, name=PartName(A, first, last))


def files(store: LocalStore) -> list[str]:
    root = Path(store.url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_part_is_read_back_as_it_was_written(store: LocalStore) -> None:
    ref = write(store, landing(1, 2, 3), 1, 3)
    assert files(store) == [f"received_date=2026-11-24/{A}-000000000001-000000000003.parquet"] == [ref.key]
    assert parts.read_part(store, ref).equals(landing(1, 2, 3))
    assert parts.read_part(store, ref).schema.equals(LANDING_SCHEMA)
    assert parts.list_parts(store) == [ref]


def test_quarantine_parts_keep_their_bytes(store: LocalStore) -> None:
    ref = write(store, quarantined(2), 1, 3)
    assert parts.read_part(store, ref).equals(quarantined(2))


def test_an_empty_part_is_a_part(store: LocalStore) -> None:
    ref = write(store, landing(), 1, 3)
    assert parts.read_part(store, ref).equals(landing())
    assert parts.read_rows(store, ref, first=1, last=3).num_rows == 0
    assert write(store, landing(), 1, 3) == ref
    with pytest.raises(PartConflict):
        write(store, landing(1), 1, 3)


def test_columns_come_in_the_order_asked_for(store: LocalStore) -> None:
    ref = write(store, landing(1, 2), 1, 2)
    read = parts.read_part(store, ref, ["payload", "seq"])
    assert read.equals(landing(1, 2).select(["payload", "seq"]))


def test_writing_equal_rows_again_is_success_and_leaves_one_file(store: LocalStore) -> None:
    first = write(store, landing(1, 2), 1, 2)
    inode = (Path(store.url) / first.key).stat().st_ino
    assert write(store, landing(1, 2), 1, 2) == first
    assert (Path(store.url) / first.key).stat().st_ino == inode
    assert files(store) == [first.key]


def test_rows_are_compared_not_bytes(store: LocalStore) -> None:
    ref = write(store, landing(1, 2, 3), 1, 3)
    path = Path(store.url) / ref.key
    pq.write_table(landing(1, 2, 3), path, compression="gzip", row_group_size=2)
    assert write(store, landing(1, 2, 3), 1, 3).key == ref.key
    assert pq.read_metadata(path).row_group(0).column(0).compression == "GZIP"


@pytest.mark.parametrize(
    "other",
    [landing(1), landing(1, 2, 3), landing(1, 2, company="other"), landing(), landing(1, 2, payload=None), quarantined(1, 2)],
)
def test_other_rows_under_the_name_are_a_conflict_and_stay(store: LocalStore, other: pa.Table) -> None:
    ref = write(store, landing(1, 2), 1, 3)
    before = (Path(store.url) / ref.key).read_bytes()
    with pytest.raises(PartConflict, match=f"{A}-000000000001-000000000003.parquet"):
        write(store, other, 1, 3)
    assert (Path(store.url) / ref.key).read_bytes() == before
    assert files(store) == [ref.key]


def test_a_conflict_is_seen_in_the_last_of_many_rows(store: LocalStore) -> None:
    write(store, landing(*range(1, 2_503)), 1, 2_502)
    changed = pa.concat_tables([landing(*range(1, 2_502)), landing(2_502, pbx="other")])
    with pytest.raises(PartConflict):
        write(store, changed, 1, 2_502)
    assert write(store, landing(*range(1, 2_503)), 1, 2_502).name == PartName(A, 1, 2_502)


@pytest.mark.parametrize(
    "table",
    [landing(0, 1), landing(3, 4), landing(2, 1), landing(1, 1), landing(1, writer="b" * 32), landing(1, writer=None)],
)
def test_rows_that_make_the_name_a_lie_are_refused(store: LocalStore, table: pa.Table) -> None:
    with pytest.raises(ValueError, match="rows"):
        write(store, table, 1, 3)
    assert files(store) == []


def test_row_groups_hold_no_more_than_their_limits(store: LocalStore) -> None:
    many = landing(1).take(pa.array([0] * 70_000)).set_column(1, "seq", pa.array(range(1, 70_001), pa.int64()))
    ref = write(store, many, 1, 70_000)
    path = Path(store.url) / ref.key
    groups = [pq.read_metadata(path).row_group(i).num_rows for i in range(pq.read_metadata(path).num_row_groups)]
    assert sum(groups) == 70_000
    assert max(groups) <= 30_000
    large = landing(*range(1, 9), payload="x" * 20_000_000)
    ref = write(store, large, 1, 8, day=date(2026, 11, 25))
    assert [pq.read_metadata(Path(store.url) / ref.key).row_group(i).num_rows for i in range(4)] == [2, 2, 2, 2]
    assert parts.read_part(store, ref).equals(large)


def test_rows_of_a_range_come_from_the_row_groups_that_hold_them(store: LocalStore) -> None:
    batches = [landing(*range(start, start + 10)).to_batches()[0] for start in range(1, 100, 10)]
    ref = parts.write_batches(store, batches, LANDING_SCHEMA, date=DAY, name=PartName(A, 1, 100))
    assert parts.read_rows(store, ref, first=20, last=22).equals(landing(20, 21, 22))
    assert parts.read_rows(store, ref, first=20, last=20, columns=["payload"]).equals(landing(20).select(["payload"]))
    assert parts.read_rows(store, ref, first=101, last=200).num_rows == 0
    assert parts.count_rows(store, ref) == 100


def test_iterating_gives_the_rows_in_order(store: LocalStore) -> None:
    ref = write(store, landing(*range(1, 26)), 1, 25)
    batches = list(parts.iter_part(store, ref, ["seq", "payload"], batch_rows=10))
    assert pa.Table.from_batches(batches).equals(landing(*range(1, 26)).select(["seq", "payload"]))
    assert max(batch.num_rows for batch in batches) <= 10


def test_other_readers_see_types_and_times_as_declared(store: LocalStore) -> None:
    import duckdb
    import polars as pl

    ref = write(store, landing(1, 2), 1, 2)
    path = str(Path(store.url) / ref.key)
    assert pl.read_parquet(path).to_arrow().cast(LANDING_SCHEMA).equals(landing(1, 2))
    with duckdb.connect() as con:
        described = con.execute("describe from read_parquet($path)", {"path": path}).fetchall()
        times = con.execute("select epoch_us(received_at) from read_parquet($path)", {"path": path}).fetchall()
    assert [(name, kind) for name, kind, *_ in described if kind not in ("VARCHAR", "DATE")] == [
        ("seq", "BIGINT"),
        ("received_at", "TIMESTAMP WITH TIME ZONE"),
        ("event_time", "TIMESTAMP WITH TIME ZONE"),
    ]
    assert times == [(int(NOON.timestamp()) * 1_000_000 + seq,) for seq in (1, 2)]


def test_a_listing_sorts_out_what_lies_there(store: LocalStore) -> None:
    narrow, wide = write(store, landing(1), 1, 1), write(store, landing(1, 2), 1, 2)
    folder = Path(store.url) / "received_date=2026-11-24"
    (folder / ".0af3.tmp").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    (Path(store.url) / f"{wide.name}").write_bytes(b"")
    (Path(store.url) / "received_date=2026-13-01").mkdir()
    (Path(store.url) / "received_date=2026-13-01" / f"{wide.name}").write_bytes(b"")
    listing = parts.list_all(store)
    assert listing.counted.parts == (wide,)
    assert [superseded.part for superseded in listing.counted.superseded] == [narrow]
    assert [entry.key for entry in listing.temporary] == ["received_date=2026-11-24/.0af3.tmp"]
    assert sorted(entry.key for entry in listing.foreign) == sorted(
        [str(wide.name), f"received_date=2026-13-01/{wide.name}", "received_date=2026-11-24/notes.txt"]
    )
    assert parts.list_parts(store) == [wide]
    assert listing.counted.parts[0].modified is not None


def test_parts_are_listed_by_date_and_name(store: LocalStore) -> None:
    later = write(store, landing(1), 1, 1, day=date(2026, 11, 25))
    second, third = write(store, landing(2), 2, 2), write(store, landing(3), 3, 3)
    assert parts.list_parts(store) == [second, third, later]


def test_an_empty_or_missing_zone_has_no_parts(store: LocalStore) -> None:
    assert parts.list_parts(store) == []
    assert parts.list_all(store).foreign == ()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "truncated": lambda raw: raw[: len(raw) // 2],
    "no footer": lambda raw: raw[:-8],
    "other bytes": lambda raw: b"this is no Parquet file at all, whatever its name says",
    "a flipped bit": lambda raw: raw[:300] + bytes([raw[300] ^ 4]) + raw[301:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named(store: LocalStore, damage: str) -> None:
    ref = write(store, landing(*range(1, 50)), 1, 49)
    path = Path(store.url) / ref.key
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DamagedPart, match=str(ref.name)):
        parts.read_part(store, ref)
    with pytest.raises(DamagedPart, match=str(ref.name)):
        write(store, landing(*range(1, 50)), 1, 49)


def test_every_flipped_byte_of_a_part_is_noticed_or_changes_nothing(store: LocalStore) -> None:
    ref = write(store, landing(*range(1, 20)), 1, 19)
    path = Path(store.url) / ref.key
    whole = path.read_bytes()
    for at in range(4, len(whole), 67):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            read = parts.read_part(store, ref)
        except DamagedPart:
            continue
        assert read.equals(landing(*range(1, 20))), at


def test_parquet_of_another_shape_is_a_damaged_part(store: LocalStore) -> None:
    ref = write(store, landing(1), 1, 1)
    pq.write_table(landing(1).drop_columns(["event_uid"]), Path(store.url) / ref.key)
    with pytest.raises(DamagedPart, match="no column event_uid"):
        parts.read_part(store, ref)
    pq.write_table(landing(1).set_column(1, "seq", pa.array(["one"])), Path(store.url) / ref.key)
    with pytest.raises(DamagedPart):
        parts.read_part(store, ref)


def test_a_part_that_is_gone_is_missing_not_damaged(store: LocalStore) -> None:
    ref = write(store, landing(1), 1, 1)
    store.delete(ref.key)
    with pytest.raises(StorageMissing, match=str(ref.name)):
        parts.read_part(store, ref)


def test_a_place_that_cannot_be_written_leaves_nothing(store: LocalStore) -> None:
    Path(store.url).mkdir(parents=True)
    (Path(store.url) / "received_date=2026-11-24").write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageError, match="received_date=2026-11-24"):
        write(store, landing(2), 2, 2)
    assert files(store) == ["received_date=2026-11-24"]


def test_a_disk_that_is_full_in_mid_part_leaves_nothing_and_may_be_tried_again(store: LocalStore) -> None:
    noise = landing(1, payload=random.Random(1).randbytes(200_000).hex())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # larger files fail as on a full disk
    try:
        with pytest.raises(StorageUnavailable, match=str(PartName(A, 1, 1))):
            write(store, noise, 1, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(store) == []
    assert parts.read_part(store, write(store, noise, 1, 1)).equals(noise)


@pytest.mark.parametrize("point", ["part_half_written", "part_before_link", "part_after_link"])
@pytest.mark.parametrize("action", ["raise", "full"])
def test_a_disk_that_fails_on_any_line_leaves_a_whole_part_or_none(store: LocalStore, point: str, action: str) -> None:
    arm(f"{point}:{action}")
    try:
        with pytest.raises(StorageUnavailable):
            write(store, landing(1, 2), 1, 2)
    finally:
        arm("")
    assert [parts.read_part(store, ref).num_rows for ref in parts.list_parts(store)] == ([2] if point == "part_after_link" else [])
    assert parts.read_part(store, write(store, landing(1, 2), 1, 2)).equals(landing(1, 2))
    assert len(files(store)) == 1


def test_replaced_rows_and_notes_are_read_back(store: LocalStore) -> None:
    ref = write(store, quarantined(1, 2, 3), 1, 3)
    assert parts.read_notes(store, ref) == {}
    parts.replace_part(store, ref, quarantined(2), notes={"callfacts.rescued": b"[[1,3]]"})
    assert parts.read_part(store, ref).equals(quarantined(2))
    assert parts.read_notes(store, ref) == {"callfacts.rescued": b"[[1,3]]"}
    assert files(store) == [ref.key]
