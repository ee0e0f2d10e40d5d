"""The one way in: verify the raw bytes, count, commit. Transports are thin adapters over it.

Invariants:
 1. A body is `accepted` only after its signature matched and its row is on stable storage.
 2. Nothing unverified is stored for a webhook: anybody on the network could fill the disk. It is counted (`Rejections`).
    For SQS the sender has been let in by the queue's owner and the message would be lost: it is journaled with the reason.
 3. One answer a delivery, in order; an answer is a value. `durable` says whether the delivery may be deleted at its sender.

Nothing is parsed here: what a body means is read off the reply path, by the roller.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

import msgspec

from ingest.config import Config, Source
from ingest.errors import NotDurable
from ingest.journal import Journal, NewRow
from ingest.layout import Reason
from ingest.rejections import Rejections
from ingest.signature import Verifier, open_verifier
from ingest.telemetry import Meter

_ROW_OVERHEAD_BYTES: Final = 200
"""What a pending delivery costs beside its body."""
_TRUNCATED_BYTES: Final = 65_536
"""How much of a body over the limit is kept as evidence."""


class Outcome(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    NO_SIGNATURE = "no_signature"
    BAD_SIGNATURE = "bad_signature"
    TOO_LARGE = "too_large"
    UNKNOWN_SOURCE = "unknown_source"
    OVER_LIMIT = "over_limit"
    NOT_DURABLE = "not_durable"


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One delivery as a transport received it.

    A msgspec struct, not a dataclass: it is made once a request, and costs a fifth.

    Attributes:
        signature: as received; None where there was none.
        received_at_us: µs since 1970 (UTC); None: now.
        detail: context for a person, such as file and line.
        reason: set: to the quarantine with it, unread.
        trusted: verified by the operator: no signature is asked for (`load`).
    """

    source: str
    transport: str
    body: bytes
    signature: str | None = None
    received_at_us: int | None = None
    detail: str | None = None
    reason: str | None = None
    trusted: bool = False

    def __repr__(self) -> str:
        return f"Delivery({self.source!r}, {self.transport!r}, {len(self.body)} bytes)"


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What became of a delivery.

    Attributes:
        durable: it is on stable storage, as an event or, with its reason, for the quarantine.
        detail: why not, for a log line.
    """

    outcome: Outcome
    durable: bool
    detail: str | None = None


_ACCEPTED: Final = Receipt(Outcome.ACCEPTED, durable=True)
_REFUSED: Final[Mapping[Outcome, Receipt]] = {
    outcome: Receipt(outcome, durable=False) for outcome in Outcome if outcome is not Outcome.ACCEPTED
}
_QUARANTINED: Final[Mapping[Reason, Receipt]] = {
    reason: Receipt(outcome, durable=True)
    for reason, outcome in (
        (Reason.NO_SIGNATURE, Outcome.NO_SIGNATURE),
        (Reason.BAD_SIGNATURE, Outcome.BAD_SIGNATURE),
        (Reason.TOO_LARGE, Outcome.TOO_LARGE),
    )
}


class _Pace:
    """A token bucket of one second's requests. In N workers each has its share."""

    def __init__(self, per_second: float) -> None:
        self._rate, self._room = per_second, max(1.0, per_second)
        self._tokens, self._at = self._room, time.monotonic()

    def allows(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._room, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class OpenSource:
    """A source with its secrets resolved: what the hot path needs to know of it, made ahead."""

    def __init__(self, source: Source, verifier: Verifier | None, *, limit_bytes: int, share: float) -> None:
        self.source, self.verifier, self.limit_bytes = source, verifier, limit_bytes
        self.name, self.transport = source.name, source.transport
        self.pace = _Pace(source.requests_per_second * share) if source.requests_per_second is not None else None
        self.matches = [("callfacts_secret_matches", source.name, str(place)) for place in range(len(verifier or ()))]


def open_sources(config: Config, environ: Mapping[str, str], *, share: float = 1.0) -> dict[str, OpenSource]:
    """Every source of the configuration, by name. Raises ConfigError on a secret that cannot be had."""
    return {
        source.name: OpenSource(
            source,
            open_verifier(source.secrets, environ, where=f"{config.where}: sources[{place}].secrets"),
            limit_bytes=config.body_limit_bytes(source),
            share=share,
        )
        for place, source in enumerate(config.sources)
    }


class Receiver:
    """Verifies, counts and commits, for every transport."""

    def __init__(
        self,
        journal: Journal,
        sources: Mapping[str, OpenSource],
        *,
        meter: Meter,
        rejections: Rejections,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._journal, self._sources, self._meter, self._rejections, self._clock_us = journal, sources, meter, rejections, clock_us

    def obey(self, sources: Mapping[str, OpenSource]) -> None:
        """Go on with other sources, secrets and limits."""
        self._sources = sources

    def source(self, name: str, transport: str) -> OpenSource | None:
        """The source of that name, where it is one of that transport."""
        source = self._sources.get(name)
        return source if source is not None and source.transport == transport else None

    def verifies(self, delivery: Delivery) -> bool:
        """Whether the signature is right under a secret in force now. Counts and stores nothing."""
        source = self._sources.get(delivery.source)
        return source is not None and source.verifier is not None and source.verifier.accepts(delivery.body, delivery.signature)

    def too_large(self, source: str) -> Receipt:
        """Count a webhook body that broke off at the limit, unread."""
        self._rejections.count(self._journal.writer, source, Reason.TOO_LARGE, self._clock_us())
        self._meter.add("callfacts_rejections", source, str(Reason.TOO_LARGE))
        return _REFUSED[Outcome.TOO_LARGE]

    def take(self, delivery: Delivery, then: Callable[[Receipt], None], *, since: float | None = None) -> None:
        """One delivery, without a task or a future: a webhook request's way.

        `then` is told its receipt, at once or in the loop's thread later: within the journal's `ANSWER_SECONDS` from `since` (the loop's
        time; None: now), whatever the disk does.
        """
        receipt, reason = self._judge(delivery)
        if not receipt.durable:
            then(receipt)
            return
        row = self._row(delivery, reason)
        try:
            self._journal.ask((row,), len(row[6]) + _ROW_OVERHEAD_BYTES, partial(self._committed, delivery, receipt, then), since=since)
        except NotDurable as refused:
            self._committed(delivery, receipt, then, refused)

    def _committed(self, delivery: Delivery, receipt: Receipt, then: Callable[[Receipt], None], error: NotDurable | None) -> None:
        if error is not None:
            then(Receipt(Outcome.NOT_DURABLE, durable=False, detail=str(error)))
            return
        self._meter.add_key(("callfacts_deliveries", delivery.source, delivery.transport))
        then(receipt)

    async def receive(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """One receipt a delivery, in order. Whatever the disk does, within the journal's `ANSWER_SECONDS`."""
        judged = [self._judge(delivery) for delivery in deliveries]
        # those whose receipt says durable will be, or the receipt is replaced
        rows = [self._row(delivery, reason) for delivery, (receipt, reason) in zip(deliveries, judged, strict=True) if receipt.durable]
        receipts = [receipt for receipt, _ in judged]
        if not rows:
            return receipts
        error = await self._commit(rows, sum(len(row[6]) + _ROW_OVERHEAD_BYTES for row in rows))
        if error is not None:
            failed = Receipt(Outcome.NOT_DURABLE, durable=False, detail=str(error))
            return [failed if receipt.durable else receipt for receipt in receipts]
        for delivery, receipt in zip(deliveries, receipts, strict=True):
            if receipt.durable:
                self._meter.add_key(("callfacts_deliveries", delivery.source, delivery.transport))
        return receipts

    async def _commit(self, rows: list[NewRow], size: int) -> NotDurable | None:
        try:
            return await self._journal.submit(rows, size)
        except NotDurable as refused:
            return refused

    def _judge(self, delivery: Delivery) -> tuple[Receipt, str | None]:
        """The receipt it will have if its commit succeeds, and the reason that goes into the journal."""
        if delivery.trusted:
            return _ACCEPTED, delivery.reason
        source = self._sources.get(delivery.source)
        if source is None or source.verifier is None or source.transport != delivery.transport:
            return _REFUSED[Outcome.UNKNOWN_SOURCE], None
        if len(delivery.body) > source.limit_bytes:
            return self._unverified(delivery, Reason.TOO_LARGE)
        matched = source.verifier.match(delivery.body, delivery.signature)
        if matched is None:
            return self._unverified(delivery, Reason.BAD_SIGNATURE if delivery.signature else Reason.NO_SIGNATURE)
        if source.pace is not None and not source.pace.allows():
            return _REFUSED[Outcome.OVER_LIMIT], None
        self._meter.add_key(source.matches[matched])
        return _ACCEPTED, delivery.reason

    def _unverified(self, delivery: Delivery, reason: Reason) -> tuple[Receipt, str | None]:
        self._meter.add("callfacts_rejections", delivery.source, str(reason))
        if delivery.transport != "webhook":
            return _QUARANTINED[reason], str(reason)
        self._rejections.count(self._journal.writer, delivery.source, reason, self._clock_us())
        return _REFUSED[Outcome(str(reason))], None

    def _row(self, delivery: Delivery, reason: str | None) -> NewRow:
        received_at = self._clock_us() if delivery.received_at_us is None else delivery.received_at_us
        signature, body, detail = delivery.signature, delivery.body, delivery.detail
        if signature is not None and not signature.isascii():
            signature = signature.encode("utf-8", "replace").decode()  # SQLite refuses lone surrogates, and would refuse the batch
        if reason == Reason.TOO_LARGE and len(body) > _TRUNCATED_BYTES:
            detail = f"{detail or ''}{' ' if detail else ''}{len(body)} bytes, the first {_TRUNCATED_BYTES} are kept"
            body = body[:_TRUNCATED_BYTES]
        return (received_at, delivery.source, delivery.transport, signature, reason, detail, body)
