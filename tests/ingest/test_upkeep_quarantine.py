"""The quarantine: listed, shown without obeying it, judged again."""

from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.errors import CallfactsError, ConfigError, UsageError
from ingest.layout import PartName, Reason
from ingest.parts import list_parts, read_part
from ingest.roller import Expected
from ingest.signature import sign
from ingest.storage import Zone
from ingest.upkeep.check import check
from ingest.upkeep.quarantine import (
    Retry,
    listing_lines,
    quarantined,
    rescuing_writer,
    retry,
    retry_lines,
    safe,
    show,
    shown_lines,
)
from tests.zones import DAY, SECRET, W1, W2, Refused, configured, event_body, land, landed_rows, zone_of

OLD_SECRET = "the-secret-before"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def well(config: Config) -> None:
    assert check(config, now=datetime.now(UTC)).findings == []


def held(zone: Zone) -> list[tuple[str, int, str]]:
    return [
        (row["writer"], row["seq"], row["reason"])
        for part in list_parts(zone.quarantine)
        for row in read_part(zone.quarantine, part).to_pylist()
    ]


def rescued(zone: Zone) -> list[dict[str, object]]:
    return [row for row in landed_rows(zone) if row["writer"] not in (W1, W2)]


def other_integration(seq: int) -> Refused:
    return Refused(event_body(seq, integrationId="other"))


def unverified(seq: int, secret: str, reason: Reason = Reason.BAD_SIGNATURE) -> Refused:
    body = event_body(seq)
    return Refused(body, reason, signature=sign(secret.encode(), body), transport="sqs")


# ---------------------------------------------------------------- list and show


def test_rows_that_count_are_listed_in_order(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused(), 4: unverified(4, OLD_SECRET)})
    land(zone, W2, 1, 1, refused={1: Refused(b"[]")}, day=date(2026, 11, 19))
    found = list(quarantined(config))
    assert [(row.id, row.reason, row.transport) for row in found] == [
        (f"{W2}-1", "not_object", "webhook"),
        (f"{W1}-2", "not_json", "webhook"),
        (f"{W1}-4", "bad_signature", "sqs"),
    ]
    assert [row.id for row in quarantined(config, reason="not_json")] == [f"{W1}-2"]
    assert list(quarantined(config, source="other")) == []
    lines = list(listing_lines(iter(found)))
    assert lines[0] == f"{W2}-1  2026-11-19 08:00:00  acme/webhook  not_object: is an array, not an object"
    assert lines[-1] == "3 deliveries in the quarantine"


def test_a_row_whose_range_is_not_landed_does_not_count_yet(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 2, refused={2: other_integration(2)}, expected=Expected("abc123", None), landing=False)
    assert list(quarantined(config)) == []
    done = retry(config, {})
    assert (done.rescues, done.waiting) == ((), 1)
    assert held(zone) == [(W1, 2, "wrong_integration")]


def test_an_empty_quarantine_says_so(config: Config) -> None:
    assert list(listing_lines(quarantined(config))) == ["0 deliveries in the quarantine"]


def test_a_delivery_is_shown_with_all_that_is_kept_of_it(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 3, refused={2: Refused(b"\xff\x1b[2J{\r\n\xc2\x9b31m}\xe2\x80\xae", signature="ab\x1b]0;x\x07")})
    shown = show(config, f"{W1}-2")
    assert shown.body == b"\xff\x1b[2J{\r\n\xc2\x9b31m}\xe2\x80\xae"
    assert list(shown_lines(shown)) == [
        f"id           {W1}-2",
        "received_at  2026-11-20T08:00:00.000002+00:00",
        "source       acme (webhook)",
        "reason       not_json",
        f"detail       {shown.listed.detail}",
        "signature    ab\\x1b]0;x\\x07",
        "body         17 bytes",
        "    \\xff\\x1b[2J{\\r",
        "    \\x9b31m}\\u202e",
    ]
    assert show(config, f"{W1}-000000000002") == shown


def test_nothing_that_a_terminal_obeys_or_hides_is_left(config: Config) -> None:
    nasty = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200E, 0x2028, 0x2029, 0x202E, 0x2066, 0xFEFF, 0xE0041]))
    assert safe(nasty).isascii()
    assert safe(nasty).isprintable()
    assert safe('Zoë said: "5 < 6" \\ 😀') == 'Zoë said: "5 < 6" \\ 😀'


@pytest.mark.parametrize("row_id", ["", "1", W1, f"{W1}-", f"{W1}-0", f"{W1}-x", f"{W1.upper()[:-1]}A-1", f"{W1}-1\n", f"../{W1}-1"])
def test_what_is_no_id_is_bad_usage(config: Config, row_id: str) -> None:
    with pytest.raises(UsageError):
        show(config, row_id)


