"""`ingest`: arguments → one call; an error → one line and an exit code. The clock and the environment enter here.

Heavy modules are imported inside the commands, so that `--help` is instant. A command returns its exit code, or None for 0.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import update_wrapper
from pathlib import Path
from typing import Any

import click

from ingest.config import Config, load_config
from ingest.errors import CallfactsError, UsageError
from ingest.failpoints import VARIABLE, arm

_CONFIG_HELP = "The TOML file; default: CALLFACTS_CONFIG, else callfacts.toml, else folder data/ and no sources."


@dataclass(slots=True)
class Door:
    """What enters from outside: the environment, and the `--config` given before the command's name."""

    environ: Mapping[str, str]
    config_path: Path | None = None

    def config(self, path: Path | None = None) -> Config:
        """The configuration in force. Raises ConfigError."""
        return load_config(path or self.config_path, self.environ)


def _config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--config", "config_path", type=click.Path(path_type=Path), help=_CONFIG_HELP)(function)


def configured(function: Callable[..., int | None]) -> Callable[..., Any]:
    """Adds `--config` to a command and hands it the loaded `Config` and the `Door` as its first two arguments."""

    @click.pass_obj
    def command(door: Door, /, *, config_path: Path | None, **arguments: Any) -> int | None:
        return function(door.config(config_path), door, **arguments)

    return _config_option(update_wrapper(command, function))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@_config_option
@click.version_option(package_name="callfacts", message="callfacts %(version)s")
@click.pass_obj
def cli(door: Door, config_path: Path | None) -> None:
    """Signed call events in, durable parts out."""
    door.config_path = config_path


_host = click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
_port = click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free port, named in the log.")
_workers = click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on the one port.")


@cli.command()
@_host
@_port
@_workers
@configured
def webhook(config: Config, door: Door, *, host: str, port: int, workers: int) -> int | None:
    """Serve POST /webhook/{source}, GET /healthz, /readyz and /metrics."""
    from ingest.service import Roles, serve
    from ingest.telemetry import set_up_logs

    set_up_logs()
    return serve(config, door.environ, Roles(http=(host, port), webhook=True, sqs=False), workers=workers)


@cli.command()
@click.option("--source", "names", multiple=True, help="Only this source (may be given several times); default: every SQS source.")
@click.option("--until-empty", is_flag=True, help="End when the queues stay empty.")
@click.option("--port", type=click.IntRange(0, 65535), help="Serve /healthz, /readyz and /metrics there; default: nowhere.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address for --port.")
@configured
def sqs(config: Config, door: Door, *, names: tuple[str, ...], until_empty: bool, host: str, port: int | None) -> int | None:
    """Receive from SQS: commit, then delete."""
    from ingest.service import Roles, serve
    from ingest.telemetry import set_up_logs

    set_up_logs()
    http = None if port is None else (host, port)
    return serve(config, door.environ, Roles(http, webhook=False, sqs=True, names=names, until_empty=until_empty))


