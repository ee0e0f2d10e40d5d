"""Delivering simulated traffic: signed, at least once, out of order, tried again; and the command over it."""

import gzip
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.cli import main
from ingest.errors import UsageError
from ingest.signature import Verifier
from ingest.simulate import send
from ingest.simulate.scenario import Event
from tests.sqs import CREDENTIALS, REGION, client, ministack, new_queue, proxy_of

SECRET = "secret-of-the-webhook"
SIGNER = Verifier([SECRET.encode()])
END = "2026-11-24T12:00:00Z"


@dataclass
class Webhook:
    """A receiver that answers as planned (then always 200), and remembers.

    Plan: a status, `503 after 1` for a Retry-After, `lost` to close the connection without an answer, `close` for a 200 that ends it.
    """

    url: str
    planned: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)
    connections: int = 0
    times: list[float] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Webhook]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for an ACK

        def setup(self) -> None:
            super().setup()
            with lock:
                made.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                made.bodies.append(body)
                made.signatures.append(self.headers.get("x-signature"))
                made.times.append(time.monotonic())
                plan = made.planned.pop(0) if made.planned else "200"
            if plan == "lost":
                self.close_connection = True
                return
            status, _, after = plan.partition(" after ")
            self.send_response_only(200 if plan == "close" else int(status))
            if after:
                self.send_header("Retry-After", after)
            if plan == "close":
                self.send_header("Connection", "close")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Webhook(f"http://127.0.0.1:{server.server_port}/webhook/acme")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


def some(n: int) -> list[Event]:
    return [Event(number, b'{"n":%d,"name":"Zo\xc3\xab"}' % number) for number in range(n)]


def post(events: list[Event], to: Webhook, **settings: Any) -> send.Tally:
    return send.post(events, to=send.target(to.url), signer=SIGNER, **settings)


def test_every_body_arrives_once_byte_for_byte_and_rightly_signed(receiver: Webhook) -> None:
    tally = post(some(200), receiver, connections=5)
    assert sorted(receiver.bodies) == sorted(event.body for event in some(200))
    assert all(SIGNER.accepts(*pair) for pair in zip(receiver.bodies, receiver.signatures, strict=True))
    assert (tally.accepted, tally.refused.total(), tally.retried) == (200, 0, 0)


def test_connections_are_kept_alive(receiver: Webhook) -> None:
    post(some(100), receiver, connections=4)
    assert receiver.connections <= 4


def test_one_connection_keeps_the_order(receiver: Webhook) -> None:
    post(some(50), receiver, connections=1)
    assert receiver.bodies == [event.body for event in some(50)]


def test_a_503_is_tried_again_after_the_time_it_names(receiver: Webhook) -> None:
    receiver.planned = ["503 after 1", "503 after 0", "200"]
    tally = post(some(1), receiver)
    assert (tally.accepted, tally.retried) == (1, 2)
    assert receiver.times[1] - receiver.times[0] >= 1
    assert receiver.times[2] - receiver.times[1] < 1


def test_after_three_more_tries_a_503_is_not_accepted(receiver: Webhook) -> None:
    receiver.planned = ["503 after 0"] * 4
    tally = post(some(2), receiver, connections=1)
    assert (tally.accepted, dict(tally.refused), tally.retried) == (1, {"503": 1}, 3)
    assert len(receiver.bodies) == 5


@pytest.mark.parametrize("status", ["401", "404", "413", "500"])
def test_any_other_status_is_final(receiver: Webhook, status: str) -> None:
    receiver.planned = [status]
    tally = post(some(1), receiver)
    assert (tally.accepted, dict(tally.refused), len(receiver.bodies)) == (0, {status: 1}, 1)


def test_a_delivery_whose_answer_is_lost_is_sent_again(receiver: Webhook) -> None:
    receiver.planned = ["lost", "lost"]
    tally = post(some(1), receiver)
    assert (tally.accepted, tally.retried, len(receiver.bodies)) == (1, 2, 3)


def test_a_connection_the_server_ends_is_made_anew(receiver: Webhook) -> None:
    receiver.planned = ["close"] * 3
    tally = post(some(4), receiver, connections=1)
    assert (tally.accepted, tally.retried, receiver.connections) == (4, 0, 4)


def test_no_answer_in_time_counts_as_none(receiver: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "REPLY_SECONDS", 0.05)
    monkeypatch.setattr(send, "TRIES_AGAIN", 1)
    with socket_that_says_nothing() as url:
        tally = send.post(some(1), to=send.target(url), signer=SIGNER)
    assert (dict(tally.refused), tally.retried) == ({"no reply": 1}, 1)


