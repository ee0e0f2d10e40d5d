"""A real SQS server on loopback for tests (ministack), and a proxy that stands between and misbehaves on command."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import orjson
from botocore.config import Config

from ingest.signature import sign
from tests.s3 import free_port

REGION = "eu-south-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}
"""For the environment of whoever talks to the servers here."""
SECRET = "sqs-secret-of-tests"
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


@cache
def client(endpoint_url: str) -> Any:
    """A plain client for arranging and looking, apart from the code under test."""
    return boto3.client(
        "sqs",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def ministack() -> Iterator[str]:
    """A server; yields its endpoint."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="callfacts-sqs-") as folder:
        environ = os.environ | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": "sqs",
            "LOG_LEVEL": "ERROR",
            "TMPDIR": folder,
        }
        log = Path(folder) / "log"
        with log.open("wb") as file:
            command = [str(Path(sys.executable).with_name("ministack"))]
            process = subprocess.Popen(command, env=environ, stdout=file, stderr=file, start_new_session=True, cwd=folder)
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client(endpoint).list_queues()
                    break
                except Exception:  # noqa: BLE001 - not up yet, whatever it says
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(log.read_text()[-4000:]) from None
                    time.sleep(0.1)
            yield endpoint
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True)
class Queue:
    """A queue of its own for a test."""

    endpoint: str
    name: str
    url: str

    def send(self, *bodies: bytes, secret: str | None = SECRET) -> None:
        """Put bodies in, signed; unsigned with `secret=None`."""
        sqs = client(self.endpoint)
        for start in range(0, len(bodies), 10):
            entries = []
            for n, body in enumerate(bodies[start : start + 10]):
                entry: dict[str, Any] = {"Id": str(n), "MessageBody": body.decode()}
                if secret is not None:
                    value = {"DataType": "String", "StringValue": sign(secret.encode(), body)}
                    entry["MessageAttributes"] = {"X-SIGNATURE": value}
                entries.append(entry)
            assert not sqs.send_message_batch(QueueUrl=self.url, Entries=entries).get("Failed")

    def size(self) -> int:
        """Messages in it, visible or not."""
        said = client(self.endpoint).get_queue_attributes(QueueUrl=self.url, AttributeNames=list(COUNTS))
        return sum(int(said["Attributes"][name]) for name in COUNTS)

    def through(self, proxy: "Proxy") -> "Queue":
        """The same queue, as seen from behind a proxy."""
        return Queue(proxy.endpoint, self.name, self.url)


def new_queue(endpoint: str, name: str, *, visibility_seconds: int = 30) -> Queue:
    name = "".join(c if c.isalnum() else "-" for c in name)[-70:]
    answer = client(endpoint).create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(visibility_seconds)})
    return Queue(endpoint, name, answer["QueueUrl"])


@dataclass
class Proxy:
    """What happens to the next calls of an action, one entry each; with a `!` at the end to all from then on.

    Attributes:
        seen: each call: action and its JSON body.
    """

    endpoint: str
    planned: dict[str, list[str]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def plan(self, action: str, *faults: str) -> None:
        self.planned[action] = list(faults)

    def next(self, action: str) -> str:
        planned = self.planned.get(action, [])
        if planned and planned[0].endswith("!"):
            return planned[0][:-1]
        return planned.pop(0) if planned else "ok"

    def count(self, action: str) -> int:
        return sum(name == action for name, _ in self.seen)


@contextmanager
def proxy_of(upstream: str) -> Iterator[Proxy]:
    """A proxy before an SQS server. Faults, by name:

    ok           forwarded
    503 Code     that status with that error code, nothing forwarded
    refused      the connection is closed, nothing forwarded
    lost         forwarded, and the connection closed instead of the answer
    fail 3       (DeleteMessageBatch) the first 3 entries are not forwarded and reported as failed: InternalError
    expired 3    … with garbage in place of their handles, so that the server itself calls them invalid
    """
    host, port = upstream.removeprefix("http://").split(":")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an ACK

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = (self.headers.get("X-Amz-Target") or "?").rpartition(".")[2]
            call = orjson.loads(body or b"{}")
            proxy.seen.append((action, call))
            fault, _, detail = proxy.next(action).partition(" ")
            if fault == "refused":
                self.close_connection = True
            elif fault.isdigit():
                self.answer(int(fault), {"__type": f"com.amazonaws.sqs#{detail}", "message": "planned"})
            elif fault == "fail":
                entries = call["Entries"]
                failed = [
                    {"Id": e["Id"], "Code": "InternalError", "SenderFault": False, "Message": "planned"} for e in entries[: int(detail)]
                ]
                rest = entries[int(detail) :]
                done = self.forwarded(orjson.dumps(call | {"Entries": rest}))[1] if rest else {"Successful": []}
                self.answer(200, done | {"Failed": failed + done.get("Failed", [])})
            elif fault == "expired":
                for entry in call["Entries"][: int(detail)]:
                    entry["ReceiptHandle"] = "no-such-handle"
                self.answer(*self.forwarded(orjson.dumps(call)))
            else:
                try:
                    answer = self.forwarded(body)
                except (OSError, HTTPException):  # the server is gone, or the client is
                    self.close_connection = True
                    return
                if fault == "lost":
                    self.close_connection = True
                else:
                    self.answer(*answer)

        def forwarded(self, body: bytes) -> tuple[int, dict[str, Any]]:
            connection = HTTPConnection(host, int(port), timeout=40)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("content-length", "connection")}
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            connection.close()
            return response.status, orjson.loads(answer or b"{}")

        def answer(self, status: int, said: dict[str, Any]) -> None:
            body = orjson.dumps(said)
            self.send_response_only(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            with suppress(OSError):
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def bodies(n: int, *, first: int = 0) -> Sequence[bytes]:
    """So many different events."""
    return [
        orjson.dumps(
            {
                "id": f"it_w100001_1693389850.{number}",
                "pbx": "000000000001",
                "time": 1693389850810 + number,
                "company": "it_w100001",
                "type": "call:start",
                "integrationId": "abc123",
                "data": {"status": "CONNECTING"},
            }
        )
        for number in range(first, first + n)
    ]