@cli.command()
@_host
@_port
@configured
def run(config: Config, door: Door, *, host: str, port: int) -> int | None:
    """Serve every source of the configuration in one process."""
    from ingest.service import Roles, serve
    from ingest.telemetry import set_up_logs

    set_up_logs()
    return serve(config, door.environ, Roles(http=(host, port), webhook=True, sqs=True))


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True))
@click.option("--source", "name", required=True, help="The source that the bodies belong to.")
@configured
def load(config: Config, door: Door, *, file: Path, name: str) -> int | None:
    """Backfill FILE.ndjson[.gz]: one raw body a line, already verified by you."""
    from ingest import backfill
    from ingest.telemetry import set_up_logs

    set_up_logs(level=logging.WARNING)
    size = file.stat().st_size
    with click.progressbar(length=size, label=file.name, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        loaded = backfill.load(config, file, name, progress=lambda read: bar.update(read - bar.pos))
    refused = ", ".join(f"{reason} {n}" for reason, n in sorted(loaded.quarantined.items()))
    quarantined = f"{sum(loaded.quarantined.values())} quarantined{f' ({refused})' if refused else ''}"
    waiting = f", {loaded.left} journal files not landed yet: they are safe, the next start lands them" if loaded.left else ""
    click.echo(f"{file}: {loaded.deliveries} deliveries of source {name}: {loaded.landed} landed, {quarantined}{waiting}")
    if loaded.ended_early is not None:
        return _failure(loaded.ended_early, 1)
    return 1 if loaded.left else 0


_share = click.FloatRange(0, 1)


@cli.command()
@click.option("--calls", type=click.IntRange(0), required=True, help="How many calls begin in the period.")
@click.option("--days", type=click.IntRange(1, 3660), default=14, show_default=True, help="The period: so many days up to --end.")
@click.option(
    "--end", metavar="TIME", help="ISO 8601, UTC where it names no offset; default: the last full hour. With it the same bytes at any time."
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same events.")
@click.option("--companies", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option("--to", "url", metavar="URL", help="Post to this webhook.")
@click.option("--queue-url", metavar="URL", help="Send to this SQS queue.")
@click.option("--out", type=click.Path(path_type=Path), help="Write one body a line; .gz: packed; -: standard output.")
@click.option("--secret", metavar="REF", help="What to sign with: env:NAME, file:PATH or the secret itself.")
@click.option("--endpoint-url", metavar="URL", help="SQS at another address.")
@click.option("--region", help="The queue's region, where boto3 knows none.")
@click.option("--duplicates", type=_share, default=0.0, show_default=True, help="The share of events delivered twice.")
@click.option("--disorder", type=_share, default=0.0, show_default=True, help="The share of events delivered late.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Deliveries a second; default: as fast as accepted.")
@click.option("--connections", type=click.IntRange(1, 1000), default=16, show_default=True, help="Deliveries at a time.")
@click.option("--integration-id", metavar="ID", help="Of every event; default: one for each company.")
@click.option("--no-presence", is_flag=True, help="Calls only.")
@click.option("--completed", type=_share, default=0.25, show_default=True, help="The share of calls with a call:completed.")
@click.option("--live", type=_share, default=0.04, show_default=True, help="The share of calls told as call:live:*.")
@click.option("--lost", type=_share, default=0.003, show_default=True, help="The share of calls whose end never comes.")
@click.option("--accepted", type=click.Path(path_type=Path), help="Also write down each body that was accepted, one a line.")
@click.pass_obj
def simulate(door: Door, /, **options: Any) -> int | None:
    """Make realistic signed traffic; the same for the same seed."""
    from ingest.simulate.command import simulate as command

    return command(**options, environ=door.environ)


@cli.group()
def quarantine() -> None:
    """Look at what could not be used, and judge it again."""


@quarantine.command(name="list")
@click.option("--source", "name", help="Only of this source.")
@click.option("--reason", help="Only with this reason.")
@configured
def quarantine_list(config: Config, door: Door, *, name: str | None, reason: str | None) -> int | None:
    """List the deliveries in the quarantine, a line each: id, time, source and transport, reason."""
    from ingest.upkeep.quarantine import listing_lines, quarantined

    _upkeep_logs()
    return _tell(listing_lines(quarantined(config, source=name, reason=reason)))


@quarantine.command(name="show")
@click.argument("row_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Only the body, byte for byte; not onto a terminal.")
@configured
def quarantine_show(config: Config, door: Door, *, row_id: str, raw: bool) -> int | None:
    """Show one delivery; what a terminal would obey is escaped."""
    from ingest.upkeep.quarantine import show, shown_lines

    _upkeep_logs()
    if raw and sys.stdout.isatty():
        raise UsageError("--raw: a terminal may obey what a stranger sent; redirect it to a file")
    shown = show(config, row_id)
    if raw:
        click.echo(shown.body, nl=False)
        return 0
    return _tell(shown_lines(shown))


@quarantine.command(name="retry")
@configured
def quarantine_retry(config: Config, door: Door) -> int | None:
    """Judge every row again, its signature too, and land what passes."""
    from ingest.upkeep.quarantine import retry, retry_lines

    _upkeep_logs()
    retried = retry(config, door.environ)
    return _tell(retry_lines(retried), retried.problems)


@cli.command()
@click.option("--open-day", is_flag=True, help="Also the day that is not over yet.")
@configured
def compact(config: Config, door: Door, *, open_day: bool) -> int | None:
    """Join small parts of closed days, and remove what is superseded for longer than ingest.compact_grace.

    Safe beside a running ingester and a running build, and to be run again after it was interrupted.
    """
    from ingest.upkeep.compact import compact as command
    from ingest.upkeep.compact import report

    _upkeep_logs()
    compaction = command(config, now=datetime.now(UTC), open_day=open_day)
    return _tell(report(compaction), compaction.problems)


@cli.command()
@configured
def check(config: Config, door: Door) -> int | None:
    """Verify the landing zone, the quarantine and the journal; exit 1 with a list of what is wrong."""
    from ingest.upkeep.check import check as command
    from ingest.upkeep.check import report

    _upkeep_logs()
    checked = command(config, now=datetime.now(UTC))
    _tell(report(checked))
    return 1 if checked.findings else 0


@cli.command()
@click.option("--older-than", "age", required=True, metavar="AGE", help="For example 400d.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@configured
def retain(config: Config, door: Door, *, age: str, dry_run: bool) -> int | None:
    """Delete whole days that are older than AGE: quarantine, then superseded, then counting parts."""
    from ingest.config import parse_duration
    from ingest.upkeep.retain import report
    from ingest.upkeep.retain import retain as command

    _upkeep_logs()
    try:
        older_than = parse_duration(age)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None
    return _tell(report(command(config, older_than=older_than, now=datetime.now(UTC), dry_run=dry_run)))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON instead of a table.")
@configured
def status(config: Config, door: Door, *, as_json: bool) -> int | None:
    """Say per source: last event, rate, backlog, quarantine."""
    from ingest.upkeep.status import as_dict, table
    from ingest.upkeep.status import status as command

    _upkeep_logs()
    now = datetime.now(UTC)
    found = command(config, now=now)
    if as_json:
        click.echo(json.dumps(as_dict(found), indent=2))
        return 0
    return _tell(table(found, now=now))


def _upkeep_logs() -> None:
    """Log lines on stderr for a timer's journal; a person at a terminal reads the report instead."""
    from ingest.telemetry import set_up_logs

    set_up_logs(level=logging.WARNING if sys.stderr.isatty() else logging.INFO)


def _tell(lines: Iterable[str], problems: Sequence[str] = ()) -> int:
    """Print a report, its problems on stderr; the exit code."""
    for line in lines:
        click.echo(line)
    for problem in problems:
        click.echo(f"ingest: {problem}", err=True)
    return 1 if problems else 0


@cli.group(name="config")
def config_group() -> None:
    """The configuration."""


@config_group.command(name="check")
@configured
def config_check(config: Config, door: Door) -> int | None:
    """Say what is wrong with the configuration and its secrets without starting."""
    from ingest.service import check_config

    for line in check_config(config, door.environ):
        click.echo(line)
    return 0


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command line; its exit code. Errors are one line `ingest: …` on stderr."""
    door = Door(os.environ if environ is None else environ)
    try:
        arm(door.environ.get(VARIABLE, ""))
        code = cli.main(list(sys.argv[1:] if arguments is None else arguments), prog_name="ingest", standalone_mode=False, obj=door)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _failure(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _failure("interrupted", 130)
    except CallfactsError as error:
        return _failure(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough; do not let the interpreter complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _failure(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)
    return int(code or 0)


def _failure(message: str, code: int) -> int:
    click.echo(f"ingest: {' '.join(message.split())}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
