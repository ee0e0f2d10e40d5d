"""The one way in: what is journaled, what is only counted, and which receipt comes back."""

import asyncio
import pickle
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from ingest import failpoints
from ingest.config import Config, Source, Storage
from ingest.errors import ConfigError
from ingest.journal import Row
from ingest.receiver import Delivery, Outcome, Receipt, Receiver, open_sources
from ingest.rejections import Rejections
from ingest.signature import sign
from ingest.telemetry import Meter
from tests.journals import Reports, journal, stored

SECRETS = ("a-first-secret", "a-second-secret")
AT = 1_764_000_000_000_000


def config(**source: Any) -> Config:
    webhook = Source(name="acme", transport="webhook", secrets=SECRETS, **source)
    queue = Source(name="queue", transport="sqs", secrets=SECRETS, queue_url="http://127.0.0.1:9/1/q", **source)
    return Config(storage=Storage(), sources=(webhook, queue))


def delivery(
    body: bytes = b"{}", source: str = "acme", transport: str = "webhook", secret: str | None = SECRETS[0], **more: Any
) -> Delivery:
    signature = more.pop("signature", None if secret is None else sign(secret.encode(), body))
    return Delivery(source, transport, body, signature, **more)


class Reception:
    """What one receiver made of deliveries."""

    def __init__(self) -> None:
        self.meter, self.rejections = Meter(), Rejections()
        self.receipts: list[Receipt] = []
        self.rows: list[Row] = []


def received(
    folder: Path, *deliveries: Delivery, of: Config | None = None, then: Callable[[Receiver], Coroutine[Any, Any, None]] | None = None
) -> Reception:
    async def run() -> Reception:
        seen, reports = Reception(), Reports()
        async with journal(folder, reports) as opened:
            receiver = Receiver(opened, open_sources(of or config(), {}), meter=seen.meter, rejections=seen.rejections, clock_us=lambda: AT)
            seen.receipts = await receiver.receive(deliveries)
            if then is not None:
                await then(receiver)
        seen.rows = [row for file in reports.files for row in stored(folder, file.name)]
        return seen

    return asyncio.run(run())


def test_a_verified_body_is_journaled_as_it_came_with_its_signature(tmp_path: Path) -> None:
    seen = received(tmp_path, delivery(b"\x00 any bytes"))
    assert seen.receipts == [Receipt(Outcome.ACCEPTED, durable=True)]
    signature = sign(SECRETS[0].encode(), b"\x00 any bytes")
    assert seen.rows == [Row(1, AT, "acme", "webhook", signature, None, None, b"\x00 any bytes")]


def test_a_webhook_body_that_does_not_verify_is_counted_and_never_stored(tmp_path: Path) -> None:
    seen = received(
        tmp_path, delivery(secret=None), delivery(secret="another-secret"), delivery(signature=""), delivery(b"x" * (1 << 20) + b"y")
    )
    assert [(receipt.outcome.value, receipt.durable) for receipt in seen.receipts] == [
        ("no_signature", False),
        ("bad_signature", False),
        ("no_signature", False),
        ("too_large", False),
    ]
    assert seen.rows == []
    [counts] = seen.rejections.take_changed().values()
    assert [(one.source, one.reason, str(one.day), one.count) for one in counts] == [
        ("acme", "bad_signature", "2025-11-24", 1),
        ("acme", "no_signature", "2025-11-24", 2),
        ("acme", "too_large", "2025-11-24", 1),
    ]


def test_an_sqs_message_that_does_not_verify_is_journaled_with_its_reason(tmp_path: Path) -> None:
    bodies = [b"one", b"two", b"x" * (1 << 20) + b"y"]
    seen = received(
        tmp_path,
        delivery(bodies[0], "queue", "sqs", secret=None),
        delivery(bodies[1], "queue", "sqs", signature="\ud800no Unicode"),
        delivery(bodies[2], "queue", "sqs"),
    )
    assert [(receipt.outcome.value, receipt.durable) for receipt in seen.receipts] == [
        ("no_signature", True),
        ("bad_signature", True),
        ("too_large", True),
    ]
    assert [(row.reason, row.signature and row.signature[:11], row.body[:3], len(row.body)) for row in seen.rows] == [
        ("no_signature", None, b"one", 3),
        ("bad_signature", "?no Unicode", b"two", 3),
        ("too_large", sign(SECRETS[0].encode(), bodies[2])[:11], b"xxx", 65_536),
    ]
    assert seen.rows[2].detail == "1048577 bytes, the first 65536 are kept"
    assert seen.rejections.take_changed() == {}


