"""Each page over each kind of warehouse: it opens without an error, says what it should, and the list equals the figure."""

import json
import re
import shutil
from datetime import timedelta
from itertools import product
from urllib.parse import parse_qs, parse_qsl

import altair as alt
import duckdb
import polars as pl
import pytest

from app import page as page_module
from app.charts import call_of
from app.export import Context
from app.filters import of_who_waits
from app.warehouse import Warehouse
from ingest.config import Reports
from tests.app.conftest import NAMES, PAGES, add_rows, facts_of, merged, visit, words_of
from tests.warehouses import UNTIL, empty_warehouse
from transforms.reports.catalog import Filters, ask

NEVER_EMPTY = {"definitions", "quality", "call", "agent_day", "calls"}


def errors_of(app):
    return [f"{error.message}\n{''.join(error.stack_trace)}" for error in app.exception]


@pytest.mark.parametrize("name", ["demo", "one call", "everything null", "adversarial", "empty", "missing"])
def test_every_page_opens_without_an_error(app_over, name):
    app = app_over(name).run()
    assert errors_of(app) == []
    for page in PAGES:
        visit(app, page, period="all")
        assert (page, errors_of(app)) == (page, [])
        assert app.title[0].value
        for chart in app.get("vega_lite_chart"):
            alt.TopLevelSpec.validate(json.loads(chart.proto.spec))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_of_when_its_data_is(app_over, page):
    app = visit(app_over("demo"), page)
    said = words_of(app)
    assert "Data as of Fri 20 Nov 2026" in said.replace("\\", "")
    assert "Europe/Rome" in said


def test_a_missing_warehouse_is_a_page_that_says_what_to_run(app_over):
    app = app_over("missing").run()
    assert "There is no warehouse yet" in words_of(app)
    assert any("transforms build" in code.value for code in app.code)


def test_an_empty_warehouse_is_a_page_that_says_what_to_run(app_over):
    app = app_over("empty").run()
    assert "holds no calls yet" in words_of(app)


def test_a_period_without_calls_offers_the_nearest_day_with_calls(app_over):
    app = app_over("demo")
    app.query_params["from"] = "2027-05-01"
    app.run()
    assert "No calls in this period" in words_of(app)
    app.button(key="nearest-day").click().run()
    assert errors_of(app) == []
    assert app.query_params["from"] == "2026-11-20"
    assert app.metric


def test_filters_that_leave_nothing_offer_to_be_cleared(app_over):
    app = app_over("demo")
    app.query_params["queue"] = "no such queue"
    app.run()
    assert "The filters leave nothing" in words_of(app)
    app.button(key="clear-all").click().run()
    assert "queue" not in app.query_params
    assert app.metric


def test_an_unsubscribed_feed_is_named(app_over):
    app = visit(app_over("one call"), "quality")
    assert "call:completed" in words_of(app)


def test_a_gap_in_the_flow_of_events_is_said(app_over):
    """Of seven days only the hour without calls is far from the usual; from a week without a gap nothing is said."""
    (said,) = [warning.value for warning in visit(app_over("gap"), "quality", period="7d").warning]
    assert re.search(r": 1 of \d+ intervals, the last from .*11:00", said)
    quiet = visit(app_over("gap"), "quality", period="custom", **{"from": "2026-11-09", "to": "2026-11-15"})
    assert not quiet.warning


def test_a_wrong_setting_is_one_line_that_names_its_key(app_over):
    app = app_over("demo", reports='time_zone = "Europe/Nowhere"').run()
    assert errors_of(app) == []
    (line,) = [code.value for code in app.code]
    assert "reports.time_zone" in line
    assert "\n" not in line


def test_a_damaged_warehouse_says_what_to_run(app_over, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "warehouse.duckdb").write_bytes(b"no database" * 5000)
    app = app_over("demo")
    monkeypatch.setenv("CALLFACTS_DATA", str(broken))
    app.run()
    assert "cannot be read" in words_of(app)
    assert any(code.value == "transforms build --full" for code in app.code)


@pytest.mark.parametrize("gone", ["drop macro is_alert", "alter table rejections drop column reason"])
def test_a_warehouse_of_another_version_says_what_to_run(app_over, warehouses, tmp_path, monkeypatch, gone):
    older = tmp_path / "older"
    older.mkdir()
    shutil.copy(warehouses["demo"], older / "warehouse.duckdb")
    (older / "warehouse.duckdb").chmod(0o644)
    with duckdb.connect(str(older / "warehouse.duckdb")) as con:
        con.execute(gone)
    app = app_over("demo")
    monkeypatch.setenv("CALLFACTS_DATA", str(older))
    visit(app.run(), "quality")
    assert "another version of callfacts built it" in words_of(app)
    assert any(code.value == "transforms build --full" for code in app.code)
    assert not app.exception


