"""Real S3 servers on loopback for tests, and a proxy that stands between and misbehaves on command."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-west-1"}
"""For the environment of whoever talks to the servers here."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def client(endpoint_url: str) -> Any:
    """A plain client for arranging and looking, apart from the code under test."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


@contextmanager
def seaweedfs(bucket: str) -> Iterator[str]:
    """A SeaweedFS with one bucket; yields its endpoint."""
    weed = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    ports = {name: free_port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    ports |= {f"{name}.grpc": free_port() for name in ports}
    with tempfile.TemporaryDirectory(prefix="callfacts-weed-") as folder:
        command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
        command += ["-volume.max=20", "-master.volumeSizeLimitMB=64"]
        command += [f"-{name}={port}" for name, port in ports.items()]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=folder)
        try:
            endpoint = f"http://127.0.0.1:{ports['s3.port']}"
            deadline = time.monotonic() + 60
            while True:
                try:
                    client(endpoint).create_bucket(Bucket=bucket)
                    client(endpoint).put_object(Bucket=bucket, Key="ready", Body=b"")
                    client(endpoint).delete_object(Bucket=bucket, Key="ready")
                    break
                except Exception:  # noqa: BLE001 - not up yet, whatever it says
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError((Path(folder) / "log").read_text()[-4000:]) from None
                    time.sleep(0.2)
            yield endpoint
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class Faults:
    """What a proxy does to the next requests of a method, one entry each: see `FaultyProxy`. Counts all that it has seen."""

    endpoint: str
    planned: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def plan(self, method: str, *faults: str) -> None:
        self.planned.setdefault(method, []).extend(faults)

    def next(self, method: str) -> str:
        planned = self.planned.get(method, [])
        if planned and planned[0].endswith("!"):
            return planned[0][:-1]
        return planned.pop(0) if planned else "ok"


@contextmanager
def faulty_proxy(upstream: str) -> Iterator[Faults]:
    """A proxy before an S3 server. Faults, by name; with a `!` at the end for all requests from then on:

    ok       forwarded
    503, …   that status instead, nothing forwarded
    refused  the connection is closed, nothing forwarded
    lost     forwarded, and the connection closed instead of the answer
    half     forwarded, and the connection closed in the middle of the answer's body
    hang     nothing happens until the client gives up
    race     another writer gets through first (`meanwhile`), then forwarded
    """
    host, port = upstream.removeprefix("http://").split(":")
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            faults.seen.append((self.command, self.path))
            fault = faults.next(self.command)
            if fault == "hang":
                stopping.wait(30)
            if fault in ("refused", "hang"):
                self.close_connection = True
                return
            if fault.isdigit():
                self.answer(int(fault), {}, b"<Error><Code>Fault</Code><Message>planned</Message></Error>")
                return
            if fault == "race":
                faults.meanwhile()
            status, headers, answer = self.forwarded(body)
            if fault == "lost":
                self.close_connection = True
                return
            self.answer(status, headers, answer, cut=fault == "half")

        def forwarded(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = HTTPConnection(host, int(port), timeout=30)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("expect", "connection")}
            connection.request(self.command, self.path, body, headers)
            response: HTTPResponse = connection.getresponse()
            answer = response.read()
            connection.close()
            dropped = ("transfer-encoding", "connection", "content-length")
            kept = {key: value for key, value in response.getheaders() if key.lower() not in dropped}
            if self.command == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length") or "0"
            return response.status, kept, answer

        def answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
            self.send_response_only(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    faults = Faults(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield faults
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
