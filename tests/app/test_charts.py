"""Pictures: what they are made of, and what a click on them gives."""

from datetime import UTC, datetime, timedelta

import polars as pl

from app.charts import OTHERS, SERIES, bars, branches, call_of, columns, day_lanes, flow, lanes, lines, scatter, share_of_sums

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
PRESENCE = {"kind": pl.String(), "status": pl.String(), "started_at": pl.Datetime("us", "UTC"), "ended_at": pl.Datetime("us", "UTC")}


def minutes(count):
    return NINE + timedelta(minutes=count)


def rows_of(drawn):
    """The rows that a picture is drawn from."""
    datasets = drawn.to_dict()["datasets"]
    return max(datasets.values(), key=len)


def params_of(drawn):
    return {param["name"]: param["select"] for param in drawn.to_dict()["params"]}


def part(call_id, start, end, **more):
    """A person's part of a call, as agent_calls gives it."""
    return {
        "company": "acme inc",
        "call_id": call_id,
        "leg": 0,
        "other_name": "Bo",
        "other_phone": None,
        "answered_at": None,
        "from_at": minutes(start),
        "until_at": minutes(end),
    } | more


def phase(call_id, kind, start, end):
    return part(call_id, start, end) | {"phase": kind}


def day(*, presence=(), calls=(), phases=()):
    columns = part("", 0, 1, answered_at=NINE)
    return day_lanes(
        pl.DataFrame(list(presence), schema=PRESENCE, orient="row"),
        pl.DataFrame([columns, *calls]).tail(-1),
        pl.DataFrame([columns | {"phase": ""}, *phases]).tail(-1),
        time_zone="Europe/Rome",
    )


def test_a_day_draws_held_time_as_such_and_each_block_knows_its_call():
    blocks = day(
        presence=[("user", "available", minutes(0), minutes(60)), ("telephony", "rt", minutes(10), minutes(12))],
        calls=[part("c.1", 10, 20)],
        phases=[phase("c.1", "ringing", 10, 11), phase("c.1", "talking", 11, 15), phase("c.1", "held", 15, 20)],
    )
    assert blocks.select("lane", "kind", "from_at", "until_at").rows() == [
        ("Status", "available", minutes(0), minutes(60)),
        ("Phone", "talking and ringing", minutes(10), minutes(12)),
        ("Calls", "ringing", minutes(10), minutes(11)),
        ("Calls", "talking", minutes(11), minutes(15)),
        ("Calls", "held", minutes(15), minutes(20)),
    ]
    assert [call_of(key) for key in blocks["key"]] == [None, None] + 3 * [("acme inc", "c.1")]
    assert blocks["tip"][4] == "Bo: held, 10:15:00 – 10:20:00 (5m 00s)"


def test_a_call_without_phases_is_drawn_by_its_answer_within_the_day():
    told = day(calls=[part("c.1", 0, 9, answered_at=minutes(4)), part("c.2", 20, 30), part("c.3", 40, 50, answered_at=minutes(-30))])
    assert told.select("kind", "from_at", "until_at").rows() == [
        ("ringing", minutes(0), minutes(4)),
        ("talking", minutes(4), minutes(9)),
        ("ringing", minutes(20), minutes(30)),  # never answered
        ("talking", minutes(40), minutes(50)),  # answered the day before
    ]


def test_blocks_can_be_clicked_and_the_axis_stretched():
    drawn = lanes(day(calls=[part("c.1", 0, 9)]), colours={}, time_zone="Europe/Rome", name="block", zoom=True)
    params = params_of(drawn)
    assert params["block"]["fields"] == ["key"]
    assert params["zoom"]["encodings"] == ["x"]


def test_a_bar_without_a_share_says_its_count_alone():
    outcomes = pl.DataFrame({"outcome": ["answered", "lost"], "calls": [1200, 3], "share": [1.0, None]})
    assert [row["text"] for row in rows_of(bars(outcomes, label="outcome", value="calls", share="share"))] == ["1,200  ·  100.0 %", "3"]