def test_an_id_that_is_not_there_is_a_failure(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 3, refused={2: Refused()})
    for row_id in (f"{W1}-1", f"{W1}-4", f"{W2}-2"):
        with pytest.raises(CallfactsError, match="there is no delivery") as failed:
            show(config, row_id)
        assert failed.value.exit_code == 1


# ---------------------------------------------------------------- retry


def test_the_rescuing_writer_is_the_hash_of_part_name_and_numbers() -> None:
    name = PartName("a" * 32, 1, 3)
    spelled = sha256(f"{'a' * 32}-000000000001-000000000003.parquet\n2\n3".encode()).hexdigest()[:32]
    assert rescuing_writer(name, [2, 3]) == rescuing_writer(name, [3, 2]) == spelled == "82e8dcaaf8d63b9212fc8f571731ff95"
    assert rescuing_writer(name, [23]) != spelled


def test_what_passes_now_lands_as_a_writer_of_its_own_with_its_old_time_source_and_transport(config: Config, zone: Zone) -> None:
    refused = {2: other_integration(2), 3: Refused(), 5: other_integration(5)}
    name = land(zone, W1, 1, 6, refused=refused, expected=Expected("abc123", None))
    done = retry(config, {})
    writer = rescuing_writer(name, [2, 5])
    assert [(row["writer"], row["seq"], row["subject_id"], row["payload"]) for row in rescued(zone)] == [
        (writer, 1, "it_w100001_2.1", event_body(2, integrationId="other").decode()),
        (writer, 2, "it_w100001_5.1", event_body(5, integrationId="other").decode()),
    ]
    assert {(row["source"], row["transport"]) for row in rescued(zone)} == {("acme", "webhook")}
    assert [row["received_at"] for row in rescued(zone)] == [datetime(2026, 11, 20, 8, 0, 0, micro, UTC) for micro in (2, 5)]
    assert [str(part.name) for part in list_parts(zone.landing) if part.name.writer == writer] == [str(PartName(writer, 1, 2))]
    assert held(zone) == [(W1, 3, "not_json")]
    assert list(retry_lines(done)) == [
        f"{name}: 2 rescued into {PartName(writer, 1, 2)}",
        "2 rescued; still in the quarantine: 1 not_json",
    ]
    well(config)


def test_run_twice_it_rescues_nothing_more(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 3, refused={2: other_integration(2)}, expected=Expected("abc123", None))
    retry(config, {})
    before = landed_rows(zone)
    assert retry(config, {}) == Retry((), {}, 0, ())
    assert landed_rows(zone) == before
    assert held(zone) == []
    assert len(list_parts(zone.quarantine)) == 1, "the emptied part still explains its landing part"
    well(config)


def test_a_later_retry_of_the_same_part_lands_as_another_writer(tmp_path: Path) -> None:
    config = configured(tmp_path, secret=SECRET)
    zone = zone_of(config)
    name = land(zone, W1, 1, 3, refused={1: unverified(1, SECRET), 2: unverified(2, OLD_SECRET), 3: Refused()})
    retry(config, {})
    assert {row["writer"] for row in rescued(zone)} == {rescuing_writer(name, [1])}
    rotated = configured(tmp_path, secret=f'{SECRET}", "{OLD_SECRET}')
    retry(rotated, {})
    assert {row["writer"] for row in rescued(zone)} == {rescuing_writer(name, [1]), rescuing_writer(name, [2])}
    assert held(zone) == [(W1, 3, "not_json")]
    well(rotated)


def test_what_fails_its_signature_never_lands(config: Config, zone: Zone) -> None:
    body = event_body(9)
    refused = {
        1: unverified(1, OLD_SECRET),
        2: Refused(body, Reason.NO_SIGNATURE, signature=None, transport="sqs"),
        3: Refused(body, Reason.BAD_SIGNATURE, signature=sign(SECRET.encode(), body).upper(), transport="sqs"),
        4: Refused(body, Reason.BAD_SIGNATURE, signature=sign(SECRET.encode(), body + b" "), transport="sqs"),
        5: Refused(event_body(5, integrationId="other"), signature=None),
        6: Refused(event_body(6, integrationId="other"), signature="00" * 32),
    }
    land(zone, W1, 1, 6, refused=refused, expected=Expected("abc123", None))
    done = retry(config, {})
    assert (done.rescues, dict(done.stayed)) == ((), {"bad_signature": 3, "no_signature": 1, "wrong_integration": 2})
    assert rescued(zone) == []


