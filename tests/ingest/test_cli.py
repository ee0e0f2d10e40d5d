"""The command line as such: every command has help, every mistake is one line."""

from collections.abc import Iterator

import click
import pytest

from ingest.cli import cli, main

CONTRACT = [
    "webhook", "sqs", "run", "simulate", "load", "quarantine list", "quarantine show", "quarantine retry", "compact", "check", "retain",
    "status", "config check",
]  # fmt: skip


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(cli))


def test_every_command_of_the_contract_is_there() -> None:
    assert {" ".join(path) for path in ALL} >= set(CONTRACT)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_and_so_has_each_option(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert ALL[path].help
    unexplained = [option.name for option in ALL[path].params if isinstance(option, click.Option) and not option.help]
    assert unexplained in ([], ["companies"])
    assert main([*path, "--help"], {}) == 0
    assert "Usage: ingest " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "ingest: No such command 'nonsense'."),
        (["retain"], "ingest: Missing option '--older-than'."),
        (["webhook", "--port", "x"], "ingest: Invalid value for '--port': 'x' is not a valid integer range."),
        (["load", "nowhere.ndjson", "--source", "a"], "ingest: Invalid value for 'FILE': File 'nowhere.ndjson' does not exist."),
        (["--config", "nowhere.toml", "check"], "ingest: {cwd}/nowhere.toml: there is no such file"),
        (["check", "--config", "nowhere.toml"], "ingest: {cwd}/nowhere.toml: there is no such file"),
    ],
)
def test_a_mistake_is_exit_2_and_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert main(arguments, {}) == 2
    assert capsys.readouterr().err == line.format(cwd=tmp_path) + "\n"


def test_without_a_command_it_shows_help_and_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 2
    assert "Commands:" in capsys.readouterr().err
