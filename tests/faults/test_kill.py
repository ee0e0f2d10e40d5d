"""kill -9 of the worker, the roller, or both, in traffic and at named places: what was acknowledged is landed exactly once."""

import os
import signal
from pathlib import Path

import pytest

from tests.ingester import Ingester, Traffic, assert_exactly_once, event, journal_names, toml, wait_for


def restarted(folder: Path) -> None:
    """A run that only lands what an earlier one left."""
    with Ingester(folder) as ingester:
        wait_for(lambda: not ingester.metric("callfacts_journal_rows"), "the journal is landed")


def test_killing_the_worker_in_traffic_loses_nothing(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path)
    with Traffic(ingester) as traffic:
        traffic.wait_for(300)
        ingester.kill()
    assert journal_names(tmp_path)
    restarted(tmp_path)
    assert_exactly_once(tmp_path, traffic.acknowledged)


def test_killing_the_roller_in_traffic_disturbs_nobody(tmp_path: Path) -> None:
    with Ingester(tmp_path) as ingester, Traffic(ingester) as traffic:
        for round_ in range(2):
            traffic.wait_for(200)
            os.kill(ingester.rollers[-1], signal.SIGKILL)
            wait_for(lambda n=round_: len(ingester.rollers) == n + 2, "a new roller")
        traffic.wait_for(200)
    assert set(traffic.statuses) == {200}
    assert_exactly_once(tmp_path, traffic.acknowledged)


def test_killing_both_loses_nothing(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path)
    with Traffic(ingester) as traffic:
        traffic.wait_for(300)
        os.kill(ingester.rollers[-1], signal.SIGKILL)
        ingester.kill()
    restarted(tmp_path)
    assert_exactly_once(tmp_path, traffic.acknowledged)


def test_the_roller_dies_with_its_worker(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path)
    roller = ingester.rollers[-1]
    ingester.kill()

    def gone() -> bool:
        try:
            return Path(f"/proc/{roller}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    wait_for(gone, "the roller is gone")


def test_kill_after_commit_before_answer_may_land_what_was_not_acknowledged(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path, failpoint="journal_committed:kill:3")
    with Traffic(ingester, clients=1) as traffic:
        assert ingester.wait() == -signal.SIGKILL
    assert len(traffic.acknowledged) == 2
    restarted(tmp_path)
    assert_exactly_once(tmp_path, traffic.acknowledged)


@pytest.mark.parametrize(
    "place",
    [
        "roller_after_quarantine",
        "part_half_written",
        "part_half_written:kill:2",
        "part_before_link",
        "part_after_link",
        "part_after_link:kill:2",
        "roller_between_parts",
        "roller_before_unlink",
        "roller_after_unlink",
    ],
)
def test_killing_the_roller_at(place: str, tmp_path: Path) -> None:
    acknowledged = [event(1), b"no event", event(2)]
    with Ingester(tmp_path, failpoint=place) as ingester:
        assert [ingester.post(body) for body in acknowledged] == [200, 200, 200]
        wait_for(lambda: len(ingester.rollers) > 1, "the roller has died and another has begun")
        acknowledged.append(event(3))
        assert ingester.post(event(3)) == 200
    assert_exactly_once(tmp_path, acknowledged)


def test_a_quarantine_part_that_exists_is_the_decision_also_under_another_configuration(tmp_path: Path) -> None:
    strict = toml(sources={"acme": 'transport = "webhook"\nsecrets = ["a-secret-of-tests"]\ncompany = "another"\n'})
    ingester = Ingester(tmp_path, config=strict, failpoint="roller_after_quarantine")
    assert [ingester.post(event(n)) for n in (1, 2)] == [200, 200]
    wait_for(lambda: len(ingester.rollers) > 1 or ingester.said("roller_died"), "the roller has died")
    ingester.kill()
    if not journal_names(tmp_path):
        pytest.skip("the second roller was faster than the kill")
    (tmp_path / "callfacts.toml").write_text(toml())
    restarted(tmp_path)
    assert_exactly_once(tmp_path, [event(1), event(2)])
    folders = {path.parent.parent.name for path in (tmp_path / "data").rglob("*.parquet")}
    assert folders == {"landing", "quarantine"}
