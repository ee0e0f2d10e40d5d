"""Warehouses that the pages are shown over, each a real file, and the app over one of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.warehouses import UNTIL, empty_warehouse, simulated_warehouse
from transforms import rollups
from transforms.tables import TABLES

REPO = Path(__file__).parents[2]
PAGES = ("overview", "missed", "queues", "agents", "agent_day", "calls", "call", "outcomes", "quality", "definitions")

NAMES = {
    "markup": "**Anna** [link](http://example.com) <script>alert(1)</script> :red[danger] $x^2$ `code` # head",
    "html": "<img src=x onerror=alert(1)><b>bold</b>&amp;",
    "emoji": "👩‍👩‍👧 Zoë 🎉 :material/home:",
    "right to left": "\u202eמשה شركة \u200f",
    "long": "x" * 10_000,
    "formula": '=HYPERLINK("http://example.com")',
    "empty": "",
    "control": "a\x00b\nc\td\x1b[31m",
    "vega": "datum.value.x[0]' + alert(1) + '",
}


def add_rows(path, **tables):
    """Rows into the warehouse's own tables, and the prepared ones anew. A column that is not given is null."""
    with duckdb.connect(str(path)) as con:
        con.execute("set TimeZone = 'UTC'")
        for name, rows in tables.items():
            schema = TABLES[name].polars
            frame = pl.DataFrame([{column: row.get(column) for column in schema} for row in rows], schema=schema, orient="row")
            con.register("new_rows", frame.to_arrow())
            con.execute(f"insert into {name} by name select * from new_rows")
            con.unregister("new_rows")
        rollups.rebuild(con)
        con.execute("checkpoint")
    return path


def call_row(name, at, **changes):
    """An inbound, answered call in which every text is `name`."""
    row = {
        "company": "acme",
        "pbx": name,
        "call_id": f"acme_{int(at.timestamp())}.1",
        "basis": "call",
        "started_at": at,
        "answered_at": at + timedelta(seconds=12),
        "ended_at": at + timedelta(seconds=107),
        "duration_ms": 107_000,
        "ring_ms": 12_000,
        "talk_ms": 95_000,
        "hold_ms": 0,
        "other_ms": 0,
        "wait_ms": 12_000,
        "hold_count": 0,
        "leg_count": 1,
        "transfer_count": 0,
        "direction": "inbound",
        "caller_type": "REMOTE",
        "caller_phone": "+15550100",
        "caller_name": name,
        "callee_type": "LOCAL",
        "callee_phone": "201",
        "callee_name": name,
        "callee_user_id": "u1",
        "callee_extension": "201",
        "callee_department": name,
        "answered_by_at": at + timedelta(seconds=12),
        "answered_by_user_id": "u1",
        "answered_by_extension": "201",
        "answered_by_name": name,
        "answered_by_department": name,
        "destination": name,
        "service": name,
        "trunk_name": name,
        "queue_name": name,
        "external_phone": "+15550100",
        "external_key": "15550100",
        "tags": [name],
        "flags": [name],
        "end_cause": "16",
        "end_cause_text": name,
        "end_cause_name": "Normal call clearing",
        "end_cause_category": "normal",
        "ended_by": "callee",
        "outcome": "answered",
        "event_count": 3,
        "delivery_count": 3,
        "late_events": 0,
        "has_start": True,
        "has_end": True,
        "first_received_at": at,
        "last_received_at": at,
        "abandoned": False,
    }
    return row | changes


def facts_of(name, at, **changes):
    """A call with its state, leg, visit, events and person, in all of which every text is `name`."""
    call = call_row(name, at, **changes)
    key = {"company": call["company"], "call_id": call["call_id"]}
    end = call["ended_at"]
    phases = [("ringing", at, at + timedelta(seconds=12)), ("talking", at + timedelta(seconds=12), end)]
    return {
        "calls": [call],
        "call_states": [
            key
            | {
                "seq": place,
                "status": name,
                "phase": phase,
                "started_at": start,
                "ended_at": until,
                "duration_ms": (until - start) // timedelta(milliseconds=1),
                "caller_phone": "+15550100",
                "callee_type": "LOCAL",
                "callee_phone": "201",
                "callee_name": name,
                "callee_user_id": "u1",
                "callee_extension": "201",
                "queue_name": name,
            }
            for place, (phase, start, until) in enumerate(phases)
        ],
        "call_legs": [
            key
            | {
                "leg": 0,
                "callee_type": "LOCAL",
                "callee_phone": "201",
                "callee_name": name,
                "callee_user_id": "u1",
                "callee_extension": "201",
                "callee_department": name,
                "queue_name": name,
                "started_at": at,
                "answered_at": at + timedelta(seconds=12),
                "ended_at": end,
                "ring_ms": 12_000,
                "talk_ms": 95_000,
                "hold_ms": 0,
                "other_ms": 0,
                "answered": True,
            }
        ],
        "queue_visits": [
            key
            | {
                "visit": 0,
                "queue_name": name,
                "queue_id": name,
                "entered_at": at,
                "left_at": end,
                "answered_at": at + timedelta(seconds=12),
                "answered_by_user_id": "u1",
                "wait_ms": 12_000,
                "result": "answered",
            }
        ],
        "call_events": [
            key
            | {
                "event_uid": f"{place}" * 64,
                "family": "call",
                "event_type": name,
                "kind": "start",
                "event_time": start,
                "received_at": start,
                "source": name,
                "integration_id": name,
                "writer": "0" * 32,
                "seq": place + 1,
                "pbx": name,
                "status": name,
                "phase": phase,
                "caller_phone": "+15550100",
                "callee_phone": "201",
            }
            for place, (phase, start, _) in enumerate(phases)
        ],
        "people": [
            {"company": "acme", "extension": "201", "user_id": "u1", "name": name, "email": name, "department": name, "last_seen_at": at}
        ],
        "presence_intervals": [
            {
                "company": "acme",
                "extension": "201",
                "kind": kind,
                "started_at": at,
                "status": name,
                "message": name,
                "ended_at": end,
                "duration_ms": 107_000,
            }
            for kind in ("user", "telephony")
        ],
    }