@contextmanager
def socket_that_says_nothing() -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/webhook/acme"


def test_where_nobody_listens_it_gives_up_instead_of_trying_every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "TRIES_AGAIN", 1)
    tally = send.post(some(10_000), to=send.target("http://127.0.0.1:9/webhook/acme"), signer=SIGNER, connections=4)
    assert tally.accepted == 0
    assert set(tally.refused) == {"no reply"}
    assert tally.refused.total() < 20


def test_a_rate_is_not_exceeded(receiver: Webhook) -> None:
    tally = post(some(40), receiver, rate=100)
    assert 0.35 < tally.seconds < 2


def test_who_listens_hears_of_every_event_and_of_every_accepted_one(receiver: Webhook) -> None:
    receiver.planned = ["401"]
    seen: list[Event] = []
    accepted: list[Event] = []
    post(some(5), receiver, connections=1, seen=seen.append, accepted=accepted.append)
    assert seen == some(5)
    assert accepted == some(5)[1:]


@pytest.mark.parametrize("url", ["ftp://example.com/", "webhook", "http://", "http://127.0.0.1:port/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--to"):
        send.target(url)


@pytest.mark.parametrize(
    ("url", "place", "host"),
    [
        ("http://127.0.0.1:8080/webhook/a?b=c", ("127.0.0.1", 8080, False), b"Host: 127.0.0.1:8080\r\n"),
        ("https://calls.example.com/webhook/a", ("calls.example.com", 443, True), b"Host: calls.example.com\r\n"),
        ("http://[::1]:8080", ("::1", 8080, False), b"Host: [::1]:8080\r\n"),
    ],
)
def test_a_url_leads_to(url: str, place: tuple[str, int, bool], host: bytes) -> None:
    target = send.target(url)
    assert (target.host, target.port, target.tls) == place
    assert host in target.head


# ── at least once, out of order ──────────────────────────────────────────────────────────────────────────────────────


def test_without_duplicates_and_disorder_events_come_as_they_are() -> None:
    assert list(send.deliveries(some(100), duplicates=0, disorder=0, seed=1)) == some(100)


def test_a_share_comes_twice_and_a_share_late_and_nothing_is_missing() -> None:
    delivered = list(send.deliveries(some(10_000), duplicates=0.02, disorder=0.05, seed=1))
    counts = Counter(event.time_ms for event in delivered)
    assert set(counts) == set(range(10_000))
    assert 120 < sum(count == 2 for count in counts.values()) < 280
    late = sum(event.time_ms < top for event, top in zip(delivered[1:], running_max(delivered), strict=False))
    assert 500 < late < 900


def running_max(events: list[Event]) -> list[int]:
    most, maxima = 0, []
    for event in events:
        most = max(most, event.time_ms)
        maxima.append(most)
    return maxima


def test_the_disorder_follows_from_the_seed() -> None:
    def order(seed: int) -> list[Event]:
        return list(send.deliveries(some(500), duplicates=0.1, disorder=0.2, seed=seed))

    assert order(1) == order(1)
    assert order(1) != order(2)


# ── SQS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ministack() as endpoint:
        yield endpoint


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def drained(endpoint: str, url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while (
        messages := client(endpoint)
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["X-SIGNATURE"])
        .get("Messages")
    ):
        found += messages
    return found


def test_a_queue_gets_every_body_signed_in_batches_of_ten(server: str, chain: None) -> None:
    queue = new_queue(server, "sent")
    with proxy_of(server) as proxy:
        tally = send.enqueue(some(35), queue_url=queue.url, signer=SIGNER, endpoint_url=proxy.endpoint, region=REGION, connections=2)
        assert sorted(len(call["Entries"]) for _, call in proxy.seen) == [5, 10, 10, 10]
    assert (tally.accepted, tally.refused.total()) == (35, 0)
    messages = drained(server, queue.url)
    assert sorted(message["Body"].encode() for message in messages) == sorted(event.body for event in some(35))
    for message in messages:
        assert SIGNER.accepts(message["Body"].encode(), message["MessageAttributes"]["X-SIGNATURE"]["StringValue"])


def test_large_bodies_share_a_batch_only_as_far_as_they_fit(server: str, chain: None) -> None:
    queue = new_queue(server, "large")
    events = [Event(n, b'{"pad":"' + b"x" * 100_000 + b'"}') for n in range(5)]
    with proxy_of(server) as proxy:
        tally = send.enqueue(events, queue_url=queue.url, signer=SIGNER, endpoint_url=proxy.endpoint, region=REGION, connections=1)
        assert [len(call["Entries"]) for _, call in proxy.seen] == [2, 2, 1]
    assert tally.accepted == 5


def test_a_batch_that_fails_in_part_is_sent_again_in_that_part(server: str, chain: None) -> None:
    queue = new_queue(server, "partly")
    with proxy_of(server) as proxy:
        proxy.plan("SendMessageBatch", "fail 4")
        tally = send.enqueue(some(10), queue_url=queue.url, signer=SIGNER, endpoint_url=proxy.endpoint, region=REGION, connections=1)
    assert (tally.accepted, tally.retried) == (10, 4)
    assert sorted(message["Body"].encode() for message in drained(server, queue.url)) == sorted(event.body for event in some(10))


def test_a_queue_that_is_not_there_accepts_nothing(server: str, chain: None) -> None:
    tally = send.enqueue(
        some(3), queue_url=f"{server}/000000000000/nowhere", signer=SIGNER, endpoint_url=server, region=REGION, connections=1
    )
    assert tally.accepted == 0
    assert tally.refused.total() == 3


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


def simulate(*arguments: str, **environ: str) -> int:
    return main(["simulate", "--calls", "20", "--days", "2", "--end", END, *arguments], environ)


def test_out_writes_what_to_posts(receiver: Webhook, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, packed = tmp_path / "events.ndjson", tmp_path / "events.ndjson.gz"
    assert simulate("--out", str(plain)) == 0
    assert simulate("--out", str(packed)) == 0
    assert simulate("--to", receiver.url, "--secret", "env:HOOK", "--connections", "1", HOOK=SECRET) == 0
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes() == b"".join(body + b"\n" for body in receiver.bodies)
    assert SIGNER.accepts(receiver.bodies[0], receiver.signatures[0])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(f"simulate: 20 calls, {len(receiver.bodies)} deliveries, {len(receiver.bodies)} accepted, ")


def test_packed_output_has_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.gz", tmp_path / "b.gz"
    simulate("--out", str(first))
    time.sleep(1.1)  # a gzip header counts seconds
    simulate("--out", str(second))
    assert first.read_bytes() == second.read_bytes()


def test_not_everything_accepted_ends_with_1_and_says_why(receiver: Webhook, capsys: pytest.CaptureFixture[str]) -> None:
    receiver.planned = ["401", "413"]
    assert simulate("--to", receiver.url, "--secret", SECRET) == 1
    assert "2 not (401: 1, 413: 1)" in capsys.readouterr().out


def test_accepted_bodies_are_written_down(receiver: Webhook, tmp_path: Path) -> None:
    receiver.planned = ["401"]
    note = tmp_path / "accepted.ndjson"
    simulate("--to", receiver.url, "--secret", SECRET, "--accepted", str(note), "--connections", "1")
    assert note.read_bytes().splitlines() == receiver.bodies[1:]


def test_standard_output_holds_nothing_but_bodies(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert simulate("--out", "-") == 0
    out, err = capfdbinary.readouterr()
    assert all(orjson.loads(line)["company"] for line in out.splitlines())
    assert err.startswith(b"simulate: 20 calls")


def test_a_queue_is_fed_by_the_command(server: str, chain: None) -> None:
    queue = new_queue(server, "command")
    assert simulate("--queue-url", queue.url, "--endpoint-url", server, "--region", REGION, "--secret", SECRET) == 0
    assert queue.size() > 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of --to URL, --queue-url URL and --out FILE"),
        (("--out", "x", "--to", "http://127.0.0.1:9/"), "give one of"),
        (("--to", "http://127.0.0.1:9/"), "--secret is missing"),
        (("--to", "http://127.0.0.1:9/", "--secret", "short"), "shorter than 8 bytes"),
        (("--to", "http://127.0.0.1:9/", "--secret", "env:NOT_SET_ANYWHERE"), "env:NOT_SET_ANYWHERE is not set"),
        (("--to", "no-url", "--secret", SECRET), "is no http:// or https:// URL"),
        (("--out", "x", "--end", "yesterday"), "--end yesterday: is no ISO 8601 time"),
        (("--out", "x", "--end", "1999-12-31"), "between 2000 and 2100"),
        (("--out", "x", "--duplicates", "2"), "--duplicates"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_one_line(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--calls", "1", *arguments], {}) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []
