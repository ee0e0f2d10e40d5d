"""Watch: builds when something is new, survives failures, ends when told. And the command line's manners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.rejections import Rejection, put_rejections
from ingest.storage import open_zone
from tests.builders import MONDAY, call
from tests.landing import configured, land
from tests.transforms.published import column
from transforms import cli
from transforms.watch import Watch


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path / "data")


class Clock:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def builds(config: Config) -> int:
    return int(column(config.storage.warehouse_path, "select count(*) from builds")[0])


# ---------------------------------------------------------------- rounds


def test_it_builds_when_something_is_new_and_only_then(config: Config) -> None:
    watch = Watch(config, Clock(MONDAY), 60)
    watch.round()
    watch.round()
    assert builds(config) == 1
    land(config, call().events())
    watch.round()
    watch.round()
    assert builds(config) == 2
    put_rejections(open_zone(config.storage).rejections, "a" * 32, [Rejection("acme", "too_large", date(2026, 3, 2), 1)])
    watch.round()
    assert builds(config) == 3


def test_it_builds_when_a_call_becomes_lost(config: Config) -> None:
    land(config, call(ended=False, ring=0).events())
    clock = Clock(MONDAY)
    watch = Watch(config, clock, 60)
    watch.round()
    clock.now = MONDAY + timedelta(hours=3, minutes=59)
    watch.round()
    assert builds(config) == 1
    clock.now = MONDAY + timedelta(hours=4)
    watch.round()
    assert column(config.storage.warehouse_path, "select outcome from calls") == ["lost"]


def test_a_failed_build_is_survived_and_tried_again_later_each_time(config: Config) -> None:
    land(config, call().events())
    watch = Watch(config, Clock(MONDAY), 10)
    watch.round()
    part = land(config, call(call_id="c_2").events(), first=10)
    path = config.storage.root_path / "landing" / part.key
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert [watch.round() for _ in range(8)] == [20, 40, 80, 160, 320, 640, 900, 900]
    assert builds(config) == 1
    path.write_bytes(whole)
    assert watch.round() <= 10
    assert builds(config) == 2


def test_publishing_takes_at_most_a_third_of_the_time(config: Config) -> None:
    class Slow(Clock):
        """Ten seconds pass each time that somebody looks."""

        def __call__(self) -> datetime:
            self.now += timedelta(seconds=10)
            return self.now

    watch = Watch(config, Slow(MONDAY), 1)
    began = time.monotonic()
    pause = watch.round()
    assert 30 - (time.monotonic() - began) - 1 < pause <= 30


def test_the_process_builds_and_ends_with_the_signal(config: Config) -> None:
    land(config, call().events())
    environ = os.environ | {"CALLFACTS_DATA": config.storage.root}
    process = subprocess.Popen(
        [sys.executable, "-m", "transforms.cli", "watch", "--every", "1s"], env=environ, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if '"built"' in line:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert '"stopped"' in process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert builds(config) == 1


# ---------------------------------------------------------------- the command line


def run(config: Config, *arguments: str, **environ: str) -> int:
    return cli.main(arguments, {"CALLFACTS_DATA": config.storage.root} | environ)


def test_build_says_what_it_did(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    events = [event | {"data": event["data"] | {"status": "PARKED"}} for event in call().events()]
    land(config, [*events, {"type": "strange", "time": 1_772_442_000_000}])
    assert run(config, "build", "--as-of", "2026-03-02T12:00:00+01:00") == 0
    first, statuses, types = capsys.readouterr().out.splitlines()
    assert first.startswith("full build (there are no facts yet): 1 parts, 3 deliveries read, 1 calls computed, ")
    assert statuses.endswith("(events in all): 'PARKED' 2")
    assert types.endswith("'strange' 1")
    assert column(config.storage.warehouse_path, "select as_of from builds") == [datetime(2026, 3, 2, 11, tzinfo=UTC)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("build", "--as-of", "yesterday"),
        ("build", "--as-of", "0001-01-01T00:00Z"),
        ("build", "--as-of", "9999-12-31T23:59-05:00"),
        ("build", "--engine", "pandas"),
        ("watch", "--every", "often"),
        ("watch", "--every", "0s"),
        ("watch", "--every", "99999999d"),
        ("nonsense",),
        ("build", "--config", "/nowhere/callfacts.toml"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(config: Config, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(config, *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("transforms: ") and said.count("\n") == 1


def test_a_damaged_part_is_one_line_and_exit_1(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    part = land(config, call().events())
    path = config.storage.root_path / "landing" / part.key
    path.write_bytes(b"PAR1 no more")
    assert run(config, "build") == 1
    said = capsys.readouterr().err
    assert str(part.name) in said and said.count("\n") == 1
    assert not config.storage.warehouse_path.exists()


def test_a_full_disk_is_one_line_and_the_published_file_stays(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    land(config, call().events())
    assert run(config, "build") == 0
    before = config.storage.warehouse_path.read_bytes()
    land(config, call(call_id="c_2").events(), first=10)
    capsys.readouterr()
    assert run(config, "build", CALLFACTS_FAILPOINT="publish_before_sync:full") == 1
    said = capsys.readouterr().err
    assert said.startswith("transforms: ") and said.count("\n") == 1
    assert config.storage.warehouse_path.read_bytes() == before
    assert run(config, "build") == 0
    assert column(config.storage.warehouse_path, "select count(*) from calls") == [2]


def test_every_command_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in cli.cli.commands.items():
        assert command.help
        assert all(getattr(option, "help", None) for option in command.params), name
        assert cli.main([name, "--help"], {}) == 0