def test_filters_stay_in_the_url_and_on_the_next_page(app_over):
    app = app_over("demo")
    app.query_params["direction"] = "outbound"
    app.query_params["period"] = "28d"
    app.run()
    app.query_params.clear()
    app.switch_page("pages/outcomes.py").run()
    assert (app.query_params["direction"], app.query_params["period"]) == ("outbound", "28d")


def test_a_link_reproduces_the_view(app_over):
    first = app_over("demo").run()
    figure = first.metric[0].value
    first.query_params["direction"] = "inbound"
    first.query_params["queue"] = ["Sales", "Support"]
    first.run()
    narrowed = first.metric[0].value
    assert narrowed != figure
    second = app_over("demo")
    for name, values in first.query_params.items():
        second.query_params[name] = values
    assert second.run().metric[0].value == narrowed


@pytest.mark.parametrize("figure", ["offered", "answered", "abandoned", "talked"])
def test_the_list_behind_a_figure_has_as_many_rows_as_the_figure_says(app_over, figure):
    app = app_over("demo").run()
    link = next(link for link in app.get("page_link") if f"figure={figure}" in link.proto.query_string)
    stated = [int(word.replace(",", "")) for word in link.proto.label.split() if word.replace(",", "").isdigit()][
        -1 if figure == "talked" else 0
    ]
    visit(app, "calls", **dict(parse_qsl(link.proto.query_string)))
    assert re.search(rf"\*\*{stated:,} (calls|visits of queues)\*\*", words_of(app))


def test_the_search_finds_a_part_of_a_number_and_says_when_nothing_matches(app_over):
    app = visit(app_over("one call"), "calls", text="5550100")
    assert "**1 call**" in words_of(app)
    visit(app, "calls", text="no such person")
    assert "Nothing matches the search" in words_of(app)


def test_a_call_is_told_in_words_with_its_journey(app_over):
    app = visit(app_over("one call"), "call", of="acme", call="acme_1795185000.1")
    said = words_of(app).replace("\\", "")
    assert errors_of(app) == []
    assert (
        "Anna (+15550100) called in on Anna, waited 12s in queue Anna, Anna (201) answered after 12s (1m 35s). "
        "The called side hung up after 1m 47s (Anna)." in said
    )
    assert len(app.get("vega_lite_chart") or app.get("altair_chart") or app.get("arrow_vega_lite_chart")) == 1


def test_a_call_that_is_not_there_is_said_kindly(app_over):
    app = visit(app_over("demo"), "call", of="acme", call="acme_1.1")
    assert "no such call" in words_of(app)


@pytest.mark.parametrize("kind", NAMES)
def test_names_are_shown_as_text_and_never_as_markup(app_over, kind):
    place = list(NAMES).index(kind)
    app = visit(app_over("adversarial"), "call", of=f"acme{place}", call=f"acme_{1795185000 + 60 * place}.1")
    assert errors_of(app) == []
    name = " ".join(NAMES[kind].split())[:20]
    for element in [*app.markdown, *app.subheader, *app.caption, *app.metric]:
        live = re.sub(r"\\.", "", str(element.value))
        for markup in ("<script", "<img", "<b>", "**Anna", "](http", ":red[", "`code`", ":material"):
            assert markup not in live
    if name and kind != "long":
        assert name[:4] in words_of(app).replace("\\", "")


def test_html_is_ours_alone(app_over):
    app = app_over("adversarial").run()
    for page in PAGES:
        visit(app, page, period="all")
        for element in app.get("html"):
            assert "Anna" not in str(element.proto.body)


def test_unknown_words_in_a_url_are_taken_for_nothing_said(app_over):
    app = app_over("demo")
    for name, value in {
        "period": "sometime",
        "tz": "Mars/Base",
        "compare": "never",
        "from": "31/12",
        "in_hours": "x",
        "figure": "nonsense",
        "at": "now",
    }.items():
        app.query_params[name] = value
    app.run()
    assert errors_of(app) == []
    visit(app, "calls", figure="nonsense", order="nothing", at="yesterday", list="unheard")
    assert errors_of(app) == []


def test_the_question_mark_tells_formula_grain_and_sql(app_over):
    app = app_over("demo").run()
    said = words_of(app)
    assert "answered / \\(offered − short abandons\\)" in said
    assert any("from counted_calls" in code.value for code in app.code)


def counted(text):
    """The first number of a text."""
    return int(re.search(r"[\d,]+", text)[0].replace(",", ""))


