"""Whole days go when they are older than the age, in an order that leaves nothing behind that would come back."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.errors import UsageError
from ingest.layout import PartName
from ingest.storage import Zone
from ingest.upkeep.check import check
from ingest.upkeep.compact import compact
from ingest.upkeep.retain import report, retain
from tests.zones import W1, W2, Refused, configured, files_of, land, zone_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD, EDGE, YOUNG = date(2025, 10, 19), date(2025, 10, 20), date(2026, 11, 23)
AGE = timedelta(days=400)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def kinds(config: Config, *, dry_run: bool = False) -> list[tuple[str, str]]:
    done = retain(config, older_than=AGE, now=NOW, dry_run=dry_run)
    return [(deletion.kind, deletion.key.rpartition("/")[2]) for deletion in done.deletions]


def test_a_day_goes_when_all_of_it_is_older_than_the_age(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, day=OLD, refused={2: Refused()})
    land(zone, W1, 3, 4, day=EDGE, refused={4: Refused()})
    land(zone, W1, 5, 6, day=YOUNG)
    assert kinds(config) == [("quarantine", str(PartName(W1, 1, 2))), ("landing", str(PartName(W1, 1, 2)))]
    assert files_of(zone.landing.url) == [f"received_date={day}/{PartName(W1, *ends)}" for day, ends in ((EDGE, (3, 4)), (YOUNG, (5, 6)))]
    assert files_of(zone.quarantine.url) == [f"received_date={EDGE}/{PartName(W1, 3, 4)}"]
    assert not (Path(zone.landing.url) / f"received_date={OLD}").exists()
    assert check(config, now=NOW).findings == []
    assert kinds(config) == []


def test_quarantine_goes_first_then_superseded_then_what_counts(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, day=OLD, refused={2: Refused()})
    land(zone, W1, 3, 4, day=OLD)
    compact(config, now=NOW)
    assert kinds(config) == [
        ("quarantine", str(PartName(W1, 1, 2))),
        ("superseded", str(PartName(W1, 1, 2))),
        ("superseded", str(PartName(W1, 3, 4))),
        ("landing", str(PartName(W1, 1, 4))),
    ]
    assert files_of(zone.landing.url) == files_of(zone.quarantine.url) == []


def test_a_later_copy_of_a_part_that_goes_does_not_come_back(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, day=OLD)
    land(zone, W1, 1, 2, day=YOUNG)
    land(zone, W2, 1, 2, day=YOUNG)
    assert kinds(config) == [("superseded", str(PartName(W1, 1, 2))), ("landing", str(PartName(W1, 1, 2)))]
    assert files_of(zone.landing.url) == [f"received_date={YOUNG}/{PartName(W2, 1, 2)}"]


def test_temporary_files_of_such_a_day_go_too(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, day=OLD)
    (Path(zone.landing.url) / f"received_date={OLD}" / ".crash.tmp").write_bytes(b"rows of somebody")
    assert ("temporary", ".crash.tmp") in kinds(config)
    assert files_of(zone.landing.url) == []


def test_a_dry_run_says_the_same_and_deletes_nothing(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, day=OLD, refused={2: Refused()})
    before = files_of(zone.landing.url) + files_of(zone.quarantine.url)
    planned = retain(config, older_than=AGE, now=NOW, dry_run=True)
    assert files_of(zone.landing.url) + files_of(zone.quarantine.url) == before
    size = sum(deletion.size for deletion in planned.deletions)
    assert list(report(planned)) == [
        "2025-10-19: 1 quarantine, 1 landing",
        f"2 files, {size:,} bytes would be deleted: all that arrived before 2025-10-20",
    ]
    assert [(d.kind, d.key) for d in retain(config, older_than=AGE, now=NOW, dry_run=False).deletions] == [
        (d.kind, d.key) for d in planned.deletions
    ]


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=-1), timedelta(days=999_999_999)])
def test_an_age_without_sense_deletes_nothing(config: Config, zone: Zone, age: timedelta) -> None:
    land(zone, W1, 1, 2, day=YOUNG)
    with pytest.raises(UsageError, match="--older-than"):
        retain(config, older_than=age, now=NOW, dry_run=False)
    assert len(files_of(zone.landing.url)) == 1
