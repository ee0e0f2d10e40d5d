"""Many small parts become few, and nothing counts twice or not at all."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.layout import PartName
from ingest.parts import list_all, list_parts
from ingest.storage import Zone
from ingest.upkeep import compact as module
from ingest.upkeep.check import check
from ingest.upkeep.compact import compact, report
from tests.zones import DAY, W1, W2, Refused, configured, files_of, land, landed_rows, names, zone_of

TODAY = datetime.now(UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def well(config: Config) -> None:
    assert check(config, now=TODAY).findings == []


def test_neighbours_of_a_closed_day_become_one_part_with_the_same_rows(config: Config, zone: Zone) -> None:
    for first in range(1, 21, 5):
        land(zone, W1, first, first + 4, refused={7: Refused()})
    before = landed_rows(zone)
    done = compact(config, now=TODAY)
    assert names(list_parts(zone.landing)) == [str(PartName(W1, 1, 20))]
    assert landed_rows(zone) == before
    assert [(joined.of, str(joined.part.name)) for joined in done.joined] == [(4, str(PartName(W1, 1, 20)))]
    assert (len(done.removed), done.waiting) == (0, 4)
    assert list(report(done)) == [
        f"2026-11-20: 4 parts joined into {PartName(W1, 1, 20)}",
        "1 parts made of 4, 0 superseded parts removed, 4 wait for their grace",
    ]
    well(config)


def test_again_it_changes_nothing(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    compact(config, now=TODAY)
    before = files_of(zone.landing.url)
    done = compact(config, now=TODAY)
    assert (done.joined, done.removed, done.problems) == ((), (), ())
    assert files_of(zone.landing.url) == before


def test_superseded_parts_go_when_the_wider_one_is_older_than_the_grace(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    compact(config, now=TODAY)
    assert compact(config, now=TODAY + timedelta(hours=23)).removed == ()
    done = compact(config, now=TODAY + timedelta(hours=25))
    assert names(done.removed) == [str(PartName(W1, 1, 2)), str(PartName(W1, 3, 4))]
    assert files_of(zone.landing.url) == [f"received_date=2026-11-20/{PartName(W1, 1, 4)}"]
    well(config)


def test_without_a_grace_they_go_at_once(tmp_path: Path) -> None:
    config = configured(tmp_path, grace="0s")
    zone = zone_of(config)
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    assert len(compact(config, now=TODAY).removed) == 2
    assert names(list_parts(zone.landing)) == [str(PartName(W1, 1, 4))]


def test_the_age_that_counts_is_that_of_the_widest(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    compact(config, now=TODAY)
    for path in Path(zone.landing.url).rglob("*.parquet"):
        os.utime(path, (0, 0))
    land(zone, W1, 5, 6)
    done = compact(config, now=TODAY)
    assert names(list_parts(zone.landing)) == [str(PartName(W1, 1, 6))]
    assert (done.removed, done.waiting) == ((), 4)


def test_only_neighbours_of_one_writer_and_one_folder_are_joined(config: Config, zone: Zone) -> None:
    next_day = DAY + timedelta(days=1)
    land(zone, W1, 1, 2)
    land(zone, W1, 4, 5)
    land(zone, W2, 3, 3)
    land(zone, W1, 6, 7, day=next_day)
    land(zone, W1, 8, 9)
    before = landed_rows(zone)
    done = compact(config, now=TODAY)
    assert done.joined == ()
    assert landed_rows(zone) == before


def test_the_day_that_is_not_over_is_left_alone_unless_asked_for(config: Config, zone: Zone) -> None:
    today = date(2026, 11, 24)
    land(zone, W1, 1, 2, day=today)
    land(zone, W1, 3, 4, day=today)
    assert compact(config, now=datetime(2026, 11, 24, 23, 59, tzinfo=UTC)).joined == ()
    assert len(compact(config, now=datetime(2026, 11, 24, 23, 59, tzinfo=UTC), open_day=True).joined) == 1
    land(zone, W1, 5, 6, day=today)
    assert len(compact(config, now=datetime(2026, 11, 25, 0, 0, tzinfo=UTC)).joined) == 1


def test_empty_parts_are_joined_too(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 1, refused={1: Refused()})
    land(zone, W1, 2, 2, refused={2: Refused()})
    compact(config, now=TODAY)
    assert names(list_parts(zone.landing)) == [str(PartName(W1, 1, 2))]
    well(config)


def test_a_joined_part_stays_within_its_size(config: Config, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    for first in range(1, 11, 2):
        land(zone, W1, first, first + 1)
    size = list_parts(zone.landing)[0].size
    monkeypatch.setattr(module, "MAX_JOINED_BYTES", size * 2 + size // 2)
    compact(config, now=TODAY)
    assert names(list_parts(zone.landing)) == [str(PartName(W1, *ends)) for ends in ((1, 4), (5, 8), (9, 10))]


def test_a_damaged_part_keeps_its_day_and_lets_the_others_be_joined(config: Config, zone: Zone) -> None:
    next_day = DAY + timedelta(days=1)
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    land(zone, W1, 5, 6, day=next_day)
    land(zone, W1, 7, 8, day=next_day)
    damaged = Path(zone.landing.url) / f"received_date=2026-11-20/{PartName(W1, 3, 4)}"
    damaged.write_bytes(b"nothing")
    done = compact(config, now=TODAY)
    assert [str(joined.part.name) for joined in done.joined] == [str(PartName(W1, 5, 8))]
    assert len(done.problems) == 1
    assert str(damaged) in done.problems[0]
    assert not (damaged.parent / f"{PartName(W1, 1, 4)}").exists()


def test_a_superseded_part_that_says_otherwise_is_not_removed(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4, refused={3: Refused()})
    compact(config, now=TODAY)
    narrow = Path(zone.landing.url) / f"received_date=2026-11-20/{PartName(W1, 3, 4)}"
    narrow.unlink()
    land(zone, W1, 3, 4, refused={4: Refused()}, day=date(2026, 11, 21))
    moved = Path(zone.landing.url) / f"received_date=2026-11-21/{PartName(W1, 3, 4)}"
    moved.rename(narrow)
    done = compact(config, now=TODAY + timedelta(days=2))
    assert names(done.removed) == [str(PartName(W1, 1, 2))]
    assert narrow.exists()
    assert "holds other numbers" in done.problems[0]


def test_a_damaged_wide_part_removes_nothing(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    land(zone, W1, 3, 4)
    compact(config, now=TODAY)
    (Path(zone.landing.url) / f"received_date=2026-11-20/{PartName(W1, 1, 4)}").write_bytes(b"")
    done = compact(config, now=TODAY + timedelta(days=2))
    assert (len(done.problems), done.removed) == (1, ())
    assert len(list_all(zone.landing).counted.superseded) == 2


def test_old_temporary_files_are_swept_and_young_ones_left(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2)
    folder = Path(zone.landing.url) / "received_date=2026-11-20"
    (folder / ".old.tmp").write_bytes(b"")
    (folder / ".young.tmp").write_bytes(b"")
    os.utime(folder / ".old.tmp", (0, 0))
    assert compact(config, now=TODAY).strays == 1
    assert not (folder / ".old.tmp").exists()
    assert (folder / ".young.tmp").exists()


def test_nothing_to_do_is_fine(config: Config) -> None:
    assert compact(config, now=TODAY).joined == ()