def counts(text):
    """The numbers of a text."""
    return {int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", text)}


@pytest.mark.parametrize("page", ["overview", "missed", "queues", "agents", "outcomes", "quality"])
def test_every_tile_that_leads_to_a_list_leads_to_as_many_rows(app_over, page):
    app = visit(app_over("demo"), page, period="28d")
    queries = [(link.proto.label, parse_qs(link.proto.query_string)) for link in app.get("page_link")]
    links = [(label, query) for label, query in queries if {"figure", "part", "list"} & query.keys() and counts(label)]
    assert links
    for label, query in links:
        visit(app, "calls", **query)
        said = next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value)))
        assert counted(said) in counts(label), (label, query, said)


def test_what_a_row_of_a_table_leads_to_is_as_many_rows_and_leaves_the_filters_alone(app_over):
    app = visit(app_over("demo"), "queues", period="28d")
    table = next(frame.value for frame in app.dataframe if "Went on" in frame.value.columns)
    queue, answered, left = table.iloc[0][["Queue", "Answered", "Abandoned"]]
    for figure, stated in (("answered", answered), ("abandoned", left)):
        visit(app, "calls", period="28d", list="visits", in_queue=queue, figure=figure)
        assert f"**{stated:,} visits of queues**" in words_of(app)
    app.query_params.clear()
    app.switch_page("pages/queues.py").run()
    assert "queue" not in app.query_params


def test_all_calls_of_a_number_are_of_all_time(app_over):
    app = visit(app_over("one call"), "calls", period="yesterday", number="15550100", of_company="acme", ever="1")
    assert "**1 call**" in words_of(app)


def tile(app, label):
    """The figure of that name."""
    return next(metric for metric in app.metric if metric.label == label)


def table(app, *columns):
    """The first table with these columns."""
    return next(frame.value for frame in app.dataframe if set(columns) <= set(frame.value.columns))


def test_who_waits_for_us_does_not_depend_on_the_period(app_over):
    app = app_over("demo").run()
    seen = {period: tile(visit(app, "overview", period=period), "Open missed callers").value for period in ("today", "7d", "28d")}
    for query in ({"period": "today"}, {"period": "7d"}, {"period": "28d"}, {"from": "2027-05-01"}):
        visit(app, "missed", **query)
        assert errors_of(app) == []
        seen[str(query)] = tile(app, "Open callers").value
        assert table(app, "Waits since", "Priority").shape[0] == int(tile(app, "Open callers").value)
        assert "whatever the period" in words_of(app)
    assert len(set(seen.values())) == 1
    assert int(seen["today"]) > 0


def test_who_waits_is_looked_for_where_all_are_found(warehouses):
    """Within the window for calling back as among everything there ever was."""
    opened, heights = Warehouse(warehouses["demo"]), []
    with opened.cursor() as cursor:
        for days, short in product((1, 3, 7, 30), (False, True)):
            for queues in ((), ("Sales",), ("Support", "Billing")):
                everything = Filters(settings=Reports(callback_days=days), queues=queues, include_short=short, states=("open",))
                found = ask(cursor, "missed_callers", of_who_waits(everything, as_of=UNTIL))
                heights.append(found.height)
                assert found.equals(ask(cursor, "missed_callers", everything))
                assert ask(cursor, "missed_summary", of_who_waits(everything, as_of=UNTIL))["open"].to_list() == [found.height]
    opened.close()
    assert max(heights) > 50


def test_what_had_a_week_more_to_be_recovered_is_not_compared(app_over):
    app = visit(app_over("demo"), "missed", period="7d", compare="previous")
    assert {label: bool(tile(app, label).delta) for label in ("Open callers", "Recovered", "Median time to recovery", "Missed calls")} == {
        "Open callers": False,
        "Recovered": False,
        "Median time to recovery": False,
        "Missed calls": True,
    }


@pytest.fixture
def files(monkeypatch):
    """What stands in the files of the tables drawn last, as the filter: table → words."""
    said = {}

    def written(title, filters, *rest):
        said[title.partition(": ")[2]] = filters
        return Context(title, filters, *rest)

    monkeypatch.setattr(page_module, "Context", written)
    return said


WEEK = "Last 7 days: Sat 14 Nov – Fri 20 Nov 2026"