def test_a_signature_that_is_right_now_is_not_enough_for_a_body_that_is_no_event(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 1, refused={1: Refused(b"{}", Reason.BAD_SIGNATURE, signature=sign(SECRET.encode(), b"{}"))})
    assert dict(retry(config, {}).stayed) == {"bad_signature": 1}


def test_a_backfill_was_verified_by_the_operator(config: Config, zone: Zone) -> None:
    loaded = Refused(event_body(1, integrationId="other"), signature=None, transport="load")
    land(zone, W1, 1, 1, refused={1: loaded}, expected=Expected("abc123", None))
    retry(config, {})
    assert [row["transport"] for row in rescued(zone)] == ["load"]


def test_the_sources_restrictions_are_judged_as_they_are_now(tmp_path: Path) -> None:
    config = configured(tmp_path, more='integration_id = "abc123"\ncompany = "it_w100001"\n')
    zone = zone_of(config)
    refused = {1: other_integration(1), 2: Refused(event_body(2, company="other")), 3: Refused(event_body(3))}
    land(zone, W1, 1, 3, refused=refused, expected=Expected("abc124", "it_w100001"))
    retry(config, {})
    assert [row["subject_id"] for row in rescued(zone)] == ["it_w100001_3.1"]


def test_rows_of_a_source_that_is_gone_stay(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 1, refused={1: Refused(event_body(1), Reason.BAD_SIGNATURE, source="gone")})
    assert dict(retry(config, {}).stayed) == {"bad_signature": 1}


def test_a_body_that_may_have_been_cut_is_never_judged(config: Config, zone: Zone) -> None:
    whole = event_body(1)
    cut = whole + b" " * (65_536 - len(whole))
    small = event_body(2)
    refused = {1: Refused(cut, Reason.TOO_LARGE, transport="sqs"), 2: Refused(small, Reason.TOO_LARGE, transport="sqs")}
    land(zone, W1, 1, 2, refused=refused)
    retry(config, {})
    assert [row["payload"] for row in rescued(zone)] == [small.decode()]


def test_a_body_over_the_limit_in_force_stays(tmp_path: Path) -> None:
    config = configured(tmp_path, more="max_body_bytes = 100\n")
    zone = zone_of(config)
    land(zone, W1, 1, 1, refused={1: Refused(event_body(1), Reason.TOO_LARGE, transport="sqs")})
    assert dict(retry(config, {}).stayed) == {"too_large": 1}


def test_a_secret_that_cannot_be_had_stops_it_only_where_it_is_needed(tmp_path: Path) -> None:
    config = configured(tmp_path, secret="env:ACME_SECRET")
    zone = zone_of(config)
    retry(config, {})
    land(zone, W1, 1, 1, refused={1: unverified(1, SECRET)})
    with pytest.raises(ConfigError, match=r"sources\[0\]\.secrets: env:ACME_SECRET is not set"):
        retry(config, {})
    assert len(retry(config, {"ACME_SECRET": SECRET}).rescues) == 1


def test_each_part_and_day_has_its_own_rescue(config: Config, zone: Zone) -> None:
    late = date(2026, 11, 21)
    names = [
        land(zone, W1, 1, 1, refused={1: unverified(1, SECRET)}),
        land(zone, W1, 2, 2, refused={2: unverified(2, SECRET)}, day=late),
    ]
    retry(config, {})
    rescuers = {part.name.writer: part.date for part in list_parts(zone.landing) if part.name.writer != W1}
    assert rescuers == {rescuing_writer(names[0], [1]): DAY, rescuing_writer(names[1], [2]): late}
    well(config)


def test_a_damaged_part_is_named_and_the_others_are_judged(config: Config, zone: Zone) -> None:
    bad = land(zone, W1, 1, 1, refused={1: unverified(1, SECRET)})
    land(zone, W2, 1, 1, refused={1: unverified(1, SECRET)})
    (Path(zone.quarantine.url) / f"received_date=2026-11-20/{bad}").write_bytes(b"")
    done = retry(config, {})
    assert len(done.rescues) == 1
    assert str(bad) in done.problems[0]


def test_a_rescue_after_the_landing_part_was_compacted_is_well(config: Config, zone: Zone) -> None:
    from ingest.upkeep.compact import compact

    land(zone, W1, 1, 3, refused={2: unverified(2, SECRET)})
    land(zone, W1, 4, 6)
    compact(config, now=datetime.now(UTC))
    retry(config, {})
    assert len(rescued(zone)) == 1
    well(config)
