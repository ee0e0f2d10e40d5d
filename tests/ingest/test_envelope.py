"""From a body to its envelope, or to the first reason against it."""

import hashlib
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest import envelope
from ingest.envelope import Envelope, Refusal, read_envelope
from ingest.layout import Reason

TIME = 1_693_389_850_810
EVENT: dict[str, Any] = {
    "id": "it_w100001_1693389850.110",
    "pbx": "000000000001",
    "time": TIME,
    "company": "it_w100001",
    "type": "call:start",
    "integrationId": "abc123",
    "data": {"status": "CONNECTING", "callee": None, "tags": []},
}


def body(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def body_without(*keys: str, **changes: Any) -> bytes:
    return json.dumps({key: value for key, value in (EVENT | changes).items() if key not in keys}).encode()


def accepted(raw: bytes, **source: str) -> Envelope:
    read = read_envelope(raw, **source)
    assert isinstance(read, Envelope), read
    return read


def reason(raw: bytes, **source: str) -> Reason:
    read = read_envelope(raw, **source)
    assert isinstance(read, Refusal), read
    assert "\n" not in read.detail
    assert read.detail
    return read.reason


def nested(levels: int, opening: str = "[", closing: str = "]", inner: str = "") -> str:
    return opening * levels + inner + closing * levels


def test_the_envelope_of_the_guides_event() -> None:
    uid = hashlib.sha256(
        b'{"company":"it_w100001","data":{"callee":null,"status":"CONNECTING","tags":[]},"id":"it_w100001_1693389850.110",'
        b'"pbx":"000000000001","time":1693389850810,"type":"call:start"}'
    ).hexdigest()
    assert read_envelope(body()) == Envelope(
        event_uid=uid,
        integration_id="abc123",
        company="it_w100001",
        pbx="000000000001",
        event_type="call:start",
        subject_id="it_w100001_1693389850.110",
        call_id="it_w100001_1693389850.110",
        event_time_ms=TIME,
    )


def test_identity_ignores_key_order_spaces_and_the_top_level_integration_alone() -> None:
    uid = accepted(body()).event_uid
    shuffled = json.dumps(dict(reversed(EVENT.items())), indent=2).encode()
    assert accepted(shuffled).event_uid == uid
    assert accepted(body(integrationId="other")).event_uid == uid
    assert accepted(body(integrationId={"deep": [1]})).event_uid == uid
    assert accepted(body_without("integrationId")).event_uid == uid
    assert accepted(body(data=EVENT["data"] | {"integrationId": "abc123"})).event_uid != uid
    assert accepted(body(extra=None)).event_uid != uid


def test_identity_keeps_what_json_tells_apart() -> None:
    assert accepted(body(time=str(TIME))).event_uid != accepted(body()).event_uid
    assert accepted(body(x=1)).event_uid != accepted(body(x=1.0)).event_uid
    assert accepted(body(x="1")).event_uid != accepted(body(x=1)).event_uid


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"nul",
        b"{'a':1}",
        b'{"a":1,}',
        b"{} {}",
        b"\xef\xbb\xbf" + body(),
        body()[:-1],
        body() + b"\x00",
        body(x="PLACE").replace(b'"PLACE"', b"NaN"),
        body(x="PLACE").replace(b'"PLACE"', b"Infinity"),
        body(x="PLACE").replace(b'"PLACE"', b"-Infinity"),
        body(x="PLACE").replace(b'"PLACE"', b"1e400"),
        body(x="PLACE").replace(b'"PLACE"', b"01"),
        body(x="PLACE").replace(b'"PLACE"', b"1" * 400),
        body(x="PLACE").replace(b"PLACE", b"\\ud800"),
        body(x="PLACE").replace(b"PLACE", b"\\udc00\\ud800"),
        body(x="PLACE").replace(b"PLACE", b"\xed\xa0\x80"),
        body(x="PLACE").replace(b"PLACE", b"\xff"),
        body(x="PLACE").replace(b"PLACE", b"\xc0\x80"),
        body(x="PLACE").replace(b"PLACE", b"a\tb"),
        json.dumps(EVENT).encode("utf-16"),
        json.dumps(EVENT, ensure_ascii=False).replace("it_w", "é").encode("latin-1"),
    ],
)
def test_what_is_not_strict_json_in_utf8_is_not_json(raw: bytes) -> None:
    assert reason(raw) == Reason.NOT_JSON


