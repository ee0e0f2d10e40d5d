"""Whole objects in a local folder."""

import os
import pickle
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import storage
from ingest.config import Storage
from ingest.errors import StorageError, StorageMissing, StorageUnavailable
from ingest.failpoints import arm
from ingest.storage import Entry, LocalStore, S3Store, open_zone


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "zone")


def names(store: LocalStore) -> list[str]:
    root = Path(store.url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_an_object_appears_once_and_is_never_replaced(store: LocalStore) -> None:
    assert store.put_if_absent("day/a", b"first")
    assert not store.put_if_absent("day/a", b"second")
    assert store.read("day/a") == b"first"
    assert names(store) == ["day/a"]


def test_a_staged_file_takes_its_name_and_leaves_nothing_beside(store: LocalStore) -> None:
    with store.stage("day/a") as staged:
        staged.write_bytes(b"rows")
        assert staged.parent == Path(store.url) / "day"
        assert storage.LocalStore(Path(store.url)).put_if_absent("day/a", staged)
    assert store.read("day/a") == b"rows"
    assert names(store) == ["day/a"]


def test_what_verification_raises_keeps_the_name_from_appearing(store: LocalStore) -> None:
    def refuse(path: Path) -> None:
        assert path.read_bytes() == b"rows"
        raise StorageError("not as written")

    with pytest.raises(StorageError, match="not as written"), store.stage("day/a") as staged:
        staged.write_bytes(b"rows")
        store.put_if_absent("day/a", staged, verify=refuse)
    assert names(store) == []


def test_an_error_in_mid_write_leaves_nothing(store: LocalStore) -> None:
    with pytest.raises(RuntimeError), store.stage("day/a") as staged:
        staged.write_bytes(b"half")
        raise RuntimeError
    assert names(store) == []


def test_of_many_writers_at_once_one_wins(store: LocalStore) -> None:
    won: list[int] = []
    start = threading.Barrier(8)

    def write(i: int) -> None:
        start.wait()
        if store.put_if_absent("day/a", str(i).encode()):
            won.append(i)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("day/a") == str(won[0]).encode()
    assert names(store) == ["day/a"]


def test_put_replaces_whole(store: LocalStore) -> None:
    store.put("a.json", b"long before")
    store.put("a.json", b"new")
    assert store.read("a.json") == b"new"
    assert names(store) == ["a.json"]


def test_a_listing_is_in_order_below_a_prefix_with_size_and_time(store: LocalStore) -> None:
    for key in ["received_date=2/b", "received_date=2/a", "received_date=1/c", "received/x", "other", "received_date=2/sub/d"]:
        store.put(key, key.encode())
    assert [entry.key for entry in store.list("received_date=")] == [
        "received_date=1/c", "received_date=2/a", "received_date=2/b", "received_date=2/sub/d",
    ]  # fmt: skip
    assert [entry.key for entry in store.list("received_date=2/")] == ["received_date=2/a", "received_date=2/b", "received_date=2/sub/d"]
    assert [entry.key for entry in store.list("received_date=2/a")] == ["received_date=2/a"]
    assert [entry.key for entry in store.list("nothing/here")] == []
    (entry,) = store.list("other")
    assert entry == Entry("other", 5, entry.modified)
    assert abs(datetime.now(UTC) - entry.modified) < timedelta(minutes=1)


def test_a_zone_that_does_not_exist_yet_is_empty(store: LocalStore) -> None:
    assert list(store.list()) == []


def test_deleting_is_fine_with_what_is_not_there(store: LocalStore) -> None:
    store.put("day/a", b"x")
    store.delete("day/a")
    store.delete("day/a")
    store.delete("other/b")
    assert names(store) == []


def test_what_is_not_there_is_missing(store: LocalStore) -> None:
    for read in (store.read, store.open_input, store.settle):
        with pytest.raises(StorageMissing, match="day/a: is not there"):
            read("day/a")


def test_an_object_can_be_read_at_random_and_found_as_a_file(store: LocalStore) -> None:
    store.put("day/a", b"0123456789")
    with store.open_input("day/a") as source:
        source.seek(4)
        assert source.read(3) == b"456"
        assert source.size() == 10
    assert store.local_path("day/a") == Path(store.url) / "day/a"
    store.settle("day/a")


def test_folder_and_parents_are_brought_to_disk(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    true_fsync = os.fsync

    def fsync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        true_fsync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store.put_if_absent("day/a", b"x")
    root = Path(store.url)
    assert [str(root), str(root.parent)] == synced[:2]
    assert synced[2].endswith(".tmp")
    assert synced[3] == str(root / "day")
    synced.clear()
    store.put_if_absent("day/b", b"x")
    assert len(synced) == 2
    synced.clear()
    assert not store.put_if_absent("day/b", b"x")
    assert synced[-1] == str(root / "day"), "who made it may have died before the folder was on disk"


@pytest.mark.parametrize("point", ["part_before_link", "part_after_link"])
@pytest.mark.parametrize("action", ["raise", "full"])
def test_a_failing_disk_is_unavailable_and_the_next_try_succeeds(store: LocalStore, point: str, action: str) -> None:
    arm(f"{point}:{action}")
    try:
        with pytest.raises(StorageUnavailable, match="day/a"):
            store.put_if_absent("day/a", b"rows")
    finally:
        arm("")
    assert store.put_if_absent("day/a", b"rows") is (point == "part_before_link")
    assert store.read("day/a") == b"rows"
    assert names(store) == ["day/a"]


def test_what_needs_a_person_is_told_from_what_may_pass(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as refused:
        LocalStore(tmp_path / "file").put_if_absent("day/a", b"x")
    assert not isinstance(refused.value, StorageUnavailable)
    assert str(tmp_path / "file") in str(refused.value)


def test_the_zones_are_siblings_of_the_landing_zone(tmp_path: Path) -> None:
    def urls(**keys: str) -> list[str]:
        zone = open_zone(Storage(**keys))
        return [zone.landing.url, zone.quarantine.url, zone.rejections.url]

    assert urls(root=str(tmp_path)) == [f"{tmp_path}/{name}" for name in ("landing", "quarantine", "rejections")]
    assert urls(landing="/srv/x/raw") == ["/srv/x/raw", "/srv/x/quarantine", "/srv/x/rejections"]
    assert urls(landing="s3://bucket/a/landing") == ["s3://bucket/a/landing", "s3://bucket/a/quarantine", "s3://bucket/a/rejections"]
    assert urls(landing="s3://bucket/landing") == ["s3://bucket/landing", "s3://bucket/quarantine", "s3://bucket/rejections"]
    assert urls(landing="s3://bucket") == ["s3://bucket", "s3://bucket/quarantine", "s3://bucket/rejections"]


def test_stores_can_be_handed_to_other_processes(store: LocalStore) -> None:
    store.put("a", b"x")
    assert pickle.loads(pickle.dumps(store)).read("a") == b"x"
    remote = S3Store("bucket", "a/landing", endpoint_url="http://127.0.0.1:1", region="eu-west-1")
    assert pickle.loads(pickle.dumps(remote)).url == remote.url == "s3://bucket/a/landing"