@pytest.mark.parametrize(
    ("page", "query", "table", "said"),
    [
        (
            "agent_day",
            {"who": "it_w100001_201", "day": "2026-11-19", "direction": "outbound"},
            "presence",
            "Thu 19 Nov 2026; agent: {agent}",
        ),
        ("calls", {"direction": "inbound", "in_hours": "1"}, "list of calls", f"{WEEK}; direction: inbound; within business hours"),
        ("calls", {"figure": "ended", "part": "hour:34"}, "list of calls", f"{WEEK}; figure: ended; hour: Tue 10:00"),
        ("calls", {"ever": "1", "queue": "Sales", "text": "+"}, "list of calls", "All time; search: +"),
        ("calls", {"queue": "Sales", "in_queue": "Support"}, "list of calls", f"{WEEK}; queue: Support"),
        (
            "calls",
            {"at": "2026-11-19T09:00:00+00:00", "until": "2026-11-19T10:00:00+00:00"},
            "list of calls",
            "Thu 19 Nov 2026, 10:00:00 – Thu 19 Nov 2026, 11:00:00",
        ),
        (
            "calls",
            {"list": "visits", "within": "10", "formula": "abandons_ignored"},
            "list of visits of queues",
            f"{WEEK}; T: 10 s for every queue",
        ),
        (
            "calls",
            {"list": "missed", "direction": "outbound", "reason": "nobody_rang"},
            "list of missed calls",
            f"{WEEK}; reason: nobody's phone rang",
        ),
        (
            "missed",
            {"direction": "outbound", "short": "1"},
            "callers to call back",
            "from Thu 12 Nov 2026, 18:30:00; state: open; also callers who left at once",
        ),
        ("missed", {"queue": "Sales"}, "callers reached", f"{WEEK}; queue: Sales; state: recovered, late"),
        ("queues", {"within": "10"}, "queues", f"{WEEK}; T: 10 s for every queue"),
        (
            "queues",
            {"formula": "of_answered_only", "company": "it_w100001"},
            "queues",
            f"{WEEK}; company: it_w100001; service level: answered in time / answered",
        ),
        ("quality", {"direction": "outbound"}, "builds", "everything"),
    ],
)
def test_a_file_says_what_was_asked_and_nothing_else(app_over, files, page, query, table, said):
    app = visit(app_over("demo"), page, **query)
    assert errors_of(app) == []
    people = [box.format_func("it_w100001_201") for box in app.selectbox if box.label == "Person"]
    assert files[table] == said.format(agent=people[0] if people else "")


def test_a_filter_that_a_page_does_not_use_is_shown_as_such_and_changes_nothing(app_over):
    app = app_over("demo").run()
    for page, label in (("missed", "Missed calls"), ("quality", "Events")):
        figures = {}
        for query in ({}, {"direction": "outbound", "agent": "nobody_1"}):
            visit(app, page, period="28d", **query)
            assert errors_of(app) == []
            figures[len(query)] = tile(app, label).value
        assert figures[0] == figures[2]
        said = words_of(app).replace("\\", "")
        assert "~~direction: outbound~~ not used here" in said
        assert "The filters leave nothing" not in said
        # what the page does not use its links do not carry: the list would be another
        links = [link.proto.query_string for link in app.get("page_link") if "figure=" in link.proto.query_string]
        assert links
        assert not any("direction" in link or "agent" in link for link in links)
        assert app.query_params["direction"] == "outbound"


def test_a_list_of_all_time_says_that_it_uses_no_filter(app_over):
    said = words_of(visit(app_over("demo"), "calls", queue="Sales", ever="1")).replace("\\", "")
    assert "~~queue: Sales~~ not used here" in said
    assert re.search("~~Last 7 days: [^~]*~~ not used here", said)


def test_the_weeks_that_are_known_are_the_usual_and_their_number_is_told(app_over, warehouses, tmp_path):
    days = [(0, 1), (0, 2), (0, 3), (7, 1), (7, 2), (14, 1)]
    facts = merged(*(facts_of("Anna", UNTIL - timedelta(days=day, hours=hour)) for day, hour in days))
    warehouses["three weeks"] = add_rows(empty_warehouse(tmp_path / "warehouse.duckdb"), **facts | {"people": facts["people"][:1]})
    app = visit(app_over("three weeks"), "overview", period="today")
    assert tile(app, "Calls").delta == "+100 %"
    assert tile(app, "Calls").proto.delta_description == "vs usual of 2 weeks"
    assert "of the last 2 weeks" in words_of(app)
    visit(app, "overview", period="today", compare="previous")
    assert tile(app, "Calls").proto.delta_description == "vs before"


def test_a_pbx_can_be_chosen_and_stands_in_the_url(app_over):
    app = app_over("adversarial")
    app.query_params["period"] = "all"
    app.run()
    assert int(tile(app, "Calls").value) == len(NAMES)
    next(box for box in app.multiselect if box.label == "PBX").set_value([NAMES["formula"]])
    next(button for button in app.button if button.label == "Apply").click().run()
    assert errors_of(app) == []
    assert tile(app, "Calls").value == "1"
    assert app.query_params["pbx"] == NAMES["formula"]
    assert [link.proto.query_string for link in app.get("page_link") if "pbx=" not in link.proto.query_string] == []


def test_the_overview_says_by_which_formula_it_counts_and_agrees_with_the_queues(app_over):
    app = visit(app_over("demo", 'service_level_formula = "abandons_ignored"\nservice_level_s = 25'), "overview", period="28d")
    said = words_of(app).replace("\\", "")
    assert "answered in time / (offered − abandoned in time); T 25 s, S 5 s" in said
    assert "Service level, abandons ignored" in said
    seen = [tile(app, label).value for label in ("Service level", "Average speed of answer")]
    assert seen == [tile(visit(app, "queues", period="28d"), label).value for label in ("Service level", "Average speed of answer")]


