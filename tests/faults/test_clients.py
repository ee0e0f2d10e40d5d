"""Clients that are slow, silent, many, or gone: they cost a bounded amount, and others are served meanwhile."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from ingest.signature import sign
from tests.ingester import SECRET, Ingester, assert_exactly_once, event, toml

SENDER_GIVES_UP = 5.0
"""Seconds. The server answers within 4; a crowded test machine may take its part of the fifth."""


@pytest.fixture(scope="module")
def ingester(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingester]:
    folder = tmp_path_factory.mktemp("clients")
    with Ingester(folder, config=toml(ingest="roll_seconds = 60"), limits={resource.RLIMIT_NOFILE: 330}) as running:
        yield running
    assert_exactly_once(folder, [])


def connected(ingester: Ingester) -> socket.socket:
    return socket.create_connection(("127.0.0.1", ingester.port), timeout=30)


def head(body: bytes, *, length: int | None = None) -> bytes:
    return (
        f"POST /webhook/acme HTTP/1.1\r\nhost: x\r\nx-signature: {sign(SECRET.encode(), body)}\r\n"
        f"content-length: {len(body) if length is None else length}\r\n\r\n"
    ).encode()


def read_all(sock: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            found += piece
    return found


def test_a_slow_head_is_cut_off(ingester: Ingester) -> None:
    began = time.monotonic()
    with connected(ingester) as sock:
        with contextlib.suppress(OSError):
            for byte in b"POST /webhook/acme HTTP/1.1\r\nhost: x\r\n" + b"a" * 100:
                sock.send(bytes([byte]))
                time.sleep(0.15)
                if time.monotonic() - began > 12:
                    break
        assert time.monotonic() - began < 9
    assert ingester.metric("callfacts_connections_closed_total", why="slow") >= 1


def test_a_head_without_end_is_cut_off(ingester: Ingester) -> None:
    with connected(ingester) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(b"GET / HTTP/1.1\r\n" + b"x-pad: " + b"a" * 10_000_000)
        assert read_all(sock)[:12] in (b"HTTP/1.1 431", b"")


def test_a_slow_body_is_503_within_four_seconds(ingester: Ingester) -> None:
    body = event(1)
    began = time.monotonic()
    with connected(ingester) as sock:
        sock.sendall(head(body))
        for byte in body[:20]:
            sock.send(bytes([byte]))
            time.sleep(0.1)
        answer = read_all(sock)
    assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after: 1\r\n" in answer and b"\r\nconnection: close\r\n" in answer
    assert 2 < time.monotonic() - began < SENDER_GIVES_UP


def test_a_body_that_never_comes_is_503_within_four_seconds(ingester: Ingester) -> None:
    began = time.monotonic()
    with connected(ingester) as sock:
        sock.sendall(head(b"x" * 10))
        assert read_all(sock).startswith(b"HTTP/1.1 503 ")
    assert time.monotonic() - began < SENDER_GIVES_UP


def test_a_body_in_pieces_in_good_time_is_accepted(ingester: Ingester) -> None:
    body = event(2)
    with connected(ingester) as sock:
        sock.sendall(head(body))
        for i in range(0, len(body), 40):
            sock.sendall(body[i : i + 40])
            time.sleep(0.1)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_in_mid_body_leaves_nothing(ingester: Ingester) -> None:
    before = ingester.metric("callfacts_deliveries_total", source="acme", transport="webhook")
    for _ in range(5):
        with connected(ingester) as sock:
            sock.sendall(head(event(3))[:-1] + b"\n" + event(3)[:50])
    assert ingester.post(event(4)) == 200
    assert ingester.metric("callfacts_deliveries_total", source="acme", transport="webhook") == before + 1


def test_idle_connections_beyond_the_file_limit_shut_nobody_out(ingester: Ingester) -> None:
    idle = []
    try:
        for _ in range(500):
            idle.append(connected(ingester))
        assert [ingester.post(event(10 + n)) for n in range(20)] == [200] * 20
        assert ingester.metric("callfacts_connections_closed_total", why="crowded") > 100
    finally:
        for sock in idle:
            sock.close()


def test_an_upgrade_to_http2_is_ignored_and_the_event_taken(ingester: Ingester) -> None:
    body = event(40)
    with connected(ingester) as sock:
        for _ in range(2):
            sock.sendall(
                head(body)[:-2] + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n\r\n" + body
            )
            answer = sock.recv(1000)
            if not answer:
                break
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_each_answered(ingester: Ingester) -> None:
    with connected(ingester) as sock:
        sock.sendall(b"".join(head(event(50 + n)) + event(50 + n) for n in range(5)))
        found = b""
        while found.count(b"HTTP/1.1 200 ") < 5:
            piece = sock.recv(65536)
            assert piece
            found += piece


def test_nonsense_is_400_and_nobody_else_notices(ingester: Ingester) -> None:
    for nonsense in (b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20, b"GET\r\n\r\n"):
        with connected(ingester) as sock:
            sock.sendall(nonsense)
            assert read_all(sock).startswith(b"HTTP/1.1 400 ")
    assert ingester.post(event(60)) == 200
