"""From a verified body to its envelope, or to the reason why it has none. Pure. (CONTRACT §1 "Reading a body", §6 "Event identity")

Promise: every body gives one or the other, whatever bytes it holds; nothing raises. The reasons are judged in the contract's order and the
first that holds is given. A body is JSON as orjson reads it (strict RFC 8259 in UTF-8) and at most 254 levels deep, the body being level 1:
that is as deep as orjson writes, and identity is defined by what orjson writes.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeGuard

import orjson

from ingest.layout import Reason

MAX_DEPTH: Final = 254
MIN_TIME_MS: Final = 946_684_800_000
"""2000-01-01T00:00:00Z, the first usable time."""
END_TIME_MS: Final = 4_102_444_800_000
"""2100-01-01T00:00:00Z, the first that is no longer usable."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the landing zone keeps of an event beside its body.

    Attributes:
        event_uid: identity, equal for all deliveries of one event.
        subject_id: the envelope's own id.
        call_id: of a call:* event its id as the contract finds it, else None.
        event_time_ms: epoch milliseconds.
    """

    event_uid: str
    integration_id: str | None
    company: str | None
    pbx: str | None
    event_type: str
    subject_id: str | None
    call_id: str | None
    event_time_ms: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a body is no event; `detail` is for a person and never quotes a value of the body."""

    reason: Reason
    detail: str


def read_envelope(body: bytes, *, integration_id: str | None = None, company: str | None = None) -> Envelope | Refusal:
    """The envelope of a body, or the first reason against it.

    `integration_id` and `company` are what the source names; None: it names none, and any will do.
    """
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Refusal(Reason.NOT_JSON, _one_line(str(error)))
    if _too_deep(body, event):
        return Refusal(Reason.NOT_JSON, f"is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(event, dict):
        return Refusal(Reason.NOT_OBJECT, f"is {_kind(event)}, not an object")
    event_type = event.get("type")
    if not _is_name(event_type):
        return Refusal(Reason.NO_TYPE, _expected("type", "a non-empty string", event))
    time_ms = usable_time_ms(event.get("time"))
    if time_ms is None:
        return Refusal(Reason.NO_TIME, _expected("time", "epoch milliseconds between the years 2000 and 2100", event))
    subject_id = _subject_id(event, event_type)
    if event_type.startswith(("call:", "presence:")):
        if not _is_name(event.get("company")):
            return Refusal(Reason.NO_COMPANY, _expected("company", "a non-empty string", event))
        if not _is_name(subject_id):
            return Refusal(Reason.NO_ID, _expected("id", "a non-empty string", event))
    if integration_id is not None and text(event.get("integrationId")) != integration_id:
        return Refusal(Reason.WRONG_INTEGRATION, "integrationId is not the source's integration_id")
    if company is not None and text(event.get("company")) != company:
        return Refusal(Reason.WRONG_COMPANY, "company is not the source's company")
    return Envelope(
        event_uid=event_uid(event),
        integration_id=text(event.get("integrationId")),
        company=text(event.get("company")),
        pbx=text(event.get("pbx")),
        event_type=event_type,
        subject_id=text(event.get("id")),
        call_id=subject_id if event_type.startswith("call:") else None,
        event_time_ms=time_ms,
    )


def event_uid(event: dict[str, Any]) -> str:
    """Identity of an event: hex SHA-256 of its JSON in sorted keys, without its top-level integrationId."""
    if "integrationId" in event:
        event = {key: value for key, value in event.items() if key != "integrationId"}
    return sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()


def text(value: object) -> str | None:
    """A value where a string is expected: a string as sent, another scalar's JSON text, else None."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict | list):
        return None
    return orjson.dumps(value).decode()


def usable_time_ms(value: object) -> int | None:
    """Epoch ms of a usable time: a JSON integer or 1 to 15 ASCII digits, within the years 2000 to 2099; else None."""
    if isinstance(value, str):
        if not (1 <= len(value) <= 15 and value.isascii() and value.isdigit()):
            return None
        time_ms = int(value)
    elif type(value) is int:  # not isinstance: true is no time
        time_ms = value
    else:
        return None
    return time_ms if MIN_TIME_MS <= time_ms < END_TIME_MS else None


def _subject_id(event: dict[str, Any], event_type: str) -> Any:
    """The id that an event goes by: `data.id` in newer snapshots and finished calls where it is a name, else the envelope's."""
    if event_type.startswith("call:live:") or event_type == "call:completed":
        data = event.get("data")
        if isinstance(data, dict) and _is_name(data.get("id")):
            return data["id"]
    return event.get("id")


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _too_deep(body: bytes, event: object) -> bool:
    """Whether more than 254 arrays and objects lie within each other.

    Counting the opening brackets first costs next to nothing, and only who has enough of them is walked.
    """
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    level: list[object] = [event]
    for _ in range(MAX_DEPTH + 1):
        containers = [value for value in level if isinstance(value, dict | list)]
        if not containers:
            return False
        level = [child for value in containers for child in (value.values() if isinstance(value, dict) else value)]
    return True


def _expected(key: str, what: str, event: dict[str, Any]) -> str:
    return f"{key} is {_kind(event[key]) if key in event else 'missing'}, not {what}"


def _kind(value: object) -> str:
    """A JSON value's kind in words; never the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number with a fraction, an exponent or more than 64 bits"
        case "":
            return "an empty string"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def _one_line(message: str) -> str:
    return " ".join(message.split())
