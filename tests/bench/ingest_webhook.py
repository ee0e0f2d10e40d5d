"""Durable acknowledgements of `ingest webhook` beside the no-op of the same server, the same load client, the same run."""

import tempfile
from pathlib import Path

from tests.bench._server import CONNECTIONS, NEVER, ROLLING, Load, compiled, ingester, load, median, noop, span

TITLE = "Webhook: durable acknowledgements"


def run(*, quick: bool) -> str:
    with load() as client:
        if client is None:
            return "Not measured: there is no C compiler for the load client."
        return "\n\n".join((closed_loop(client, quick), open_loop(client, quick), slow_disk(client, quick)))


def closed_loop(client: Load, quick: bool) -> str:
    """As fast as answered."""
    rounds, seconds = (1, 1.0) if quick else (5, 4.0)
    ways = (
        "no-op of the same server (an ASGI application)",
        "durable, nothing rolls",
        "durable, roller every 4 s",
        "durable, roller, 2 workers",
        "no-op on the ingester's short way",
    )
    acks: dict[str, list[float]] = {way: [] for way in ways}
    p99: dict[str, list[float]] = {way: [] for way in ways}
    with (
        noop() as port,
        ingester(ingest=NEVER) as still,
        ingester(ingest=ROLLING) as rolling,
        ingester(ingest=ROLLING, arguments=("--workers", "2")) as two,
        noop(direct=True) as short,
    ):
        ports = dict(zip(ways, (port, still.port, rolling.port, two.port, short), strict=True))
        for place in ports.values():
            client(place, 0.5)
        for _ in range(rounds):
            for way, place in ports.items():
                # with the roller long enough for it to be at work for most of the time
                found = client(place, seconds if "roller" not in way or quick else 9.0)
                acks[way].append(found["acks"])
                p99[way].append(found["p99"] / 1000)
    base = median(acks[ways[0]])
    lines = [
        f"{CONNECTIONS} keep-alive connections, closed loop, simulated signed events (about 750 bytes), medians of {rounds} interleaved",
        "rounds; the client takes 0.1–0.3 of a core.",
        "",
        "| | acks/s | range | ÷ no-op | p99 ms | goal | floor |",
        "|---|---|---|---|---|---|---|",
    ]
    goals = ("", "0.60 | 0.50", "0.50 | 0.42", "", "")
    for way, goal in zip(ways, goals, strict=True):
        ratio = median(acks[way]) / base
        lines.append(f"| {way} | {median(acks[way]):,.0f} | {span(acks[way])} | {ratio:.2f} | {median(p99[way]):.1f} | {goal or ' | '} |")
    return "\n".join(lines)


def open_loop(client: Load, quick: bool) -> str:
    """At a given rate, latency from the moment a request was due."""
    plan = ((2000, 1.0),) if quick else ((2000, 20.0), (5000, 20.0), (8000, 60.0))
    lines = [
        "At a fixed rate (open loop: latency counts from the moment a request is due), the roller at work; the no-op's times are",
        "what the machine itself makes of it, with its neighbours:",
        "",
        "| | events/s | seconds | p50 ms | p99 ms | p99.9 ms | max ms | not sent in time | goal p99 | floor |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    with noop() as nothing, ingester(ingest=ROLLING) as rolling:
        for what, port in (("no-op", nothing), ("durable", rolling.port)):
            client(port, 0.5)
            for rate, seconds in plan:
                found = client(port, seconds if what == "durable" else min(seconds, 10.0), rate=rate)
                p50, p99, p999, most = (found[name] / 1000 for name in ("p50", "p99", "p999", "max"))
                goal = {2000: "3 | 10", 8000: "10 | 50"}.get(rate, " | ") if what == "durable" else " | "
                times = f"{p50:.1f} | {p99:.1f} | {p999:.1f} | {most:.0f}"
                lines.append(f"| {what} | {rate:,} | {found['seconds']:.0f} | {times} | {found['unsent']:,.0f} | {goal} |")
    return "\n".join(lines)


def slow_disk(client: Load, quick: bool) -> str:
    """Where each sync takes 5 ms longer."""
    rounds, seconds = (1, 1.0) if quick else (5, 4.0)
    with tempfile.TemporaryDirectory() as folder:
        library = compiled("_slow_sync.c", Path(folder), "-shared", "-fPIC")
        environ = {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": "5"}
        with ingester(ingest=NEVER, environ=environ) as slow:
            client(slow.port, 0.5)
            acks = [client(slow.port, seconds)["acks"] for _ in range(rounds)]
            many = [client(slow.port, seconds, connections=256)["acks"] for _ in range(rounds)]
            steady = client(slow.port, seconds, rate=2000)
    return "\n".join(
        [
            "Where a sync takes 5 ms (a library preloaded into the ingester sleeps 5 ms after each fsync and fdatasync, inside",
            "the call, as a disk would; `tests/bench/_slow_sync.c`):",
            "",
            "| | acks/s | range | p99 ms | goal | floor |",
            "|---|---|---|---|---|---|",
            f"| {CONNECTIONS} connections, closed loop | {median(acks):,.0f} | {span(acks)} | | 5,000 | 3,500 |",
            f"| 256 connections, closed loop | {median(many):,.0f} | {span(many)} | | | |",
            f"| 2,000/s, open loop | {steady['acks']:,.0f} | | {steady['p99'] / 1000:.1f} | 15 ms | 25 ms |",
        ]
    )
