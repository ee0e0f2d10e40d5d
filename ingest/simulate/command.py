"""`ingest simulate`: from the options to a scenario, its delivery, and one line that says what became of it."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from ingest.errors import UsageError
from ingest.signature import Verifier, open_verifier
from ingest.simulate import send
from ingest.simulate.scenario import MS_PER_DAY, Event, Scenario, events

_HOUR_MS = 3_600_000
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000  # what a usable time lies within (CONTRACT §1)


def simulate(
    *,
    calls: int,
    days: int,
    end: str | None,
    seed: int,
    companies: int,
    url: str | None,
    queue_url: str | None,
    out: Path | None,
    secret: str | None,
    endpoint_url: str | None,
    region: str | None,
    duplicates: float,
    disorder: float,
    rate: float | None,
    connections: int,
    integration_id: str | None,
    no_presence: bool,
    completed: float,
    live: float,
    lost: float,
    accepted: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Play the scenario and deliver it; 0 if every delivery was accepted, else 1. Raises UsageError, ConfigError."""
    if sum(goal is not None for goal in (url, queue_url, out)) != 1:
        raise UsageError("simulate: give one of --to URL, --queue-url URL and --out FILE")
    scenario = Scenario(
        seed=seed,
        calls=calls,
        end_ms=_end_ms(end, days),
        days=days,
        companies=companies,
        integration_id=integration_id,
        presence=not no_presence,
        completed_share=completed,
        live_share=live,
        lost_share=lost,
    )
    traffic = send.deliveries(events(scenario), duplicates=duplicates, disorder=disorder, seed=seed)
    with _progress(scenario) as seen, _record(accepted) as note:
        if out is not None:
            tally = send.write(traffic, out, seen=seen)
        elif url is not None:
            to, signer = send.target(url), _signer(secret, environ)
            tally = send.post(traffic, to=to, signer=signer, connections=connections, rate=rate, seen=seen, accepted=note)
        else:
            assert queue_url is not None
            tally = send.enqueue(
                traffic,
                queue_url=queue_url,
                signer=_signer(secret, environ),
                endpoint_url=endpoint_url,
                region=region,
                connections=connections,
                rate=rate,
                seen=seen,
                accepted=note,
            )
    click.echo(f"simulate: {calls:,} calls, {tally.summary()}", err=out is not None and str(out) == "-")
    return 1 if tally.refused else 0


def _signer(secret: str | None, environ: Mapping[str, str]) -> Verifier:
    if secret is None:
        raise UsageError("simulate: --secret is missing; an unsigned event is never accepted")
    return open_verifier([secret], environ, where="--secret")


def _end_ms(end: str | None, days: int) -> int:
    if end is None:
        now_ms = time.time_ns() // 1_000_000
        return now_ms - now_ms % _HOUR_MS  # so that the same seed gives the same bytes when it is run again
    try:
        moment = datetime.fromisoformat(end)
    except ValueError:
        raise UsageError(f"--end {end}: is no ISO 8601 time, such as 2026-11-24T12:00:00Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    end_ms = int(moment.timestamp() * 1000)
    if not EARLIEST_MS + days * MS_PER_DAY <= end_ms < LATEST_MS - MS_PER_DAY:
        raise UsageError(f"--end {end}: the period must lie between 2000 and 2100")
    return end_ms


@contextlib.contextmanager
def _progress(scenario: Scenario) -> Iterator[send.Seen | None]:
    """On a terminal a bar that moves with the simulated time; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    start_ms = scenario.end_ms - scenario.days * MS_PER_DAY
    with click.progressbar(length=scenario.end_ms - start_ms, label="simulating", file=sys.stderr) as bar:
        reached, count = start_ms, 0

        def seen(event: Event) -> None:
            nonlocal reached, count
            count += 1
            if count % 256 == 0 and event.time_ms > reached:
                bar.update(event.time_ms - reached)
                reached = event.time_ms

        yield seen
        bar.update(scenario.end_ms - reached)


@contextlib.contextmanager
def _record(path: Path | None) -> Iterator[send.Seen | None]:
    """A file that holds each accepted body, written at once: what a test of crashes compares with."""
    if path is None:
        yield None
        return
    with path.open("wb", buffering=0) as file:
        yield lambda event: (file.write(event.body + b"\n"), None)[1]
