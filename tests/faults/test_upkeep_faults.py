"""kill -9 on named lines of compact, retry and retain, in real processes: run again, they end where an undisturbed run ends."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ingest.cli import main
from ingest.config import Config
from ingest.layout import PartName, Reason
from ingest.parts import list_parts
from ingest.signature import sign
from ingest.storage import Zone
from ingest.upkeep.check import check
from ingest.upkeep.quarantine import rescuing_writer
from tests.zones import DAY, SECRET, W1, W2, Refused, configured, event_body, files_of, land, landed_rows, names, zone_of

OLD = date(2020, 1, 2)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path, grace="0s")


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def run(config: Config, *arguments: str, failpoint: str = "") -> int:
    """The command; with a failpoint in a process of its own, which that kills."""
    line = [*arguments, "--config", str(config.file)]
    if not failpoint:
        return main(line, {})
    environ = os.environ | {"CALLFACTS_FAILPOINT": failpoint}
    done = subprocess.run([sys.executable, "-m", "ingest.cli", *line], env=environ, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return done.returncode


def well(config: Config) -> None:
    assert check(config, now=datetime.now(UTC)).findings == []


COMPACTION = [
    "compact_between_parts:kill:1",
    "compact_between_parts:kill:3",
    "part_half_written",
    "part_before_link",
    "part_after_link",
    "part_after_link:kill:2",
    "compact_joined",
    "compact_before_remove",
    "compact_removed",
    "compact_removed:kill:3",
]


@pytest.mark.parametrize("failpoint", COMPACTION)
def test_kill_in_mid_compaction(config: Config, zone: Zone, failpoint: str) -> None:
    for first in (1, 4, 7):
        land(zone, W1, first, first + 2, refused={5: Refused()})
        land(zone, W2, first, first + 2)
    rows = landed_rows(zone)
    run(config, "compact", failpoint=failpoint)
    assert landed_rows(zone) == rows, "everything counts once, at the very moment of the crash"
    well(config)
    assert run(config, "compact") == 0
    assert names(list_parts(zone.landing)) == [str(PartName(W1, 1, 9)), str(PartName(W2, 1, 9))]
    assert [name for name in files_of(zone.landing.url) if not name.endswith(".tmp")] == [
        f"received_date={DAY}/{PartName(writer, 1, 9)}" for writer in (W1, W2)
    ]
    assert landed_rows(zone) == rows
    well(config)


RETRY = [
    "retry_before_note",
    "object_before_rename",
    "retry_before_landing",
    "part_half_written",
    "part_before_link",
    "part_after_link",
    "retry_after_landing",
    "object_before_rename:kill:2",
    "retry_after_replace",
    "retry_before_note:kill:2",
    "retry_after_landing:kill:2",
]


def verified(seq: int, secret: str = SECRET) -> Refused:
    body = event_body(seq)
    return Refused(body, Reason.BAD_SIGNATURE, signature=sign(secret.encode(), body), transport="sqs")


@pytest.mark.parametrize("failpoint", RETRY)
def test_kill_in_mid_retry(config: Config, zone: Zone, failpoint: str) -> None:
    one = land(zone, W1, 1, 4, refused={1: verified(1), 3: Refused(), 4: verified(4)})
    two = land(zone, W2, 1, 2, refused={2: verified(12)})
    run(config, "quarantine", "retry", failpoint=failpoint)
    well(config)
    assert run(config, "quarantine", "retry") == 0
    rescued = {(row["writer"], row["seq"]): row["subject_id"] for row in landed_rows(zone) if row["writer"] not in (W1, W2)}
    assert rescued == {
        (rescuing_writer(one, [1, 4]), 1): "it_w100001_1.1",
        (rescuing_writer(one, [1, 4]), 2): "it_w100001_4.1",
        (rescuing_writer(two, [2]), 1): "it_w100001_12.1",
    }
    well(config)
    before = files_of(zone.landing.url)
    assert run(config, "quarantine", "retry") == 0
    assert files_of(zone.landing.url) == before


def test_a_retry_that_died_after_landing_is_completed_as_it_was_begun_though_more_would_pass_by_now(config: Config, zone: Zone) -> None:
    name = land(zone, W1, 1, 3, refused={1: verified(1), 2: verified(2, "the-secret-before")})
    run(config, "quarantine", "retry", failpoint="retry_after_landing")
    rotated = configured(Path(config.storage.root).parent, secret=f'{SECRET}", "the-secret-before')
    assert run(rotated, "quarantine", "retry") == 0
    assert run(rotated, "quarantine", "retry") == 0
    rescued = [(row["writer"], row["subject_id"]) for row in landed_rows(zone) if row["writer"] != W1]
    assert sorted(rescued) == sorted([(rescuing_writer(name, [1]), "it_w100001_1.1"), (rescuing_writer(name, [2]), "it_w100001_2.1")])
    well(rotated)


@pytest.mark.parametrize("failpoint", ["retain_quarantine", "retain_superseded", "retain_superseded:kill:2", "retain_landing"])
def test_kill_in_mid_retention(config: Config, zone: Zone, failpoint: str) -> None:
    land(zone, W1, 1, 2, refused={2: Refused()}, day=OLD)
    land(zone, W1, 3, 4, day=OLD)
    land(zone, W1, 1, 4, refused={2: Refused()}, day=OLD)
    for path in Path(zone.quarantine.url).rglob(str(PartName(W1, 1, 4))):
        path.unlink()
    land(zone, W2, 1, 2)
    before = [(row["writer"], row["seq"]) for row in landed_rows(zone)]
    run(config, "retain", "--older-than", "400d", failpoint=failpoint)
    at_the_crash = [(row["writer"], row["seq"]) for row in landed_rows(zone)]
    assert at_the_crash == before, "nothing that had been superseded counts again"
    assert run(config, "retain", "--older-than", "400d") == 0
    assert [(row["writer"], row["seq"]) for row in landed_rows(zone)] == [(W2, 1), (W2, 2)]
    assert files_of(zone.quarantine.url) == []
    well(config)