def test_the_course_of_the_average_talk_is_of_averages(app_over):
    app = visit(app_over("demo"), "overview", period="28d")
    minutes, seconds = re.fullmatch(r"(\d+)m (\d+)s", tile(app, "Average talk").value).groups()
    whole = (int(minutes) * 60 + int(seconds)) * 1000
    course = list(tile(app, "Average talk").proto.chart_data)
    assert min(course) < whole < max(course) < 3 * whole


def test_the_number_of_all_calls_leads_to_all_calls(app_over):
    app = visit(app_over("demo"), "overview", period="28d")
    link = next(link for link in app.get("page_link") if link.proto.label == f"all {tile(app, 'Calls').value}")
    visit(app, "calls", **dict(parse_qsl(link.proto.query_string)))
    assert counted(next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value)))) == counted(link.proto.label)


def test_who_was_not_reached_has_a_bar_of_their_own(app_over):
    app = visit(app_over("demo"), "missed", period="28d")
    charts = [pl.read_ipc_stream(chart.proto.datasets[0].data.data) for chart in app.get("vega_lite_chart") if chart.proto.datasets]
    (rows,) = [rows for rows in charts if "not reached" in rows.get_column("series", default=pl.Series([""])).to_list()]
    callers = int(next(filter(None, (re.search(r"in the period, by ([\d,]+) callers", text.value) for text in app.caption)))[1])
    assert rows["value"].sum() == callers
    assert rows.filter(pl.col("series") == "not reached", pl.col("value") > 0)["label"].to_list() == ["not yet"]


def test_a_narrowing_tells_its_times_on_the_wall_clock(app_over):
    at, until = "2026-11-19T09:00:00+00:00", "2026-11-19T10:00:00+00:00"
    app = visit(app_over("demo"), "calls", at=at, until=until)
    labels = [button.label.replace("\\", "") for button in app.button]
    assert "From: Thu 19 Nov 2026, 10:00:00 ✕" in labels
    assert "Until: Thu 19 Nov 2026, 11:00:00 ✕" in labels
    visit(app, "calls", part=f"instant:{at}", ever="1")
    assert "Part: instant: Thu 19 Nov 2026, 10:00:00 ✕" in [button.label.replace("\\", "") for button in app.button]


def test_an_empty_list_says_why_and_offers_the_way_out(app_over):
    app = visit(app_over("demo"), "calls", **{"from": "2027-05-01"})
    assert "No calls in this period" in words_of(app)
    app.button(key="nearest-day").click().run()
    assert app.query_params["from"] == "2026-11-20"
    assert "**No calls" not in words_of(app)
    visit(app, "calls", queue="no such queue")
    assert "The filters leave nothing" in words_of(app)
    app.button(key="clear-all").click().run()
    assert "queue" not in app.query_params
    visit(app, "calls", text="no such person", direction="inbound")
    assert "Nothing matches the search" in words_of(app)
    app.button(key="clear-all").click().run()
    assert "direction" not in app.query_params
    assert app.query_params["text"] == "no such person"
    app.button(key="look-ever").click().run()
    assert app.query_params["ever"] == "1"
    assert errors_of(app) == []
    assert "holds no calls yet" in words_of(visit(app_over("empty"), "calls"))


def test_the_page_of_a_list_stands_in_the_url_and_ends_with_its_rows(app_over):
    app = app_over("demo").run()
    rows = {place: visit(app, "calls", period="28d", **query).dataframe[0].value for place, query in enumerate(({}, {"page": "2"}))}
    assert (len(rows[0]), len(rows[1])) == (100, 100)
    assert rows[0]["Start"].min() >= rows[1]["Start"].max()
    assert app.query_params["page"] == "2"
    for beyond, kept in (("999", True), ("0", False), ("x", False), ("٣", False)):
        visit(app, "calls", period="28d", page=beyond)
        assert errors_of(app) == []
        assert ("page" in app.query_params, app.query_params.get("page") == beyond) == (kept, False)
    visit(app, "calls", period="28d", page="2", figure="inbound")
    next(button for button in app.button if button.label.startswith("Figure")).click().run()
    assert "page" not in app.query_params


def test_a_least_number_of_offers_stands_in_the_url_and_in_the_file(app_over, files):
    app = visit(app_over("demo"), "agents", period="28d", least="20")
    assert table(app, "Offers", "Lost")["Offers"].min() >= 20
    assert files["people"] == "Last 28 days: Sat 24 Oct – Fri 20 Nov 2026; people with at least 20 offers"
    app.slider[0].set_value(30).run()
    assert app.query_params["least"] == "30"
    assert errors_of(visit(app, "agents", least="many")) == []


