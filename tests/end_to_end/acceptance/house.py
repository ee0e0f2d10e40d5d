"""A callfacts installation in a folder of its own, used from outside: its commands, its HTTP, its files. Nothing of its code."""

import gzip
import hashlib
import hmac
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from tests.end_to_end.acceptance.oracle import Landed, Row, facts_of, read_causes, read_phases

BIN = Path(sys.executable).parent
REFERENCE = Path(__file__).parents[3] / "data" / "reference"
SECRET = "acceptance-secret-1"
PART = re.compile(r"([0-9a-f]{32})-([0-9]{12})-([0-9]{12})\.parquet")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SOURCES = f"""
[[sources]]
name = "acme"
transport = "webhook"
secrets = ["{SECRET}"]
"""


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def instant(us: int) -> str:
    """ISO 8601 of microseconds since 1970."""
    return (EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


@dataclass
class Server:
    """A running `ingest webhook`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def post(self, body: bytes, *, source: str = "acme", signature: str | None = "", secret: str = SECRET) -> int:
        """Status of a signed POST; signature None: none, "": the right one."""
        headers = {"content-type": "application/json"}
        if signature is not None:
            headers["x-signature"] = signature or sign(body, secret)
        return self.request("POST", f"/webhook/{source}", body, headers)[0]

    def post_all(self, bodies: Iterable[bytes], *, source: str = "acme", secret: str = SECRET) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        found = []
        for body in bodies:
            connection.request("POST", f"/webhook/{source}", body, {"x-signature": sign(body, secret)})
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        connection.close()
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class House:
    def __init__(self, folder: Path, config: str = SOURCES) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "callfacts.toml"
        self.config.write_text(config)
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("CALLFACTS")}

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"

    # --- commands -----------------------------------------------------------------------------------------------------

    def run(self, *arguments: object, env: Mapping[str, str] | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        command, *rest = map(str, arguments)
        return subprocess.run(
            [BIN / command, *rest],
            cwd=self.folder,
            env=self.environ | dict(env or {}),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def ok(self, *arguments: object, env: Mapping[str, str] | None = None) -> str:
        done = self.run(*arguments, env=env)
        assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def load(self, bodies: Iterable[bytes], *, source: str = "acme", zipped: bool = False) -> str:
        path = self.folder / ("load.ndjson.gz" if zipped else "load.ndjson")
        content = b"".join(body + b"\n" for body in bodies)
        path.write_bytes(gzip.compress(content) if zipped else content)
        return self.ok("ingest", "load", path, "--source", source)

    def build(self, *, as_of_us: int, full: bool = False) -> str:
        return self.ok("transforms", "build", "--as-of", instant(as_of_us), *(["--full"] if full else []))

    @contextmanager
    def serving(self, *options: object, env: Mapping[str, str] | None = None) -> Iterator[Server]:
        log = self.folder / "server.log"
        before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            process = subprocess.Popen(
                [BIN / "ingest", "webhook", "--port", "0", *map(str, options)],
                cwd=self.folder,
                env=self.environ | dict(env or {}),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        server = Server(process, 0, log)
        try:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, f"exit {process.returncode}: {log.read_text()[-2000:]}"
                named = re.search(r'"event": "listening"', log.read_text()[before:]) and re.search(
                    r'"port": (\d+)', log.read_text()[before:]
                )
                if named:
                    server.port = int(named[1])
                    with suppress(OSError):
                        if server.request("GET", "/readyz")[0] == 200:
                            break
                assert time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.05)
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    # --- files --------------------------------------------------------------------------------------------------------

    def parts(self, zone: str = "landing") -> list[Path]:
        return sorted(path for path in (self.data / zone).rglob("*.parquet") if PART.fullmatch(path.name))

    def rows(self, zone: str = "landing") -> list[Row]:
        """Every row of a zone once by coordinate."""
        found: dict[tuple[str, int], Row] = {}
        for path in self.parts(zone):
            for row in pq.read_table(path).to_pylist():
                found[row["writer"], row["seq"]] = row
        return [found[key] for key in sorted(found)]

    def landed(self) -> list[Landed]:
        return [
            Landed(row["writer"], row["seq"], microseconds(row["received_at"]), row["source"], row["payload"].encode())
            for row in self.rows()
        ]

    def oracle(self, *, as_of_us: int) -> dict[str, list[Row]]:
        return facts_of(
            self.landed(),
            as_of_us=as_of_us,
            phases=read_phases(REFERENCE / "call_phases.csv"),
            causes=read_causes(REFERENCE / "end_causes.csv"),
        )

    def table(self, name: str) -> list[Row]:
        return table(self.warehouse, name)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.warehouse, sql)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        con.sql("set TimeZone = 'UTC'")
        con.execute(f"attach '{path}' as w (read_only)")
        con.execute("use w")
        return con.execute(sql).fetchall()


def table(path: Path, name: str) -> list[Row]:
    """A published table; instants as whole microseconds."""
    columns = query(path, f"select column_name, column_type from (describe {name})")
    picked = ", ".join(f'epoch_us("{column}")' if kind == "TIMESTAMP WITH TIME ZONE" else f'"{column}"' for column, kind in columns)
    return [dict(zip([c for c, _ in columns], row, strict=True)) for row in query(path, f"select {picked} from {name}")]


KEYS = {
    "calls": ("company", "call_id"),
    "call_states": ("company", "call_id", "seq"),
    "call_legs": ("company", "call_id", "leg"),
    "queue_visits": ("company", "call_id", "visit"),
    "call_events": ("company", "call_id", "event_uid"),
    "presence_intervals": ("company", "extension", "kind", "started_at"),
    "conference_events": ("company", "extension", "event_time"),
    "vendor_calls": ("company", "call_id", "flow_index"),
    "people": ("company", "extension"),
    "end_causes": ("code",),
}


def differences(expected: list[Row], actual: list[Row], key: tuple[str, ...], *, limit: int = 6) -> list[str]:
    """Rows that only one side has, a line each; rows with one key side by side, with what differs alone."""

    def shape(row: Row) -> tuple[Any, ...]:
        return tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in sorted(row.items()) if not k.startswith("_"))

    want, have = Counter(map(shape, expected)), Counter(map(shape, actual))
    missing, extra = list((want - have).elements()), list((have - want).elements())
    lines = []
    for row in missing:
        fields = dict(row)
        twin = next((other for other in extra if all(dict(other).get(k) == fields.get(k) for k in key)), None)
        name = {k: fields.get(k) for k in key}
        if twin is None:
            lines.append(f"missing {name}: {_short(fields)}")
        else:
            extra.remove(twin)
            other = dict(twin)
            names = sorted({k for k in fields.keys() | other.keys() if fields.get(k, "(no column)") != other.get(k, "(no column)")})
            lines.append(
                f"differs {name}: " + "; ".join(f"{k} is {_short(other.get(k))}, should be {_short(fields.get(k))}" for k in names)
            )
    lines += [f"extra {_short(dict(row))}" for row in extra]
    return lines[:limit] + ([f"… {len(lines) - limit} more"] if len(lines) > limit else [])


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 1500 else f"{shown[:200]}… ({len(shown)})"


def compare(expected: Mapping[str, list[Row]], path: Path) -> None:
    """Fails with a short list where a published table is not what is expected."""
    found = [f"{name}: {line}" for name, rows in expected.items() for line in differences(rows, table(path, name), KEYS[name])]
    assert not found, "\n" + "\n".join(found)
