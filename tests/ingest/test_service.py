"""The running ingester as an operator meets it: reload, workers, locks, drain, mistakes of the configuration."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.journal import WriterLock, writers
from tests.ingester import SECRET, SOURCE, Ingester, Traffic, assert_exactly_once, event, journal_names, landed, run, toml, wait_for


def rewrite(ingester: Ingester, config: str) -> None:
    aside = ingester.config_path.with_suffix(".new")
    aside.write_text(config)
    aside.replace(ingester.config_path)


def test_a_changed_file_rotates_a_secret_without_losing_a_request(tmp_path: Path) -> None:
    with Ingester(tmp_path) as ingester:
        with Traffic(ingester, clients=2) as traffic:
            traffic.wait_for(50)
            both = 'transport = "webhook"\nsecrets = ["the-new-secret", "a-secret-of-tests"]\n'
            rewrite(ingester, toml(sources={"acme": both, "second": SOURCE}))
            wait_for(lambda: ingester.said("reloaded"), "it has reloaded")
            assert ingester.post(event(1), secret="the-new-secret") == 200
            assert ingester.post(event(2), source="second") == 200
            traffic.wait_for(50)
        assert set(traffic.statuses) == {200}
        rewrite(ingester, toml(sources={"acme": 'transport = "webhook"\nsecrets = ["the-new-secret"]\n'}))
        wait_for(lambda: len(ingester.said("reloaded")) == 2, "it has reloaded again")
        assert ingester.post(event(3)) == 401
        assert ingester.post(event(2), source="second") == 404
        assert ingester.metric("callfacts_reloads_total", result="done") == 2
    assert_exactly_once(tmp_path, [*traffic.acknowledged, event(1), event(2)])


def test_a_broken_configuration_is_refused_and_the_old_one_stays_in_force(tmp_path: Path) -> None:
    with Ingester(tmp_path) as ingester:
        rewrite(ingester, toml() + 'unknown_key = "x"\n')
        refused = wait_for(lambda: ingester.said("reload_refused"), "it is refused")[0]
        assert "sources[0].unknown_key: unknown key" in refused["error"]
        assert ingester.post(event(1)) == 200
        rewrite(ingester, toml(sources={"acme": 'transport = "webhook"\nsecrets = ["env:NOT_THERE"]\n'}))
        wait_for(lambda: len(ingester.said("reload_refused")) == 2, "it is refused again")
        assert ingester.post(event(2)) == 200
        assert ingester.get("/readyz").status == 200


def test_sighup_rereads_the_file_of_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "acme.secret"
    secret.write_text("the-first-secret\n")
    with Ingester(tmp_path, config=toml(sources={"acme": 'transport = "webhook"\nsecrets = ["file:acme.secret"]\n'})) as ingester:
        status = secret.stat()
        secret.write_text("the-other-secret\n")
        os.utime(secret, ns=(status.st_atime_ns, status.st_mtime_ns))  # size, inode and time as before: only SIGHUP can tell
        ingester.signal(signal.SIGHUP)
        wait_for(lambda: ingester.said("reloaded"), "it has reloaded")
        assert ingester.post(event(1), secret="the-other-secret") == 200


def test_what_a_reload_says_of_a_source_governs_what_the_roller_does(tmp_path: Path) -> None:
    with Ingester(tmp_path, config=toml(ingest="roll_seconds = 1.0")) as ingester:
        rewrite(ingester, toml(ingest="roll_seconds = 0.2", sources={"acme": SOURCE + 'company = "another"\n'}))
        wait_for(lambda: ingester.said("reloaded"), "it has reloaded")
        assert ingester.post(event(1)) == 200
        wait_for(lambda: ingester.metric("callfacts_quarantined_total", reason="wrong_company") == 1, "it is quarantined")


def test_several_workers_share_the_port_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    with Ingester(tmp_path, "webhook", "--port", "0", "--workers", "2") as ingester:
        wait_for(lambda: len(ingester.said("listening")) == 2, "both listen")
        with Traffic(ingester, clients=6) as traffic:
            traffic.wait_for(200)
            os.kill(ingester.said("listening")[0]["pid"], signal.SIGKILL)
            wait_for(lambda: len(ingester.said("listening")) == 3, "a third listens")
            traffic.wait_for(200)
        assert set(traffic.statuses) == {200}
        wait_for(lambda: not ingester.metric("callfacts_journal_rows"), "the dead worker's journal is landed too")
        for _ in range(4):  # whichever worker answers
            assert ingester.metric("callfacts_worker_starts_total") == 3
        n = ingester.metric("callfacts_deliveries_total", source="acme", transport="webhook")
        assert [ingester.post(event(i)) for i in range(10)] == [200] * 10
        for _ in range(4):
            assert ingester.metric("callfacts_deliveries_total", source="acme", transport="webhook") == n + 10
    assert_exactly_once(tmp_path, traffic.acknowledged)
    assert len({writer for writer, _, _ in landed(tmp_path)}) >= 2


def test_a_living_writers_journal_is_never_taken_by_another(tmp_path: Path) -> None:
    with Ingester(tmp_path, config=toml(ingest="roll_seconds = 60")) as first:
        assert first.post(event(1)) == 200
        with Ingester(tmp_path, config=toml(), config_name="second.toml") as second:
            assert second.post(event(2)) == 200
            wait_for(lambda: second.metric("callfacts_landed_rows_total") == 1, "its own is landed")
            time.sleep(3.5)  # it has looked for dead writers meanwhile
        assert [body for _, _, body in landed(tmp_path)] == [event(2)]
    assert_exactly_once(tmp_path, [event(1), event(2)])


def test_a_dead_writers_journal_is_landed_by_a_neighbour_that_runs_already(tmp_path: Path) -> None:
    first = Ingester(tmp_path, config=toml(ingest="roll_seconds = 60"))
    with Ingester(tmp_path) as second:
        assert first.post(event(1)) == 200
        first.kill()
        wait_for(lambda: second.metric("callfacts_landed_rows_total") == 1, "the neighbour has landed it")
    assert_exactly_once(tmp_path, [event(1)])


def test_a_writer_whose_lock_is_held_is_left_alone(tmp_path: Path) -> None:
    first = Ingester(tmp_path, config=toml(ingest="roll_seconds = 60"))
    assert first.post(event(1)) == 200
    first.kill()
    journal = tmp_path / "data" / "journal"
    [writer] = writers(journal)
    held = wait_for(lambda: _taken(journal, writer), "the lock is free")
    with Ingester(tmp_path):
        time.sleep(1)
    assert landed(tmp_path) == [] and journal_names(tmp_path)
    held.close()
    with Ingester(tmp_path):
        pass
    assert_exactly_once(tmp_path, [event(1)])


def _taken(folder: Path, writer: str) -> WriterLock | None:
    try:
        return WriterLock.take(folder, writer)
    except Exception:  # noqa: BLE001 - the roller is still dying
        return None


def test_a_drain_answers_what_is_in_flight_and_lands_everything(tmp_path: Path) -> None:
    ingester = Ingester(tmp_path, config=toml(ingest="roll_seconds = 60"))
    with Traffic(ingester) as traffic:
        traffic.wait_for(100)
        assert ingester.end() == 0
    assert set(traffic.statuses) == {200}
    assert_exactly_once(tmp_path, traffic.acknowledged)


def test_a_port_in_use_ends_with_one_line(tmp_path: Path) -> None:
    with Ingester(tmp_path) as first:
        for more in ([], ["--workers", "2"]):
            second = run(tmp_path, "webhook", "--port", str(first.port), *more)
            assert second.returncode == 1
            assert second.stderr.strip().splitlines()[-1] == f"ingest: 127.0.0.1:{first.port}: cannot listen there: Address already in use"


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[storage]\nroot = \n", "is not TOML"),
        ("[storage]\nrooot = 'x'\n", "storage.rooot: unknown key"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"\n', "sources[0].secrets"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"\nsecrets = ["env:NOT_THERE"]\n', "env:NOT_THERE is not set"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"\nsecrets = ["file:nowhere"]\n', "is not there"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"\nsecrets = ["short"]\n', "is shorter than 8 bytes"),
        (f'[[sources]]\nname = "a"\n{SOURCE}[[sources]]\nname = "a"\n{SOURCE}', "sources[1].name"),
        ("", "there is no webhook source"),
    ],
)
def test_a_mistake_in_the_configuration_is_exit_2_and_one_line(tmp_path: Path, config: str, says: str) -> None:
    for command in (["webhook", "--port", "0"], ["config", "check"]):
        ended = run(tmp_path, *command, config=config)
        if not config and command[0] == "config":
            continue
        lines = ended.stderr.strip().splitlines()
        assert (ended.returncode, len(lines)) == (2, 1), ended.stderr
        assert lines[0].startswith(f"ingest: {tmp_path}/callfacts.toml: ") and says in lines[0]
        assert "short" not in lines[0] or "shorter" in lines[0]


def test_config_check_says_what_is_in_force_and_warns(tmp_path: Path) -> None:
    ended = run(tmp_path, "config", "check", config=toml(sources={"acme": SOURCE, "second": SOURCE}))
    assert ended.returncode == 0
    assert "source acme: webhook, 1 secret\n" in ended.stdout
    assert "names no company" in ended.stdout
    assert SECRET not in ended.stdout + ended.stderr


def test_a_failpoint_that_cannot_be_read_is_exit_2(tmp_path: Path) -> None:
    ended = run(tmp_path, "config", "check", config=toml(), environ={"CALLFACTS_FAILPOINT": "x:explode"})
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_help_is_there_without_heavy_imports() -> None:
    heavy = ("pyarrow", "boto3", "uvicorn", "structlog")
    script = f"import sys\nfrom ingest.cli import main\nmain(['--help'])\nprint([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    assert ended.stdout.endswith("[]\n")