def test_the_open_tab_stands_in_the_url(app_over):
    app = visit(app_over("demo"), "missed", period="28d", tab="given_up")
    assert app.query_params["tab"] == "given_up"
    assert [tab.label.split(" (")[0] for tab in app.tabs] == ["Waiting", "Reached", "Given up", "No number"]
    assert app.get("tab_container")[0].proto.tab_container.default_tab_index == 2
    visit(app, "missed", tab="no such tab")
    assert errors_of(app) == []
    assert "tab" not in app.query_params


@pytest.mark.parametrize("page", PAGES)
def test_every_page_offers_its_link(app_over, page):
    app = visit(app_over("demo"), page)
    assert any("period=7d" in code.value and "?" in code.value for code in app.code)


def test_a_grid_holds_all_rows_so_that_it_can_sort_them(app_over):
    app = visit(app_over("demo"), "missed", period="all")
    rows = next(tab.label for tab in app.tabs if tab.label.startswith("Reached"))
    assert len(table(app, "How", "Reached")) == counted(rows) > 100


def test_the_callers_of_a_bar_are_named_in_the_file_and_can_be_left_again(app_over, files):
    app = app_over("demo").run()
    view = {"period": "28d", "tab": "reached"}
    everyone = len(table(visit(app, "missed", **view), "How", "Reached"))
    visit(app, "missed", **view, step="1 day", how="we called")
    some = table(app, "How", "Reached")
    assert 0 < len(some) < everyone
    assert set(some["How"]) == {"we called"}
    assert files["callers reached"].endswith("; state: recovered, late; we called, bar “1 day”")
    app.button(key="without-step").click().run()
    assert len(table(app, "How", "Reached")) == everyone
    assert "step" not in app.query_params
    visit(app, "missed", **view, step="not yet", how="we called")
    assert len(table(app, "How", "Reached")) == everyone


def test_all_who_were_not_reached_are_one_list_that_can_be_left_again(app_over, files):
    app = visit(app_over("demo"), "missed", period="all", tab="given_up", how="not reached")
    assert set(table(app, "State", "Waits since")["State"]) == {"Open", "Expired"}
    assert files["callers given up"] == "All time; state: open, expired"
    app.button(key="without-not-reached").click().run()
    assert set(table(app, "State", "Waits since")["State"]) == {"Expired"}


def test_codes_read_as_words_on_screen(app_over):
    app = visit(app_over("demo"), "calls", period="28d", list="missed")
    assert "Phones rang, nobody answered" in set(table(app, "Why", "Phones rung")["Why"])
    for query in ({}, {"list": "visits"}, {"list": "offers"}):
        visit(app, "calls", period="28d", **query)
        for label in ("Direction", "Outcome", "Result", "Ended by"):
            shown = app.dataframe[0].value
            words = set(shown[label].dropna()) if label in shown else set()
            assert not [word for word in words if "_" in word or word == word.lower()]


def test_the_legs_of_a_call_open_beside_the_list_and_close_again(app_over):
    app = visit(app_over("demo"), "calls", period="28d")
    calls = app.dataframe[0].value
    row = calls[calls["Legs"] > 1].iloc[0]
    legs = {"legs": row["Call id"], "legs_of": row["Company"]}
    visit(app, "calls", period="28d", **legs)
    assert errors_of(app) == []
    assert table(app, "Leg", "Who")["Leg"].tolist() == list(range(row["Legs"]))
    assert len(app.dataframe[1].value) == len(calls)
    app.button(key="without-legs").click().run()
    assert "legs" not in app.query_params
    assert len(app.dataframe) == 1
    assert errors_of(visit(app, "calls", period="28d", legs="no such call", legs_of="nobody")) == []


def test_the_formula_in_force_stands_under_the_service_level_and_behind_its_question_mark(app_over):
    """The tables' own `?` tell all six, so the tile's is what one formula is told more often by than under another."""
    app = app_over("demo").run()
    told = {}
    for formula, words in {
        "default": "answered in time / (offered − short abandons); T 20 s, S 5 s",
        "of_answered_only": "answered in time / answered; T 20 s, S 5 s",
    }.items():
        visit(app, "queues", period="28d", formula=formula)
        assert words in [caption.value for caption in app.caption]
        said = words_of(app)
        told[formula] = [said.count(f"**Service level, {name}**") for name in ("default", "of answered only")]
    assert told["default"][0] == told["of_answered_only"][0] + 1
    assert told["of_answered_only"][1] == told["default"][1] + 1


