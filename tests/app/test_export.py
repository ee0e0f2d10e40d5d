"""A table as a file: all rows, the screen's time zone, durations twice, nothing that runs."""

import csv
import io
from datetime import UTC, date, datetime

import openpyxl
import polars as pl
import pyarrow.parquet as pq
import pytest

from app.export import Column, Context, exported

CONTEXT = Context(
    "Calls: list", "Last 7 days; queue: Support", "Europe/Rome", datetime(2026, 11, 24, 6, 15, tzinfo=UTC), {"Wait": "until answered"}
)
COLUMNS = [
    Column("started_at", "Start", "instant"),
    Column("who", "Who"),
    Column("wait_ms", "Wait", "duration"),
    Column("calls", "Calls", "count"),
    Column("rate", "Rate", "share"),
    Column("tags", "Tags", "list"),
    Column("day", "Day", "date"),
    Column("open", "Open", "flag"),
]


def frame(*names):
    """Rows of one kind with these names; the second row on, all else null."""
    count = len(names)
    return pl.DataFrame(
        {
            "started_at": [datetime(2026, 3, 29, 1, 30, tzinfo=UTC), *[None] * (count - 1)],
            "who": list(names),
            "wait_ms": [93_784_400, *[None] * (count - 1)],
            "calls": [12, *[None] * (count - 1)],
            "rate": [0.875, *[None] * (count - 1)],
            "tags": [["vip", "=cmd()"], *[None] * (count - 1)],
            "day": [date(2026, 3, 29), *[None] * (count - 1)],
            "open": [True, *[None] * (count - 1)],
        },
        schema={
            "started_at": pl.Datetime("us", "UTC"),
            "who": pl.String(),
            "wait_ms": pl.Int64(),
            "calls": pl.Int64(),
            "rate": pl.Float64(),
            "tags": pl.List(pl.String()),
            "day": pl.Date(),
            "open": pl.Boolean(),
        },
    )


def rows_of(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_csv_tells_time_in_the_screen_s_zone_and_durations_twice():
    (row,) = rows_of(exported(frame("Anna"), COLUMNS, CONTEXT, file_format="csv"))
    assert row == {
        "Start (Europe/Rome)": "2026-03-29 03:30:00+02:00",
        "Who": "Anna",
        "Wait (hh:mm:ss)": "26:03:04",
        "Wait (s)": "93784.4",
        "Calls": "12",
        "Rate": "0.875",
        "Tags": "vip; =cmd()",
        "Day": "2026-03-29",
        "Open": "true",
        "time zone": "Europe/Rome",
        "data as of": "2026-11-24T06:15:00+00:00",
        "filter": "Last 7 days; queue: Support",
    }


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("+15550100", "+15550100"),
        ("+44 1632 960123", "+44 1632 960123"),
        ("15550100", "15550100"),
        ("-", "'-"),
        ("+1-2", "'+1-2"),
        ("Anna = Bruno", "Anna = Bruno"),
        ("'=1", "'=1"),
        ("", ""),
        ('a\nb,"c"', 'a\nb,"c"'),
        ("شركة 🎉", "شركة 🎉"),
    ],
)
def test_csv_text_that_a_spreadsheet_would_run_is_prefixed(name, written):
    (row,) = rows_of(exported(frame(name), COLUMNS, CONTEXT, file_format="csv"))
    assert row["Who"] == written


def test_a_list_and_a_filter_that_begin_like_a_formula_are_prefixed_too():
    context = Context("t", "=HYPERLINK()", "UTC", None, {})
    (row,) = rows_of(
        exported(frame("x").with_columns(tags=pl.lit(["=1"], dtype=pl.List(pl.String()))), COLUMNS, context, file_format="csv")
    )
    assert (row["Tags"], row["filter"], row["data as of"]) == ("'=1", "'=HYPERLINK()", "")


def test_csv_of_no_rows_has_its_heading():
    assert exported(frame("x").clear(), COLUMNS, CONTEXT, file_format="csv").decode("utf-8-sig").startswith("Start (Europe/Rome),Who,")


def test_xlsx_has_real_types_a_frozen_heading_and_says_what_it_shows():
    book = openpyxl.load_workbook(io.BytesIO(exported(frame("=1+1", "Bruno"), COLUMNS, CONTEXT, file_format="xlsx")))
    sheet = book["Rows"]
    heading, first, second = sheet.iter_rows(values_only=True)
    assert heading[:4] == ("Start (Europe/Rome)", "Who", "Wait (hh:mm:ss)", "Wait (s)")
    assert first[0] == datetime.fromisoformat("2026-03-29 03:30:00")
    assert (first[1], sheet["B2"].data_type) == ("=1+1", "s")
    assert (first[2].total_seconds(), sheet["C2"].number_format) == (93_784, "[hh]:mm:ss")
    assert first[3] == pytest.approx(93784.4)
    assert first[4:8] == (12, 0.875, "vip; =cmd()", datetime.fromisoformat("2026-03-29"))
    assert sheet["F2"].number_format == "0.0%"
    assert first[8] is True
    assert second == (None, "Bruno", *[None] * 7)
    assert sheet.freeze_panes == "A2"
    about = dict(book["About"].iter_rows(values_only=True))
    assert about == {
        "report": "Calls: list",
        "filter": "Last 7 days; queue: Support",
        "time zone": "Europe/Rome",
        "data as of": "2026-11-24T06:15:00+00:00",
        "Wait": "until answered",
    }


def test_xlsx_cuts_a_text_that_no_cell_holds_and_takes_any_character():
    book = openpyxl.load_workbook(
        io.BytesIO(
            exported(frame("x" * 40_000, "\x00\x01\ud7ff🎉", "https://example.com/" + "y" * 5000), COLUMNS, CONTEXT, file_format="xlsx")
        )
    )
    values = [row[1] for row in book["Rows"].iter_rows(min_row=2, values_only=True)]
    assert len(values[0]) == 32_767
    assert values[2].startswith("https://example.com/")


def test_parquet_keeps_types_and_carries_the_filter():
    table = pq.read_table(io.BytesIO(exported(frame("=1+1"), COLUMNS, CONTEXT, file_format="parquet")))
    assert str(table.schema.field("Start (Europe/Rome)").type) == "timestamp[us, tz=Europe/Rome]"
    assert table["Who"].to_pylist() == ["=1+1"]
    assert table["Wait (s)"].to_pylist() == [93784.4]
    assert table["Wait (hh:mm:ss)"].to_pylist() == ["26:03:04"]
    assert table.schema.metadata[b"callfacts.filter"] == b"Last 7 days; queue: Support"
    assert table.schema.metadata[b"callfacts.time_zone"] == b"Europe/Rome"


def test_the_three_files_hold_the_same_rows():
    names = [f"person {place}" for place in range(1000)]
    files = {kind: exported(frame(*names), COLUMNS, CONTEXT, file_format=kind) for kind in ("csv", "xlsx", "parquet")}
    from_csv = [row["Who"] for row in rows_of(files["csv"])]
    from_xlsx = [row[1] for row in openpyxl.load_workbook(io.BytesIO(files["xlsx"]))["Rows"].iter_rows(min_row=2, values_only=True)]
    from_parquet = pq.read_table(io.BytesIO(files["parquet"]))["Who"].to_pylist()
    assert from_csv == from_xlsx == from_parquet == names
