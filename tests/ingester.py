"""A real ingester for tests: `ingest …` as a process of its own, with its own folder, on a free port of the loopback.

with Ingester(tmp_path) as ingester:
    assert ingester.post(b"{}") == 200
assert landed(tmp_path) == ...
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any

from ingest.config import Storage
from ingest.parts import list_parts, read_part
from ingest.signature import sign
from ingest.storage import Zone, open_zone

SECRET = "a-secret-of-tests"
SOURCE = 'transport = "webhook"\nsecrets = ["a-secret-of-tests"]\n'


def toml(*, sources: Mapping[str, str] | None = None, ingest: str = "roll_seconds = 0.3", storage: str = "") -> str:
    """A configuration: root `data` beside the file, one webhook source `acme` unless told otherwise."""
    blocks = {"acme": SOURCE} if sources is None else sources
    text = f'[storage]\nroot = "data"\n{storage}\n[ingest]\n{ingest}\n'
    return text + "".join(f'[[sources]]\nname = "{name}"\n{block}' for name, block in blocks.items())


def event(n: int, **more: Any) -> bytes:
    """A usable body; of another call for each n."""
    base = {"type": "call:start", "time": 1_764_000_000_000 + n, "company": "it_w100001", "id": f"it_w100001_1764000000.{n}"}
    return json.dumps(base | more).encode()


class Ingester:
    """One run of the command line. Its log lines are read as they come."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        config: str | None = None,
        config_name: str = "callfacts.toml",
        environ: Mapping[str, str] | None = None,
        failpoint: str = "",
        limits: Mapping[int, int] | None = None,
        start: bool = True,
    ) -> None:
        self.folder = folder
        self.config_path = folder / config_name
        if config is not None or not self.config_path.exists():
            self.config_path.write_text(toml() if config is None else config)
        self.arguments = arguments or ("webhook", "--port", "0")
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CALLFACTS")},
            "CALLFACTS_FAILPOINT": failpoint,
            **(environ or {}),
        }
        self.limits = dict(limits or {})
        self.log: list[dict[str, Any]] = []
        self.stderr: list[str] = []
        self.port = 0
        self.started = False
        if start:
            self.start()

    def start(self) -> "Ingester":
        """Start it; returns once it listens, or has ended."""

        def limited() -> None:
            for what, value in self.limits.items():
                resource.setrlimit(what, (value, resource.getrlimit(what)[1] if what == resource.RLIMIT_FSIZE else value))

        self.process = subprocess.Popen(
            [sys.executable, "-m", "ingest.cli", *self.arguments, "--config", str(self.config_path)],
            cwd=Path(__file__).resolve().parent.parent,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limited if self.limits else None,
        )
        self.started = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if "--port" in self.arguments:
            wait_for(lambda: self.said("listening") or self.process.poll() is not None, "it listens")
            if lines := self.said("listening"):
                self.port = lines[0]["port"]
        return self

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode()
            self.stderr.append(text)
            with contextlib.suppress(ValueError):
                self.log.append(json.loads(text))

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that name."""
        return [line for line in list(self.log) if line.get("event") == event]

    @property
    def rollers(self) -> list[int]:
        """Pids of the rollers started so far."""
        return [line["pid"] for line in self.said("roller_started")]

    def connect(self, timeout: float = 30) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def answer(
        self,
        body: Any = b"",
        *,
        source: str = "acme",
        secret: str | None = SECRET,
        signature: str | None = None,
        method: str = "POST",
        path: str | None = None,
        chunked: bool = False,
    ) -> "Answer":
        """One request on a connection of its own."""
        headers = {}
        if signature is not None:
            headers["x-signature"] = signature
        elif secret is not None and isinstance(body, bytes):
            headers["x-signature"] = sign(secret.encode(), body)
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, f"/webhook/{source}" if path is None else path, body=body, headers=headers, encode_chunked=chunked)
            return Answer.of(connection.getresponse())

    def post(self, body: bytes, **how: Any) -> int:
        """The status of one signed POST."""
        return self.answer(body, **how).status

    def get(self, path: str) -> "Answer":
        return self.answer(b"", method="GET", path=path, secret=None)

    def metric(self, name: str, **labels: str) -> float:
        """One sample of /metrics, 0 where there is none."""
        wanted = name + ("{" + ",".join(f'{key}="{value}"' for key, value in sorted(labels.items())) + "}" if labels else "")
        for line in self.get("/metrics").body.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample == wanted:
                return float(value)
        return 0.0

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.wait()

    def end(self, seconds: float = 90) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds: float = 90) -> int:
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def __enter__(self) -> "Ingester":
        return self if self.started else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        code = self.end() if error is None else self.process.kill()
        self._reader.join(5)
        for pipe in (self.process.stderr, self.process.stdout):
            assert pipe is not None
            pipe.close()
        if error is not None:
            print("".join(self.stderr[-40:]))
        else:
            assert code == 0, "".join(self.stderr[-40:])


@dataclass(frozen=True)
class Answer:
    """A response, read whole."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def of(cls, response: HTTPResponse) -> "Answer":
        return cls(response.status, response.read(), {name.lower(): value for name, value in response.getheaders()})


