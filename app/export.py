"""A table as a file: frame → bytes. Pure.

Promise: the file holds all rows of the table as it is on the screen: the same columns under the same headings, instants in the
same time zone, each duration twice (as hh:mm:ss and in seconds), and, so that a printed sheet still says what it shows,
the filter, the time zone and the as-of time.

Nothing in a file runs: in CSV a text that a spreadsheet would take for a formula is prefixed with an apostrophe, in XLSX each
text is written as text. A phone number such as +15550100 is left alone, since a spreadsheet makes a number of it at worst.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from transforms.reports.masking import SIGN

Format = Literal["csv", "xlsx", "parquet"]

MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
# what a spreadsheet runs; a tab or CR in front hides the sign from a reader, not from the spreadsheet
_RUNS: Final = r"^[=+\-@\t\r]"
_PHONE: Final = rf"^\+[0-9{SIGN}][0-9 {SIGN}]*$"
_SHEET_ROWS: Final = 1_048_575  # Excel's limit, less the heading
_CELL_CHARS: Final = 32_767
_LIST_SEPARATOR: Final = "; "


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table on a page.

    Attributes:
        name: the column of the frame.
        label: its heading.
        kind: how a value reads: a duration is in ms, a share lies in 0 … 1.
    """

    name: str
    label: str
    kind: Literal["text", "code", "count", "number", "duration", "share", "instant", "date", "list", "instants", "flag"] = "text"


@dataclass(frozen=True, slots=True)
class Context:
    """What the reader of a file must know. `meanings`: heading → what it says, for the sheet *About*."""

    title: str
    filters: str
    time_zone: str
    as_of: datetime | None
    meanings: Mapping[str, str]

    @property
    def as_of_text(self) -> str:
        return "" if self.as_of is None else self.as_of.isoformat(timespec="seconds")


def exported(frame: pl.DataFrame, columns: Sequence[Column], context: Context, *, file_format: Format) -> bytes:
    """The file. The frame's instants are UTC and its durations ms."""
    table = _table(frame, columns, context)
    if file_format == "csv":
        return _csv(table, context)
    if file_format == "xlsx":
        return _xlsx(table, context, frozenset(column.label for column in columns if column.kind == "share"))
    return _parquet(table, context)


def hours_minutes_seconds(ms: pl.Expr) -> pl.Expr:
    """ms → "hh:mm:ss", whole seconds, hours beyond 24 counted on."""
    seconds = ms.cast(pl.Float64).truediv(1000).round().cast(pl.Int64)

    def two(part: pl.Expr) -> pl.Expr:
        return part.cast(pl.String).str.zfill(2)

    text = pl.concat_str(two(seconds // 3600), pl.lit(":"), two(seconds // 60 % 60), pl.lit(":"), two(seconds % 60))
    return pl.when(ms.is_not_null()).then(text)


def without_formulas(text: pl.Expr) -> pl.Expr:
    """Text that a spreadsheet would run gets an apostrophe in front; phone numbers stay as they are."""
    runs = text.str.contains(_RUNS) & ~text.str.contains(_PHONE)
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def _table(frame: pl.DataFrame, columns: Sequence[Column], context: Context) -> pl.DataFrame:
    """The frame under its headings, in the screen's time zone, each duration as hh:mm:ss and in seconds."""
    out: list[pl.Expr] = []
    for column in columns:
        value = pl.col(column.name)
        match column.kind:
            case "duration":
                out.append(hours_minutes_seconds(value).alias(f"{column.label} (hh:mm:ss)"))
                out.append(value.cast(pl.Float64).truediv(1000).alias(f"{column.label} (s)"))
            case "instant":
                local = value.dt.convert_time_zone(context.time_zone)
                out.append(local.alias(f"{column.label} ({context.time_zone})"))
            case "instants":
                local = pl.element().dt.convert_time_zone(context.time_zone).dt.strftime("%Y-%m-%d %H:%M:%S%:z")
                out.append(value.list.eval(local).list.join(_LIST_SEPARATOR).alias(f"{column.label} ({context.time_zone})"))
            case "list":
                out.append(value.cast(pl.List(pl.String)).list.join(_LIST_SEPARATOR).alias(column.label))
            case _:
                out.append(value.alias(column.label))
    return frame.select(out)


def _csv(table: pl.DataFrame, context: Context) -> bytes:
    plain = table.with_columns(
        pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S%:z"),
        pl.lit(context.time_zone).alias("time zone"),
        pl.lit(context.as_of_text).alias("data as of"),
        pl.lit(context.filters).alias("filter"),
    )
    plain = plain.with_columns(without_formulas(pl.col(name)).alias(name) for name, kind in plain.schema.items() if kind == pl.String)
    # with a byte order mark, or Excel reads UTF-8 as something else
    out = io.BytesIO()
    plain.write_csv(out, include_bom=True)
    return out.getvalue()


def _parquet(table: pl.DataFrame, context: Context) -> bytes:
    arrow = table.to_arrow()
    about = {
        b"callfacts.title": context.title.encode(),
        b"callfacts.filter": context.filters.encode(),
        b"callfacts.time_zone": context.time_zone.encode(),
        b"callfacts.data_as_of": context.as_of_text.encode(),
    }
    out = pa.BufferOutputStream()
    pq.write_table(arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **about}), out, compression="zstd")
    return bytes(out.getvalue().to_pybytes())