def test_each_delivery_of_a_batch_has_its_own_receipt_in_order(tmp_path: Path) -> None:
    seen = received(
        tmp_path, delivery(b"1"), delivery(b"2", secret=None), delivery(b"3", source="nobody"), delivery(b"4", secret=SECRETS[1])
    )
    assert [receipt.outcome.value for receipt in seen.receipts] == ["accepted", "no_signature", "unknown_source", "accepted"]
    assert [row.body for row in seen.rows] == [b"1", b"4"]
    counts = seen.meter.snapshot()
    assert {key[2]: n for key, n in counts.items() if key[0] == "callfacts_secret_matches"} == {"0": 1, "1": 1}
    assert counts["callfacts_deliveries", "acme", "webhook"] == 2


@pytest.mark.parametrize(("source", "transport"), [("queue", "webhook"), ("acme", "sqs"), ("acme", "load"), ("nobody", "webhook")])
def test_a_source_is_served_by_its_own_transport_alone(source: str, transport: str, tmp_path: Path) -> None:
    seen = received(tmp_path, delivery(source=source, transport=transport))
    assert ([receipt.outcome.value for receipt in seen.receipts], seen.rows) == (["unknown_source"], [])


def test_a_failed_commit_is_not_durable_and_what_was_refused_keeps_its_reason(tmp_path: Path) -> None:
    failpoints.arm("journal_append:raise:1")
    try:
        seen = received(tmp_path, delivery(b"1"), delivery(b"2", secret=None))
    finally:
        failpoints.arm("")
    assert [(receipt.outcome.value, receipt.durable) for receipt in seen.receipts] == [("not_durable", False), ("no_signature", False)]
    assert seen.receipts[0].detail is not None and "the commit failed" in seen.receipts[0].detail


def test_the_rate_counts_verified_requests_alone(tmp_path: Path) -> None:
    of = config(requests_per_second=2)
    seen = received(tmp_path, *[delivery(secret=None)] * 5, *[delivery()] * 4, of=of)
    assert [receipt.outcome.value for receipt in seen.receipts] == ["no_signature"] * 5 + ["accepted"] * 2 + ["over_limit"] * 2


def test_trusted_deliveries_need_no_signature_and_no_source(tmp_path: Path) -> None:
    seen = received(tmp_path, Delivery("history", "load", b"1", detail="f:1", trusted=True, received_at_us=5))
    assert [receipt.outcome.value for receipt in seen.receipts] == ["accepted"]
    assert seen.rows == [Row(1, 5, "history", "load", None, None, "f:1", b"1")]


def test_other_sources_may_be_put_in_force(tmp_path: Path) -> None:
    async def then(receiver: Receiver) -> None:
        receiver.obey(open_sources(Config(sources=(Source(name="other", transport="webhook", secrets=SECRETS),)), {}))
        assert [receipt.outcome.value for receipt in await receiver.receive([delivery(), delivery(source="other")])] == [
            "unknown_source",
            "accepted",
        ]
        assert receiver.verifies(delivery(source="other")) and not receiver.verifies(delivery())

    received(tmp_path, then=then)


def test_a_secret_that_cannot_be_had_names_its_source() -> None:
    broken = Config(sources=(Source(name="a", transport="webhook", secrets=("env:GONE",)),))
    with pytest.raises(ConfigError, match=r"sources\[0\]\.secrets: env:GONE is not set"):
        open_sources(broken, {})


def test_no_body_or_secret_shows_in_a_repr() -> None:
    opened = open_sources(config(), {})["acme"]
    shown = repr(delivery(b"+15550199")) + repr(opened) + repr(opened.verifier)
    assert not any(hidden in shown for hidden in ("+15550199", *SECRETS))
    with pytest.raises(TypeError):
        pickle.dumps(opened.verifier)
