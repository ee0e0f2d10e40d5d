"""The catalogue itself: heads and statements agree, formulas are described and used, the pages made from it are current."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ingest.config import Reports
from tests.builders import COMPANY, MONDAY
from tests.warehouses import empty_warehouse, warehouse_with
from transforms import rollups
from transforms.reports.catalog import METRICS, REPORTS, Filters, Report, ask, markdown, sql_text
from transforms.tables import markdown as tables_markdown

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def nothing() -> duckdb.DuckDBPyConnection:
    return warehouse_with({})


def test_pages_of_metrics_and_tables_are_current() -> None:
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == markdown(), "run make docs"
    assert (DOCS / "tables.md").read_text(encoding="utf-8") == tables_markdown(rollups.REPORT_TABLES.values()), "run make docs"


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_each_report_says_what_it_is(report: Report) -> None:
    assert report.question.endswith("?")
    assert report.grain
    assert all(column.meaning for column in report.columns), "a column without meaning"
    assert set(report.key) <= set(report.schema)
    assert set(report.metrics) <= METRICS.keys(), "a metric that metrics.sql does not describe"
    assert set(report.parameters) <= {*Filters().parameters(), "open_windows", "near_from", "near_until"}
    timed = [column for column in report.columns if column.name.endswith("_ms")]
    assert all(column.unit == "ms" for column in timed)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize(
    "filters",
    [
        Filters(),
        Filters(start=MONDAY, end=MONDAY.replace(day=9), grain="day", call=(COMPANY, "x"), text="'", limit=5),
        Filters(start=MONDAY, end=MONDAY.replace(minute=7), queues=("'; drop table calls; --",), agents=("a",), in_hours_only=True),
    ],
    ids=["everything", "a week", "hostile"],
)
def test_each_report_answers_about_nothing_with_its_schema(nothing: duckdb.DuckDBPyConnection, report: Report, filters: Filters) -> None:
    filters = replace(filters, settings=Reports(time_zone="Asia/Kathmandu", business_hours={"monday": ["08:10-17:00"]}))
    frame = ask(nothing.cursor(), report, filters)
    assert frame.schema == report.schema
    assert frame.height <= 1 or report.key


def test_a_report_reads_no_literal_that_a_setting_is_for() -> None:
    """S, T, the goal and the windows come as parameters alone."""
    for report in REPORTS.values():
        assert not re.search(r"wait_ms\s*(<|>)=?\s*\d|waited_ms\s*(<|>)=?\s*\d", report.sql), report.name


def test_each_formula_is_published_with_its_description(nothing: duckdb.DuckDBPyConnection) -> None:
    found = dict(
        nothing.cursor()
        .sql("select function_name, any_value(comment) from duckdb_functions() where function_type = 'macro' and not internal group by 1")
        .fetchall()
    )
    for name, metric in METRICS.items():
        assert found[name] == f"{metric.label}: {metric.formula} [{metric.unit}]"
    assert len(METRICS) > 45


def test_each_described_metric_is_used_by_a_report() -> None:
    used = {name for report in REPORTS.values() for name in report.metrics}
    in_sql = " ".join([*(report.sql for report in REPORTS.values()), sql_text("selections"), sql_text("views"), sql_text("metrics")])
    for name in METRICS:
        assert name in used or len(re.findall(rf"\b{name}\(", in_sql)) > 1, name


def test_no_macro_takes_over_the_description_of_its_neighbour() -> None:
    """As many descriptions as metrics, each label once; a macro below another's description is none."""
    assert sql_text("metrics").count("\n-- label: ") == len(METRICS)
    assert len({metric.label for metric in METRICS.values()}) == len(METRICS)
    assert {"service_level_numerator", "service_level_denominator", "call_end", "share"}.isdisjoint(METRICS)


FITTING = {
    ("Abandoned", "Abandonment rate"),
    ("Answered", "Agent answer rate"),
    ("Answered", "Answer rate"),
    ("Average speed of answer", "Average speed of answer"),
    ("Average talk", "Average talk time"),
    ("Called again in … days", "Repeat callers"),
    ("Caller left, outcome differs", "Outcome is not abandoned, the caller left"),
    ("Ended", "Ended calls"),
    ("Ends that never came", "Lost"),
    ("Hung up on hold", "Abandoned on hold"),
    ("Lost", "Class of an offer"),
    ("Median time to recovery", "Time to recovery"),
    ("Missed calls", "Missed calls"),
    ("Most calls at once", "Peak of concurrent calls"),
    ("Offered", "Offered visits"),
    ("Offers", "Class of an offer"),
    ("Open callers", "State of a missed caller"),
    ("Open missed callers", "State of a missed caller"),
    ("Picked up by no person", "Picked up by no person"),
    ("Reached", "Outbound answered"),
    ("Recovered", "Missed callers recovered"),
    ("Waits longest", "Waits since"),
    ("No repeat in … days", "No repeat within the window"),
    ("Median talk", "Median"),
    ("On hold", "Hold time"),
    ("Transfers", "Transfers"),
    ("Voicemail", "Voicemail"),
    ("Poor voice", "Poor voice"),
    ("Average handling without wrap-up", "Average handling time, without wrap-up"),
    ("Hold", "Hold time"),
    ("Occupancy", "Occupancy"),
    ("In calls", "Time in calls"),
    ("Available", "Available"),
    ("Busy", "Busy"),
    ("Away", "Away"),
}
"""The title of a tile, and the label of the formula behind its `?`."""


def tiles(page: Path) -> Iterator[tuple[str, str]]:
    """Title and metric of each tile of a page that names one."""
    for call in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "tile":
            (title, *_), said = call.args, {keyword.arg: keyword.value for keyword in call.keywords}
            words = title.values if isinstance(title, ast.JoinedStr) else [title]
            text = "".join(str(word.value) if isinstance(word, ast.Constant) else "…" for word in words)
            if isinstance(named := said.get("metric"), ast.Constant) and isinstance(named.value, str):
                yield text, named.value


def test_the_formula_behind_each_tile_is_the_tiles_own() -> None:
    found = [tile for page in sorted((ROOT / "app" / "pages").glob("*.py")) for tile in tiles(page)]
    assert {(title, METRICS[name].label) for title, name in found} == FITTING


def test_an_analyst_may_leave_every_argument_out(nothing: duckdb.DuckDBPyConnection) -> None:
    for name in ("selected_calls", "selected_visits", "selected_offers", "selected_misses", "call_units", "visit_units"):
        assert nothing.cursor().sql(f"select count(*) from {name}()").fetchall() == [(0,)]


def test_a_report_that_gives_other_columns_than_declared_is_an_error(nothing: duckdb.DuckDBPyConnection) -> None:
    wrong = replace(REPORTS["quality_types"], sql="select 'x' as event_type, 1 as other")
    with pytest.raises(TypeError, match="quality_types"):
        ask(nothing.cursor(), wrong, Filters())


def test_a_published_file_answers_through_an_attached_read_only_database(tmp_path: Path) -> None:
    path = empty_warehouse(tmp_path / "warehouse.duckdb")
    with duckdb.connect() as con:
        con.execute("set global TimeZone = 'UTC'")
        con.execute(f"attach '{path}' as warehouse (read_only)")
        cursor = con.cursor()
        cursor.execute("use warehouse")
        assert ask(cursor, "overview", Filters())["calls"].to_list() == [0]
        assert ask(cursor, "as_of", Filters()).schema["as_of"] == pl.Datetime("us", "UTC")


def test_a_period_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Filters(start=MONDAY.replace(tzinfo=None))
