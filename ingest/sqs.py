"""The SQS transport: long-poll, hand to the receiver, delete what is durable. (CONTRACT §4)

Invariants:
 1. A message is deleted only after the receiver has called it durable: as an event, or for the quarantine with its reason.
    What is not (disk stalled, over a limit, killed in between) is left alone: its visibility time-out brings it again.
 2. Deleting is a wish. A failed entry is tried again, that entry alone; a receipt handle that is no longer valid means that the
    message comes again, as a duplicate, which the facts do not count.
 3. A mistyped secret does not empty a queue (`Doubt`, below).
 4. A trouble of the queue (gone, credentials, throttling, 5xx, network) ends nothing: one log line when it begins and one when it is
    over, not ready in between, more and more patience with jitter.

boto3 blocks, so each receiver has a thread for its calls; all decisions are taken on the event loop, so there are no locks. The
threads are daemons: a long poll of 20 s must not hold up a shutdown. A poll left behind may take messages along; they come again.

**Doubt.** While nothing of a source has ever verified, a failing message is not deleted at once. It is held back: until something
verifies (then it is an odd one out, quarantined and deleted), until ten in a row have failed (then the source stops, having deleted
none of those it held), or for five seconds (a queue with little traffic; then it is quarantined and deleted, as §4 says). How many went
that way, and that something has verified, is on disk (`trust file`) *before* the delete, and survives restarts: so at most nine
messages of a source are ever deleted unverified before its first verified one, whatever restarts it, and those nine lie in the
quarantine, where `ingest quarantine retry` judges them by the right secret. The file belongs to a queue: another `queue_url` begins anew.
"""

import asyncio
import contextlib
import os
import queue
import random
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ingest.config import Source
from ingest.errors import ConfigError, SourceStopped
from ingest.failpoints import reach
from ingest.receiver import Delivery, Outcome, Receipt, Receiver
from ingest.telemetry import Meter, logger

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import (
        DeleteMessageBatchRequestEntryTypeDef,
        MessageAttributeValueOutputTypeDef,
        MessageTypeDef,
    )

log = logger(__name__)

SIGNATURE_ATTRIBUTE: Final = "X-SIGNATURE"
RECEIVERS: Final = 4
LONG_POLL_SECONDS: Final = 20
UNTIL_EMPTY_POLL_SECONDS: Final = 1
BATCH: Final = 10
FAILURES_IN_A_ROW: Final = 10
HOLD_SECONDS: Final = 5.0
DELETE_TRIES: Final = 4
LOG_AGAIN_SECONDS: Final = 60.0
PACE_SECONDS: Final = 10.0
"""How long messages over `requests_per_second` wait in memory before they are left to come again."""
LEAVE_SECONDS: Final = 1.0
"""How long a shutdown waits for a poll that has brought nothing."""
_REGION_IN_URL: Final = re.compile(r"https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?/")
_CREDENTIAL_TROUBLES: Final = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidSecurity", "UnrecognizedClientException",
        "SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "AccessDeniedException", "NoCredentialsError",
        "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError", "NoRegionError",
    }
)  # fmt: skip

Ready = Callable[[str | None], None]
"""Hears the reason while a source cannot receive, None once it can."""


async def run_source(
    source: Source,
    receiver: Receiver,
    *,
    stop: asyncio.Event,
    until_empty: bool,
    meter: Meter,
    trust_path: Path,
    on_ready: Ready | None = None,
    patience_seconds: float = 30.0,
) -> None:
    """Receive from one queue until `stop`, or until it stays empty.

    Returns after everything received is durable and deleted, or left to come again. `trust_path` names the file in which the
    source remembers whether anything has ever verified. Raises ConfigError where boto3 cannot even begin, SourceStopped.
    """
    assert source.queue_url is not None  # the configuration sees to it
    trust = Trust.open(trust_path, source.queue_url)
    run = _Run(source, receiver, trust, stop, until_empty, meter, on_ready, patience_seconds)
    await run.all()


