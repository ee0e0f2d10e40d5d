"""Sets of events as unkind as the contract allows, the same for the same seed. (CONTRACT §1)

Few companies, calls, people, queues and instants, so that everything collides; every field now and then of another shape; every
event written in another spelling each time that it is delivered.
"""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

T0 = 1_760_000_000_000
HOUR_MS = 3_600_000
AS_OF_MS = T0 + 6 * HOUR_MS
BOUNDARY_MS = AS_OF_MS - 4 * HOUR_MS
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_799_999

COMPANIES = ("it_w100001", "it_w100002", "we\"ird\n'co", "☎ שלום", "it", "it_w1", "0")
EXTENSIONS = ("201", "202", "1e3", "", "٣٠١", "2_03", "true")
USERS = ("u1", "u2", "", "1000001", "null")
PHONES = (
    "+15550100",
    "+441632960123",
    "100",
    "",
    "0044 1632/960-124",
    "12345",
    "123456",
    "٠١٢٣٤٥٦٧٨٩",
    "anonymous",
    "+1 (555) 010-1234 ext 9",
)
QUEUES = ("sales", "Sales", "support", "", "null", "7")
STATUSES = (
    *(
        "CONNECTING",
        "RINGING",
        "TALKING",
        "HOLD",
        "ringing",
        "Talking",
        "hold",
        "talkıng",
        "TALKING ",
        "",
        "ﬂoor",
        "QUEUED",
        "UP",
        "ON_HOLD",
        "held",
    ),
    *("straße", "BUSY", "1e3", "null", "true"),
)
TEXTS = (
    *(
        "",
        "a",
        "1e3",
        "{x",
        "[",
        "{",
        "null",
        "true",
        "false",
        '"',
        "\\",
        "\\u0000",
        "\u0000",
        "a\u0000b",
        "\u0000a",
        "{}",
        "[]",
        "0",
        "-1",
        "01",
        "1.0",
        " ",
    ),
    *(
        "😀",
        "👩‍👩‍👧",
        "שלום",
        "مرحبا",
        "İ",
        "ΟΔΟΣ",
        "ß",
        "ﬀ",
        "\u2028",
        "\x7f",
        "\x1f",
        "\t\r\n",
        "\ufeff",
        "\uffff",
        "\U0010ffff",
        "e\u0301",
        "é",
    ),
    *(
        "'; drop table calls; --",
        "=1+1",
        "{0}",
        "%s",
        "$1",
        "18446744073709551616",
        "NaN",
        "Infinity",
        "-0",
        "nan",
        "NULL",
        "a,b",
        "<b>x</b>",
    ),
)
CAUSES = ("16", "17", "19", "21", "3", "1", "34", "41", "50", "102", "31", "999", "", "016", "16 ", "٢١")
ENDERS = ("CALLER", "caller", "CALLEE", "SYSTEM", "Caller", "", "İ", "CALLER ")
DIRECTIONS = ("INBOUND", "OUTBOUND", "INTERNAL", "Inbound", "", "ΣΑΣ", "weird")
UNTILS = (
    *(
        "2025-10-09T10:00:00Z",
        "2025-10-09T12:00:00+02:00",
        "2025-10-09T10:00:00.0009Z",
        "2025-10-09 10:00",
        "2025-10-09",
        "2025-10-09T10:00:00,5",
    ),
    *(
        "2025-10-09T10:00:00.123456789-0330",
        "2025-10-09T05:00:00-05",
        "2025-02-29T10:00:00Z",
        "2024-02-29",
        "2025-10-09T24:00:00Z",
        "2025-10-09T10:00:60Z",
    ),
    *(
        "1999-12-31T23:59:59.999Z",
        "2000-01-01",
        "2000-01-01T00:30:00+01:00",
        "2099-12-31T23:59:59.999Z",
        "2100-01-01T00:00:00Z",
        "2100-01-01T00:30+01:00",
    ),
    *(
        "2025-10-09T10",
        "2025-10-09T10:00:00.",
        "2025-10-09T10:00:00z",
        "2025-10-09t10:00",
        "2025-10-09Z",
        "2025-10-09T10:00:00 Z",
        "2025-10-09T10:00\n",
    ),
    *(
        " 2025-10-09",
        "20251009",
        "tomorrow",
        "",
        "٢٠٢٥-10-09",
        "2025-13-01",
        "2025-00-10",
        "0000-01-01",
        "2025-10-09T10:00+2",
        "+2025-10-09",
        "2025-10-09T10:00Z+01:00",
    ),
)
PRESENCES = ("dnd", "away", "AWAY", "available", "İn", "ΟΔΟΣ", "", "rt", "talking", "Talking", "registered")
FLOATS = ("45.5", "-7.25", "0", "1e2", "-0.0", "181", "1E+2", "0.1", "abc", "", "NaN", "Infinity", "1e400", "12 ", "--1", "1,5")


