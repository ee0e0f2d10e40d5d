"""The bodies of the vendor's events, as its guide writes them. Pure: what a simulation decides, in; bytes, out.

Keys stand in the guide's order. `CallScript` is one call as it is told, event by event: each is a full snapshot, and
beside them the script keeps the figures of the vendor's own account (call:completed), split where the call is
transferred. CONTRACT §1 lists the fields.
"""

from collections.abc import Callable
from typing import Any, Literal

import orjson

Put = Callable[[int, bytes], None]
Figure = Literal["connectTime", "waitTime", "queueTime", "talkTime", "holdTime"]
Party = orjson.Fragment | None

dumps = orjson.dumps

TRUNK_DIRECTIONS = {"INBOUND": "incoming", "OUTBOUND": "outgoing", "INTERNAL": None}


class CallScript:
    """One call, told in order of time.

    `update` and `end` take the instant, the status, and which figure of the vendor's account the time from here on
    belongs to. `live`: told as call:live:* snapshots. `lost`: the end never comes.
    """

    __slots__ = (
        "call_id", "callee", "caller", "company", "completed", "destination", "direction", "figure", "flags", "flow",
        "flow_from", "flows", "integration_id", "last_at", "live", "lost", "pbx", "put", "queue_id", "queue_name",
        "remote_phone", "service", "split_reason", "started_at", "tags", "transfer", "trunk_name",
    )  # fmt: skip

    def __init__(
        self,
        put: Put,
        *,
        call_id: str,
        pbx: str,
        company: str,
        integration_id: str,
        caller: Party,
        destination: str | None,
        direction: str,
        trunk_name: str | None = None,
        remote_phone: str | None = None,
        live: bool = False,
        lost: bool = False,
        completed: bool = False,
    ) -> None:
        self.put = put
        self.call_id, self.pbx, self.company, self.integration_id = call_id, pbx, company, integration_id
        self.caller: Party = caller
        self.callee: Party = None
        self.destination, self.direction, self.trunk_name = destination, direction, trunk_name
        self.remote_phone = remote_phone
        self.service: str | None = None
        self.queue_name: str | None = None
        self.queue_id: str | None = None
        self.tags: list[str] = []
        self.flags: list[str] = []
        self.live, self.lost, self.completed = live, lost, completed
        self.flows: list[dict[str, Any]] = []
        self.flow: dict[Figure, int] = {}
        self.flow_from = self.last_at = self.started_at = 0
        self.figure: Figure = "connectTime"
        self.split_reason: str | None = None
        self.transfer: str | None = None

    def start(self, at: int, status: str, figure: Figure = "connectTime") -> None:
        self.started_at = self.flow_from = self.last_at = at
        self.figure = figure
        self._say(at, "start", status, None, None, None)

    def update(self, at: int, status: str, figure: Figure) -> None:
        if self.completed:
            self._book(at)
        self.figure = figure
        self._say(at, "update", status, None, None, None)

    def end(self, at: int, status: str, cause: str | None, text: str | None, by: str | None) -> None:
        if not self.lost:
            self._say(at, "end", status, cause, text, by)
        if self.completed:
            self._book(at)
            self._close_flow(at, cause)
            self._say_completed(at + 800 + at % 3000, cause, text, by)

    def split(self, at: int, reason: str, transfer: str | None) -> None:
        """The vendor's account begins a new flow here."""
        if self.completed:
            self._book(at)
            self._close_flow(at, "16")
            self.flow_from, self.split_reason, self.transfer = at, reason, transfer

    def _book(self, at: int) -> None:
        self.flow[self.figure] = self.flow.get(self.figure, 0) + at - self.last_at
        self.last_at = at

    def _say(self, at: int, kind: str, status: str, cause: str | None, text: str | None, by: str | None) -> None:
        data: dict[str, Any] = {
            "status": status,
            "caller": self.caller,
            "callee": self.callee,
            "service": self.service,
            "destination": self.destination,
            "trunkName": self.trunk_name,
            "queueName": self.queue_name,
            "queueId": self.queue_id,
            "tags": self.tags,
            "flags": self.flags,
            "endCause": cause,
            "endCauseStr": text,
            "endBy": by,
        }
        event_type = "call:" + kind
        if self.live:
            event_type = "call:live:progress"
            if kind == "end":
                event_type = "call:live:completed" if cause == "16" else "call:live:interrupted"
            flow = {"flowIndex": 0, "startTime": self.started_at, "direction": self.direction} | data
            data = {"id": self.call_id, "eventTrigger": "call." + kind, "start": self.started_at, "flows": [flow]}
        body = {
            "id": self.call_id,
            "pbx": self.pbx,
            "time": at,
            "company": self.company,
            "type": event_type,
            "integrationId": self.integration_id,
            "data": data,
        }
        self.put(at, dumps(body))

    def _close_flow(self, at: int, cause: str | None) -> None:
        flow, self.flow = self.flow, {}
        talked = flow.get("talkTime", 0)
        figures = {name: flow.get(name, 0) for name in ("connectTime", "waitTime", "queueTime", "talkTime", "holdTime")}
        has_voicemail = "voicemail" in self.flags
        attachments: list[dict[str, Any]] = []
        if has_voicemail:
            attachments.append({"voicemail": {"owner": "callee", "url": "https://pbx.example.com/voicemail/1.mp3"}})
        elif talked and "recorded" in self.tags:
            attachments.append({"recording": {"owner": "system", "url": "https://pbx.example.com/recording/1.wav"}})
        external = self.direction != "INTERNAL"
        phone = self.remote_phone
        country = None if phone is None else "GB" if phone.startswith("+44") else "US"
        # between 3.0 and 4.5, worse over the mobile gateway; the vendor sends texts
        mos = 4.5 - (self.started_at % 997) / 1400 - (0.8 if self.trunk_name == "gsm-gateway" else 0.0)
        self.flows.append(
            {
                "flowIndex": len(self.flows),
                "startTime": self.flow_from,
                "endTime": at,
                "duration": sum(figures.values()),
                **figures,
                "direction": self.direction,
                "callStatus": "COMPLETED" if talked and not has_voicemail else "MISSED",
                "caller": self.caller,
                "callee": self.callee,
                "destination": self.destination,
                "service": self.service,
                "serviceNumber": self.destination if self.direction == "INBOUND" else None,
                "remotePhone": phone,
                "remotePhoneCountryCodeStr": country,
                "trunkName": self.trunk_name,
                "trunkDirection": TRUNK_DIRECTIONS[self.direction],
                "queueName": self.queue_name,
                "queueId": self.queue_id,
                "transcriptionStatus": "AVAILABLE" if talked > 60_000 and self.started_at % 3 == 0 else "UNAVAILABLE",
                "attachments": attachments,
                "tags": self.tags,
                "flags": self.flags,
                "callerMos": f"{mos:.2f}" if talked else "0",
                "calleeMos": f"{mos - 0.1:.2f}" if talked and external else "0",
                "mergeWith": None,
                "splitReason": self.split_reason,
                "splitTransferType": self.transfer,
                "endCause": cause,
            }
        )

    def _say_completed(self, at: int, cause: str | None, text: str | None, by: str | None) -> None:
        data = {"id": self.call_id, "flows": self.flows, "endCause": cause, "endCauseStr": text, "endBy": by}
        body = {
            "id": self.call_id,
            "pbx": self.pbx,
            "time": at,
            "company": self.company,
            "type": "call:completed",
            "integrationId": self.integration_id,
            "data": data,
        }
        self.put(at, dumps(body))


def presence(kind: str, at: int, *, subject_id: str, pbx: str, company: str, integration_id: str, data: object) -> bytes:
    """A presence:telephony, presence:user or presence:conference event."""
    return dumps(
        {
            "id": subject_id,
            "pbx": pbx,
            "time": at,
            "company": company,
            "type": "presence:" + kind,
            "integrationId": integration_id,
            "data": data,
        }
    )
