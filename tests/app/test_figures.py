"""The list behind a figure has as many rows as the figure says: of every count in a table, of every bar of a picture."""

import json
import re
from numbers import Integral
from urllib.parse import parse_qs

import polars as pl
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates

from tests.app.conftest import visit

# counts that no list stands behind (of events, and of what the period is compared with), and times
NO_LIST = {"Before", "Difference", "Events", "Phones rung"}
TIMES = {"Talk", "Talk out", "Hold", "On duty", "Wait", "Waits since", "After", "T", "S", "Longest wait", "Last hold", "Time in calls"}
VIEW = {"period": "28d", "compare": "previous"}


class Opened:
    """A page, in which one thing after another can be clicked."""

    def __init__(self, app, page, **query):
        self.app, self.page, self.view = app, page, VIEW | query
        if page == "overview":
            app.run()
        visit(app, page, **self.view)
        assert [error.message for error in app.exception] == []
        self.tree, self.states = app._tree, app._tree.get_widget_states()
        self.tables, self.charts, self.links = list(app.dataframe), list(app.get("vega_lite_chart")), list(app.get("page_link"))

    def click(self, element, selection):
        """How many rows the list has that a click leads to; None where it leads to none."""
        assert element.proto.id, "nothing happens on a click"
        self.app._tree = self.tree
        self.app.query_params.clear()
        self.app.query_params.update(self.view)
        self.app.switch_page(f"pages/{self.page}.py")
        states = WidgetStates(widgets=self.states.widgets)
        states.widgets.append(WidgetState(id=element.proto.id, string_value=json.dumps({"selection": selection})))
        self.app._run(states)
        assert [error.message for error in self.app.exception] == []
        shown = {frozenset(table.value.columns): len(table.value) for table in self.app.dataframe}
        if self.app.title[0].value == "Missed callers":  # of callers the lists are tabs of the page itself
            reached = "reached" in self.app.query_params["tab"]
            return next(rows for columns, rows in shown.items() if "State" in columns and ("How" in columns) is reached)
        if self.app.title[0].value == "Data quality":  # of deliveries in quarantine it opens beside their count
            return shown.get(frozenset(("Received", "Id", "Detail")))
        if self.app.title[0].value != "Calls":
            return None
        said = next(text.value for text in self.app.markdown if re.match(r"\*\*[\d,]+ ", str(text.value)))
        return int(re.match(r"\*\*([\d,]+)", said)[1].replace(",", ""))


OWN_T = """time_zone = "Europe/Rome"
[reports.queues."Support"]
service_level_s = 30"""


def test_a_list_is_counted_by_the_t_that_the_reader_has_chosen(app_over):
    stated = {}
    for within in (10, 30):
        opened = Opened(app_over("demo", OWN_T), "queues", within=str(within), formula="abandons_negative")
        table = next(table for table in opened.tables if "Goal" in table.value.columns)
        row = list(table.value["Queue"]).index("Support")
        (tile,) = [link for link in opened.links if "figure=in_time" in link.proto.query_string]
        query = parse_qs(tile.proto.query_string)
        found = opened.click(table, {"rows": [], "columns": [], "cells": [[row, "Service level"]]})
        stated[within] = (found, int(re.match(r"[\d,]+", tile.proto.label)[0].replace(",", "")))
        assert (opened.app.query_params["within"], opened.app.query_params["formula"]) == (str(within), "abandons_negative")
        assert found / table.value["Offered"].iloc[row] == pytest.approx(table.value["Service level"].iloc[row])
        visit(opened.app, "calls", **query)
        assert f"**{stated[within][1]:,} visits of queues**" in [text.value.split(" in ")[0] for text in opened.app.markdown]
        assert f"T: {within} s ✕" in [button.label for button in opened.app.button]
    # a T that is left out would make both lists alike
    assert stated[10][0] < stated[30][0]
    assert stated[10][1] < stated[30][1]


@pytest.mark.parametrize("page", ["overview", "missed", "queues", "agents", "outcomes", "quality"])
def test_every_count_of_a_table_leads_to_as_many_rows(app_over, page):
    opened = Opened(app_over("demo"), page)
    for table in opened.tables:
        frame = table.value
        if "Call id" in frame or (page == "quality" and not table.proto.id):
            continue  # a list itself; counts of deliveries and requests
        for label in frame.columns:
            row = next((row for row, value in enumerate(frame[label]) if isinstance(value, Integral) and value > 0), None)
            if row is not None and label not in NO_LIST | TIMES and frame[label].dtype.kind != "b":
                found = opened.click(table, {"rows": [], "columns": [], "cells": [[row, label]]})
                stated = int(frame[label].iloc[row])
                assert (list(frame.columns), label, found) == (list(frame.columns), label, stated)


@pytest.mark.parametrize(("page", "pictures"), [("overview", 3), ("missed", 2), ("queues", 5), ("agents", 1), ("outcomes", 6)])
def test_every_bar_of_a_picture_leads_to_as_many_rows(app_over, page, pictures):
    opened = Opened(app_over("demo"), page)
    clickable = [chart for chart in opened.charts if chart.proto.selection_mode]
    assert len(clickable) == pictures
    for chart in clickable:
        (param,) = json.loads(chart.proto.spec)["params"]
        of = pl.read_ipc_stream(chart.proto.datasets[0].data.data).to_dicts()
        value = next(name for name in ("y", "value") if isinstance(of[0].get(name), int | float))
        fields = param["select"]["fields"]
        reached = [row for row in of if row.get("series") != "not reached"]
        assert reached
        for rows in filter(None, (reached, [row for row in of if row.get("series") == "not reached"])):
            row = max(rows, key=lambda row: row[value])
            total = sum(other[value] for other in of if all(other[field] == row[field] for field in fields))
            found = opened.click(chart, {param["name"]: [{field: row[field] for field in fields}]})
            if (
                isinstance(total, float) or param["name"] == "peak"
            ):  # a mean over the hours of the period, a share; of one instant, and the list of its minute
                assert found >= total > 0
            else:
                assert (row, found) == (row, total)