@pytest.mark.parametrize("raw", [b"null", b"1", b'"text"', b"[]", b"[{}]", b"true", b" 1.5 "])
def test_json_that_is_no_object_is_not_object(raw: bytes) -> None:
    assert reason(raw) == Reason.NOT_OBJECT


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_254_levels_are_read_and_255_are_not_json(opening: str, closing: str) -> None:
    for inner in ["1", '"[[[[{{{{"', "null"]:
        deep = body(x="PLACE").replace(b'"PLACE"', nested(253, opening, closing, inner).encode())
        assert accepted(deep).event_type == "call:start"
        deeper = body(x="PLACE").replace(b'"PLACE"', nested(254, opening, closing, inner).encode())
        assert reason(deeper) == Reason.NOT_JSON


def test_depth_counts_in_every_place_and_before_every_other_reason() -> None:
    assert reason(nested(255).encode()) == Reason.NOT_JSON
    assert reason(nested(254).encode()) == Reason.NOT_OBJECT
    assert reason(nested(100_000).encode()) == Reason.NOT_JSON
    assert reason(body(integrationId="PLACE").replace(b'"PLACE"', nested(254).encode())) == Reason.NOT_JSON
    assert accepted(body(integrationId="PLACE").replace(b'"PLACE"', nested(253).encode())).integration_id is None
    assert reason(b'{"x":' + nested(254).encode() + b"}") == Reason.NOT_JSON
    assert accepted(body(x=["{["] * 500)).event_type == "call:start"
    assert accepted(body(x=[[]] * 500)).event_type == "call:start"


@pytest.mark.parametrize("value", [None, "", 1, True, [], {}, ["call:start"]])
def test_a_type_that_is_no_name_is_no_type(value: Any) -> None:
    assert reason(body(type=value)) == Reason.NO_TYPE
    assert reason(body_without("type")) == Reason.NO_TYPE


@pytest.mark.parametrize(
    "value",
    [946_684_800_000, 4_102_444_799_999, "946684800000", "4102444799999", "000946684800000", TIME, str(TIME)],
)
def test_a_usable_time_is_an_integer_or_its_digits(value: Any) -> None:
    assert accepted(body(time=value)).event_time_ms == int(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        946_684_799_999,
        4_102_444_800_000,
        0,
        -TIME,
        2**63,
        2**64,
        10**30,
        float(TIME),
        1.5e12,
        "",
        f" {TIME}",
        f"{TIME} ",
        f"+{TIME}",
        f"-{TIME}",
        f"{TIME}.0",
        "1.7e12",
        "0000946684800000",
        "946684799999",
        "4102444800000",
        "٩٤٦٦٨٤٨٠٠٠٠٠",
        "9466848０0000",
        "²46684800000",
        "1_693_389_850_810",
        [TIME],
        {"ms": TIME},
        "2026-11-24T00:00:00Z",
    ],
)
def test_any_other_time_is_no_time(value: Any) -> None:
    assert reason(body(time=value)) == Reason.NO_TIME
    assert reason(body_without("time")) == Reason.NO_TIME


def test_a_time_written_with_an_exponent_or_fraction_is_no_integer() -> None:
    for literal in (b"1693389850810.0", b"1693389850810e0", b"1.69338985081E12"):
        assert reason(body(time="PLACE").replace(b'"PLACE"', literal)) == Reason.NO_TIME


@pytest.mark.parametrize("event_type", ["call:start", "call:", "call:unheard:of", "presence:user", "presence:x"])
@pytest.mark.parametrize("value", [None, "", 7, False, [], {}])
def test_calls_and_presence_need_company_and_id(event_type: str, value: Any) -> None:
    assert reason(body(type=event_type, company=value)) == Reason.NO_COMPANY
    assert reason(body(type=event_type, id=value)) == Reason.NO_ID
    assert reason(body(type=event_type, company=value, id=value)) == Reason.NO_COMPANY