def _xlsx(table: pl.DataFrame, context: Context, shares: frozenset[str]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(
        out,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "nan_inf_to_errors": True,
        },
    ) as book:
        for number, start in enumerate(range(0, max(table.height, 1), _SHEET_ROWS)):
            name = "Rows" if number == 0 else f"Rows {number + 1}"
            _rows(book, book.add_worksheet(name), table.slice(start, _SHEET_ROWS), shares)
        _about(book, context)
    return out.getvalue()


def _rows(book: Any, sheet: Any, table: pl.DataFrame, shares: frozenset[str]) -> None:
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": False})
    formats = [book.add_format({"num_format": _number_format(label, dtype, shares)}) for label, dtype in table.schema.items()]
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(table.height, 1), max(table.width - 1, 0))
    for place, (label, dtype) in enumerate(table.schema.items()):
        sheet.set_column(place, place, 20 if isinstance(dtype, pl.Datetime) else max(10, min(len(label) + 2, 40)), formats[place])
    for place, label in enumerate(table.columns):
        sheet.write_string(0, place, label, head)
    clocks = {place for place, label in enumerate(table.columns) if label.endswith(" (hh:mm:ss)")}
    for row, values in enumerate(table.iter_rows(), start=1):
        for place, value in enumerate(values):
            if value is None:
                continue
            if place in clocks:
                hours, minutes, seconds = (int(part) for part in value.split(":"))
                sheet.write_number(row, place, (hours * 3600 + minutes * 60 + seconds) / 86_400, formats[place])
            elif isinstance(value, bool):
                sheet.write_boolean(row, place, value)
            elif isinstance(value, datetime):
                sheet.write_datetime(row, place, value.replace(tzinfo=None), formats[place])
            elif isinstance(value, int | float):
                sheet.write_number(row, place, value, formats[place])
            elif isinstance(value, str):
                sheet.write_string(row, place, value[:_CELL_CHARS])
            else:
                sheet.write(row, place, value, formats[place])


def _number_format(label: str, dtype: pl.DataType, shares: frozenset[str]) -> str:
    if label in shares:
        return "0.0%"
    if label.endswith(" (hh:mm:ss)"):
        return "[hh]:mm:ss"
    if isinstance(dtype, pl.Datetime):
        return "yyyy-mm-dd hh:mm:ss"
    if isinstance(dtype, pl.Date):
        return "yyyy-mm-dd"
    return "General"


def _about(book: Any, context: Context) -> None:
    sheet = book.add_worksheet("About")
    bold = book.add_format({"bold": True})
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 100)
    lines = [
        ("report", context.title),
        ("filter", context.filters),
        ("time zone", context.time_zone),
        ("data as of", context.as_of_text),
        *context.meanings.items(),
    ]
    for row, (name, text) in enumerate(lines):
        sheet.write_string(row, 0, name[:_CELL_CHARS], bold)
        sheet.write_string(row, 1, text[:_CELL_CHARS])