def test_queues_with_goals_of_their_own_are_held_against_these(app_over):
    def goals(**reports):
        app = visit(app_over("demo", **reports), "queues", period="28d")
        charts = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
        return [layer for chart in charts for layer in chart.get("layer", []) if layer["mark"]["type"] == "rule"]

    assert len(goals()) == 2  # the general goal, by half hour and over the period
    own = '[reports.queues."Support"]\nservice_level_goal = 0.6'
    assert len(goals(reports=own)) == 4


OFF = "per_person = false"


@pytest.mark.parametrize(("page", "query"), [("agents", {}), ("agent_day", {"who": "acme_201"}), ("calls", {"list": "offers"})])
def test_pages_of_single_persons_say_that_they_are_switched_off_and_by_which_key(app_over, page, query):
    app = visit(app_over("one call", reports=OFF), page, period="all", **query)
    assert errors_of(app) == []
    assert "per_person = false" in words_of(app)
    assert "Anna" not in words_of(app)
    assert len(app.dataframe) == 0


def test_without_figures_of_persons_there_is_no_filter_for_agents_nor_a_link_that_sets_it(app_over):
    def labels(app):
        return [element.label for element in app.multiselect]

    figures = []
    for reports in ("", OFF):
        off = app_over("demo", reports=reports)
        off.query_params.update({"agent": "it_w100001_201", "period": "28d"})
        figures.append(counted(off.run().metric[0].value))
        assert ("Agent" in labels(off)) is (reports == "")
    assert figures[0] < figures[1]
    assert "agent" not in off.query_params
    listed = []
    for query in ({}, {"of_agent": "it_w100001_201"}, {"part": "caller:it_w100001_201"}):
        visit(off, "calls", period="28d", **query)
        listed.append(next(text.value for text in off.markdown if re.match(r"\*\*[\d,]+ ", str(text.value))))
    assert len(set(listed)) == 1


def test_a_call_says_who_was_in_it_and_leads_to_their_day_only_where_figures_of_persons_are_on(app_over):
    for reports, expected in (("", ["acme_201"]), (OFF, [])):
        app = visit(app_over("one call", reports=reports), "call", of="acme", call="acme_1795185000.1")
        links = [parse_qs(link.proto.query_string).get("who") for link in app.get("page_link")]
        assert [who for (who,) in filter(None, links)] == expected
        assert "Anna" in words_of(app)


def test_a_person_who_called_out_is_linked_too(app_over, warehouses, tmp_path, monkeypatch):
    at = UNTIL - timedelta(hours=2)
    facts = facts_of("Bea", at, direction="outbound", caller_type="LOCAL", caller_user_id="u9", caller_extension="209", caller_name="Cy")
    for name in ("call_legs", "call_states"):
        for row in facts[name]:
            row |= {"callee_type": "REMOTE", "callee_user_id": None, "callee_extension": None}
    add_rows(empty_warehouse(tmp_path / "warehouse.duckdb"), **facts)
    app = app_over("one call")
    monkeypatch.setenv("CALLFACTS_DATA", str(tmp_path))
    visit(app.run(), "call", of="acme", call=facts["calls"][0]["call_id"])
    (link,) = [link.proto for link in app.get("page_link") if "who=" in link.proto.query_string]
    assert (parse_qs(link.query_string)["who"], link.label) == (["acme_209"], "The day of Cy")


def test_a_persons_day_has_its_tiles_each_with_its_formula_and_every_block_of_a_call_leads_to_it(app_over):
    app = visit(app_over("one call"), "agent_day", who="acme_201", day="2026-11-20")
    assert errors_of(app) == []
    tiles = {metric.label: metric.value for metric in app.metric}
    assert tiles == {"In calls": "1m 47s", "Calls": "1", "Available": "0s", "Busy": "0s", "Away": "1m 47s", "Unknown": "18h 28m 13s"}
    said = words_of(app)
    for label in ("Time in calls", "Available", "Busy", "Away"):
        assert f"**{label}**" in said
    (chart,) = app.get("vega_lite_chart")
    blocks = pl.read_ipc_stream(chart.proto.datasets[0].data.data).to_dicts()
    calls = [call_of(block["key"]) for block in blocks if block["lane"] == "Calls"]
    assert calls == [("acme", "acme_1795185000.1")] * 2
    assert "selectionMode" in str(chart.proto) or list(chart.proto.selection_mode)


@pytest.mark.parametrize("by", ["Trunk", "Destination"])
def test_causes_of_a_trunk_and_of_a_destination_lead_to_as_many_calls(app_over, by):
    app = visit(app_over("demo"), "outcomes", period="28d")
    app.button_group(key="causes-by").set_value(by).run()
    assert errors_of(app) == []
    table = next(frame.value for frame in app.dataframe if {"Category", "Share"} <= set(frame.value.columns))
    of, code, stated = table.iloc[0][[{"Trunk": "Trunk", "Destination": "Begins with"}[by], "Code", "Calls"]]
    query = {"on_trunk": of, "figure": "ended"} if by == "Trunk" else {"part": f"prefix:{of}", "going": "outbound", "figure": "attempts"}
    visit(app, "calls", period="28d", cause=code, **query)
    assert f"**{stated:,} calls**" in words_of(app)


