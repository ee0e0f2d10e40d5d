"""The SQS transport against a real server: commit, then delete; what cannot be deleted or verified; queues in trouble."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog

from ingest import failpoints, sqs
from ingest.config import Source
from ingest.errors import ConfigError, SourceStopped
from ingest.journal import Handover, Journal, Limits, journal_files, open_to_read, rows_of
from ingest.receiver import OpenSource, Receiver
from ingest.rejections import Rejections
from ingest.signature import Verifier
from ingest.telemetry import Meter
from tests.sqs import CREDENTIALS, REGION, SECRET, Proxy, Queue, bodies, ministack, new_queue, proxy_of

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ministack() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials by boto3's own chain, and shorter waits."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sqs, "HOLD_SECONDS", 0.4)
    monkeypatch.setattr(sqs, "UNTIL_EMPTY_POLL_SECONDS", 0)


@pytest.fixture
def queue(server: str, request: pytest.FixtureRequest) -> Queue:
    return new_queue(server, request.node.name)


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with proxy_of(server) as made:
        yield made


@dataclass
class House:
    """A journal, a receiver and one SQS source over a folder."""

    folder: Path
    meter: Meter = field(default_factory=Meter)
    readiness: list[str | None] = field(default_factory=list)

    def run(
        self,
        queue: Queue,
        *,
        secrets: tuple[str, ...] = (SECRET,),
        until_empty: bool = True,
        meanwhile: Callable[[asyncio.Event], Awaitable[None]] | None = None,
        **settings: Any,
    ) -> None:
        asyncio.run(self._run(queue, secrets, until_empty, meanwhile, settings))

    async def _run(
        self,
        queue: Queue,
        secrets: tuple[str, ...],
        until_empty: bool,
        meanwhile: Callable[[asyncio.Event], Awaitable[None]] | None,
        settings: Mapping[str, Any],
    ) -> None:
        named = {"region": REGION, "endpoint_url": queue.endpoint, "queue_url": queue.url} | settings
        source = Source(name="acme", transport="sqs", secrets=secrets, **named)
        verifier = Verifier([secret.encode() for secret in secrets])
        opened = OpenSource(source, verifier, limit_bytes=1 << 20, share=1.0)
        journal = Journal(self.folder / "journal", limits=Limits(60, 1 << 26, 1 << 26, 1 << 30), handover=Handover(), meter=self.meter)
        await journal.start()
        stop = asyncio.Event()
        receiver = Receiver(journal, {"acme": opened}, meter=self.meter, rejections=Rejections())
        try:
            job = asyncio.ensure_future(
                sqs.run_source(
                    source,
                    receiver,
                    stop=stop,
                    until_empty=until_empty,
                    meter=self.meter,
                    trust_path=self.trust,
                    on_ready=self.readiness.append,
                    patience_seconds=0.2,
                )
            )
            if meanwhile is not None:
                await meanwhile(stop)
            await job
        finally:
            await journal.close()
            journal.close_connections()

    @property
    def trust(self) -> Path:
        return self.folder / "sqs" / "acme.json"

    def rows(self) -> list[tuple[str | None, bytes]]:
        """Reason and body of all that is in the journal."""
        found = []
        for name in journal_files(self.folder / "journal"):
            with contextlib.closing(open_to_read(self.folder / "journal" / str(name))) as connection:
                found += [(row.reason, row.body) for row in rows_of(connection)]
        return found

    def counted(self, metric: str, *labels: str) -> float:
        return self.meter.snapshot().get((metric, *labels), 0)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


def test_what_is_received_is_committed_and_then_deleted(house: House, queue: Queue) -> None:
    queue.send(*bodies(57))
    house.run(queue)
    assert Counter(house.rows()) == Counter((None, body) for body in bodies(57))
    assert queue.size() == 0
    assert house.counted("callfacts_sqs_deleted", "acme") == 57
    assert house.counted("callfacts_deliveries", "acme", "sqs") == 57


def test_an_empty_queue_ends_it_at_once(house: House, queue: Queue) -> None:
    house.run(queue)
    assert house.rows() == []


def test_a_message_someone_else_is_at_is_waited_for(house: House, server: str) -> None:
    from tests.sqs import client

    queue = new_queue(server, "held-elsewhere", visibility_seconds=2)
    queue.send(*bodies(3))
    client(server).receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)  # and dies
    house.run(queue)
    assert sorted(body for _, body in house.rows()) == sorted(bodies(3))
    assert queue.size() == 0


def test_a_bad_or_missing_signature_is_quarantined_and_deleted(house: House, queue: Queue) -> None:
    good, forged, unsigned = bodies(3)
    queue.send(forged, secret="another-secret")
    queue.send(unsigned, secret=None)
    queue.send(good)
    house.run(queue)
    assert sorted(house.rows(), key=str) == [("bad_signature", forged), ("no_signature", unsigned), (None, good)]
    assert queue.size() == 0


def test_few_bad_messages_and_nothing_else_are_quarantined_and_deleted(house: House, queue: Queue) -> None:
    queue.send(*bodies(3), secret="another-secret")
    house.run(queue)
    assert house.rows() == [("bad_signature", body) for body in bodies(3)]
    assert queue.size() == 0


def test_a_mistyped_secret_deletes_nothing_of_a_full_queue(house: House, queue: Queue) -> None:
    queue.send(*bodies(40), secret="the-right-one")
    with pytest.raises(SourceStopped, match=r"sources\.acme: .*compare the secret"):
        house.run(queue)
    assert queue.size() == 40
    assert house.rows() == []
    assert house.counted("callfacts_source_ready", "acme") == 0
    assert house.readiness[-1] == "stopped"


def test_a_mistyped_secret_deletes_at_most_nine_over_any_number_of_restarts(house: House, queue: Queue) -> None:
    for first, n in ((0, 5), (5, 4)):
        queue.send(*bodies(n, first=first), secret="the-right-one")
        house.run(queue)
    assert [reason for reason, _ in house.rows()] == ["bad_signature"] * 9
    assert queue.size() == 0
    for first in (9, 10):
        queue.send(*bodies(1, first=first), secret="the-right-one")
        with pytest.raises(SourceStopped):
            house.run(queue)
    assert len(house.rows()) == 9
    assert queue.size() == 2


def test_with_the_secret_mended_a_stopped_source_goes_on(house: House, server: str) -> None:
    queue = new_queue(server, "mended", visibility_seconds=1)
    queue.send(*bodies(12))
    with pytest.raises(SourceStopped):
        house.run(queue, secrets=("mistyped-secret",))
    house.run(queue)
    assert Counter(house.rows()) == Counter((None, body) for body in bodies(12))
    assert queue.size() == 0


def test_once_something_has_verified_any_number_of_bad_ones_goes_to_the_quarantine(house: House, queue: Queue) -> None:
    queue.send(*bodies(1))
    house.run(queue)
    queue.send(*bodies(25, first=1), secret="another-secret")
    house.run(queue)  # a restart: it is remembered
    assert Counter(reason for reason, _ in house.rows()) == {None: 1, "bad_signature": 25}
    assert queue.size() == 0


def test_another_queue_under_the_same_name_is_not_trusted(house: House, queue: Queue, server: str) -> None:
    queue.send(*bodies(1))
    house.run(queue)
    other = new_queue(server, "another-one")
    other.send(*bodies(10), secret="the-right-one")
    with pytest.raises(SourceStopped):
        house.run(other)
    assert other.size() == 10


def test_two_active_secrets_are_both_good(house: House, queue: Queue) -> None:
    old, new = bodies(2)
    queue.send(old, secret="the-older-secret")
    queue.send(new)
    house.run(queue, secrets=(SECRET, "the-older-secret"))
    assert [reason for reason, _ in house.rows()] == [None, None]
    assert house.counted("callfacts_secret_matches", "acme", "1") >= 1


def test_the_body_is_signed_and_kept_byte_for_byte(house: House, queue: Queue) -> None:
    body = '{"type" : "call:start",\n "name": "Zoë \U0001f4de", "time":1693389850810}'.encode()
    queue.send(body)
    house.run(queue)
    assert house.rows() == [(None, body)]


def test_a_partly_failed_delete_is_tried_again_for_the_failed_entries_alone(house: House, queue: Queue, proxy: Proxy) -> None:
    queue.send(*bodies(10))
    proxy.plan("DeleteMessageBatch", "fail 3", "fail 1")
    house.run(queue.through(proxy))
    deletes = [call["Entries"] for action, call in proxy.seen if action == "DeleteMessageBatch"]
    again = {entry["ReceiptHandle"] for entry in deletes[0][:3]}
    assert any({entry["ReceiptHandle"] for entry in entries} == again for entries in deletes[1:])
    assert Counter(house.rows()) == Counter((None, body) for body in bodies(10))
    assert queue.size() == 0


def test_an_expired_receipt_handle_means_it_comes_again(house: House, server: str, proxy: Proxy) -> None:
    queue = new_queue(server, "expired", visibility_seconds=1)
    queue.send(*bodies(4))
    proxy.plan("DeleteMessageBatch", "expired 2")
    house.run(queue.through(proxy))
    assert set(house.rows()) == {(None, body) for body in bodies(4)}
    assert len(house.rows()) > 4
    assert house.counted("callfacts_sqs_errors", "acme", "ReceiptHandleIsInvalid") >= 1
    assert queue.size() == 0


def test_a_delete_that_never_succeeds_keeps_the_messages_and_the_source_alive(house: House, server: str, proxy: Proxy) -> None:
    queue = new_queue(server, "undeletable", visibility_seconds=1)
    queue.send(*bodies(2))
    proxy.plan("DeleteMessageBatch", *["500 InternalFailure"] * 9)
    house.run(queue.through(proxy))
    assert set(house.rows()) == {(None, body) for body in bodies(2)}
    assert queue.size() == 0


def test_an_answer_to_a_delete_that_was_lost_does_no_harm(house: House, queue: Queue, proxy: Proxy) -> None:
    queue.send(*bodies(3))
    proxy.plan("DeleteMessageBatch", "lost")
    house.run(queue.through(proxy))
    assert Counter(house.rows()) == Counter((None, body) for body in bodies(3))
    assert queue.size() == 0


@pytest.mark.parametrize(
    "fault",
    [
        "400 QueueDoesNotExist",
        "403 InvalidClientTokenId",
        "403 ExpiredToken",
        "403 AccessDenied",
        "400 ThrottlingException",
        "503 ServiceUnavailable",
        "refused",
    ],
)
def test_a_queue_in_trouble_is_told_once_waited_for_and_taken_up_again(house: House, queue: Queue, proxy: Proxy, fault: str) -> None:
    queue.send(*bodies(5))
    proxy.plan("ReceiveMessage", fault + "!")

    async def mend(stop: asyncio.Event) -> None:
        await until(lambda: proxy.count("ReceiveMessage") > 8)
        assert house.readiness[-1] is not None
        assert house.counted("callfacts_source_ready", "acme") == 0
        proxy.plan("ReceiveMessage")

    with structlog.testing.capture_logs() as lines:
        house.run(queue.through(proxy), meanwhile=mend)
    told = [line["event"] for line in lines if line["event"] in ("sqs_source_waits", "sqs_source_receives")]
    assert told == ["sqs_source_waits", "sqs_source_receives"]
    assert house.readiness[-1] is None
    assert len(house.rows()) == 5
    assert queue.size() == 0


def test_missing_credentials_are_trouble_not_the_end(house: House, queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    queue.send(*bodies(1))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))

    async def mend(stop: asyncio.Event) -> None:
        await until(lambda: house.readiness[-1:] == ["NoCredentialsError"])
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ[name] = CREDENTIALS[name]

    house.run(queue, meanwhile=mend)
    assert len(house.rows()) == 1


def test_no_region_is_a_mistake_of_the_configuration(house: House, queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match=r"sources\.acme: .*region"):
        house.run(queue, region=None)


def test_the_region_may_stand_in_the_url_alone() -> None:
    match = sqs._REGION_IN_URL.match("https://sqs.eu-south-1.amazonaws.com/000000000000/events")
    assert match is not None
    assert match[1] == "eu-south-1"


def test_what_the_disk_does_not_take_stays_in_the_queue_and_comes_again(house: House, server: str) -> None:
    queue = new_queue(server, "disk", visibility_seconds=1)
    queue.send(*bodies(6))
    failpoints.arm("journal_append:raise:1+")

    async def mend(stop: asyncio.Event) -> None:
        await until(lambda: "not_durable" in house.readiness)
        assert queue.size() == 6
        failpoints.arm("")

    try:
        house.run(queue, meanwhile=mend)
    finally:
        failpoints.arm("")
    assert set(house.rows()) == {(None, body) for body in bodies(6)}
    assert queue.size() == 0


def test_a_source_over_its_own_pace_takes_its_time_and_loses_nothing(house: House, queue: Queue) -> None:
    queue.send(*bodies(30))
    house.run(queue, requests_per_second=20.0)
    assert Counter(house.rows()) == Counter((None, body) for body in bodies(30))
    assert queue.size() == 0


def test_told_to_stop_it_finishes_what_it_has_and_leaves_the_rest(house: House, queue: Queue) -> None:
    queue.send(*bodies(200))

    async def soon(stop: asyncio.Event) -> None:
        await until(lambda: house.counted("callfacts_sqs_deleted", "acme") >= 20)
        stop.set()

    house.run(queue, until_empty=False, meanwhile=soon)
    kept = house.counted("callfacts_sqs_deleted", "acme")
    assert 20 <= kept < 200
    assert len(house.rows()) == kept
    assert queue.size() == 200 - kept


def test_told_to_stop_an_idle_long_poll_is_left_within_two_seconds(house: House, queue: Queue) -> None:
    stopped_at: list[float] = []

    async def soon(stop: asyncio.Event) -> None:
        await asyncio.sleep(0.3)
        stop.set()
        stopped_at.append(time.monotonic())

    house.run(queue, until_empty=False, meanwhile=soon)
    assert time.monotonic() - stopped_at[0] < 3


def test_new_messages_are_taken_while_it_waits(house: House, queue: Queue) -> None:
    async def later(stop: asyncio.Event) -> None:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(queue.send, *bodies(3))
        await until(lambda: house.counted("callfacts_sqs_deleted", "acme") == 3)
        stop.set()

    house.run(queue, until_empty=False, meanwhile=later)
    assert len(house.rows()) == 3


def test_it_asks_for_ten_messages_a_long_poll_and_the_signature(house: House, queue: Queue, proxy: Proxy) -> None:
    async def soon(stop: asyncio.Event) -> None:
        await until(lambda: proxy.count("ReceiveMessage") >= sqs.RECEIVERS)
        stop.set()

    house.run(queue.through(proxy), until_empty=False, meanwhile=soon)
    _, call = proxy.seen[0]
    assert (call["MaxNumberOfMessages"], call["WaitTimeSeconds"], call["MessageAttributeNames"]) == (10, 20, ["X-SIGNATURE"])


def test_a_trust_file_that_cannot_be_written_deletes_nothing_unverified(house: House, server: str) -> None:
    queue = new_queue(server, "untrusted", visibility_seconds=1)
    queue.send(*bodies(2), secret="another-secret")
    house.trust.parent.write_bytes(b"a file where a folder should be")

    async def mend(stop: asyncio.Event) -> None:
        await until(lambda: "not_durable" in house.readiness)
        assert queue.size() == 2
        house.trust.parent.unlink()

    house.run(queue, meanwhile=mend)
    assert {reason for reason, _ in house.rows()} == {"bad_signature"}
    assert queue.size() == 0


def test_every_failpoint_of_this_module_is_reached(house: House, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(sqs, "reach", reached.append)
    assert failpoints.reach is not sqs.reach
    queue.send(*bodies(1))
    house.run(queue)
    assert reached == ["sqs_before_delete", "sqs_after_delete"]


def test_the_journal_of_a_test_is_the_real_one(house: House, queue: Queue) -> None:
    queue.send(*bodies(1))
    house.run(queue)
    (name,) = journal_files(house.folder / "journal")
    with contextlib.closing(sqlite3.connect(house.folder / "journal" / str(name))) as connection:
        assert connection.execute("select source, transport from j").fetchall() == [("acme", "sqs")]