@pytest.mark.parametrize("event_type", ["chat:message", "call", "calls:start", "Call:start", " call:start", "presence"])
def test_other_events_need_neither(event_type: str) -> None:
    read = accepted(body_without("company", "id", "integrationId", "pbx", "data", type=event_type))
    assert read.event_type == event_type
    assert (read.company, read.subject_id, read.call_id, read.pbx, read.integration_id) == (None, None, None, None, None)


def test_the_first_reason_that_holds_is_given() -> None:
    assert reason(b'{"type":"call:x"}') == Reason.NO_TIME
    assert reason(b"{}") == Reason.NO_TYPE
    assert reason(body_without("company", "id"), integration_id="z", company="z") == Reason.NO_COMPANY
    assert reason(body_without("id"), integration_id="z", company="z") == Reason.NO_ID
    assert reason(body(), integration_id="z", company="z") == Reason.WRONG_INTEGRATION
    assert reason(body(), integration_id="abc123", company="z") == Reason.WRONG_COMPANY
    assert accepted(body(), integration_id="abc123", company="it_w100001").company == "it_w100001"


@pytest.mark.parametrize("value", [None, "", "ABC123", "abc123 ", [], ["abc123"], {}, 5])
def test_another_integration_or_none_is_wrong_where_the_source_names_one(value: Any) -> None:
    assert reason(body(integrationId=value), integration_id="abc123") == Reason.WRONG_INTEGRATION
    assert reason(body_without("integrationId"), integration_id="abc123") == Reason.WRONG_INTEGRATION


def test_an_event_without_company_is_wrong_where_the_source_names_one() -> None:
    assert reason(body_without("company", type="chat:message"), company="it_w100001") == Reason.WRONG_COMPANY


@pytest.mark.parametrize("event_type", ["call:live:progress", "call:live:completed", "call:live:new", "call:completed"])
def test_live_and_completed_calls_go_by_the_id_in_data_where_that_is_one(event_type: str) -> None:
    inner = accepted(body(type=event_type, data={"id": "inner"}))
    assert (inner.call_id, inner.subject_id) == ("inner", EVENT["id"])
    alone = accepted(body_without("id", type=event_type, data={"id": "inner"}))
    assert (alone.call_id, alone.subject_id) == ("inner", None)
    for useless in ({"id": ""}, {"id": 7}, {"id": None}, {}, None, [], "inner", [{"id": "inner"}]):
        assert accepted(body(type=event_type, data=useless)).call_id == EVENT["id"]
        assert reason(body(type=event_type, data=useless, id="")) == Reason.NO_ID


@pytest.mark.parametrize("event_type", ["call:start", "call:end", "call:completed:x", "call:live", "presence:user"])
def test_all_others_go_by_the_envelopes_id(event_type: str) -> None:
    read = accepted(body(type=event_type, data={"id": "inner"}))
    assert read.subject_id == EVENT["id"]
    assert read.call_id == (EVENT["id"] if event_type.startswith("call:") else None)
    assert reason(body(type=event_type, data={"id": "inner"}, id=None)) == Reason.NO_ID


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("", ""),
        ("a\x00b", "a\x00b"),
        (" spaces ", " spaces "),
        (7, "7"),
        (-(2**63), "-9223372036854775808"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "1.8446744073709552e+19"),
        (1.0, "1.0"),
        (1e22, "1e+22"),
        (-0.0, "-0.0"),
        (True, "true"),
        (False, "false"),
        (None, None),
        ([], None),
        ({}, None),
        (["x"], None),
    ],
)
def test_a_scalar_where_a_string_is_expected_becomes_its_json_text(value: Any, expected: str | None) -> None:
    read = accepted(
        json.dumps({"type": "other", "time": TIME, "id": value, "pbx": value, "company": value, "integrationId": value}).encode()
    )
    assert (read.subject_id, read.pbx, read.company, read.integration_id) == (expected,) * 4


