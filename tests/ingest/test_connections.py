"""The short way and the application's: one request ends on one of them, and the answers keep the order of the requests."""

import contextlib
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.signature import sign
from tests.ingester import SECRET, SOURCE, Ingester, event, landed, toml, wait_for


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("connections")


@pytest.fixture(scope="module")
def ingester(folder: Path) -> Iterator[Ingester]:
    config = toml(sources={"acme": SOURCE, "small": SOURCE + "max_body_bytes = 300\n"}, ingest="roll_seconds = 60")
    with Ingester(folder, config=config) as running:
        yield running


def post(
    body: bytes, *more: str, path: str = "/webhook/acme", signature: str | None = None, version: str = "1.1", chunks: int = 0
) -> bytes:
    """A request. `chunks`: without a length, in so many pieces."""
    lines = [f"POST {path} HTTP/{version}", "Host: 127.0.0.1", f"X-Signature: {signature or sign(SECRET.encode(), body)}", *more]
    if not chunks:
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    cuts = [len(body) * n // chunks for n in range(chunks + 1)]
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + sent + b"0\r\n\r\n"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@contextlib.contextmanager
def connected(ingester: Ingester) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", ingester.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def statuses(connection: socket.socket, methods: list[str]) -> list[int]:
    """The answers in order."""
    found = []
    with connection.makefile("rb") as stream:
        for method in methods:
            response = HTTPResponse(_Stream(stream), method=method)  # type: ignore[arg-type]
            response.begin()
            response.read()
            found.append(response.status)
    return found


class _Stream:
    """What HTTPResponse wants of a socket; the answers behind the first stay in the stream."""

    def __init__(self, stream: object) -> None:
        self.stream = stream

    def makefile(self, mode: str) -> object:
        class Kept:
            def __init__(self, stream: object) -> None:
                self.stream = stream

            def __getattr__(self, name: str) -> object:
                return getattr(self.stream, name)

            def close(self) -> None:
                """Not yet."""

        return Kept(self.stream)


KINDS = {
    "accepted": (lambda: post(event(1)), 200),
    "chunked": (lambda: post(event(2), chunks=3), 200),
    "escaped path": (lambda: post(event(3), path="/webhook/%61cme"), 200),
    "query": (lambda: post(event(4), path="/webhook/acme?a=b"), 200),
    "forged": (lambda: post(event(5), signature="0" * 64), 401),
    "unknown source": (lambda: post(event(6), path="/webhook/nobody"), 404),
    "no source": (lambda: post(event(7), path="/webhook/"), 404),
    "health": (lambda: get("/healthz"), 200),
    "wrong method": (lambda: get("/webhook/acme"), 405),
    "empty": (lambda: post(b""), 200),
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 3000), max_size=3),
    waits=st.booleans(),
)
def test_however_requests_are_mixed_and_cut_each_is_answered_in_its_turn(
    ingester: Ingester, kinds: list[str], cuts: list[int], waits: bool
) -> None:
    stream = b"".join(KINDS[kind][0]() for kind in kinds)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    with connected(ingester) as connection:
        for start, end in pairwise(places):
            connection.sendall(stream[start:end])
            if waits:
                time.sleep(0.002)
        methods = ["GET" if KINDS[kind][0]().startswith(b"GET") else "POST" for kind in kinds]
        assert statuses(connection, methods) == [KINDS[kind][1] for kind in kinds]


@pytest.mark.parametrize(
    "request_",
    [post(event(1), "Connection: close"), post(event(1), version="1.0"), post(event(1), "Connection: close", signature="0")],
    ids=["close", "1.0", "close, forged"],
)
def test_who_wants_the_connection_closed_is_answered_and_obeyed(ingester: Ingester, request_: bytes) -> None:
    with connected(ingester) as connection:
        connection.sendall(request_)
        answer = b""
        while more := connection.recv(4096):
            answer += more
    assert b"connection: close" in answer
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 401"))


@pytest.mark.parametrize("size", [299, 300, 301, 100_000])
@pytest.mark.parametrize("chunks", [0, 4])
def test_the_limit_holds_on_both_ways_to_the_byte(ingester: Ingester, size: int, chunks: int) -> None:
    body = event(1).ljust(size)
    with connected(ingester) as connection:
        connection.sendall(post(body, path="/webhook/small", chunks=chunks))
        assert statuses(connection, ["POST"]) == [200 if size <= 300 else 413]


def test_a_client_that_leaves_before_its_answer_costs_nothing_but_its_answer(tmp_path: Path) -> None:
    with Ingester(tmp_path) as running:
        with connected(running) as connection:
            connection.sendall(post(event(0)))
            assert statuses(connection, ["POST"]) == [200]
        for n in range(1, 20):
            with connected(running) as connection:
                connection.sendall(post(event(n)))
        with connected(running) as connection:
            connection.sendall(post(event(20)) + post(event(21)))
            assert statuses(connection, ["POST", "POST"]) == [200, 200]
        wait_for(lambda: len(landed(tmp_path)) >= 22, "all of them land, also those whose sender did not wait")


def test_a_request_behind_an_unanswered_one_waits_for_its_turn(tmp_path: Path) -> None:
    running = Ingester(tmp_path, failpoint="journal_append:hang:2+")
    try:
        with connected(running) as connection:
            connection.sendall(post(event(0)))
            assert statuses(connection, ["POST"]) == [200]
            began = time.monotonic()
            connection.sendall(post(event(1)) + get("/healthz") + post(event(2), signature="0" * 64))
            connection.settimeout(1)
            with pytest.raises(TimeoutError):
                connection.recv(1)  # the health check has its answer ready, but it is not its turn
            connection.settimeout(10)
            assert statuses(connection, ["POST", "GET", "POST"]) == [503, 200, 401]
            assert time.monotonic() - began < 4.5
    finally:
        running.kill()


def test_a_body_over_the_limit_is_refused_while_it_is_still_coming(ingester: Ingester) -> None:
    whole = post(event(1).ljust(400), path="/webhook/small", chunks=1)
    with connected(ingester) as connection:
        connection.sendall(whole[: -len(b"0\r\n\r\n")])  # it never ends
        assert statuses(connection, ["POST"]) == [413]
