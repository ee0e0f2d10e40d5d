"""`transforms`: arguments → one call; an error → one line and an exit code. The clock and the environment enter here.

Heavy modules are imported inside the commands, so that `--help` is instant. A command returns its exit code, or None for 0.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest.config import load_config, parse_duration
from ingest.errors import CallfactsError, UsageError
from ingest.failpoints import VARIABLE, arm

if TYPE_CHECKING:
    from transforms.build import Built

_CONFIG_HELP = "The TOML file; default: CALLFACTS_CONFIG, else callfacts.toml, else folder data/ and no sources."


def _now() -> datetime:
    return datetime.now(UTC)


class Instant(click.ParamType[datetime]):
    """ISO 8601; without an offset UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            instant = datetime.fromisoformat(str(value))
            instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time; write for example 2026-11-24T12:00:00Z", param, ctx)
        if not 1900 <= instant.year <= 9000:
            self.fail(f"{value!r} is outside the years 1900 to 9000", param, ctx)
        return instant


_config_option = click.option("--config", "config_path", type=click.Path(path_type=Path), help=_CONFIG_HELP)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="callfacts", message="callfacts %(version)s")
def cli() -> None:
    """Parts in, published facts out."""


@cli.command()
@click.option("--full", is_flag=True, help="Begin afresh, from the landing zone.")
@click.option("--engine", type=click.Choice(["polars", "spark"]), default="polars", show_default=True, help="Where facts are computed.")
@click.option("--as-of", "as_of", type=Instant(), help="Judge calls without an end by this instant (ISO 8601), not by now.")
@click.option("--master", default="local[*]", show_default=True, help="Spark: the master's URL.")
@click.option("--driver-memory", default="1g", show_default=True, help="Spark: the driver's memory.")
@click.option("--facts", help="Spark: where the facts are kept as Parquet, a folder or s3://bucket/prefix.  [default: <root>/facts]")
@_config_option
@click.pass_obj
def build(
    environ: Mapping[str, str],
    *,
    full: bool,
    engine: str,
    as_of: datetime | None,
    master: str,
    driver_memory: str,
    facts: str | None,
    config_path: Path | None,
) -> int | None:
    """Landing zone → facts → published warehouse.duckdb."""
    config = load_config(config_path, environ)
    from transforms.build import OnSpark
    from transforms.build import build as make

    on_spark = None
    if engine == "spark":
        from ingest.storage import open_store
        from transforms.engine.spark import Cluster

        cluster = Cluster(master, driver_memory)
        if facts is None and not cluster.is_local:
            raise UsageError(f"--facts: {master} has other machines, which need a place that all of them reach")
        on_spark = OnSpark(cluster, open_store(facts or str(config.storage.root_path / "facts"), config.storage))
    elif facts is not None:
        raise UsageError("--facts: is for --engine spark only")
    began = time.monotonic()
    bar = _Bar() if sys.stderr.isatty() else None
    try:
        built = make(config, _now, as_of=as_of, full=full, on_spark=on_spark, progress=bar)
    finally:
        if bar is not None:
            bar.close()
    for line in report(built, config.storage.warehouse_path, time.monotonic() - began):
        print(line)
    return None


class _Seconds(click.ParamType[float]):
    """A duration such as 60s or 5m, in seconds: from a second to a day."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = parse_duration(str(value)).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < 1:
            self.fail(f"{value!r} is too short", param, ctx)
        if seconds > 86_400:
            self.fail(f"{value!r} is too long: at most 24h", param, ctx)
        return seconds


@cli.command()
@click.option("--every", "every_s", type=_Seconds(), default="60s", show_default=True, help="How often to look for something new.")
@_config_option
@click.pass_obj
def watch(environ: Mapping[str, str], *, every_s: float, config_path: Path | None) -> int | None:
    """Keep building: whenever something is new, until told to stop (SIGTERM finishes the build at work, a second one does not)."""
    config = load_config(config_path, environ)
    from ingest.telemetry import set_up_logs
    from transforms.watch import Watch

    stop = threading.Event()

    def told(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)  # safe at any moment: what is published is whole
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    set_up_logs()
    Watch(config, _now, every_s).run(stop)
    return None


class _Bar:
    """The progress of a build, on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def phase(self, name: str, total: int) -> None:
        self.close()
        if total <= 0:
            return
        began = time.monotonic()

        def rate(done: int | None) -> str:
            return f"{(done or 0) / max(time.monotonic() - began, 1e-3):,.0f}/s"

        self._bar = click.progressbar(
            length=max(total, 1), label=f"{name:<9} {total:>12,}", show_pos=False, show_eta=True, item_show_func=rate, file=sys.stderr
        )
        self._bar.__enter__()
        self._done = 0

    def advance(self, done: int) -> None:
        if self._bar is not None:
            self._done += done
            self._bar.update(done, self._done)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def report(built: Built, warehouse: Path, seconds: float) -> list[str]:
    """What a person is told of a build."""
    why = f" ({built.reason})" if built.reason else ""
    phases = ", ".join(f"{name} {spent:.1f}" for name, spent in built.seconds.items())
    lines = [
        f"{built.mode} build{why}: {built.files:,} parts, {built.events:,} deliveries read, {built.calls:,} calls computed, "
        f"{seconds:.1f} s ({phases}) → {warehouse} ({built.published_bytes / 1e6:,.1f} MB)"
    ]
    if built.unlisted_statuses:
        named = ", ".join(f"{status!r} {events:,}" for status, events in built.unlisted_statuses.items())
        lines.append(f"statuses that the list of phases lacks, so of phase other (events in all): {named}")
    if built.unknown_types:
        named = ", ".join(f"{kind!r} {events:,}" for kind, events in built.unknown_types.items())
        lines.append(f"event types that no table is made of (events read now, kept in the landing zone): {named}")
    return lines


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command line; its exit code. Errors are one line `transforms: …` on stderr."""
    door = os.environ if environ is None else environ
    try:
        arm(door.get(VARIABLE, ""))
        code = cli.main(list(sys.argv[1:] if arguments is None else arguments), prog_name="transforms", standalone_mode=False, obj=door)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message())
        return 2
    except click.ClickException as error:
        _say(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("stopped")
        return 130
    except CallfactsError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:  # a full disk, a folder without rights
        _say(f"{error.filename or 'the file system'}: {error.strerror or error}")
        return 1


def _say(message: str) -> None:
    print("transforms: " + " ".join(message.split()), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
