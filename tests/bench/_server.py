"""What the ingest benchmarks share: a load client and signed requests, the ingester and its no-op twin as processes, medians."""

import asyncio
import contextlib
import json
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ingest.connections import Answer, Inlet, serve
from ingest.signature import sign
from ingest.simulate.scenario import Scenario, events
from ingest.telemetry import Meter
from tests.ingester import SECRET, Ingester, toml, wait_for

HERE = Path(__file__).parent
REPO = HERE.parent.parent
CONNECTIONS = 64
NEVER = "roll_seconds = 80000\nroll_bytes = 100000000000\nmax_pending_bytes = 67108864"
ROLLING = "roll_seconds = 4"


def compiled(source: str, folder: Path, *flags: str) -> Path | None:
    """A C file of this folder as a program or library; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    target = folder / source.removesuffix(".c")
    subprocess.run([compiler, "-O2", *flags, "-o", str(target), str(HERE / source), "-ldl"], check=True)
    return target


def bodies(n: int, *, seed: int = 1) -> list[bytes]:
    """So many simulated events."""
    scenario = Scenario(seed=seed, calls=max(100, n // 5), end_ms=int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000))
    return [event.body for event in islice(events(scenario), n)]


def requests_file(folder: Path, *, count: int = 20_000, source: str = "acme") -> Path:
    """Signed requests, ready to be sent."""
    path = folder / "requests"
    with path.open("wb") as file:
        for body in bodies(count):
            head = f"POST /webhook/{source} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            head += f"x-signature: {sign(SECRET.encode(), body)}\r\nContent-Length: {len(body)}\r\n\r\n"
            request = head.encode() + body
            file.write(struct.pack("<I", len(request)) + request)
    return path


class Load:
    """The load client and what it sends."""

    def __init__(self, folder: Path) -> None:
        program = compiled("_load.c", folder)
        assert program is not None
        self.program, self.requests = program, requests_file(folder)

    def __call__(self, port: int, seconds: float, *, rate: float = 0, connections: int = CONNECTIONS) -> dict[str, float]:
        """One run; `acks` a second in it. Raises where anything was not accepted."""
        command = [str(self.program), str(port), str(connections), str(seconds), str(rate), str(self.requests)]
        result: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        if result["refused"] or result["broken"]:
            raise RuntimeError(f"not everything was accepted: {result}")
        return result | {"acks": result["accepted"] / result["seconds"]}


@contextlib.contextmanager
def load() -> Iterator[Load | None]:
    """A load client in a folder of its own; None where it cannot be compiled."""
    with tempfile.TemporaryDirectory(prefix="callfacts-load-") as folder:
        yield Load(Path(folder)) if shutil.which("cc") or shutil.which("gcc") else None


@contextlib.contextmanager
def ingester(*, ingest: str, environ: Mapping[str, str] | None = None, arguments: Sequence[str] = ()) -> Iterator[Ingester]:
    """`ingest webhook` over a fresh folder; killed at the end, since nobody waits for what it has stored."""
    with tempfile.TemporaryDirectory(prefix="callfacts-bench-") as name:
        folder = Path(name)
        run = Ingester(folder, "webhook", "--port", "0", *arguments, config=toml(ingest=ingest), environ=environ)
        assert run.port, run.stderr
        try:
            yield run
        finally:
            run.kill()
            for pipe in (run.process.stderr, run.process.stdout):
                assert pipe is not None
                pipe.close()


@contextlib.contextmanager
def noop(*, direct: bool = False) -> Iterator[int]:
    """The ingester's own server around what reads the body and answers an empty 200; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.bench._server", str(port), "direct" if direct else "asgi"], cwd=REPO)

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        wait_for(listens, "the no-op server listens")
        yield port
    finally:
        process.kill()
        process.wait()


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def span(values: Sequence[float]) -> str:
    return f"{min(values):,.0f}–{max(values):,.0f}"


class _Noop:
    """Reads the body and answers an empty 200: as an ASGI application, or, `direct`, on the ingester's short way."""

    def __init__(self, *, direct: bool) -> None:
        self.direct, self.limit_bytes, self.empty = direct, 1 << 20, Answer(200)

    def inlet(self, url: bytes) -> Inlet | None:
        return self if self.direct else None

    def take(self, body: bytes, signature: str | None, since: float, answer: Callable[[Answer], None]) -> None:
        answer(self.empty)

    def too_slow(self) -> Answer:
        return self.empty

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            more = (await receive())["more_body"]
        await send(self.empty.start)
        await send(self.empty.end)


def serve_noop(port: int, *, direct: bool) -> None:
    """The no-op twin: uvicorn, httptools, uvloop, the ingester's own connection handling; only what is behind it differs."""
    import uvloop

    async def main() -> None:
        listening = socket.create_server(("127.0.0.1", port))
        await serve(_Noop(direct=direct), listening, stop=asyncio.Event(), meter=Meter(), on_listening=lambda: None)

    uvloop.run(main())


if __name__ == "__main__":
    serve_noop(int(sys.argv[1]), direct=sys.argv[2] == "direct")
