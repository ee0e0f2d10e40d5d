"""A report as a file, from the command line."""

import csv
import io

import openpyxl
import pytest

from app.__main__ import main
from transforms.reports.catalog import REPORTS


@pytest.fixture
def configured(warehouses, tmp_path, monkeypatch):
    config = tmp_path / "callfacts.toml"
    config.write_text(f"[storage]\nroot = '{warehouses['demo'].parent}'\n[reports]\ntime_zone = 'Europe/Rome'\n")
    monkeypatch.setenv("CALLFACTS_CONFIG", str(config))
    monkeypatch.delenv("CALLFACTS_DATA", raising=False)
    return tmp_path


def rows_of(file):
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))


def test_a_link_s_query_is_saved_as_the_page_shows_it(configured):
    everything, missed = configured / "all.csv", configured / "missed.csv"
    assert main(["calls", "--out", str(everything), "--view", "http://localhost/calls?period=28d"]) == 0
    assert main(["calls", "--out", str(missed), "--view", "period=28d&figure=missed&company=it_w100001"]) == 0
    assert 0 < len(rows_of(missed)) < len(rows_of(everything))
    first = rows_of(missed)[0]
    assert (first["direction"], first["company"], first["time zone"]) == ("inbound", "it_w100001", "Europe/Rome")
    assert first["filter"] == "Last 28 days: Sat 24 Oct – Fri 20 Nov 2026; company: it_w100001; figure: missed"


@pytest.mark.parametrize(
    ("report", "view", "said"),
    [
        ("missed_callers", "period=all&direction=outbound&state=open&short=1", "All time; state: open; also callers who left at once"),
        ("queues", "period=all&within=10&figure=abandoned", "All time; T: 10 s for every queue"),
        ("calls", "queue=Sales&ever=1&text=%2B", "All time; search: +"),
        ("quality_builds", "queue=Sales", "everything"),
    ],
)
def test_a_file_says_what_was_asked_and_nothing_else(configured, report, view, said):
    out = configured / "rows.csv"
    assert main([report, "--out", str(out), "--view", view]) == 0
    assert rows_of(out)[0]["filter"] == said


@pytest.mark.parametrize("file_format", ["csv", "xlsx", "parquet"])
def test_every_report_can_be_saved(configured, file_format):
    for report in REPORTS:
        assert main([report, "--out", str(configured / f"{report}.{file_format}"), "--view", "period=28d&text=5"]) == 0


def test_the_ending_says_the_format(configured):
    out = configured / "queues.xlsx"
    assert main(["queues", "--out", str(out), "--view", "period=28d"]) == 0
    assert openpyxl.load_workbook(out).sheetnames == ["Rows", "About"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["calls", "--out", "x.pdf"], "the ending says the format"), (["no_such", "--out", "x.csv"], "no_such"), (["calls"], "--out")],
)
def test_bad_usage_is_one_line_and_exit_2(configured, capsys, arguments, said):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_a_missing_warehouse_is_one_line_and_exit_1(configured, monkeypatch, capsys):
    monkeypatch.setenv("CALLFACTS_DATA", str(configured / "nowhere"))
    assert main(["calls", "--out", str(configured / "x.csv")]) == 1
    assert "transforms build" in capsys.readouterr().err


def test_reports_by_person_are_refused_where_they_are_switched_off(configured, capsys):
    config, out = configured / "callfacts.toml", configured / "agents.csv"
    assert main(["agents", "--out", str(out), "--view", "period=28d"]) == 0
    out.unlink()
    config.write_text(config.read_text() + "per_person = false\n")
    for report in ("agents", "agent_occupancy", "agent_calls", "offers"):
        assert main([report, "--out", str(out), "--view", "period=28d"]) == 2
        assert "reports.per_person is false" in capsys.readouterr().err
    assert not out.exists()
    assert main(["queues", "--out", str(out), "--view", "period=28d&agent=it_w100001_201"]) == 0
    assert {row["filter"].split(";")[0] for row in rows_of(out)} == {row["filter"] for row in rows_of(out)}


def test_where_numbers_are_masked_they_are_in_files_too(configured):
    config, out = configured / "callfacts.toml", configured / "calls.csv"
    config.write_text(config.read_text() + "masked_digits = 4\n")
    assert main(["calls", "--out", str(out), "--view", "period=28d&figure=missed"]) == 0
    told = [row for row in rows_of(out) if row["external_phone"]]
    assert told
    assert all(row["external_phone"].endswith("••••") and row["caller_phone"].endswith("••••") for row in told)
    one = told[0]
    view = f"ever=1&number_of={one['company']}&number_of={one['call_id']}"
    assert main(["calls", "--out", str(out), "--view", view]) == 0
    assert rows_of(out)[0]["filter"] == f"All time; number: {one['external_phone']}"
    assert one["call_id"] in {row["call_id"] for row in rows_of(out)}
