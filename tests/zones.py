"""Landing zones for tests of what operates on them: deliveries signed, judged and landed as the roller does it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ingest.config import Config, load_config
from ingest.envelope import Envelope, Refusal
from ingest.journal import Handover, Journal, Limits, Row, WriterLock, make_folder
from ingest.layout import PartName, PartRef, Reason
from ingest.parts import list_parts, read_part, write_part
from ingest.roller import Expected, judged, landing_table, quarantine_table
from ingest.signature import sign
from ingest.storage import Zone, open_zone
from ingest.telemetry import Meter

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "a-secret-of-acme"
W1, W2, W3 = ("1" * 32, "2" * 32, "3" * 32)

TOML = """
[ingest]
compact_grace = "{grace}"
[[sources]]
name = "acme"
transport = "webhook"
secrets = ["{secret}"]
"""


def configured(root: Path, *, grace: str = "24h", secret: str = SECRET, more: str = "", storage: str = "") -> Config:
    """A configuration with one webhook source, acme, whose data lie below `root`; its file is `root/callfacts.toml`."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "callfacts.toml"
    file.write_text((f"[storage]\n{storage}\n" if storage else "") + TOML.format(grace=grace, secret=secret) + more)
    return load_config(file, {})


def event_body(seq: int, **changes: Any) -> bytes:
    """A call:start that is the seq-th of its kind."""
    event = {
        "id": f"it_w100001_{seq}.1",
        "pbx": "000000000001",
        "time": 1_790_000_000_000 + seq,
        "company": "it_w100001",
        "type": "call:start",
        "integrationId": "abc123",
        "data": {"status": "CONNECTING", "destination": "10020"},
    }
    return json.dumps(event | changes).encode()


@dataclass(frozen=True)
class Refused:
    """A delivery that goes to the quarantine: with a reason given by the transport, or with a body that is no event."""

    body: bytes = b"no json"
    reason: Reason | None = None
    signature: str | None = ""
    source: str = "acme"
    transport: str = "webhook"


def delivery(seq: int, day: date, refused: Refused | None = None) -> Row:
    at = int(datetime(day.year, day.month, day.day, 8, tzinfo=UTC).timestamp()) * 1_000_000 + seq
    if refused is None:
        body = event_body(seq)
        return Row(seq, at, "acme", "webhook", sign(SECRET.encode(), body), None, None, body)
    signature = sign(SECRET.encode(), refused.body) if refused.signature == "" else refused.signature
    reason = None if refused.reason is None else str(refused.reason)
    return Row(seq, at, refused.source, refused.transport, signature, reason, None, refused.body)


def land(
    zone: Zone,
    writer: str,
    first: int,
    last: int,
    *,
    day: date = DAY,
    refused: Mapping[int, Refused] | None = None,
    expected: Expected | None = None,
    landing: bool = True,
) -> PartName:
    """Land a range: the quarantine part where there is something for it, then (unless it is to be missing) the landing part."""
    name = PartName(writer, first, last)
    rows = [delivery(seq, day, (refused or {}).get(seq)) for seq in range(first, last + 1)]
    judgements = [(row, judged(row, expected or Expected(None, None))) for row in rows]
    bad = [(row, found) for row, found in judgements if isinstance(found, Refusal)]
    if bad:
        write_part(zone.quarantine, quarantine_table(writer, bad), date=day, name=name)
    if landing:
        good = [(row, found) for row, found in judgements if isinstance(found, Envelope)]
        write_part(zone.landing, landing_table(writer, good), date=day, name=name)
    return name


def zone_of(config: Config) -> Zone:
    return open_zone(config.storage)


def landed_rows(zone: Zone) -> list[dict[str, Any]]:
    """All rows of the parts that count, in order of writer and number."""
    rows = [row for part in list_parts(zone.landing) for row in read_part(zone.landing, part).to_pylist()]
    return sorted(rows, key=lambda row: (row["writer"], row["seq"]))


def names(parts: Iterable[PartRef]) -> list[str]:
    return [str(part.name) for part in parts]


def files_of(url: str) -> list[str]:
    """Every file below a local store, temporary ones too."""
    root = Path(url)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


class Locks(Handover):
    """Keeps the writers' locks, as a roller would."""

    def __init__(self) -> None:
        self.held: list[WriterLock] = []

    def own(self, lock: WriterLock) -> None:
        self.held.append(lock)


def journal_of(config: Config, rows: int, *, look: Callable[[str], None] = lambda writer: None) -> str:
    """A writer that journals rows, is looked at while it lives, and dies with its file not landed."""

    async def live() -> str:
        locks = Locks()
        limits = Limits(roll_seconds=60, roll_bytes=2**26, max_pending_bytes=2**26, max_bytes=2**30)
        journal = Journal(config.storage.journal_path, limits=limits, handover=locks, meter=Meter())
        await journal.start()
        at = time.time_ns() // 1_000
        for _ in range(rows):
            assert await journal.submit([(at, "acme", "webhook", "00", None, None, b"{}")], 2) is None
        writer = journal.writer
        look(writer)
        await journal.close()
        journal.close_connections()
        for lock in locks.held:
            lock.close()
        return writer

    make_folder(config.storage.journal_path)
    return asyncio.run(live())