def test_a_half_hour_of_the_service_level_leads_to_its_visits(app_over):
    app = visit(app_over("demo"), "calls", period="28d", list="visits", figure="offered")
    everything = counted(next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value))))
    found = 0
    for minute in range(0, 1440, 30):
        visit(app, "calls", period="28d", list="visits", figure="offered", part=f"half_hour:{minute // 60:02d}:{minute % 60:02d}")
        found += counted(next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value))))
    assert found == everything > 0


@pytest.mark.parametrize(
    ("page", "query", "tables"),
    [
        ("queues", {}, {"queues", "formulas"}),
        ("call", {}, {"events", "parties", "comparison", "every column"}),
        ("overview", {}, {"changes"}),
        ("definitions", {}, {"settings", "metrics", "reports"}),
    ],
)
def test_every_table_has_its_files_and_its_question_mark(app_over, warehouses, page, query, tables):
    if page == "call":
        with duckdb.connect(str(warehouses["demo"]), read_only=True) as con:
            found = con.execute("select company, call_id from reconciliation order by started_at limit 1").fetchall()[0]
        query = dict(zip(("of", "call"), found, strict=True))
    app = visit(app_over("demo"), page, period="7d", **query)
    assert errors_of(app) == []
    files = {tuple(button.key.removeprefix("file-").rsplit("-", 1)) for button in app.get("download_button") if button.key}
    assert {(table, ending) for table in tables for ending in ("csv", "xlsx", "parquet")} <= files


def test_the_quality_page_says_how_old_the_build_is_and_what_is_of_all_time(app_over):
    app = visit(app_over("demo"), "quality", period="28d")
    tiles = {metric.label: metric.value for metric in app.metric}
    assert re.fullmatch(r"\d+ (min|h|days) ago|just now|ahead.*", tiles["Age of the build"])
    assert "Unknown statuses" in tiles
    assert words_of(app).lower().count("of all time") >= 4


def test_what_cannot_be_computed_is_named(app_over):
    said = words_of(visit(app_over("demo"), "definitions"))
    for word in ("utilisation", "adherence", "shrinkage", "satisfaction"):
        assert word in said


MASKED = "masked_digits = 4"


def test_where_numbers_are_masked_no_page_shows_a_whole_one_and_its_links_find_as_many_calls(app_over, warehouses):
    with duckdb.connect(str(warehouses["demo"]), read_only=True) as con:
        whole = {
            number for (number,) in con.execute("select distinct unnest([external_phone, external_key, destination]) from calls").fetchall()
        }
        company, call_id = con.execute(
            "select company, call_id from calls where external_key is not null and leg_count > 0 limit 1"
        ).fetchone()
    numbers = {number for number in whole if number and len(number) > 6}
    figures = {}
    for reports in ("", MASKED):
        app = app_over("demo", reports=reports)
        seen = []
        for page in PAGES:
            visit(app, page, period="28d", **({"of": company, "call": call_id} if page == "call" else {}))
            assert errors_of(app) == []
            seen += [words_of(app), *(link.proto.query_string for link in app.get("page_link"))]
            seen += [frame.value.to_csv() for frame in app.dataframe]
            seen += [
                str(pl.read_ipc_stream(chart.proto.datasets[0].data.data).to_dicts())
                for chart in app.get("vega_lite_chart")
                if chart.proto.datasets
            ]
            if page == "call":
                link = next(link for link in app.get("page_link") if link.proto.label == "All calls of this number")
        visit(app, "calls", **parse_qs(link.proto.query_string))
        assert errors_of(app) == []
        seen += [words_of(app), *(frame.value.to_csv() for frame in app.dataframe)]
        figures[reports] = next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value)))
        button = next(button.label for button in app.button if button.label.startswith("Number: "))
        next(button for button in app.button if button.label.startswith("Of company: ")).click().run()
        of_both = next(text.value for text in app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value)))
        assert counted(of_both) >= counted(figures[reports])
        told = {number for number in numbers if any(number in text for text in seen)}
        assert bool(told) is (reports == "")
        assert ("••••" in button) is (reports == MASKED)
    assert counted(figures[""]) == counted(figures[MASKED]) > 0


def test_where_numbers_are_masked_a_payload_is_not_shown_and_the_page_says_why(app_over, warehouses):
    app = visit(app_over("one call", reports=MASKED), "call", of="acme", call="acme_1795185000.1")
    next(box for box in app.selectbox if box.label == "Event").select_index(0).run()
    assert "it holds whole numbers" in words_of(app)
