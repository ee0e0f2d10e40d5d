"""S3 away, slow, lying or racing: nothing is lost, nothing is written twice, nothing is deleted. A real SeaweedFS behind a faulty proxy."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from ingest import parts, storage
from ingest.cli import main
from ingest.config import Storage
from ingest.errors import DamagedPart, PartConflict, StorageError, StorageMissing, StorageUnavailable
from ingest.layout import LANDING_SCHEMA, PartName, PartRef, Reason
from ingest.signature import sign
from ingest.storage import Store, open_zone
from ingest.upkeep.quarantine import rescuing_writer
from tests.s3 import CREDENTIALS, Faults, client, faulty_proxy, seaweedfs
from tests.zones import SECRET, W1, W2, Refused, configured, event_body, land

BUCKET = "callfacts-test"
WRITER = "c" * 32
DAY = date(2026, 11, 24)
NAME = PartName(WRITER, 1, 3)
KEY = f"received_date=2026-11-24/{NAME}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with seaweedfs(BUCKET) as endpoint:
        yield endpoint


@pytest.fixture
def faults(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(storage, "_PAUSE_S", 0.01)
    with faulty_proxy(server) as proxy:
        yield proxy


@pytest.fixture
def store(faults: Faults, request: pytest.FixtureRequest) -> Store:
    prefix = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return open_zone(Storage(landing=f"s3://{BUCKET}/{prefix}/landing", s3_endpoint_url=faults.endpoint)).landing


def rows(*seqs: int, payload: str = "{}") -> pa.Table:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    made = [dict.fromkeys(LANDING_SCHEMA.names, "x") | {"writer": WRITER, "seq": seq} for seq in seqs]
    return pa.Table.from_pylist([row | {"received_at": at, "event_time": at, "payload": payload} for row in made], LANDING_SCHEMA)


def write(store: Store, table: pa.Table | None = None) -> PartRef:
    return parts.write_part(store, rows(1, 2, 3) if table is None else table, date=DAY, name=NAME)


def test_a_part_goes_there_and_back_with_one_put_and_one_get(store: Store, faults: Faults) -> None:
    ref = write(store)
    assert [method for method, _ in faults.seen] == ["PUT"]
    assert parts.read_part(store, ref).equals(rows(1, 2, 3))
    assert [method for method, _ in faults.seen] == ["PUT", "GET"]
    assert parts.list_parts(store) == [ref]
    assert store.local_path(ref.key) is None


def test_equal_rows_that_are_there_are_success(store: Store) -> None:
    assert write(store) == write(store)
    assert len(list(store.list())) == 1


def test_other_rows_that_are_there_are_a_conflict_and_stay(store: Store) -> None:
    ref = write(store)
    with pytest.raises(PartConflict, match=str(NAME)):
        write(store, rows(1, 2))
    assert parts.read_part(store, ref).equals(rows(1, 2, 3))


@pytest.mark.parametrize("fault", ["500", "503", "refused", "lost"])
def test_an_ambiguous_answer_is_tried_again(store: Store, faults: Faults, fault: str) -> None:
    faults.plan("PUT", fault)
    ref = write(store)
    assert parts.read_part(store, ref).equals(rows(1, 2, 3))
    assert "DELETE" not in [method for method, _ in faults.seen]


def test_a_put_that_succeeded_and_whose_answer_was_lost_is_success(store: Store, faults: Faults) -> None:
    faults.plan("PUT", "lost")
    ref = write(store)
    assert [method for method, _ in faults.seen] == ["PUT", "PUT", "GET"], "the second meets 412 and compares rows"
    assert parts.list_parts(store) == [ref]


def test_a_put_whose_answers_are_all_lost_is_unavailable_and_later_success(store: Store, faults: Faults) -> None:
    faults.plan("PUT", "lost!")
    with pytest.raises(StorageUnavailable, match=str(NAME)):
        write(store)
    assert "DELETE" not in [method for method, _ in faults.seen]
    faults.planned.clear()
    assert parts.read_part(store, write(store)).equals(rows(1, 2, 3))


@pytest.mark.parametrize("fault", ["500!", "503!", "refused!", "409!"])
def test_a_store_that_stays_away_is_unavailable(store: Store, faults: Faults, fault: str) -> None:
    faults.plan("PUT", fault)
    with pytest.raises(StorageUnavailable, match=str(NAME)):
        write(store)
    faults.planned.clear()
    assert list(store.list()) == []


def test_a_conflict_in_flight_is_tried_again(store: Store, faults: Faults) -> None:
    faults.plan("PUT", "409", "409")
    assert parts.read_part(store, write(store)).equals(rows(1, 2, 3))


def test_a_racing_writer_of_the_same_rows_is_no_trouble(store: Store, faults: Faults, server: str) -> None:
    direct = open_zone(Storage(landing=store.url, s3_endpoint_url=server)).landing
    faults.meanwhile = lambda: write(direct)
    faults.plan("PUT", "race")
    assert parts.read_part(store, write(store)).equals(rows(1, 2, 3))


def test_a_racing_writer_of_other_rows_is_a_conflict(store: Store, faults: Faults, server: str) -> None:
    direct = open_zone(Storage(landing=store.url, s3_endpoint_url=server)).landing
    faults.meanwhile = lambda: write(direct, rows(1))
    faults.plan("PUT", "race")
    with pytest.raises(PartConflict):
        write(store)


def test_a_time_out_is_unavailable(store: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "READ_TIMEOUT_S", 0.3)
    monkeypatch.setattr(storage, "REQUEST_TRIES", 2)
    faults.plan("PUT", "hang!")
    with pytest.raises(StorageUnavailable, match=r"timeout|timed out"):
        write(store)


def test_a_server_that_is_not_there_is_unavailable(faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "REQUEST_TRIES", 1)
    away = open_zone(Storage(landing=f"s3://{BUCKET}/x", s3_endpoint_url="http://127.0.0.1:1")).landing
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1"):
        list(away.list())


@pytest.mark.parametrize("fault", ["half", "503", "refused"])
def test_reading_survives_a_broken_answer(store: Store, faults: Faults, fault: str) -> None:
    ref = write(store)
    faults.plan("GET", fault)
    assert parts.read_part(store, ref).equals(rows(1, 2, 3))


@pytest.mark.parametrize("fault", ["half!", "503!", "refused!"])
def test_a_part_that_cannot_be_fetched_is_not_called_damaged(store: Store, faults: Faults, fault: str) -> None:
    ref = write(store)
    faults.plan("GET", fault)
    with pytest.raises(StorageUnavailable):
        parts.read_part(store, ref)


def test_a_large_part_is_read_by_range(store: Store, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = write(store, rows(1, 2, 3, payload="payload " * 1_000))
    monkeypatch.setattr(storage, "_WHOLE_BYTES", 100)
    assert parts.read_part(store, ref, ["seq"]).to_pylist() == [{"seq": 1}, {"seq": 2}, {"seq": 3}]
    faults.plan("GET", "ok", "half")
    assert parts.read_part(store, ref).equals(rows(1, 2, 3, payload="payload " * 1_000))
    faults.plan("GET", "ok", "503!")
    with pytest.raises(StorageUnavailable):
        parts.read_part(store, ref)


def test_an_object_replaced_while_it_is_read_is_never_read_half_and_half(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_WHOLE_BYTES", 4)
    store.put("x", b"old old old")
    with store.open_input("x") as source:
        store.put("x", b"new new new")
        with pytest.raises(StorageUnavailable, match="was replaced"):
            source.read()


def test_an_empty_object_under_a_parts_name_is_a_damaged_part(store: Store) -> None:
    store.put(KEY, b"")
    assert store.read(KEY) == b""
    (ref,) = parts.list_parts(store)
    with pytest.raises(DamagedPart, match=str(NAME)):
        parts.read_part(store, ref)


def test_what_is_not_there_is_missing_and_deleting_it_is_fine(store: Store) -> None:
    for read in (store.read, store.open_input):
        with pytest.raises(StorageMissing, match=r"nothing: is not there"):
            read("nothing")
    store.delete("nothing")
    store.settle("nothing")


def test_put_replaces_and_delete_removes(store: Store) -> None:
    store.put("rejections.json", b"1")
    store.put("rejections.json", b"2")
    assert store.read("rejections.json") == b"2"
    store.delete("rejections.json")
    assert list(store.list()) == []


def test_a_listing_of_many_pages_is_whole(store: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PAGE_KEYS", 10)
    direct = client(server)
    prefix = store.url.removeprefix(f"s3://{BUCKET}/")
    keys = [f"received_date=2026-11-24/{i:04d}" for i in range(25)]
    for key in keys:
        direct.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=b"x")
    assert [entry.key for entry in store.list("received_date=")] == keys


def test_a_bucket_that_is_not_there_needs_a_person(faults: Faults) -> None:
    gone = open_zone(Storage(landing="s3://no-such-bucket-here/x", s3_endpoint_url=faults.endpoint)).landing
    with pytest.raises(StorageError, match="NoSuchBucket") as refused:
        list(gone.list())
    assert not isinstance(refused.value, StorageUnavailable)


def test_without_credentials_the_message_says_so(faults: Faults, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bare = open_zone(Storage(landing=f"s3://{BUCKET}/x", s3_endpoint_url=faults.endpoint, s3_region="eu-west-1")).landing
    with pytest.raises(StorageError, match=r"(?i)credentials"):
        list(bare.list())


def test_a_whole_bucket_can_be_the_landing_zone(server: str, faults: Faults) -> None:
    direct = client(server)
    direct.create_bucket(Bucket="whole-bucket")
    zone = open_zone(Storage(landing="s3://whole-bucket", s3_endpoint_url=faults.endpoint))
    ref = parts.write_part(zone.landing, rows(1, 2, 3), date=DAY, name=NAME)
    zone.rejections.put(f"{WRITER}.json", b"{}")
    assert parts.list_parts(zone.landing) == [ref]
    assert [item["Key"] for item in direct.list_objects_v2(Bucket="whole-bucket")["Contents"]] == [KEY, f"rejections/{WRITER}.json"]


def test_every_command_of_the_operator_works_on_s3_as_on_a_disk(server: str, faults: Faults, tmp_path: Path) -> None:
    where = f'landing = "s3://{BUCKET}/operated/landing"\ns3_endpoint_url = "{server}"'
    config = configured(tmp_path, grace="0s", storage=where)
    zone = open_zone(config.storage)
    body = event_body(2)
    passes = Refused(body, Reason.BAD_SIGNATURE, signature=sign(SECRET.encode(), body), transport="sqs")
    old = date(2020, 1, 2)
    land(zone, W1, 1, 3, refused={2: passes, 3: Refused()})
    land(zone, W1, 4, 6)
    land(zone, W2, 1, 3, day=old, refused={1: Refused()})
    zone.landing.put("", b"")  # as a console makes a folder
    line = ["--config", str(config.file)]
    assert main(["compact", *line], CREDENTIALS) == 0
    assert main(["quarantine", "retry", *line], CREDENTIALS) == 0
    rescuer = PartName(rescuing_writer(PartName(W1, 1, 3), [2]), 1, 1)
    assert {part.name for part in parts.list_parts(zone.landing)} == {PartName(W1, 1, 6), PartName(W2, 1, 3), rescuer}
    assert main(["check", *line], CREDENTIALS) == 0
    assert main(["status", *line], CREDENTIALS) == 0
    assert main(["retain", "--older-than", "400d", *line], CREDENTIALS) == 0
    assert {part.name for part in parts.list_parts(zone.landing)} == {PartName(W1, 1, 6), rescuer}
    assert [row["seq"] for part in parts.list_parts(zone.quarantine) for row in parts.read_part(zone.quarantine, part).to_pylist()] == [3]
    zone.landing.put("received_date=2026-11-20/notes.txt", b"")
    assert main(["check", *line], CREDENTIALS) == 1
