"""Configuration and commands from outside: defaults, overrides, exit codes, one clear line. (CONTRACT §2, §3)"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from tests.end_to_end.acceptance.house import SECRET, SOURCES, House
from tests.end_to_end.acceptance.oracle import refusal

SECOND = SOURCES.replace("acme", "second")

BAD: dict[str, tuple[str, str]] = {
    "no TOML": ("[[sources", "callfacts.toml"),
    "unknown table": ("[nonsense]\n", "nonsense"),
    "unknown key of storage": ("[storage]\nroot = 'data'\nroots = 'x'\n", "roots"),
    "unknown key of ingest": ("[ingest]\nroll_second = 1\n", "roll_second"),
    "unknown key of transforms": ("[transforms]\nphases = 'x'\n", "phases"),
    "unknown key of reports": ("[reports]\ntimezone = 'UTC'\n", "timezone"),
    "unknown key of a queue": ("[reports.queues.'a b']\nservice_level = 1\n", "service_level"),
    "unknown key of a source": (SOURCES + "secret = 'x'\n", "secret"),
    "source without a name": ("[[sources]]\ntransport = 'webhook'\nsecrets = ['12345678']\n", "name"),
    "source without a transport": ("[[sources]]\nname = 'acme'\nsecrets = ['12345678']\n", "transport"),
    "unknown transport": (SOURCES.replace('"webhook"', '"smtp"'), "transport"),
    "two sources of one name": (SOURCES + SOURCES, "acme"),
    "no secrets": ("[[sources]]\nname = 'acme'\ntransport = 'webhook'\n", "secrets"),
    "empty list of secrets": ("[[sources]]\nname = 'acme'\ntransport = 'webhook'\nsecrets = []\n", "secrets"),
    "empty secret": (SOURCES.replace(SECRET, ""), "secrets"),
    "secret of seven bytes": (SOURCES.replace(SECRET, "1234567"), "secrets"),
    "second secret too short": (SOURCES.replace(f'"{SECRET}"', f'"{SECRET}", "short"'), "secrets"),
    "secret from an unset variable": (SOURCES.replace(SECRET, "env:NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
    "secret from an empty variable": (SOURCES.replace(SECRET, "env:EMPTY"), "EMPTY"),
    "secret from a missing file": (SOURCES.replace(SECRET, "file:missing.key"), "missing.key"),
    "secret from an empty file": (SOURCES.replace(SECRET, "file:empty.key"), "empty.key"),
    "secret from a file with seven bytes and a line break": (SOURCES.replace(SECRET, "file:short.key"), "short.key"),
    "secret from a folder": (SOURCES.replace(SECRET, "file:."), "secrets"),
    "secrets no list": ("[[sources]]\nname = 'acme'\ntransport = 'webhook'\nsecrets = '12345678'\n", "secrets"),
    "sqs without a queue": ("[[sources]]\nname = 'q'\ntransport = 'sqs'\nsecrets = ['12345678']\n", "queue_url"),
    "name that is no path": (SOURCES.replace("acme", "a/b"), "name"),
    "time zone": ("[reports]\ntime_zone = 'Mars/Olympus'\n", "time_zone"),
    "weekday": ("[reports]\nfirst_weekday = 8\n", "first_weekday"),
    "business hours": ("[reports.business_hours]\nmonday = ['9-17']\n", "monday"),
    "business hours of no day": ("[reports.business_hours]\nholiday = ['09:00-17:00']\n", "holiday"),
    "goal": ("[reports]\nservice_level_goal = 80\n", "service_level_goal"),
    "formula": ("[reports]\nservice_level_formula = 'best'\n", "service_level_formula"),
    "holidays": ("[reports]\nholidays = ['christmas']\n", "holidays"),
    "roll_seconds": ("[ingest]\nroll_seconds = 'five'\n", "roll_seconds"),
    "max_body_bytes": ("[ingest]\nmax_body_bytes = 'big'\n", "max_body_bytes"),
    "missing list of phases": ("[transforms]\ncall_phases = 'missing.csv'\n", "call_phases"),
    "memory_limit": ("[transforms]\nmemory_limit = 'lots'\n", "memory_limit"),
    "compact_grace": ("[ingest]\ncompact_grace = 'a while'\n", "compact_grace"),
    "landing of another kind": ("[storage]\nlanding = 'gs://bucket'\n", "landing"),
    "a value of another type": ("[storage]\nroot = 5\n", "root"),
}


def one_line(stderr: str) -> str:
    assert "Traceback" not in stderr
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    return lines[0]


def test_each_mistake_is_one_line_that_names_file_and_key_and_exit_2(tmp_path: Path) -> None:
    def check(mistake: str) -> subprocess.CompletedProcess[str]:
        house = House(tmp_path / mistake, BAD[mistake][0])
        (house.folder / "empty.key").write_bytes(b"")
        (house.folder / "short.key").write_bytes(b"1234567\n")
        return house.run("ingest", "config", "check", env={"EMPTY": ""})

    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(BAD, pool.map(check, BAD), strict=True))

    for mistake, (_, named) in BAD.items():
        assert done[mistake].returncode == 2, mistake
        line = one_line(done[mistake].stderr)
        assert named in line and "callfacts.toml" in line, mistake
        assert SECRET not in line and "1234567" not in line.replace("12345678", ""), mistake


def test_a_mistake_keeps_every_command_from_starting(tmp_path: Path) -> None:
    house = House(tmp_path, "[storage]\nroots = 'x'\n")
    for command in (["ingest", "webhook", "--port", "0"], ["ingest", "status"], ["transforms", "build"]):
        done = house.run(*command)
        assert done.returncode == 2, command
        assert "roots" in one_line(done.stderr)
    house.config.write_text(SOURCES.replace(SECRET, "env:NOT_SET_ANYWHERE"))
    done = house.run("ingest", "webhook", "--port", "0")
    assert done.returncode == 2 and "NOT_SET_ANYWHERE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_good_configuration_is_exit_0_and_a_source_open_to_any_company_is_warned_about(tmp_path: Path) -> None:
    house = House(tmp_path, SOURCES + SECOND + 'company = "it_w100001"\n')
    done = house.run("ingest", "config", "check")
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "company" in said and "acme" in said
    assert not [line for line in said.splitlines() if "second" in line and "without" in line]
    assert SECRET not in said


BAD_USAGE = (
    "ingest nonsense",
    "ingest webhook --nonsense",
    "ingest webhook --port x",
    "ingest retain",
    "ingest retain --older-than soon",
    "transforms nonsense",
    "transforms build --engine abacus",
    "transforms watch --every never",
)


def test_bad_usage_is_exit_2_and_one_line(tmp_path: Path) -> None:
    house = House(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(lambda command: house.run(*command.split()), BAD_USAGE):
            assert done.returncode == 2, done.args
            one_line(done.stderr)


def lands_in(house: House, folder: Path, *, env: dict[str, str] | None = None, options: tuple[str, ...] = ()) -> None:
    line = house.folder / "one.ndjson"
    line.write_bytes(orjson.dumps({"type": "x", "time": 1_760_000_000_000}) + b"\n")
    house.ok("ingest", "load", line, "--source", "acme", *options, env=env)
    assert len(list((folder / "landing").rglob("*.parquet"))) == 1, folder


@pytest.mark.slow
def test_where_data_lies_and_which_file_counts(tmp_path: Path) -> None:
    """callfacts.toml here; CALLFACTS_CONFIG over it; --config over that; CALLFACTS_DATA over storage.root; relative to the TOML file."""
    house = House(tmp_path / "home")
    (tmp_path / "other").mkdir()
    for name in ("by_env", "by_option"):
        (tmp_path / "other" / f"{name}.toml").write_text(SOURCES + f'\n[storage]\nroot = "{name}/data"\n')
    by_env = {"CALLFACTS_CONFIG": str(tmp_path / "other" / "by_env.toml")}

    lands_in(house, house.data)
    lands_in(house, tmp_path / "other" / "by_env" / "data", env=by_env)
    lands_in(house, tmp_path / "other" / "by_option" / "data", env=by_env, options=("--config", str(tmp_path / "other" / "by_option.toml")))
    lands_in(house, tmp_path / "moved", env=by_env | {"CALLFACTS_DATA": str(tmp_path / "moved")})
    house.ok("transforms", "build", env={"CALLFACTS_DATA": str(tmp_path / "moved")})

    assert (tmp_path / "moved" / "warehouse.duckdb").exists()
    assert not house.warehouse.exists()


def test_without_a_file_the_folder_is_data_and_there_are_no_sources(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.config.unlink()

    assert house.run("ingest", "config", "check").returncode == 0
    house.ok("transforms", "build")
    assert (tmp_path / "data" / "warehouse.duckdb").exists()
    missing = house.run("ingest", "config", "check", env={"CALLFACTS_CONFIG": "missing.toml"})
    assert missing.returncode == 2 and "missing.toml" in one_line(missing.stderr)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_exit_2(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.config.chmod(0)

    done = house.run("ingest", "config", "check")

    assert done.returncode == 2 and "callfacts.toml" in one_line(done.stderr)


def test_simulated_traffic_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    house = House(tmp_path)
    options = ("--calls", "30", "--days", "2", "--duplicates", "0.1", "--disorder", "0.1")
    for _ in range(2):  # twice, should an hour end in between
        for name, seed in (("a", 5), ("b", 5), ("c", 6)):
            house.ok("ingest", "simulate", *options, "--seed", seed, "--out", f"{name}.ndjson")
        first, second, other = ((tmp_path / f"{name}.ndjson").read_bytes() for name in "abc")
        if first == second:
            break
    assert first == second != other
    assert [line for line in first.splitlines() if refusal(line) is not None] == []