# ── trust ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Trust:
    """Whether anything of a source has ever verified, and how many messages were deleted unverified before that.

    The file: `{"queue_url": …, "proven": …, "failed": …}`, replaced whole.
    """

    path: Path
    queue_url: str
    proven: bool = False
    failed: int = 0

    @classmethod
    def open(cls, path: Path, queue_url: str) -> "Trust":
        """What the file says of that queue; without one, one that cannot be read, or of another queue: nothing yet."""
        trust = cls(path, queue_url)
        with contextlib.suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError):
            said = orjson.loads(path.read_bytes())
            if said["queue_url"] == queue_url:
                trust.proven, trust.failed = bool(said["proven"]), int(said["failed"])
        return trust

    def prove(self) -> None:
        """Something has verified. Raises OSError."""
        self._write(proven=True, failed=self.failed)

    def count_failed(self, n: int) -> None:
        """`n` more are about to be deleted unverified. Raises OSError."""
        self._write(proven=self.proven, failed=self.failed + n)

    def _write(self, *, proven: bool, failed: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".tmp")
        with aside.open("wb") as file:
            file.write(orjson.dumps({"queue_url": self.queue_url, "proven": proven, "failed": failed}))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)
        # the folder too: a rename alone may not survive power loss
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self.proven, self.failed = proven, failed


# ── one source ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Leaving(Exception):
    """The source is being shut down while a call is under way."""


