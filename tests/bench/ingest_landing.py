"""Rolling and compaction: events a second, and the most memory either takes."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from ingest.config import Storage
from ingest.journal import Handover, Journal, Limits, NewRow, WriterLock
from ingest.layout import PartName
from ingest.parts import list_parts, write_part
from ingest.storage import open_zone
from ingest.telemetry import Meter
from tests.bench._server import REPO, bodies
from tests.ingester import Ingester, toml, wait_for
from tests.landing import landed_rows

TITLE = "Landing: rolling and compaction"
PART_ROWS = 30_000


def run(*, quick: bool) -> str:
    rolled, compacted = (30_000, 90_000) if quick else (1_000_000, 5_000_000)
    roll_seconds, roll_peak = rolling(rolled)
    loaded = loading(rolled)
    seconds, peak, parts, size = compaction(compacted)
    return "\n".join(
        [
            "Simulated events of about 750 bytes. Rolling: journal files that an ingester finds at its start, landed as parts of up to",
            "30,000 rows by its roller. Compaction: one closed day in parts of 30,000 rows, joined by `ingest compact`.",
            "",
            "| | events | seconds | events/s | peak memory MiB | limit |",
            "|---|---|---|---|---|---|",
            f"| rolling (parse, identity, Parquet, fsync) | {rolled:,} | {roll_seconds:.1f} | {rolled / roll_seconds:,.0f} "
            f"| {roll_peak / 2**20:,.0f} (the roller) | |",
            f"| `ingest load` of a file, to landed parts | {rolled:,} | {loaded:.1f} | {rolled / loaded:,.0f} | | |",
            f"| compaction of a day ({parts} parts, {size / 2**20:,.0f} MiB) | {compacted:,} | {seconds:.1f} | {compacted / seconds:,.0f} "
            f"| {peak / 2**20:,.0f} | 1,024 |",
        ]
    )


def rolling(count: int) -> tuple[float, int]:
    """Seconds that landing so many journaled rows takes, and the roller's peak memory."""
    with tempfile.TemporaryDirectory(prefix="callfacts-bench-") as name:
        folder = Path(name)
        asyncio.run(fill_journal(folder / "data" / "journal", count))
        began = time.monotonic()
        with Ingester(folder, config=toml()) as ingester:
            zone = open_zone(Storage(root=str(folder / "data")))
            pid = ingester.rollers[-1]

            def done() -> bool:
                return sum(part.name.last - part.name.first + 1 for part in list_parts(zone.landing)) >= count

            wait_for(done, "everything has landed", 600)
            seconds = time.monotonic() - began
            peak = peak_bytes(pid)
    return seconds, peak


class Dead(Handover):
    """Nobody lands these files, and the writer's lock is let go at the end, as by a process that has died."""

    def own(self, lock: WriterLock) -> None:
        self.lock = lock


async def fill_journal(folder: Path, count: int) -> None:
    sample = bodies(min(count, 20_000))
    now = time.time_ns() // 1000
    # files as a busy ingester leaves them: five seconds at 10,000 a second
    limits = Limits(roll_seconds=80_000, roll_bytes=50_000 * 900, max_pending_bytes=1 << 30, max_bytes=1 << 40)
    dead = Dead()
    journal = Journal(folder, limits=limits, handover=dead, meter=Meter())
    await journal.start()
    for start in range(0, count, 1000):
        rows: list[NewRow] = [
            (now + n, "acme", "webhook", None, None, None, sample[n % len(sample)]) for n in range(start, min(start + 1000, count))
        ]
        error = await journal.submit(rows, sum(len(row[6]) for row in rows))
        assert error is None, error
    await journal.close()
    journal.close_connections()
    dead.lock.close()


def loading(count: int) -> float:
    """Seconds of `ingest load`, its start included."""
    sample = bodies(min(count, 20_000))
    with tempfile.TemporaryDirectory(prefix="callfacts-bench-") as name:
        folder = Path(name)
        (folder / "callfacts.toml").write_text(toml())
        with (folder / "events.ndjson").open("wb") as file:
            for n in range(count):
                file.write(sample[n % len(sample)] + b"\n")
        began = time.monotonic()
        command = [sys.executable, "-m", "ingest.cli", "load", str(folder / "events.ndjson"), "--source", "acme"]
        subprocess.run([*command, "--config", str(folder / "callfacts.toml")], check=True, cwd=REPO, stdout=subprocess.DEVNULL)
        return time.monotonic() - began


def compaction(count: int) -> tuple[float, int, int, int]:
    """Seconds, peak memory, parts before, bytes before."""
    with tempfile.TemporaryDirectory(prefix="callfacts-bench-") as name:
        folder = Path(name)
        (folder / "callfacts.toml").write_text(toml())
        a_week_ago = datetime.now(UTC) - timedelta(days=7)
        parts, size = day_of_parts(folder, count, a_week_ago)
        began = time.monotonic()
        command = [sys.executable, "-m", "ingest.cli", "compact", "--config", str(folder / "callfacts.toml")]
        process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds = time.monotonic() - began
        left = list_parts(open_zone(Storage(root=str(folder / "data"))).landing)
        assert len(left) < parts or parts == 1, "nothing was joined"
        assert sum(part.name.last - part.name.first + 1 for part in left) == count
    return seconds, used.ru_maxrss * 1024, parts, size


def day_of_parts(folder: Path, count: int, day: datetime) -> tuple[int, int]:
    """A day's parts as the roller leaves them; numbers and times differ, the payloads repeat."""
    store = open_zone(Storage(root=str(folder / "data"))).landing
    noon = day.replace(hour=0, minute=0, second=1, microsecond=0)
    table, _ = landed_rows(bodies(min(PART_ROWS, count)), received_at=noon)
    table = table.set_column(
        table.schema.get_field_index("received_at"),
        table.schema.field("received_at"),
        pa.array([noon] * table.num_rows, table.schema.field("received_at").type),
    )
    size = parts = 0
    for start in range(0, count, PART_ROWS):
        rows = table.slice(0, min(PART_ROWS, count - start))
        seq = pa.array(range(start + 1, start + 1 + rows.num_rows), pa.int64())
        rows = rows.set_column(rows.schema.get_field_index("seq"), rows.schema.field("seq"), seq)
        ref = write_part(store, rows, date=day.date(), name=PartName("a" * 32, start + 1, start + rows.num_rows))
        size += ref.size
        parts += 1
    return parts, size


def peak_bytes(pid: int) -> int:
    """The most resident memory a living process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