def run(
    folder: Path, *arguments: str, config: str | None = None, environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the ingester to its end."""
    path = folder / "callfacts.toml"
    if config is not None:
        path.write_text(config)
    return subprocess.run(
        [sys.executable, "-m", "ingest.cli", *arguments, *(["--config", str(path)] if path.exists() else [])],
        cwd=Path(__file__).resolve().parent.parent,
        env={**{name: value for name, value in os.environ.items() if not name.startswith("CALLFACTS")}, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until it holds."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"after {seconds} s still not: {what}")


@dataclass
class Traffic:
    """Clients that post events without pause, each body once; `acknowledged` holds the bodies that got a 200."""

    ingester: Ingester
    clients: int = 4
    acknowledged: list[bytes] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def __enter__(self) -> "Traffic":
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)

    def wait_for(self, n: int) -> None:
        """Until `n` more are acknowledged."""
        goal = len(self.acknowledged) + n
        wait_for(lambda: len(self.acknowledged) >= goal, f"{goal} acknowledged (statuses: {self.statuses})")

    def _run(self, client: int) -> None:
        connection, n = self.ingester.connect(), 0
        while not self._stop.is_set():
            n += 1
            body = event(client * 10_000_000 + n, sender=os.urandom(6).hex())
            try:
                connection.request("POST", "/webhook/acme", body=body, headers={"x-signature": sign(SECRET.encode(), body)})
                response = connection.getresponse()
                response.read()
            except (OSError, HTTPException):
                connection.close()
                connection = self.ingester.connect()
                time.sleep(0.02)
                continue
            self.statuses[response.status] = self.statuses.get(response.status, 0) + 1
            if response.status == 200:
                self.acknowledged.append(body)
            elif response.status == 503:
                time.sleep(0.02)
        connection.close()


def zone(folder: Path) -> Zone:
    return open_zone(Storage(root=str(folder / "data")))


def landed(folder: Path) -> list[tuple[str, int, bytes]]:
    """(writer, seq, body) of every row that landed or went to the quarantine, in parts that count."""
    found = []
    for store, column in ((zone(folder).landing, "payload"), (zone(folder).quarantine, "body")):
        for part in list_parts(store):
            table = read_part(store, part, ["writer", "seq", column]).to_pydict()
            for writer, seq, body in zip(*table.values(), strict=True):
                found.append((writer, seq, body.encode() if isinstance(body, str) else body))
    return sorted(found)


def assert_exactly_once(folder: Path, acknowledged: list[bytes]) -> None:
    """Each acknowledged body is there once, no coordinate twice, no number missing, the journal empty, `ingest check` content."""
    rows = landed(folder)
    coordinates = [(writer, seq) for writer, seq, _ in rows]
    assert len(set(coordinates)) == len(coordinates)
    counts: dict[bytes, int] = {}
    for _, _, body in rows:
        counts[body] = counts.get(body, 0) + 1
    assert [body for body in acknowledged if counts.get(body, 0) != 1] == []
    last: dict[str, int] = {}
    for writer, seq in coordinates:
        last[writer] = max(last.get(writer, 0), seq)
    assert sum(last.values()) == len(coordinates), "a number is missing"
    assert journal_names(folder) == []
    checked = run(folder, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def journal_names(folder: Path) -> list[str]:
    path = folder / "data" / "journal"
    return sorted(found.name for found in path.iterdir()) if path.exists() else []


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """A process that does not run for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
