"""A webhook and a queue at once, a crash in between: all that was acknowledged or deleted is in the facts once. (issue 4)"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ingest.envelope import Envelope, read_envelope
from tests.ingester import Ingester, journal_names, run, wait_for
from tests.sqs import CREDENTIALS, REGION, SECRET, ministack, new_queue

REPO = Path(__file__).resolve().parents[2]
POSTED, QUEUED = "secret-of-the-webhook", SECRET


def simulate(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Simulated traffic in the background; what was accepted is written to `<name>.ndjson`."""
    shape = ("--days", "2", "--end", "2026-11-24T00:00:00Z", "--duplicates", "0.03", "--disorder", "0.05")
    return subprocess.Popen(
        [sys.executable, "-m", "ingest.cli", "simulate", *shape, "--accepted", str(folder / f"{name}.ndjson"), *arguments],
        cwd=REPO,
        env=os.environ | CREDENTIALS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def uids(path: Path) -> set[str]:
    """Identities of the calls' events among bodies, one a line."""
    events = [read_envelope(line) for line in path.read_bytes().splitlines()]
    kinds = ("call:start", "call:update", "call:end", "call:live:")
    return {event.event_uid for event in events if isinstance(event, Envelope) and event.event_type.startswith(kinds)}


@pytest.mark.slow
def test_what_both_transports_took_is_in_the_facts_once_after_a_crash(tmp_path: Path) -> None:
    with ministack() as endpoint:
        queue = new_queue(endpoint, "two-transports", visibility_seconds=4)
        config = (
            '[storage]\nroot = "data"\n[ingest]\nroll_seconds = 0.5\n'
            f'[[sources]]\nname = "posted"\ntransport = "webhook"\nsecrets = ["{POSTED}"]\n'
            f'[[sources]]\nname = "queued"\ntransport = "sqs"\nsecrets = ["{QUEUED}"]\n'
            f'queue_url = "{queue.url}"\nregion = "{REGION}"\nendpoint_url = "{endpoint}"\n'
        )
        arguments = ("run", "--port", "0")
        first = Ingester(tmp_path, *arguments, config=config, environ=CREDENTIALS)
        by_post = simulate(
            tmp_path, "posted", "--calls", "250", "--seed", "1", "--rate", "900",
            "--to", f"http://127.0.0.1:{first.port}/webhook/posted", "--secret", POSTED,
        )  # fmt: skip
        by_queue = simulate(
            tmp_path, "queued", "--calls", "80", "--seed", "2",
            "--queue-url", queue.url, "--endpoint-url", endpoint, "--region", REGION, "--secret", QUEUED,
        )  # fmt: skip

        def taken(source: str, transport: str) -> float:
            return first.metric("callfacts_deliveries_total", source=source, transport=transport)

        wait_for(lambda: taken("posted", "webhook") > 300 and taken("queued", "sqs") > 20, "both transports are at work", 60)
        first.signal(signal.SIGKILL)
        first.wait()

        # On the port of the first run, so that the traffic under way finds it.
        with Ingester(tmp_path, "run", "--port", str(first.port), environ=CREDENTIALS):
            by_post.wait(60)
            assert by_queue.wait(60) == 0
            wait_for(lambda: queue.size() == 0, "the queue is empty", 60)
        for pipe in (first.process.stdout, first.process.stderr):
            assert pipe is not None
            pipe.close()

    assert [name for name in journal_names(tmp_path) if name.endswith(".sqlite")] == []
    checked = run(tmp_path, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    build = [sys.executable, "-m", "transforms.cli", "build", "--config", str(tmp_path / "callfacts.toml")]
    assert subprocess.run(build, cwd=REPO, check=False).returncode == 0

    posted, queued = uids(tmp_path / "posted.ndjson"), uids(tmp_path / "queued.ndjson")
    assert len(posted) > 500 and len(queued) > 150
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as con:
        found = [uid for (uid,) in con.sql("select event_uid from call_events").fetchall()]
    assert len(found) == len(set(found))
    assert (posted | queued) - set(found) == set()