def test_branches_stand_above_their_leaves_and_the_smallest_are_one():
    causes = pl.DataFrame(
        {"category": ["busy", "normal", "normal", "normal"], "name": ["busy", "clear", "other", "unknown"], "calls": [5, 3, 2, 1]}
    )
    drawn = branches(causes, branch="category", leaf="name", value="calls", most=1, name="bar")
    assert [(row["branch"], row["leaf"], row["value"]) for row in rows_of(drawn)] == [
        ("normal", "", 6),
        ("normal", "clear", 3),
        ("normal", OTHERS, 3),
        ("busy", "", 5),
        ("busy", "busy", 5),
    ]
    assert len({row["label"] for row in rows_of(drawn)}) == 5
    assert params_of(drawn)["bar"]["fields"] == ["branch", "leaf"]


def test_a_point_of_a_line_gives_its_place_and_its_series():
    drawn = lines(pl.DataFrame({"x": ["a", "a"], "y": [1, 2], "of": ["one", "two"]}), x="x", y="y", series="of", name="point")
    (param,) = drawn.to_dict()["params"]
    assert param["select"]["fields"] == ["x", "key"]
    clicked = [layer for layer in drawn.to_dict()["layer"] if layer.get("name") in param["views"]]
    assert [layer["mark"]["type"] for layer in clicked] == ["point"]  # of a line itself any place would give the first point
    assert [(row["x"], row["key"]) for row in rows_of(drawn)] == [("a", "one"), ("a", "two")]
    assert drawn.to_dict()["layer"][0]["encoding"]["color"]["scale"]["range"] == list(SERIES[:2])


def test_odd_hours_of_the_flow_have_a_word_and_a_shape_of_their_own():
    hours = pl.DataFrame({"x": ["08", "09"], "now": [10, 0], "usual": [9.0, 40.0], "odd": [None, "far fewer"]})
    drawn = flow(hours, x="x", now="now", usual="usual", marked="odd", name="bar").to_dict()
    assert [row["mark"] for row in rows_of(flow(hours, x="x", now="now", usual="usual", marked="odd"))] == ["", "far fewer"]
    assert [layer["mark"].get("shape") for layer in drawn["layer"]] == [None, None, "triangle-down", None]
    assert drawn["layer"][3]["encoding"]["text"]["field"] == "mark"
    assert len(flow(hours, x="x", now="now", usual="usual").to_dict()["layer"]) == 2


def test_a_point_of_the_scatter_gives_its_call():
    both = pl.DataFrame({"company": ["acme"], "call_id": ["c.1"], "ours": [5000], "theirs": [4000]})
    drawn = scatter(both, x="theirs", y="ours", x_title="", y_title="", name="point")
    points = [row for rows in drawn.to_dict()["datasets"].values() for row in rows if "key" in row]
    assert [(row["x"], row["y"], call_of(row["key"])) for row in points] == [(4.0, 5.0, ("acme", "c.1"))]
    assert call_of("") is None


def test_a_share_of_several_rows_is_of_their_sums():
    rows = pl.DataFrame({"busy": [10, 90], "ready": [100, 100]})
    assert share_of_sums(rows, "busy", "ready") == 0.5
    assert share_of_sums(rows.head(0), "busy", "ready") is None


def test_columns_stand_in_the_order_of_the_frame_and_lead_to_what_they_are_of():
    drawn = columns(pl.DataFrame({"at": ["b", "a"], "calls": [2, 1]}), x="at", y="calls", name="peak")
    assert rows_of(drawn) == [{"x": "b", "y": 2}, {"x": "a", "y": 1}]
    assert drawn.to_dict()["encoding"]["x"]["sort"] == ["b", "a"]
    assert params_of(drawn)["peak"]["fields"] == ["x"]
