"""Numbers cut for readers who may not see them whole: in every answer, and in nothing but the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Config, Reports
from tests.warehouses import simulated_warehouse
from transforms.reports.catalog import REPORTS, Filters, ask
from transforms.reports.masking import FEWEST_DIGITS, SIGN, cut, masked
from transforms.reports.payload import Absent, payload

WHOLE = Filters(settings=Reports(time_zone="Europe/Rome"))
CUT = replace(WHOLE, settings=Reports(time_zone="Europe/Rome", masked_digits=4))


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = simulated_warehouse(tmp_path_factory.mktemp("masking") / "warehouse.duckdb", calls=700, days=20)
    with duckdb.connect(str(path)) as opened:
        opened.execute("set TimeZone = 'UTC'")
        # the phone system sends the number for the name of whom it does not know
        opened.execute("update calls set caller_name = caller_phone where caller_name is null")
        opened.execute("update missed_calls set caller_name = external_phone where caller_name is null")
        yield opened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+1 555 010123", "+1 555 01••••"),
        ("+1 555-0101 23", "+1 555-01•• ••"),
        ("201", "201"),
        ("55512", "55512"),
        ("+44 (1632) 960 001", "+44 (1632) 96• •••"),
        ("sip:15550100@example.com", "sip:1555••••@example.com"),
        ("sip:15550100@192.0.2.7:5060", "sip:1555••••@192.0.2.7:••••"),
        ("15550100@pbx2024.example.com", "1555••••@pbx2024.example.com"),
        ("+15550100123;ext=1234", "+1555010••••;ext=1234"),
        ("15550100,,1234#", "1555••••,,1234#"),
        ("٠١٢٣٤٥٦٧٨", "٠١٢٣٤••••"),
        ("\u202a+1 555 01 00\u202c", "\u202a+1 555 •• ••\u202c"),
        ("044\u201155\u201101\u201100", "044\u201155\u2011••\u2011••"),
        ("044'555'01'00", "044'555'••'••"),
        ("Anna +15550100 (mobile)", "Anna +1555•••• (mobile)"),
        ("+1_5550100", "+1_555••••"),
        (None, None),
        ("", ""),
        ("anonymous", "anonymous"),
    ],
)
def test_the_last_digits_are_hidden_of_what_is_long_enough_for_a_number(text: str | None, shown: str | None) -> None:
    frame = pl.DataFrame({"phone": [text], "name": [text], "other": [text]}, schema=dict.fromkeys(("phone", "name", "other"), pl.String()))
    units = {"phone": "phone", "name": "name", "other": "code"}
    assert masked(frame, units, 4).row(0) == (shown, shown, text)
    assert masked(frame, units, 0).equals(frame)


@given(number=st.text("0123456789+ -()", max_size=20), digits=st.integers(1, 15))
def test_so_many_digits_are_hidden_and_nothing_else_is_changed(number: str, digits: int) -> None:
    shown = cut(number, digits)
    assert len(shown) == len(number)
    assert all(new in (old, SIGN) for old, new in zip(number, shown, strict=True))
    assert all(old.isdigit() for old, new in zip(number, shown, strict=True) if new == SIGN)
    runs = [sum(sign.isdigit() for sign in run) for run in re.findall(r"\d(?:[+ ()-]{0,3}\d)*", number)]
    assert shown.count(SIGN) == sum(min(digits, there) for there in runs if there >= FEWEST_DIGITS)


def texts(frame: pl.DataFrame) -> set[str]:
    found: set[str] = set()
    for name, kind in frame.schema.items():
        if kind == pl.String:
            found |= set(frame[name].drop_nulls())
        elif kind == pl.List(pl.String):
            found |= set(frame[name].explode().drop_nulls())
    return found


def numbers(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "select distinct unnest([caller_phone, callee_phone, destination, external_phone, external_key]) as number from calls"
    ).fetchall()
    return [number for (number,) in rows if number and sum(sign.isdigit() for sign in number) >= FEWEST_DIGITS]


@pytest.mark.parametrize("report", REPORTS)
def test_no_report_answers_with_a_whole_number(con: duckdb.DuckDBPyConnection, report: str) -> None:
    call = con.execute("select company, call_id from calls where direction = 'inbound' and answered_at is not null limit 1").fetchone()
    told = texts(ask(con.cursor(), report, replace(CUT, call=call)))
    assert not [(text, number) for number in numbers(con) for text in told if number in text]


def test_searches_and_links_find_by_the_whole_number(con: duckdb.DuckDBPyConnection) -> None:
    company, call_id, number, key = con.execute(
        "select company, call_id, external_phone, external_key from calls where external_key is not null order by started_at limit 1"
    ).fetchall()[0]
    for narrowing in (
        {"text": number},
        {"text": number.replace(" ", "-")},
        {"text": key},
        {"number": key},
        {"number_of": (company, call_id)},
    ):
        found = ask(con.cursor(), "calls", replace(CUT, **narrowing))
        assert call_id in found["call_id"].to_list()
        assert found["call_id"].to_list() == ask(con.cursor(), "calls", replace(WHOLE, number=key))["call_id"].to_list()
        assert found["external_phone"].str.contains(f"{SIGN * 4}$").all()
    assert ask(con.cursor(), "calls", replace(CUT, text=call_id))["call_id"].to_list() == [call_id]


def test_trying_does_not_tell_the_digits_that_are_hidden(con: duckdb.DuckDBPyConnection) -> None:
    number, name = con.execute(
        "select external_phone, answered_by_name from calls where external_key <> '' and answered_by_name <> ''"
    ).fetchall()[0]
    for part in (number[:-1], number[-3:], number[4:12]):
        assert ask(con.cursor(), "calls", replace(WHOLE, text=part)).height > 0
        assert ask(con.cursor(), "calls", replace(CUT, text=part)).height == 0
        assert ask(con.cursor(), "calls_total", replace(CUT, text=part))["calls"][0] == 0
    whole, cut_too = (ask(con.cursor(), "calls", replace(asked, text=name[:3].upper())) for asked in (WHOLE, CUT))
    assert cut_too["call_id"].to_list() == whole["call_id"].to_list() != []


@pytest.mark.parametrize("of", [("it_w100001", "no such call"), ("nobody", "it_w100001_1")])
def test_a_call_that_is_not_there_stands_for_no_number(con: duckdb.DuckDBPyConnection, of: tuple[str, str]) -> None:
    assert ask(con.cursor(), "calls", replace(WHOLE, number_of=of)).height == 0


def test_a_call_without_a_number_stands_for_none(con: duckdb.DuckDBPyConnection) -> None:
    company, call_id = con.execute("select company, call_id from calls where external_key is null limit 1").fetchall()[0]
    assert ask(con.cursor(), "calls", replace(WHOLE, number_of=(company, call_id))).height == 0


def test_a_signed_payload_is_not_shown(tmp_path: Path) -> None:
    assert payload(Config(reports=CUT.settings), "0" * 32, 1) == Absent.MASKED