def test_a_refusal_never_quotes_the_body() -> None:
    for raw in (
        body(time="+1 555 0100"),
        body(type="presence:user", id=None, company="+1 555 0100"),
        body(company=5550100),
        b'{"+1 555 0100',
    ):
        read = read_envelope(raw, company="x")
        assert isinstance(read, Refusal)
        assert "0100" not in read.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(["call:start", "call:live:progress", "call:completed", "presence:user", "other", "", "call:"])
FIELDS = {
    "type": TYPES | JSON,
    "time": st.integers(946_684_000_000, 946_685_000_000) | st.just(str(TIME)) | st.just(TIME) | JSON,
    "company": st.sampled_from(["acme", ""]) | JSON,
    "id": st.sampled_from(["x_1", ""]) | JSON,
    "integrationId": st.just("abc") | JSON,
    "pbx": JSON,
    "data": st.fixed_dictionaries({}, optional={"id": st.just("y_1") | JSON}) | JSON,
}


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIELDS), st.sampled_from([None, "abc"]), st.sampled_from([None, "acme"]))
def test_any_object_is_judged_as_the_contract_reads(event: dict[str, Any], integration_id: str | None, company: str | None) -> None:
    raw = json.dumps(event).encode("utf-8", "surrogatepass")
    assert_judged(raw, integration_id, company)


def assert_judged(raw: bytes, integration_id: str | None, company: str | None) -> None:
    """The contract's list once more, in its own words, over the standard library's reading where it can tell."""
    read = read_envelope(raw, integration_id=integration_id, company=company)
    try:
        event = orjson.loads(raw)
    except ValueError:
        assert isinstance(read, Refusal)
        assert read.reason == "not_json"
        return

    def name(value: Any) -> bool:
        return isinstance(value, str) and len(value) > 0

    time, kind, data = event.get("time"), event.get("type"), event.get("data")
    digits = isinstance(time, str) and 0 < len(time) < 16 and set(time) <= set("0123456789")
    usable = (digits or (isinstance(time, int) and not isinstance(time, bool))) and 946684800000 <= int(time) < 4102444800000
    strict = name(kind) and (kind[:5] == "call:" or kind[:9] == "presence:")
    newer = name(kind) and (kind[:10] == "call:live:" or kind == "call:completed")
    subject = data["id"] if newer and isinstance(data, dict) and name(data.get("id")) else event.get("id")

    def texted(value: Any) -> str | None:
        if isinstance(value, str):
            return value
        return None if value is None or isinstance(value, list | dict) else orjson.dumps(value).decode()

    rules = [
        ("no_type", not name(kind)),
        ("no_time", not usable),
        ("no_company", strict and not name(event.get("company"))),
        ("no_id", strict and not name(subject)),
        ("wrong_integration", integration_id is not None and texted(event.get("integrationId")) != integration_id),
        ("wrong_company", company is not None and texted(event.get("company")) != company),
    ]
    expected = next((word for word, holds in rules if holds), None)
    if expected is not None:
        assert isinstance(read, Refusal)
        assert read.reason == expected
        return
    assert isinstance(read, Envelope)
    rest = {key: value for key, value in event.items() if key != "integrationId"}
    assert read.event_uid == hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()
    assert read.event_time_ms == int(time)
    assert read.call_id == (subject if kind[:5] == "call:" else None)
    assert (read.company, read.pbx, read.subject_id) == (texted(event.get("company")), texted(event.get("pbx")), texted(event.get("id")))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,0123456789.eE+-truefalsn \\u', max_size=40).map(str.encode))
@example(b'{"type":"x","time":1693389850810}')
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    read = read_envelope(raw)
    assert isinstance(read, Envelope | Refusal)


def test_the_last_of_two_equal_keys_counts_in_all_places_alike() -> None:
    read = accepted(b'{"type":"other","time":1693389850810,"pbx":"a","pbx":"b"}')
    assert read.pbx == "b"
    assert read.event_uid == accepted(b'{"pbx":"b","type":"other","time":1693389850810}').event_uid


def test_text_is_public_for_those_who_must_read_alike() -> None:
    assert envelope.text(1.5) == "1.5"