def merged(*several):
    """Facts of several calls as one set of tables."""
    return {table: [row for facts in several for row in facts[table]] for table in several[0]}


@pytest.fixture(scope="session")
def warehouses(tmp_path_factory):
    """Data roots by name: demo, empty, missing, gap, one call, everything null, adversarial."""
    home = tmp_path_factory.mktemp("warehouses")

    def root(name):
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        return folder / "warehouse.duckdb"

    made = {
        "demo": simulated_warehouse(root("demo"), calls=1500, days=40),
        "empty": empty_warehouse(root("empty")),
        "missing": root("missing"),
    }
    made["gap"] = empty_warehouse(root("gap"))
    with duckdb.connect(str(made["gap"])) as con:  # 25 calls an hour on nine Friday mornings, but for one hour of the last
        con.execute(
            "insert into calls_by_quarter by name "
            "select timezone('Europe/Rome', timestamp '2026-11-20 10:00' + to_hours((hour - 168 * week)::int)) as quarter_at, "
            "'acme' as company, 'inbound' as direction, 25 as calls, 100 as events, 0 as late_events, 0 as lost "
            "from range(9) w(week), range(3) h(hour) where (week, hour) <> (0, 1)"
        )
    at = UNTIL - timedelta(hours=3)
    made["one call"] = add_rows(empty_warehouse(root("one call")), **facts_of("Anna", at))
    bare = {
        "company": "acme",
        "call_id": "acme_1.1",
        "basis": "call",
        "started_at": at,
        "direction": "unknown",
        "outcome": "lost",
        "tags": [],
        "flags": [],
    }
    counts = dict.fromkeys(("ring_ms", "talk_ms", "hold_ms", "other_ms", "hold_count", "leg_count", "transfer_count", "late_events"), 0)
    bare |= counts | {
        "event_count": 1,
        "delivery_count": 1,
        "has_start": False,
        "has_end": False,
        "first_received_at": at,
        "last_received_at": at,
    }
    made["everything null"] = add_rows(
        empty_warehouse(root("everything null")),
        calls=[bare],
        call_states=[{"company": "acme", "call_id": "acme_1.1", "seq": 0, "phase": "other", "started_at": at}],
        call_events=[
            {"company": "acme", "call_id": "acme_1.1", "event_uid": "0" * 64, "family": "call", "kind": "update", "event_time": at}
        ],
    )
    made["adversarial"] = add_rows(
        empty_warehouse(root("adversarial")),
        **merged(*(facts_of(name, at + timedelta(minutes=place), company=f"acme{place}") for place, name in enumerate(NAMES.values()))),
    )
    return made


@pytest.fixture
def app_over(warehouses, monkeypatch, tmp_path):
    """`app_over(name, **reports)`: the app over that warehouse, on its first page."""

    def opened(name, reports='time_zone = "Europe/Rome"'):
        config = tmp_path / "callfacts.toml"
        config.write_text(f"[storage]\nroot = '{warehouses[name].parent}'\n[reports]\n{reports}\n")
        monkeypatch.setenv("CALLFACTS_CONFIG", str(config))
        monkeypatch.delenv("CALLFACTS_DATA", raising=False)
        return AppTest.from_file(str(REPO / "app/streamlit_app.py"), default_timeout=60)

    return opened


def visit(app, page, /, **query):
    """The app, gone to a page with a query."""
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    if page != "overview":  # the first page of an app that is opened
        app.switch_page(f"pages/{page}.py")
    return app.run()


def words_of(app):
    """All that the page says, as one text."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "error", "code", "metric", "button")
    said = [str(getattr(element, "value", "")) + " " + str(getattr(element, "label", "")) for kind in kinds for element in app.get(kind)]
    return "\n".join(said)


NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