class _Trouble(Exception):
    """A call to the queue failed: `code` for the log, `about_credentials` for a fresh session."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail
        self.about_credentials = code in _CREDENTIAL_TROUBLES


class _Thread:
    """A daemon thread for blocking calls, one at a time."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def call(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        self._calls.put((future, function))
        return future

    def end(self) -> None:
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            result: Any = None
            error: Exception | None = None
            try:
                result = function()
            except Exception as failed:  # noqa: BLE001 - handed to whoever awaits
                error = failed
            with contextlib.suppress(RuntimeError):  # the loop has closed: a poll left behind at a shutdown
                self._loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class _Run:
    def __init__(
        self,
        source: Source,
        receiver: Receiver,
        trust: Trust,
        stop: asyncio.Event,
        until_empty: bool,
        meter: Meter,
        on_ready: Ready | None,
        patience_seconds: float,
    ) -> None:
        assert source.queue_url is not None
        self.source, self.receiver, self.trust, self.stop = source, receiver, trust, stop
        self.queue_url = source.queue_url
        self.until_empty, self.meter, self.on_ready, self.patience_seconds = until_empty, meter, on_ready, patience_seconds
        self.client, self.client_made_at = self._new_client(), asyncio.get_running_loop().time()
        # the trouble it has: None at first, "" while it has none; which troubles were told, and when
        self.down: str | None = None
        self.told, self.told_at = False, dict[str, float]()
        self.busy = 0
        self.emptied = 0
        # ids of messages that failed while nothing has verified; decided: something has, nothing needs to be held any longer
        self.doubted: set[str] = set()
        self.decided, self.leaving = asyncio.Event(), asyncio.Event()
        self.stopped: SourceStopped | None = None

    async def all(self) -> None:
        """The receivers side by side, until all have ended. Raises SourceStopped."""
        self._say_ready()
        tasks = [asyncio.create_task(self._receiver(n)) for n in range(RECEIVERS)]
        watch = asyncio.create_task(self._watch_stop())
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in (*tasks, watch):
                task.cancel()
            await asyncio.gather(*tasks, watch, return_exceptions=True)
        if self.stopped is not None:
            raise self.stopped

    async def _watch_stop(self) -> None:
        await self.stop.wait()
        self.leaving.set()

    async def _receiver(self, n: int) -> None:
        thread, tries = _Thread(f"sqs-{self.source.name}-{n}"), 0
        try:
            while not self.leaving.is_set():
                try:
                    messages = await self._receive(thread)
                    if messages:
                        self.emptied = 0
                        await self._take(thread, messages)
                    elif self.until_empty and await self._stays_empty(thread):
                        return
                except _Trouble as trouble:
                    await self._back_off(trouble, tries)
                    tries += 1
                else:
                    tries = 0
                    if self.stopped is None:
                        self._say_ready()
        except _Leaving:
            pass
        finally:
            thread.end()

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _receive(self, thread: _Thread) -> list["MessageTypeDef"]:
        """Up to ten messages. Raises _Trouble, and _Leaving where a shutdown finds it waiting."""
        client, wait = self.client, UNTIL_EMPTY_POLL_SECONDS if self.until_empty else LONG_POLL_SECONDS
        if self.down:
            wait = 0  # whether it is well again should be known at once
        poll = thread.call(
            lambda: client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=wait,
                MessageAttributeNames=[SIGNATURE_ATTRIBUTE],  # comes only where asked for
            )
        )
        leaving = asyncio.create_task(self._told_to_leave())
        try:
            await asyncio.wait({poll, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not poll.done():
                raise _Leaving
        finally:
            leaving.cancel()
            poll.cancel()  # nothing, where it has come back
        answer = await _translated(poll)
        return list(answer.get("Messages", []))

    async def _told_to_leave(self) -> None:
        await self.leaving.wait()
        if self.stopped is None:
            await asyncio.sleep(LEAVE_SECONDS)

    async def _take(self, thread: _Thread, messages: Sequence["MessageTypeDef"]) -> None:
        """Make durable, then delete. Raises _Trouble for what could not be made durable, the rest being deleted."""
        self.busy += 1
        try:
            deliveries = [_delivery(self.source.name, message) for message in messages]
            if not self.trust.proven and not any(self.receiver.verifies(delivery) for delivery in deliveries):
                await self._doubt(messages)
            receipts = await self._durable(deliveries)
            if not self.trust.proven and any(receipt.outcome is Outcome.ACCEPTED for receipt in receipts):
                self._prove()
            self._note_unverified(receipts)
            durable = [message for message, receipt in zip(messages, receipts, strict=True) if receipt.durable]
            if durable:
                reach("sqs_before_delete")
                await self._delete(thread, durable)
                reach("sqs_after_delete")
            if len(durable) < len(messages):
                reasons = {receipt.detail or str(receipt.outcome) for receipt in receipts if not receipt.durable}
                raise _Trouble("not_durable", ", ".join(sorted(reasons)))
        finally:
            self.busy -= 1

    async def _durable(self, deliveries: list[Delivery]) -> list[Receipt]:
        """The receiver's receipts; those over the source's own pace wait here for their turn, up to ten seconds."""
        receipts = await self.receiver.receive(deliveries)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + PACE_SECONDS
        while True:
            late = [n for n, receipt in enumerate(receipts) if receipt.outcome is Outcome.OVER_LIMIT]
            if not late or self.leaving.is_set() or loop.time() > give_up_at:
                return receipts
            await asyncio.sleep(0.05)
            again = await self.receiver.receive([deliveries[n] for n in late])
            for n, receipt in zip(late, again, strict=True):
                receipts[n] = receipt

    def _note_unverified(self, receipts: Sequence[Receipt]) -> None:
        unverified = sum(receipt.durable and receipt.outcome is not Outcome.ACCEPTED for receipt in receipts)
        if unverified:
            log.warning("sqs_quarantined", source=self.source.name, messages=unverified)

    # ── doubt ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _doubt(self, messages: Sequence["MessageTypeDef"]) -> None:
        """Hold messages that failed while nothing has verified. On return they may go to the quarantine.

        Raises _Leaving where they are to be left alone: the source has stopped, or is being shut down. _Trouble where the trust
        file cannot be written.
        """
        ids = {message.get("MessageId", "") for message in messages}
        self.doubted |= ids
        if self.trust.failed + len(self.doubted) >= FAILURES_IN_A_ROW:
            self._stop_source()
        waits = [asyncio.create_task(event.wait()) for event in (self.decided, self.leaving)]
        await asyncio.wait(waits, timeout=HOLD_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.doubted -= ids
        if self.trust.proven:
            return
        if self.leaving.is_set():
            raise _Leaving
        try:
            self.trust.count_failed(len(ids))
        except OSError as error:
            raise _Trouble("not_durable", f"{self.trust.path}: {error.strerror or error}") from error

    def _prove(self) -> None:
        try:
            self.trust.prove()
        except OSError as error:
            # deleting goes on, since these are verified; doubt goes on as well, until the file can be written
            log.error("sqs_trust_not_written", path=str(self.trust.path), error=error.strerror or str(error))
            return
        log.info("sqs_source_verified", source=self.source.name)
        self.decided.set()

    def _stop_source(self) -> None:
        if self.stopped is not None:
            return
        self.stopped = SourceStopped(
            f"sources.{self.source.name}: {FAILURES_IN_A_ROW} messages in a row have a wrong signature or none, and no message "
            f"of {self.queue_url} has ever had a right one; nothing more is received or deleted: compare the secret with the "
            "SQS secret entered at the vendor, and start again"
        )
        self._say_down("stopped", "")
        log.error("sqs_source_stopped", source=self.source.name, deleted_unverified=self.trust.failed)
        self.leaving.set()

    # ── deleting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _delete(self, thread: _Thread, messages: Sequence["MessageTypeDef"]) -> None:
        """Delete these; what fails is tried again by itself, and in the end left to come again."""
        waiting = {str(n): message["ReceiptHandle"] for n, message in enumerate(messages) if "ReceiptHandle" in message}
        for attempt in range(DELETE_TRIES):
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": entry, "ReceiptHandle": handle} for entry, handle in waiting.items()
            ]
            client = self.client
            try:
                answer = await _translated(
                    thread.call(lambda c=client, e=entries: c.delete_message_batch(QueueUrl=self.queue_url, Entries=e))  # type: ignore[misc]
                )
            except _Trouble as trouble:
                code = trouble.code
                self._count_error(trouble.code)
                if trouble.about_credentials:
                    self._renew_client()
            else:
                failed = {entry["Id"]: entry["Code"] for entry in answer.get("Failed", [])}
                self.meter.add("callfacts_sqs_deleted", self.source.name, n=len(waiting) - len(failed))
                for failure in failed.values():
                    self._count_error(failure)
                # expired handles cannot be mended: those messages come again
                waiting = {entry: waiting[entry] for entry, failure in failed.items() if "ReceiptHandleIsInvalid" not in failure}
                if not waiting:
                    return
                code = failed[next(iter(waiting))]
            if attempt < DELETE_TRIES - 1:
                await asyncio.sleep(0.2 * 2**attempt * (0.5 + random.random()))
        log.warning("sqs_not_deleted", source=self.source.name, messages=len(waiting), error=code, meaning="they will come again")

    async def _stays_empty(self, thread: _Thread) -> bool:
        """Whether nothing is there, nothing is on its way, and nobody here holds anything; asked after an empty poll."""
        self.emptied += 1
        if self.busy or self.emptied < 2 * RECEIVERS:
            return False
        client = self.client
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        try:
            answer = await _translated(
                thread.call(lambda: client.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names))  # type: ignore[arg-type]
            )
        except _Trouble as trouble:
            # not everybody may ask; then the empty polls have to do
            return trouble.code.startswith("AccessDenied") and not self.busy
        counts = answer.get("Attributes", {})
        return not self.busy and not any(int(counts.get(name, 0)) for name in names)

    # ── trouble ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _back_off(self, trouble: _Trouble, tries: int) -> None:
        """Wait, the longer the more often it failed; not ready meanwhile."""
        self._count_error(trouble.code)
        self._say_down(trouble.code, trouble.detail)
        if trouble.about_credentials:
            self._renew_client()
        wait = min(self.patience_seconds, 0.5 * 2 ** min(tries, 16)) * (0.5 + random.random() / 2)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.leaving.wait(), wait)

    def _say_down(self, code: str, detail: str) -> None:
        if self.stopped is not None:
            code = "stopped"
        if code != "stopped":
            self._log_once(code, detail)
        if self.down != code:
            self.down = code
            self.meter.set("callfacts_source_ready", self.source.name, value=0)
            if self.on_ready is not None:
                self.on_ready(code)

    def _log_once(self, code: str, detail: str) -> None:
        """One line a trouble, not one a try; a trouble that comes and goes is told once a minute."""
        now = asyncio.get_running_loop().time()
        if self.down != code and now > self.told_at.get(code, -LOG_AGAIN_SECONDS) + LOG_AGAIN_SECONDS:
            self.told_at[code] = now
            log.error("sqs_source_waits", source=self.source.name, error=code, detail=detail)
            self.told = True

    def _say_ready(self) -> None:
        if self.told:
            log.info("sqs_source_receives", source=self.source.name, after=self.down)
            self.told = False
        if self.down != "":
            self.down = ""
            self.meter.set("callfacts_source_ready", self.source.name, value=1)
            if self.on_ready is not None:
                self.on_ready(None)

    def _count_error(self, code: str) -> None:
        self.meter.add("callfacts_sqs_errors", self.source.name, code)

    def _renew_client(self) -> None:
        """A session keeps what it has once read; a fresh one sees a mended file or environment. One for all receivers."""
        now = asyncio.get_running_loop().time()
        if now - self.client_made_at >= min(5.0, self.patience_seconds):
            self.client, self.client_made_at = self._new_client(), now

    def _new_client(self) -> "SQSClient":
        """A client of a session of its own. Raises ConfigError."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        settings = Config(
            connect_timeout=5,
            read_timeout=LONG_POLL_SECONDS + 10,
            retries={"mode": "standard", "total_max_attempts": 2},
            max_pool_connections=RECEIVERS,
            tcp_keepalive=True,
        )
        region = self.source.region
        if region is None and (found := _REGION_IN_URL.match(self.queue_url)):
            region = found[1] or found[2]
        try:
            # a session of its own: the default one is shared, and keeps credentials for good
            return boto3.Session().client("sqs", region_name=region, endpoint_url=self.source.endpoint_url, config=settings)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"sources.{self.source.name}: no SQS client can be made: {error}") from None


def _delivery(source: str, message: "MessageTypeDef") -> Delivery:
    attribute: MessageAttributeValueOutputTypeDef | dict[str, Any]
    attribute = message.get("MessageAttributes", {}).get(SIGNATURE_ATTRIBUTE, {})
    # surrogatepass: a text that is no Unicode fails its signature, it does not fail the batch
    body = message.get("Body", "").encode("utf-8", "surrogatepass")
    return Delivery(source=source, transport="sqs", body=body, signature=attribute.get("StringValue"))


async def _translated(call: "asyncio.Future[Any]") -> Any:
    """The answer of a call to boto3. Raises _Trouble."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        return await call
    except ClientError as error:
        said = error.response.get("Error", {})
        raise _Trouble(_short(said.get("Code", "error")), said.get("Message", "")) from error
    except (BotoCoreError, HTTPClientError, OSError, ValueError) as error:
        raise _Trouble(type(error).__name__, str(error)) from error


def _short(code: str) -> str:
    """`AWS.SimpleQueueService.NonExistentQueue` and `com.amazonaws.sqs#QueueDoesNotExist`: what stands last."""
    return re.split(r"[.#]", code)[-1]
