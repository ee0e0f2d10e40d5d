"""Numbers cut for readers who may not see them whole: in every answer, and in nothing but the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.config import Config, Reports
from tests.warehouses import simulated_warehouse
from transforms.reports.catalog import REPORTS, Filters, ask
from transforms.reports.masking import FEWEST_DIGITS, SIGN, masked
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


def only(value: str | None, digits: int, *, unit: str = "phone") -> Any:
    return masked(pl.DataFrame({"x": [value]}, schema={"x": pl.String()}), {"x": unit}, digits)["x"][0]


@pytest.mark.parametrize(
    ("number", "unit", "shown"),
    [
        ("+1 555 010123", "phone", "+1 555 01••••"),
        ("+1 555-0101 23", "phone", "+1 555-01•• ••"),
        ("201", "phone", "201"),
        ("+44 (1632) 960 001", "phone", "+44 (1632) 96• •••"),
        ("sip:15550100@example.com", "phone", "sip:1555••••@example.com"),
        ("٠١٢٣٤٥٦٧٨", "phone", "٠١٢٣٤••••"),
        (None, "phone", None),
        ("", "phone", ""),
        ("anonymous", "phone", "anonymous"),
        ("+15550100", "name", "+1555••••"),
        ("Room 15550100", "name", "Room 15550100"),
    ],
)
def test_the_last_digits_are_hidden_of_what_is_long_enough_for_a_number(number: str | None, unit: str, shown: str | None) -> None:
    assert only(number, 4, unit=unit) == shown


@given(number=st.text("0123456789+ -()", max_size=20), digits=st.integers(0, 15))
def test_so_many_digits_are_hidden_and_nothing_else_is_changed(number: str, digits: int) -> None:
    shown = only(number, digits)
    there = sum(sign.isdigit() for sign in number)
    assert len(shown) == len(number)
    assert shown.count(SIGN) == (min(digits, there) if there >= FEWEST_DIGITS else 0)
    assert all(new in (old, SIGN) for old, new in zip(number, shown, strict=True))
    assert SIGN not in shown or not any(sign.isdigit() for sign in shown[shown.index(SIGN) :])


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
    for narrowing in ({"text": number}, {"number": key}, {"number_of": call_id, "companies": (company,)}):
        whole, cut = (ask(con.cursor(), "calls", replace(asked, **narrowing)) for asked in (WHOLE, CUT))
        assert call_id in whole["call_id"].to_list()
        assert cut["call_id"].to_list() == whole["call_id"].to_list()
        assert cut["external_phone"].str.contains(f"{SIGN * 4}$").all()
    by_key = ask(con.cursor(), "calls", replace(WHOLE, number=key, companies=(company,)))
    assert ask(con.cursor(), "calls", replace(WHOLE, number_of=call_id, companies=(company,))).equals(by_key)


@pytest.mark.parametrize("asked", [{"number_of": "no such call", "companies": ("it_w100001",)}, {"number_of": "it_w100001_1"}])
def test_a_call_that_is_not_there_stands_for_no_number(con: duckdb.DuckDBPyConnection, asked: dict[str, Any]) -> None:
    assert ask(con.cursor(), "calls", replace(WHOLE, **asked)).height == 0


def test_a_call_without_a_number_stands_for_none(con: duckdb.DuckDBPyConnection) -> None:
    company, call_id = con.execute("select company, call_id from calls where external_key is null limit 1").fetchall()[0]
    assert ask(con.cursor(), "calls", replace(WHOLE, number_of=call_id, companies=(company,))).height == 0


def test_a_signed_payload_is_not_shown(tmp_path: Path) -> None:
    assert payload(Config(reports=CUT.settings), "0" * 32, 1) == Absent.MASKED
