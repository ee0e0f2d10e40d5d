"""Does ingest keep its p99 while a roll, a compaction and a build run beside it?"""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

from tests.bench._server import NEVER, REPO, ROLLING, Load, ingester, load
from tests.bench.ingest_landing import day_of_parts
from tests.ingester import Ingester

TITLE = "Webhook: p99 beside other work"
RATE = 5000


def run(*, quick: bool) -> str:
    with load() as client:
        if client is None:
            return "Not measured: there is no C compiler for the load client."
        lines = [
            f"{RATE:,} events/s (open loop) on the same two cores, while other work runs in processes of its own; it is started",
            "again when it ends. No limit of memory or processor is set for it; `nice` is what docs/operate.md recommends for builds.",
            "",
            "| beside it | p50 ms | p99 ms | p99.9 ms | max ms | not sent in time | runs of the work |",
            "|---|---|---|---|---|---|---|",
        ]
        seconds = 2.0 if quick else 20.0
        rows = 60_000 if quick else 1_000_000
        for name, ingest, command in (
            ("nothing, nothing rolls", NEVER, None),
            ("the roller", ROLLING, None),
            ("the roller and `ingest compact`", ROLLING, ("ingest.cli", "compact")),
            ("the roller and `nice transforms build --full`", ROLLING, ("transforms.cli", "build", "--full")),
            ("the roller and `transforms build --full`, not niced", ROLLING, ("transforms.cli", "build", "--full")),
        ):
            nice = ["nice", "-n", "10"] if command and "not niced" not in name else []
            with ingester(ingest=ingest) as server:
                found, runs = beside(client, server, command, nice, seconds, rows)
            p50, p99, p999, most = (found[key] / 1000 for key in ("p50", "p99", "p999", "max"))
            lines.append(f"| {name} | {p50:.1f} | {p99:.1f} | {p999:.1f} | {most:.0f} | {found['unsent']:,.0f} | {runs or ''} |")
    return "\n".join(lines)


def beside(
    client: Load, server: Ingester, command: tuple[str, ...] | None, nice: list[str], seconds: float, rows: int
) -> tuple[dict[str, float], int]:
    """One run of the load with the work beside it, over a zone that holds so many rows of an earlier day."""
    if command is not None:
        day_of_parts(server.folder, rows, datetime.now(UTC) - timedelta(days=7))
    stop = threading.Event()
    ended = [0]

    def work() -> None:
        assert command is not None
        words = [*nice, sys.executable, "-m", *command, "--config", str(server.config_path)]
        while not stop.is_set():
            process = subprocess.Popen(words, cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None:
                if stop.wait(0.05):
                    process.kill()
                    process.wait()
                    return
            ended[0] += 1
            if command[1] == "compact":
                return  # there is nothing left to join

    worker = threading.Thread(target=work) if command is not None else None
    client(server.port, 0.5)
    if worker is not None:
        worker.start()
    try:
        found = client(server.port, seconds, rate=RATE)
    finally:
        stop.set()
        if worker is not None:
            worker.join()
    return found, ended[0]
