"""The operator's commands from the command line: what they print, and their exit codes."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ingest.cli import main
from ingest.layout import PartName, Reason
from ingest.signature import sign
from ingest.storage import Zone
from ingest.upkeep.quarantine import rescuing_writer
from tests.zones import DAY, SECRET, W1, Refused, configured, event_body, files_of, land, zone_of

NAME = PartName(W1, 1, 3)


class Shell:
    """Runs `ingest … --config <the zone's>`."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self._capsys, self._root = configured(root), capsys, root
        self.zone: Zone = zone_of(self.config)

    def __call__(self, *arguments: str, **environ: str) -> tuple[int, list[str], list[str]]:
        """Exit code, lines on stdout, lines on stderr that are no log lines."""
        code = main([*arguments, "--config", str(self._root / "callfacts.toml")], environ)
        out, err = self._capsys.readouterr()
        return code, out.splitlines(), [line for line in err.splitlines() if not line.startswith("{")]


@pytest.fixture
def ingest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def verified(seq: int) -> Refused:
    body = event_body(seq)
    return Refused(body, Reason.BAD_SIGNATURE, signature=sign(SECRET.encode(), body), transport="sqs")


def test_quarantine_list_show_and_retry(ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3, refused={2: verified(2), 3: Refused(b"\x1b[2J")})
    code, out, _ = ingest("quarantine", "list")
    assert (code, len(out)) == (0, 3)
    assert out[0].startswith(f"{W1}-2  ")
    assert ingest("quarantine", "list", "--reason", "not_json")[1][-1] == "1 deliveries in the quarantine"
    code, out, _ = ingest("quarantine", "show", f"{W1}-3")
    assert (code, out[-1]) == (0, "    \\x1b[2J")
    assert ingest("quarantine", "retry")[:2] == (
        0,
        [f"{NAME}: 1 rescued into {PartName(rescuing_writer(NAME, [2]), 1, 1)}", "1 rescued; still in the quarantine: 1 not_json"],
    )
    assert ingest("quarantine", "retry")[:2] == (0, ["0 rescued; still in the quarantine: 1 not_json"])
    assert ingest("check")[0] == 0


def test_show_raw_gives_the_bytes_alone(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    config = configured(tmp_path)
    land(zone_of(config), W1, 1, 1, refused={1: Refused(b"\xff\x00\x1b\n")})
    assert main(["quarantine", "show", f"{W1}-1", "--raw", "--config", str(config.file)], {}) == 0
    assert capfdbinary.readouterr().out == b"\xff\x00\x1b\n"


def test_show_of_what_is_no_id_or_not_there(ingest: Shell) -> None:
    code, out, err = ingest("quarantine", "show", "x")
    assert (code, out, len(err)) == (2, [], 1)
    code, out, err = ingest("quarantine", "show", f"{W1}-1")
    assert (code, out, len(err)) == (1, [], 1)
    assert err[0].startswith("ingest: ")


def test_check_exits_0_when_all_is_well_and_1_with_a_list(ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3)
    assert ingest("check")[:2][0] == 0
    part = Path(ingest.zone.landing.url) / f"received_date={DAY}" / str(NAME)
    part.write_bytes(b"")
    (part.parent / "notes.txt").write_bytes(b"")
    code, out, _ = ingest("check")
    assert code == 1
    assert out[0].startswith(f"damaged: {part}: ")
    assert out[1] == f"foreign: {part.parent}/notes.txt: is no file of callfacts; move it away"
    assert out[-1] == "2 findings"


def test_compact_says_what_it_did_and_fails_on_a_damaged_part(ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3)
    land(ingest.zone, W1, 4, 6)
    code, out, err = ingest("compact")
    assert (code, err) == (0, [])
    assert out[0] == f"{DAY}: 2 parts joined into {PartName(W1, 1, 6)}"
    (Path(ingest.zone.landing.url) / f"received_date={DAY}" / str(PartName(W1, 1, 6))).write_bytes(b"")
    land(ingest.zone, W1, 7, 8)
    code, _, err = ingest("compact")
    assert code == 1
    assert len(err) == 1
    assert str(PartName(W1, 1, 6)) in err[0]


def test_compact_of_the_open_day_on_request(ingest: Shell) -> None:
    today = datetime.now(UTC).date()
    land(ingest.zone, W1, 1, 3, day=today)
    land(ingest.zone, W1, 4, 6, day=today)
    assert ingest("compact")[1][-1].startswith("0 parts made")
    assert ingest("compact", "--open-day")[1][-1].startswith("1 parts made of 2")


def test_retain_dry_run_then_for_good(ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3, refused={2: Refused()})
    code, out, _ = ingest("retain", "--older-than", "400d")
    assert (code, out[-1].split(":")[0]) == (0, "0 files, 0 bytes deleted")
    old = date(2020, 1, 2)
    land(ingest.zone, "4" * 32, 1, 3, refused={2: Refused()}, day=old)
    code, out, _ = ingest("retain", "--older-than", "400d", "--dry-run")
    assert (code, out[0]) == (0, "2020-01-02: 1 quarantine, 1 landing")
    assert "would be deleted" in out[-1]
    assert len(files_of(ingest.zone.landing.url)) == 2
    assert "would" not in ingest("retain", "--older-than", "400d")[1][-1]
    assert len(files_of(ingest.zone.landing.url)) == 1
    assert ingest("check")[0] == 0


@pytest.mark.parametrize("age", ["400", "soon", "0d", "-1d", "99999999999d", ""])
def test_retain_of_an_age_without_sense_is_bad_usage(ingest: Shell, age: str) -> None:
    land(ingest.zone, W1, 1, 3)
    code, out, err = ingest("retain", "--older-than", age)
    assert (code, out, len(err)) == (2, [], 1)
    assert "--older-than" in err[0]
    assert len(files_of(ingest.zone.landing.url)) == 1


def test_status_as_table_and_json(ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3)
    code, out, _ = ingest("status")
    assert (code, out[1].split()[0]) == (0, "acme")
    code, out, _ = ingest("status", "--json")
    assert code == 0
    assert json.loads("\n".join(out))["sources"][0]["source"] == "acme"


@pytest.mark.parametrize("command", [["check"], ["compact"], ["status"], ["retain", "--older-than", "1d"], ["quarantine", "list"]])
def test_an_empty_zone_is_fine_for_every_command(ingest: Shell, command: list[str]) -> None:
    assert ingest(*command)[0] == 0


@pytest.mark.parametrize("command", [["check"], ["compact"], ["status"], ["retain", "--older-than", "1d"], ["quarantine", "list"]])
def test_a_zone_that_cannot_be_listed_is_one_line(ingest: Shell, command: list[str]) -> None:
    Path(ingest.zone.landing.url).parent.mkdir(parents=True)
    for store in (ingest.zone.landing, ingest.zone.quarantine):
        Path(store.url).write_bytes(b"a file where the folder should be")
    code, _, err = ingest(*command)
    assert (code, len(err)) == (1, 1)
    assert str(ingest.config.storage.root) in err[0]


def test_a_secret_that_is_not_set_is_bad_configuration(tmp_path: Path, ingest: Shell) -> None:
    land(ingest.zone, W1, 1, 3, refused={2: verified(2)})
    configured(tmp_path, secret="env:ACME_SECRET")
    code, _, err = ingest("quarantine", "retry")
    assert (code, err) == (2, [f"ingest: {tmp_path}/callfacts.toml: sources[0].secrets: env:ACME_SECRET is not set"])
    assert ingest("quarantine", "retry", ACME_SECRET=SECRET)[0] == 0