@dataclass(frozen=True)
class Raw:
    """A JSON text to write as it stands."""

    json: str


NUMBERS = tuple(
    map(
        Raw,
        (
            *(
                "0",
                "-0",
                "-0.0",
                "1",
                "-1",
                "1.0",
                "1.50",
                "1e3",
                "1E3",
                "1e-7",
                "1e16",
                "1e22",
                "5e-324",
                "0.10",
                "100",
                "2.5",
                "99999999999999.5",
            ),
            *(
                "18446744073709551615",
                "18446744073709551616",
                "-9223372036854775809",
                "123456789012345678901234567890",
                "1e15",
                "1000000000000000",
            ),
            *("9007199254740993", "0.1e1", "123456.789e3"),
        ),
    )
)


def _nested(levels: int, innermost: str = "[]") -> str:
    return "[" * (levels - 1) + innermost + "]" * (levels - 1)


class Adversary:
    """One set of events. `events()` gives Python objects (with `Raw` leaves), `body()` writes one of them."""

    def __init__(self, seed: int, *, oddness: float = 0.06) -> None:
        self.rng = Random(seed)
        self.oddness = oddness

    # --- shapes -------------------------------------------------------------------------------------------------------

    def odd(self) -> Any:
        rng = self.rng
        match rng.randrange(9):
            case 0 | 1:
                return rng.choice(NUMBERS)
            case 2:
                return rng.choice((True, False))
            case 3:
                return None
            case 4:
                return rng.choice(({}, {"a": 1}, {"phone": "x"}, [], [1], ["a", None], [[]], [{}]))
            case _:
                return rng.choice(TEXTS)

    def maybe(self, value: Any, missing: float = 0.12) -> Any:
        """The value, or now and then null, or something else altogether."""
        dice = self.rng.random()
        if dice < self.oddness:
            return self.odd()
        return None if dice < self.oddness + missing else value

    def word(self, *plain: str) -> str:
        """A text: plain, or the more often one of the odd ones the odder the set."""
        rng = self.rng
        return rng.choice(TEXTS) if rng.random() < self.oddness * 10 else rng.choice(plain)

    def thin(self, row: dict[str, Any]) -> dict[str, Any]:
        """Some keys missing, some unknown ones added."""
        rng = self.rng
        row = {k: v for k, v in row.items() if not (v is None and rng.random() < 0.5) and rng.random() > 0.02}
        if rng.random() < 0.1:
            row[rng.choice(("role", "license", "x", "", "type2", "ключ", "a\u0000b", "flows2"))] = self.odd()
        if rng.random() < 0.05 and row:
            key = rng.choice(list(row))
            row[rng.choice((key.upper(), key.capitalize(), key.lower() + " ", "\u0000" + key))] = rng.choice(
                ("TALKING", "u9", 5, {"phone": "9"}, ["t"], None, {})
            )
        return row

    def number(self) -> Any:
        """A figure in ms: mostly small."""
        rng = self.rng
        good = rng.choice((0, 0, 1, 999, 1000, 5000, 60_000, "5000", "0", "007", -1, -5000, 999_999_999_999_999, -999_999_999_999_999))
        bad = (
            10**15,
            -(10**15),
            Raw("1000.0"),
            Raw("1e3"),
            "1000000000000000",
            "-5",
            "+5",
            " 5",
            "",
            "٣",
            "5.0",
            True,
            None,
            [5],
            {"a": 5},
        )
        return rng.choice(bad) if rng.random() < self.oddness * 3 else good

    def participant(self) -> Any:
        rng = self.rng
        dice = rng.random()
        if dice < 0.15:
            return None
        if dice < 0.15 + self.oddness:
            return {}
        if dice < 0.15 + 2 * self.oddness:
            return self.odd()
        row = {
            "type": self.maybe(rng.choice(("LOCAL", "LOCAL", "REMOTE", "REMOTE", "local", "Remote", "OTHER"))),
            "phone": self.maybe(self.word(*PHONES)),
            "name": self.maybe(self.word("Anna", "Bruno")),
            "company": self.maybe("Example Ltd"),
            "email": self.maybe(rng.choice(("anna@example.com", "bruno@example.com"))),
            "userId": self.maybe(self.word(*USERS), 0.35),
            "userExtension": self.maybe(rng.choice(EXTENSIONS)),
            "userDepartment": self.maybe(rng.choice(("Sales", "IT", ""))),
            "groupId": self.maybe("100"),
            "groupName": self.maybe(rng.choice(("Admin", "Default"))),
            "userAgent": None,
            "userDevice": self.maybe(rng.choice(("VOICEBOT", "voicebot", "COLLABORATION_WEB", "")), 0.5),
        }
        return self.thin(row)

    def words(self) -> Any:
        rng = self.rng
        if rng.random() < self.oddness * 2:
            return rng.choice((None, "a", {}, 5, True, "[]", {"0": "a"}))
        return [
            self.odd() if rng.random() < self.oddness * 3 else rng.choice(("a", "b", "A", "ä", "😀", "voicemail", "", "z"))
            for _ in range(rng.randrange(4))
        ]

    def snapshot(self, *, ending: bool) -> dict[str, Any]:
        rng = self.rng
        say_end = ending or rng.random() < 0.05
        row = {
            "status": self.maybe(rng.choice(STATUSES) if rng.random() < 0.4 else rng.choice(("RINGING", "TALKING", "HOLD"))),
            "caller": self.participant(),
            "callee": self.participant(),
            "service": self.maybe("svc", 0.6),
            "destination": self.maybe(rng.choice(PHONES), 0.4),
            "trunkName": self.maybe(rng.choice(("t1", "t2", "")), 0.6),
            "queueName": self.maybe(rng.choice(QUEUES), 0.5),
            "queueId": self.maybe(rng.choice(("1", "2", "")), 0.5),
            "tags": self.words(),
            "flags": self.words(),
            "endCause": self.maybe(rng.choice((*CAUSES, Raw("16"), Raw("21.0"), Raw("17")))) if say_end else None,
            "endCauseStr": self.maybe(self.word("Call Rejected", "Normal")) if say_end else None,
            "endBy": self.maybe(rng.choice(ENDERS)) if say_end else None,
        }
        return self.thin(row)

    def flow(self, place: int, t: int, *, vendor: bool) -> Any:
        rng = self.rng
        if rng.random() < self.oddness:
            return self.odd()
        row = self.snapshot(ending=rng.random() < 0.5)
        row["flowIndex"] = place
        if rng.random() < self.oddness * 4:
            row["flowIndex"] = rng.choice(
                (rng.randrange(4), str(rng.randrange(3)), -1, 10**15, Raw("1.0"), None, "x", True, 12, -(10**15) + 1)
            )
        row["direction"] = self.maybe(rng.choice(DIRECTIONS), 0.4)
        if vendor:
            start = t + rng.choice((0, 0, 1000, -1000, 50_000))
            row |= {
                "startTime": rng.choice((start, str(start), start, None, FIRST_MS, FIRST_MS - 1, "x", Raw(f"{start}.0"), LAST_MS))
                if rng.random() < self.oddness * 5
                else start,
                "endTime": rng.choice((str(start + 1), start - 5000, None, LAST_MS, LAST_MS + 1, {}, True, Raw("1e12")))
                if rng.random() < self.oddness * 5
                else start + 60_000,
                "callStatus": self.maybe(rng.choice(("COMPLETED", "MISSED"))),
                "attachments": rng.choice(([], [{"recording": {"a": 1}}, {"fax": "f", "voicemail": None}]))
                if rng.random() > self.oddness * 8
                else rng.choice(
                    (
                        None,
                        [],
                        {},
                        "x",
                        [
                            {"recording": {"id": 1}},
                            {"recording": None, "voicemail": "v"},
                            5,
                            None,
                            [{"fax": 1}],
                            {"fax": 0, "recording": False, "voicemail": ""},
                        ],
                    )
                ),
                "callerMos": rng.choice((0, -1, 5, Raw("5.0001"), Raw("4.25"), "4.1", "x", None, True, {}, "0", "5"))
                if rng.random() < self.oddness * 5
                else "4.2",
                "calleeMos": rng.choice((3, "3.25", "", "6", Raw("1e0"), Raw("1e-9"), [4], False))
                if rng.random() < self.oddness * 5
                else 0,
            }
            for name in ("duration", "connectTime", "waitTime", "queueTime", "talkTime", "holdTime"):
                row[name] = self.number() if rng.random() < 0.7 else rng.choice((0, 1000))
            for name in (
                "trunkDirection",
                "serviceNumber",
                "remotePhone",
                "remotePhoneCountryCodeStr",
                "splitReason",
                "splitTransferType",
                "mergeWith",
                "transcriptionStatus",
            ):
                row[name] = self.maybe(self.word("x", "y"), 0.5)
        return self.thin(row)

    def flows(self, t: int, *, vendor: bool) -> Any:
        rng = self.rng
        if rng.random() < self.oddness:
            return rng.choice((None, {}, "x", {"0": {}}, 5))
        return [self.flow(i, t, vendor=vendor) for i in range(rng.choice((0, 1, 1, 2, 2, 3, 5)))]

    # --- events -------------------------------------------------------------------------------------------------------

    def event(self, kind: str, company: str, name: Any, t: int, data: Any) -> dict[str, Any]:
        rng = self.rng
        time = str(t) if rng.random() < 0.06 else "0" * rng.randrange(3) + str(t) if rng.random() < 0.02 else t
        return {
            "id": name,
            "pbx": self.maybe(rng.choice(("000000000001", "2"))),
            "time": time,
            "company": company,
            "type": kind,
            "data": data,
        } | ({"extra": self.odd()} if rng.random() < 0.05 else {})

    def call(self, company: str, name: str, t: int) -> list[dict[str, Any]]:
        """All events of one call, of one family or of several, with or without an end, with late ones."""
        rng = self.rng
        found = []
        families = rng.choice(
            (
                ("call",),
                ("call",),
                ("call",),
                ("live",),
                ("vendor",),
                ("call", "live"),
                ("call", "vendor"),
                ("live", "vendor"),
                ("call", "live", "vendor"),
            )
        )
        for family in families:
            if family == "vendor":
                for _ in range(rng.choice((1, 1, 1, 2, 3))):
                    data = self.snapshot(ending=rng.random() < 0.5) | {"flows": self.flows(t, vendor=True)}
                    found.append(self.finished(company, name, t + rng.choice((0, 0, 60_000, 1)), data))
                continue
            at = t
            ended = rng.random() < 0.65
            steps = rng.randrange(1, 9)
            for i in range(steps):
                end = (ended and i == steps - 1) or rng.random() < 0.04
                at += rng.choice((0, 0, 0, 1, 1, 1000, 5000, 60_000))
                found.append(self.step(family, company, name, at, "end" if end else "start" if i == 0 and rng.random() < 0.8 else "update"))
            if ended and rng.random() < 0.3:
                for _ in range(rng.randrange(1, 3)):
                    found.append(
                        self.step(family, company, name, at + rng.choice((0, 1, 5000, -1)), rng.choice(("end", "update", "start")))
                    )
        return found

    def step(self, family: str, company: str, name: str, at: int, kind: str) -> dict[str, Any]:
        rng = self.rng
        if rng.random() < 0.02:
            return self.event(f"call:{kind}", company, name, at, self.odd()) if family == "call" else self.live(company, name, at, kind, {})
        if family == "call":
            return self.event(f"call:{kind}", company, name, at, self.snapshot(ending=kind == "end"))
        data = self.snapshot(ending=kind == "end") if rng.random() < 0.6 else {}
        data |= {"direction": self.maybe(rng.choice(DIRECTIONS), 0.4), "flows": self.flows(at, vendor=False), "start": at}
        return self.live(company, name, at, kind, data)

    def live(self, company: str, name: str, at: int, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        rng = self.rng
        event_type = rng.choice(("call:live:completed", "call:live:interrupted")) if kind == "end" else "call:live:progress"
        data["eventTrigger"] = (
            "call.start" if kind == "start" else self.maybe(rng.choice(("call.update", "call.end", "CALL.START", "call:start")))
        )
        return self.named(self.event(event_type, company, name, at, data), name)

    def finished(self, company: str, name: str, at: int, data: dict[str, Any]) -> dict[str, Any]:
        return self.named(self.event("call:completed", company, name, at, data), name)

    def named(self, event: dict[str, Any], name: str) -> dict[str, Any]:
        """The id in `data`, in the envelope, or another one in the envelope, over which `data.id` wins."""
        rng = self.rng
        match rng.randrange(4):
            case 0:
                event["data"]["id"] = name
            case 1:
                event["data"]["id"] = name
                event["id"] = rng.choice((None, "other", 5, "", {}))
            case 2:
                event["data"]["id"] = rng.choice((None, "", 5, {}, True))
        return event

    def presence(self, t: int) -> dict[str, Any]:
        rng = self.rng
        company, extension = rng.choice(COMPANIES), rng.choice(EXTENSIONS[:4])
        name = rng.choice((f"{company}_{extension}", f"{company}_{extension}", extension or "x", "_", "a_b_", "noext", "x_201"))
        kind = rng.choice(("user", "user", "telephony", "telephony", "conference"))
        at = t + rng.choice((0, 0, 1, 1000, 5000))
        if kind == "conference":
            data = {
                "extension": self.maybe(extension),
                "isJoined": rng.choice((True, False, None, 1, "true")),
                "isLeaved": rng.choice((True, False, None, 0, "false")),
            }
            who = self.participant()
            data["participant"] = who
        else:
            location = rng.choice(
                (None, {}, {"address": self.maybe("Main St 1"), "lat": self.coordinate(), "lng": self.coordinate()}, "x", [])
            )
            data = {
                "extension": self.maybe(extension, 0.3),
                "email": self.maybe(rng.choice(("anna@example.com", "b@example.com"))),
                "sourceId": "x",
                "status": self.maybe(rng.choice(PRESENCES[:4] if rng.random() < 0.8 else PRESENCES)),
                "until": rng.choice((None, None, rng.choice(UNTILS), rng.choice(UNTILS[:3]), T0, Raw("2025")))
                if rng.random() < 0.5
                else None,
                "message": self.maybe(rng.choice(("lunch", "")), 0.6) if rng.random() < 0.3 else None,
                "location": location if rng.random() < 0.3 else None,
            }
        return self.event(f"presence:{kind}", company, name, at, self.odd() if rng.random() < 0.02 else self.thin(data))

    def coordinate(self) -> Any:
        rng = self.rng
        return rng.choice((Raw("45.5"), Raw("-7"), Raw("1e2"), Raw("0.1"), Raw("18446744073709551616"), True, None, {}, rng.choice(FLOATS)))

    def stranger(self, t: int) -> dict[str, Any]:
        """An event of another type: kept, and in no table but `builds.unknown_types`."""
        rng = self.rng
        kind = rng.choice(
            ("call:live:transcription", "call:", "call:START", "Call:start", "presence:", "chat:message", "😀", "x", "call:start ")
        )
        found = self.event(kind, rng.choice(COMPANIES), "x", t, self.odd())
        if not kind.startswith(("call:", "presence:")):
            found |= {"company": self.odd(), "id": self.odd()}
        return found

    def events(self, calls: int, others: int) -> list[dict[str, Any]]:
        rng = self.rng
        found: list[dict[str, Any]] = []
        for i in range(calls):
            company = rng.choice(COMPANIES)
            name = rng.choice(
                (
                    f"{company}_{T0 // 1000}.{i}",
                    f"it_w100001_{T0 // 1000}.{rng.randrange(calls)}",
                    f"{rng.choice(TEXTS) or 'x'}{rng.randrange(9)}",
                    "same",
                )
            )
            t = T0 + rng.choice((0, 1, HOUR_MS, BOUNDARY_MS - T0, BOUNDARY_MS - T0 - 1, BOUNDARY_MS - T0 + 1, 8 * HOUR_MS))
            if rng.random() < 0.01:
                t = rng.choice((FIRST_MS + 10_000, LAST_MS - 700_000))
            found += self.call(company, name, t)
        for delta in (-1, 0, 1):
            found.append(self.event("call:start", "it_w100001", f"open{delta}", BOUNDARY_MS + delta, {"status": "RINGING"}))
            found.append(self.event("call:update", "it_w100002", f"open{delta}", BOUNDARY_MS + delta, None))
        for t in (FIRST_MS, LAST_MS):
            found += [
                self.event(f"call:{kind}", "it_w100001", f"edge{t}", t, self.snapshot(ending=kind == "end")) for kind in ("start", "end")
            ]
        for _ in range(others):
            t = T0 + rng.choice((0, 0, 1, 2, 1000, HOUR_MS))
            found.append(self.presence(t) if rng.random() < 0.9 else self.stranger(t))
        long = rng.choice(("x", "😀", "ש", '"', "\u0000")) * 100_000
        found.append(
            self.event(
                "call:start",
                "it_w100001",
                "long",
                T0,
                {"status": "TALKING", "caller": {"type": "REMOTE", "phone": long}, "callee": {"name": long, "userId": "u1"}},
            )
        )
        odd_values = (
            Raw("9" * 300),
            Raw("-0.0"),
            Raw("1" + "0" * 400 + "e-390"),
            Raw(_nested(246)),
            Raw(_nested(246, "{}")),
            "\ud7ff\ue000",
            {"status": "HOLD"},
        )
        for i, value in enumerate(odd_values):
            data = {"status": value, "x": Raw(_nested(248)), "tags": ["t", value], "callee": {"userId": value, "phone": "1"}}
            found.append(self.event("call:update", "it_w100001", "values", T0 + i, data | {"y": Raw(_nested(252))}))
            found.append(
                self.event(
                    "call:live:progress", "it_w100002", "values", T0 + i, {"flows": [{"flowIndex": value}, data | {"flowIndex": value}, 5]}
                )
            )
            found.append(
                self.event(
                    "presence:user",
                    "it_w100001",
                    "it_w100001_9",
                    T0 + i,
                    {"status": value, "location": {"lat": value, "lng": "0.1", "address": value}},
                )
            )
        return found

    # --- bodies -------------------------------------------------------------------------------------------------------

    def write(self, value: Any) -> str:
        rng = self.rng
        space = rng.choice(("", "", "", " ", "\t"))
        if isinstance(value, Raw):
            return value.json
        if isinstance(value, dict):
            items = list(value.items())
            rng.shuffle(items)
            return "{" + ("," + space).join(f"{self.write(k)}{space}:{space}{self.write(v)}" for k, v in items) + space + "}"
        if isinstance(value, list):
            return "[" + space + ("," + space).join(map(self.write, value)) + "]"
        if isinstance(value, str) and len(value) < 1000 and rng.random() < 0.1:
            units = value.encode("utf-16-be", "surrogatepass").hex()
            return '"' + "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)) + '"'
        return json.dumps(value, ensure_ascii=rng.random() < 0.3)

    def body(self, event: dict[str, Any]) -> bytes:
        """The event in one of its many spellings, from one of two integrations or none."""
        rng = self.rng
        integration = rng.choice(
            (
                {},
                {"integrationId": "abc123"},
                {"integrationId": "abc124"},
                {"integrationId": None},
                {"integrationId": rng.choice((5, {}, ""))},
            )
        )
        return self.write(event | integration).encode()

    def bodies(self, calls: int, others: int, *, duplicates: float = 0.15) -> list[bytes]:
        """Deliveries in any order, some of them several times."""
        rng = self.rng
        events = self.events(calls, others)
        found = [self.body(event) for event in events]
        found += [self.body(event) for event in events if rng.random() < duplicates]
        rng.shuffle(found)
        return found
