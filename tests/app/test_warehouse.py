"""The published file as many readers see it."""

import threading
from pathlib import Path

import duckdb
import pytest

from app.warehouse import UnreadableWarehouse, Warehouse
from ingest.errors import WarehouseMissing


def publish(path, number):
    """A new file in place of the old one by rename, read-only, as a build publishes it."""
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)
    with duckdb.connect(str(aside)) as connection:
        connection.execute("create table calls as select $1::bigint as n", [number])
        connection.execute("create macro doubled(x) as x * 2")
    aside.chmod(0o444)
    aside.replace(path)


def read(warehouse):
    with warehouse.cursor() as cursor:
        return cursor.sql("select doubled(n) as n from calls").pl()["n"][0]


@pytest.fixture
def warehouse(tmp_path):
    opened = Warehouse(tmp_path / "warehouse.duckdb")
    yield opened
    opened.close()


def test_a_new_build_is_seen_by_the_next_question(warehouse):
    publish(warehouse.path, 1)
    before = warehouse.version
    assert read(warehouse) == 2
    publish(warehouse.path, 2)
    assert warehouse.version != before
    assert read(warehouse) == 4


def test_a_page_goes_on_reading_the_file_it_began_with_and_the_next_reads_the_new_one(warehouse):
    publish(warehouse.path, 1)
    with warehouse.cursor() as begun:
        publish(warehouse.path, 2)
        assert read(warehouse) == 4
        assert begun.sql("select n from calls").pl()["n"][0] == 1
    assert read(warehouse) == 4


def test_the_old_file_is_let_go_once_its_last_reader_is_done(warehouse):
    publish(warehouse.path, 1)
    with warehouse.cursor():
        publish(warehouse.path, 2)
        read(warehouse)
        assert len(open_files(warehouse.path)) == 2
    assert len(open_files(warehouse.path)) == 1


def open_files(path):
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(str(path)):
            found.append(target)
    return found


def test_the_file_is_never_locked(warehouse):
    publish(warehouse.path, 1)
    with warehouse.cursor() as cursor:
        cursor.sql("select n from calls").fetchall()
        warehouse.path.chmod(0o644)
        with duckdb.connect(str(warehouse.path.rename(warehouse.path.with_suffix(".other")))) as writer:
            writer.execute("insert into calls values (3)")


def test_nothing_can_be_written_and_no_other_file_read(warehouse, tmp_path):
    publish(warehouse.path, 1)
    other = tmp_path / "secret.csv"
    other.write_text("a\n1\n")
    for statement in (
        "insert into calls values (3)",
        "drop table calls",
        f"select * from read_csv('{other}')",
        f"copy calls to '{tmp_path}/out.csv'",
        f"attach '{tmp_path}/other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
    ):
        with pytest.raises(duckdb.Error), warehouse.cursor() as cursor:
            cursor.execute(statement)
    assert not (tmp_path / "out.csv").exists()
    assert read(warehouse) == 2


def test_many_threads_read_while_builds_come(warehouse):
    publish(warehouse.path, 0)
    wrong = []

    def reader():
        last = 0
        for _ in range(60):
            n = read(warehouse)
            if n < last:
                wrong.append((last, n))
            last = n

    threads = [threading.Thread(target=reader) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        publish(warehouse.path, number)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert read(warehouse) == 28


def test_a_missing_warehouse_says_which_command_makes_it_and_is_found_once_there(warehouse):
    assert warehouse.version is None
    with pytest.raises(WarehouseMissing, match="transforms build"):
        read(warehouse)
    publish(warehouse.path, 1)
    assert read(warehouse) == 2
    warehouse.path.unlink()
    with pytest.raises(WarehouseMissing):
        read(warehouse)
    assert open_files(warehouse.path) == []


def test_a_damaged_file_has_one_line_that_says_what_to_do(warehouse):
    warehouse.path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(UnreadableWarehouse, match=r"warehouse\.duckdb: .*transforms build --full") as caught:
        read(warehouse)
    assert "\n" not in str(caught.value)


def test_a_folder_with_a_quote_in_its_name_is_a_folder(tmp_path):
    path = tmp_path / "it's; drop" / "warehouse.duckdb"
    path.parent.mkdir()
    publish(path, 1)
    warehouse = Warehouse(path)
    assert read(warehouse) == 2
    warehouse.close()
