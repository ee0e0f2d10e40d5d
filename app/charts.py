"""Pictures and words: frame → chart, value → text. Pure.

Colours come from one palette that the colour-blind can tell apart on a white and on a dark ground (tests/app measures both);
no chart says anything by colour alone: each colour has its word in the legend, in the order of the stack, and in the tooltip.

Vega draws instants in the time zone of the *browser*. The reader's zone is a setting, so an instant is handed over as the
wall clock of that zone, in ms as if it were UTC, on a scale of type `utc`; tooltips are text made here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import altair as alt
import polars as pl
from altair.utils.schemapi import disable_debug_mode

Drawing: TypeAlias = Any
"""A chart of altair, whose layers are typed more loosely than they behave."""

# Each picture is held against Vega-Lite's schema in the tests; to do so for every reader takes most of the time of drawing.
disable_debug_mode()
alt.theme.enable("none")  # Streamlit's own is laid over it

NOTHING: Final = "–"
OTHERS: Final = "…"

BLUE: Final = "#2775e4"
VERMILION: Final = "#b8452a"
OCHRE: Final = "#b48c13"
PLUM: Final = "#a13e98"
TEAL: Final = "#12a068"
VIOLET: Final = "#7450ee"
GREY: Final = "#65686d"
SLATE: Final = "#81959f"
QUIET: Final = "#7b8087"
"""Words in a picture: to be read on white and on dark."""
SERIES: Final = (BLUE, VERMILION, TEAL, OCHRE, PLUM, VIOLET, SLATE, GREY)

OUTCOMES: Final[Mapping[str, str]] = {
    "answered": BLUE,
    "abandoned": VERMILION,
    "no_answer": OCHRE,
    "busy": PLUM,
    "rejected": VIOLET,
    "failed": SLATE,
    "in_progress": TEAL,
    "lost": GREY,
}
PHASES: Final[Mapping[str, str]] = {"ringing": OCHRE, "talking": BLUE, "held": PLUM, "other": GREY, "waiting": SLATE}

_BAND: Final = 0.22
_SINCE: Final = "utcFormat(datum.value, datum.value >= 3600000 ? '%H:%M:%S' : '%M:%S')"


# ---------------------------------------------------------------- words


def duration(ms: float | None) -> str:
    """ms → `4m 05s`, `12s`, `1h 02m 05s`; nothing → `–`."""
    if ms is None or ms != ms:
        return NOTHING
    seconds = int(abs(ms) / 1000 + 0.5)
    sign = "−" if ms < 0 and seconds else ""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{sign}{hours}h {minutes:02d}m {seconds:02d}s"
    if minutes:
        return f"{sign}{minutes}m {seconds:02d}s"
    return f"{sign}{seconds}s"


def long_duration(ms: float | None) -> str:
    """As `duration`, but from two days on in days and hours: `6d 22h`."""
    if ms is None or ms != ms or ms < 172_800_000:
        return duration(ms)
    days, hours = divmod(int(ms / 3_600_000), 24)
    return f"{days}d {hours:02d}h"


def clock(ms: float | None) -> str:
    """ms since a call's beginning → `01:47.000`, as in the golden cases."""
    if ms is None:
        return NOTHING
    minutes, rest = divmod(int(ms), 60_000)
    return f"{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def percent(share: float | None, *, digits: int = 1) -> str:
    """0.8752 → `87.5 %`; nothing → `–`, never 0 % or 100 %."""
    if share is None or share != share:
        return NOTHING
    return f"{share * 100:.{digits}f} %"


def count(number: float | None) -> str:
    """1234 → `1,234`."""
    return NOTHING if number is None or number != number else f"{number:,.0f}"


def number(value: float | None, *, digits: int = 1) -> str:
    """3.14159 → `3.1`."""
    return NOTHING if value is None or value != value else f"{value:,.{digits}f}"


def age(seconds: float) -> str:
    """How long ago: `just now`, `3 min ago`, `2 h ago`, `5 days ago`."""
    if seconds < 0:
        return "ahead of this machine's clock"
    for limit, unit, word in ((90, 1, ""), (5400, 60, "min"), (129_600, 3600, "h"), (float("inf"), 86_400, "days")):
        if seconds < limit:
            return "just now" if not word else f"{round(seconds / unit)} {word} ago"
    raise AssertionError(seconds)


def instant(at: datetime | None, time_zone: str, *, seconds: bool = True) -> str:
    """An instant on the wall clock of a zone: `Mon 23 Nov 2026, 14:02:09`."""
    if at is None:
        return NOTHING
    return at.astimezone(ZoneInfo(time_zone)).strftime("%a %-d %b %Y, %H:%M:%S" if seconds else "%a %-d %b %Y, %H:%M")


_WORDS: Final[Mapping[str, str]] = {
    "": "Not told",
    "out_of_hours": "Outside business hours",
    "short_abandon": "The caller left at once",
    "nobody_rang": "Nobody's phone rang",
    "rang_not_answered": "Phones rang, nobody answered",
    "abandoned_in_queue": "The caller left the queue",
    "taken": "Taken by another",
}
"""Codes whose own words say too little."""


def words(name: str | None) -> str:
    """A code for people: `no_answer` → `No answer`."""
    if name is None:
        return NOTHING
    return _WORDS.get(name) or name.replace("_", " ").strip().capitalize() or NOTHING


def plain(text: object) -> str:
    """Text that Markdown shows as it is: every character that could be markup is escaped, line breaks become spaces.

    Addresses become links even where they are escaped, so a word joiner, which is not seen, parts their signs.
    """
    flat = " ".join(str(text).split()).replace("://", ":\u2060//").replace("www.", "www\u2060.").replace("@", "\u2060@")
    return "".join(f"\\{sign}" if sign in _MARKUP else sign for sign in flat)


_MARKUP: Final = frozenset("\\`*_{}[]()<>#+-.!|~$:&^=")


def short(text: object, *, limit: int = 60) -> str:
    """The beginning of a long text; a name of 10 kB must not push a page aside."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def worded(column: pl.Series, say: Callable[[Any], str], *, nulls: bool = False) -> pl.Series:
    """`say` of each value; without `nulls` they stay null.

    Not `map_elements`: that calls Python from polars' own threads, and where another reader's thread waits for these with the
    interpreter's lock in its hand, as `to_pandas` does, the whole process stops for good.
    """
    return pl.Series(column.name, [None if value is None and not nulls else say(value) for value in column], dtype=pl.String)


def against_goal(share: float | None, goal: float | None) -> str:
    """`62.0 %, goal 80 %, missed`."""
    said = [percent(share)]
    if goal is not None:
        said.append(f"goal {percent(goal, digits=0)}")
        if share is not None and share == share:
            said.append("met" if share >= goal else "missed")
    return ", ".join(said)


def goals_of(queues: pl.DataFrame, *, most: int = 3) -> list[tuple[float, str]]:
    """The goals that these queues have, each with its name: of one goal alone no queue is named; of more than `most` none is given.

    `queues`: queue_name and goal, a row a queue.
    """
    goals = queues.drop_nulls("goal").group_by("goal").agg(pl.col("queue_name").sort()).sort("goal").rows()
    if len(goals) > most:
        return []
    return [
        (goal, f"goal {percent(goal, digits=0)}" + (f", {short(', '.join(names), limit=40)}" if len(goals) > 1 else ""))
        for goal, names in goals
    ]


def change(now: float | None, before: float | None, kind: Literal["count", "share", "duration"]) -> str | None:
    """Now against before, with its sign: counts in percent, shares in points, durations in time; None where either is missing."""
    if now is None or before is None:
        return None
    difference = now - before
    match kind:
        case "duration":
            size = duration(abs(difference))
        case "share":
            size = f"{abs(difference) * 100:.1f} points"
        case "count":
            size = f"{abs(difference):,.0f}" if not before else f"{abs(difference) / before * 100:.0f} %"
    if not any(sign in "123456789" for sign in size):
        return f"±{size}"
    return ("-" if difference < 0 else "+") + size


def interval_labels(starts: pl.Series, *, time_zone: str, grain: str) -> list[str]:
    """The starts of intervals as words on a wall clock, equal starts alike; the hour that comes twice in a year says so."""
    pattern = {"day": "%a %-d %b", "week": "from %-d %b %Y", "month": "%b %Y"}.get(grain, "%a %-d, %H:%M")
    labels: dict[datetime, str] = {}
    taken: set[str] = set()
    for at in starts.unique().sort():
        label = at.astimezone(ZoneInfo(time_zone)).strftime(pattern)
        while label in taken:
            label += " again" if at.astimezone(ZoneInfo(time_zone)).fold else f" {at:%b %Y}"
        taken.add(label)
        labels[at] = label
    return [labels[at] for at in starts]


# ---------------------------------------------------------------- frames

DAY: Final[Mapping[str, str]] = {
    "available": TEAL,
    "online": TEAL,
    "busy": PLUM,
    "dnd": VERMILION,
    "away": OCHRE,
    "offline": GREY,
    "registered": SLATE,
    "ringing": OCHRE,
    "talking": BLUE,
    "talking and ringing": VIOLET,
    "held": PLUM,
    "other": GREY,
}
_BLOCKS: Final = {
    "lane": pl.String(),
    "kind": pl.String(),
    "from_at": pl.Datetime("us", "UTC"),
    "until_at": pl.Datetime("us", "UTC"),
    "text": pl.String(),
    "tip": pl.String(),
    "key": pl.String(),
}

RESULTS: Final[Mapping[str, str]] = {"answered": BLUE, "abandoned": VERMILION, "short_abandoned": OCHRE, "unanswered": PLUM}


def unpivoted(frame: pl.DataFrame, *, index: Sequence[str], names: Sequence[str], labels: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Columns of counts as rows: index…, series, value."""
    rows = frame.unpivot(on=list(names), index=list(index), variable_name="series", value_name="value")
    return rows if labels is None else rows.with_columns(pl.col("series").replace_strict(labels, default=pl.col("series")))


def with_rest(frame: pl.DataFrame, *, whole: str, parts: Sequence[str], name: str) -> pl.DataFrame:
    """A column `name` beside the parts: what of the whole is in none of them."""
    return frame.with_columns((pl.col(whole) - pl.sum_horizontal(parts)).alias(name))


def within_step(frame: pl.DataFrame, steps: pl.DataFrame, step: str) -> pl.DataFrame:
    """The rows whose age_ms lies in a step of `steps` (within, above_ms, until_ms: null is no end); of an unknown step all."""
    for above, until in steps.filter(pl.col("within") == step).drop_nulls("above_ms").select("above_ms", "until_ms").iter_rows():
        frame = frame.filter(pl.col("age_ms") > above, pl.lit(until is None) | (pl.col("age_ms") <= pl.lit(until, pl.Int64)))
    return frame


def until_last(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows of a histogram up to the last that counts anything."""
    counted = frame.select(pl.sum_horizontal(names).alias("n")).with_row_index().filter(pl.col("n") > 0)["index"].to_list()
    return frame.head(counted[-1] + 1 if counted else 1)


def beside_usual(now: pl.DataFrame, before: Sequence[pl.DataFrame], *, value: str) -> pl.DataFrame:
    """A series beside the median, least and greatest of the same series in other weeks, interval by interval in order."""
    others = [answer[value] for answer in before if answer.height == now.height]
    rows = now.select(now=pl.col(value).cast(pl.Float64))
    if not others:
        return rows.with_columns(usual=pl.lit(None, pl.Float64), low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    weeks = pl.DataFrame({str(place): series for place, series in enumerate(others)}).select(
        pl.concat_list(pl.all().cast(pl.Float64)).alias("all")
    )
    return rows.with_columns(
        weeks.select(
            usual=pl.col("all").list.eval(pl.element().median()).list.first(),
            low=pl.col("all").list.eval(pl.element().min()).list.first(),
            high=pl.col("all").list.eval(pl.element().max()).list.first(),
        )
    )


def largest_changes(now: pl.DataFrame, before: pl.DataFrame, *, value: str, most: int) -> pl.DataFrame:
    """Of a breakdown, the values that changed most: dimension, value, now, before, difference; the largest difference first."""
    keys = ["dimension", "value"]
    both = now.select(*keys, now=pl.col(value)).join(before.select(*keys, before=pl.col(value)), on=keys, how="full", coalesce=True)
    changed = both.with_columns(pl.col("now").fill_null(0), pl.col("before").fill_null(0).cast(pl.Float64))
    return (
        changed.with_columns(difference=pl.col("now") - pl.col("before"))
        .filter(pl.col("difference").abs() > 0)
        .sort(pl.col("difference").abs(), "dimension", "value", descending=[True, False, False])
        .head(most)
    )


def share_of_sums(frame: pl.DataFrame, part: str, whole: str) -> float | None:
    """Of several rows together: the sum of the parts by that of the wholes, never a mean of shares; None without any."""
    total = float(frame[whole].sum())
    return float(frame[part].sum()) / total if total else None


def minute_labels(minutes: pl.Series) -> pl.Series:
    """Minutes of a day as `08:30`."""
    return pl.Series([f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes], dtype=pl.String)


def week_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """ISO weekdays as `Mon`, hours as `08`, beside what they were."""
    days = dict(enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), start=1))
    return frame.with_columns(
        day=pl.col("weekday").replace_strict(days, return_dtype=pl.String), at=pl.col("hour").cast(pl.String).str.zfill(2)
    )


def day_lanes(presence: pl.DataFrame, calls: pl.DataFrame, phases: pl.DataFrame, *, time_zone: str) -> pl.DataFrame:
    """A person's day as blocks for `lanes`: status, phone, and the calls with their phases; `key` is a call's, see `call_of`.

    A call that has no phases, known from the vendor alone, is drawn by its answer.
    """
    blocks: list[dict[str, Any]] = []

    def block(lane: str, kind: str, start: datetime, end: datetime, said: str, key: str = "") -> None:
        if end > start:
            on_the_wall = [at.astimezone(ZoneInfo(time_zone)).strftime("%H:%M:%S") for at in (start, end)]
            length = duration(round((end - start).total_seconds() * 1000))
            tip = f"{said}, {' – '.join(on_the_wall)} ({length})"
            blocks.append({"lane": lane, "kind": kind, "from_at": start, "until_at": end, "text": "", "tip": tip, "key": key})

    for row in presence.iter_rows(named=True):
        kind = {"rt": "talking and ringing", None: "other"}.get(row["status"], row["status"])
        block("Status" if row["kind"] == "user" else "Phone", kind, row["started_at"], row["ended_at"], words(kind))
    drawn = set(phases.select("company", "call_id", "leg").iter_rows())
    for row in phases.iter_rows(named=True):
        block("Calls", row["phase"], row["from_at"], row["until_at"], f"{_other(row)}: {words(row['phase']).lower()}", _call_key(row))
    for row in calls.iter_rows(named=True):
        if (row["company"], row["call_id"], row["leg"]) not in drawn:
            answered = min(max(row["answered_at"] or row["until_at"], row["from_at"]), row["until_at"])
            block("Calls", "ringing", row["from_at"], answered, f"{_other(row)}: ringing", _call_key(row))
            block("Calls", "talking", answered, row["until_at"], f"{_other(row)}: talking", _call_key(row))
    return pl.DataFrame(blocks, schema=_BLOCKS)


def call_of(key: str) -> tuple[str, str] | None:
    """Company and id of the call that a block of `day_lanes` belongs to; None where it belongs to none."""
    try:
        company, call_id = json.loads(key)
    except ValueError:
        return None
    return str(company), str(call_id)


def _call_key(row: Mapping[str, Any]) -> str:
    return json.dumps([row["company"], row["call_id"]])


def _other(row: Mapping[str, Any]) -> str:
    return short(row["other_name"] or row["other_phone"] or "unknown", limit=40)


# ---------------------------------------------------------------- pictures


def stacked_bars(
    frame: pl.DataFrame,
    *,
    x: str,
    y: str,
    series: str,
    colours: Mapping[str, str] = OUTCOMES,
    x_title: str = "",
    y_title: str = "calls",
    height: int = 280,
    name: str | None = None,
) -> Drawing:
    """Bars of counts, one for each `x` (text, in the frame's order), stacked by `series` in the order of `colours`."""
    order = list(frame[x].unique(maintain_order=True))
    present = _present(frame, series, colours)
    rows = frame.select(
        x=pl.col(x),
        y=pl.col(y),
        series=pl.col(series).replace_strict({key: words(key) for key in present}, default=pl.col(series)),
        key=pl.col(series),
        rank=pl.col(series).replace_strict({key: place for place, key in enumerate(present)}, default=99),
    )
    chart = (
        alt.Chart(_values(rows))
        .mark_bar(cornerRadius=1)
        .encode(
            x=alt.X("x:O", sort=order, title=x_title or None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
            y=alt.Y("sum(y):Q", title=y_title, axis=alt.Axis(tickMinStep=1, grid=True)),
            color=_colour("series", [words(key) for key in present], [colours.get(key, GREY) for key in present]),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("x:N", title=x_title or "when"),
                alt.Tooltip("series:N", title="result"),
                alt.Tooltip("y:Q", title=y_title),
            ],
        )
    )
    if name is not None:
        chart = chart.add_params(alt.selection_point(name=name, fields=["x", "key"]))
    return _sized(chart, height)


def columns(
    frame: pl.DataFrame,
    *,
    x: str,
    y: str,
    x_title: str = "",
    y_title: str = "",
    colour: str = BLUE,
    height: int = 240,
    name: str | None = None,
) -> Drawing:
    """Plain columns, in the frame's order."""
    rows = frame.select(x=pl.col(x).cast(pl.String), y=pl.col(y))
    chart = (
        alt.Chart(_values(rows))
        .mark_bar(color=colour, cornerRadius=1)
        .encode(
            x=alt.X(
                "x:O", sort=rows["x"].to_list(), title=x_title or None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)
            ),
            y=alt.Y("y:Q", title=y_title or None, axis=alt.Axis(tickMinStep=1)),
            tooltip=[alt.Tooltip("x:N", title=x_title or "when"), alt.Tooltip("y:Q", title=y_title, format=",")],
        )
    )
    if name is not None:
        chart = chart.add_params(alt.selection_point(name=name, fields=["x"]))
    return _sized(chart, height)


def bars(
    frame: pl.DataFrame,
    *,
    label: str,
    value: str,
    share: str | None = None,
    coloured: Mapping[str, str] | None = None,
    x_title: str = "calls",
    colour: str = BLUE,
    name: str | None = None,
) -> Drawing:
    """Horizontal bars with their figure beside them, in the frame's order. `coloured`: a colour for each label. No share, none said."""
    said = worded(frame[value], count)
    if share is not None:
        said = said + worded(frame[share], lambda part: "" if part is None else f"  ·  {percent(part)}", nulls=True)
    rows = frame.select(
        key=pl.col(label).fill_null(""),
        label=worded(frame[label], lambda text: short(words(text), limit=34), nulls=True),
        value=pl.col(value),
        text=said,
    )
    base = alt.Chart(_values(rows)).encode(
        y=alt.Y("label:N", sort=rows["label"].to_list(), title=None, axis=alt.Axis(labelLimit=190, ticks=False, domain=False)),
        x=alt.X("value:Q", title=x_title or None, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(domainMax=_room(rows["value"]))),
        tooltip=[alt.Tooltip("label:N", title="what"), alt.Tooltip("text:N", title=x_title or "value")],
    )
    bar = base.mark_bar(color=colour, cornerRadius=2)
    if coloured is not None:
        keys = rows["key"].to_list()
        bar = bar.encode(
            color=alt.Color("key:N", scale=alt.Scale(domain=keys, range=[coloured.get(key, GREY) for key in keys]), legend=None)
        )
    if name is not None:
        bar = bar.add_params(alt.selection_point(name=name, fields=["key"]))
    figure = base.mark_text(align="left", dx=5, fontSize=12, color=QUIET).encode(text="text:N")
    return _sized(bar + figure, max(90, 30 * rows.height + 50))


def branches(
    frame: pl.DataFrame, *, branch: str, leaf: str, value: str, x_title: str = "calls", most: int = 8, name: str | None = None
) -> Drawing:
    """Horizontal bars of each branch, the greatest first, and under each, set in, those of its leaves; the smallest as one.

    A click gives `branch` and `leaf` as they stand in the frame; of a branch itself the leaf is empty, of the smallest it is `OTHERS`.
    """
    leaves = frame.group_by(branch, leaf).agg(pl.col(value).sum()).sort(value, leaf, descending=[True, False])
    whole = leaves.group_by(branch).agg(pl.col(value).sum()).sort(value, branch, descending=[True, False])
    rows: list[dict[str, Any]] = []
    for trunk, total in whole.rows():
        rows.append({"branch": trunk, "leaf": "", "label": words(trunk), "value": total, "what": "category"})
        of_it = leaves.filter(pl.col(branch) == trunk).select(leaf, value).rows()
        rows += [
            {"branch": trunk, "leaf": twig, "label": f"– {short(twig, limit=30)}", "value": n, "what": "cause"} for twig, n in of_it[:most]
        ]
        if rest := of_it[most:]:
            rows.append(
                {"branch": trunk, "leaf": OTHERS, "label": f"– {len(rest)} others", "value": sum(n for _, n in rest), "what": "cause"}
            )
    # equal words in two branches are two bars: a sign that is not seen tells them apart
    shown = pl.DataFrame([row | {"label": row["label"] + "\u200b" * place, "text": count(row["value"])} for place, row in enumerate(rows)])
    base = alt.Chart(_values(shown)).encode(
        y=alt.Y(
            "label:N",
            sort=shown["label"].to_list(),
            title=None,
            axis=alt.Axis(labelLimit=230, labelOverlap=False, labelAlign="left", labelPadding=200, ticks=False, domain=False),
        ),
        x=alt.X("value:Q", title=x_title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(domainMax=_room(shown["value"]))),
        tooltip=[alt.Tooltip("label:N", title="what"), alt.Tooltip("value:Q", title=x_title, format=",")],
    )
    bar = base.mark_bar(cornerRadius=2).encode(color=_colour("what", ["category", "cause"], [BLUE, SLATE]))
    if name is not None:
        bar = bar.add_params(alt.selection_point(name=name, fields=["branch", "leaf"]))
    figure = base.mark_text(align="left", dx=5, fontSize=12, color=QUIET).encode(text="text:N")
    return _sized(bar + figure, max(120, 24 * shown.height + 70))


def stacked_rows(
    frame: pl.DataFrame,
    *,
    label: str,
    value: str,
    series: str,
    colours: Mapping[str, str],
    x_title: str,
    key: str | None = None,
    name: str | None = None,
) -> Drawing:
    """Horizontal bars stacked by `series`, in the order of `colours`; labels in the frame's order. `key`: what a click gives."""
    ranks = {word: place for place, word in enumerate(colours)}
    rows = frame.select(
        label=worded(frame[label], lambda text: short(text, limit=30)),
        value=pl.col(value),
        series=pl.col(series),
        rank=pl.col(series).replace_strict(ranks, default=99),
        key=pl.col(key or label),
    )
    order = list(rows["label"].unique(maintain_order=True))
    chart = (
        alt.Chart(_values(rows))
        .mark_bar(cornerRadius=1)
        .encode(
            y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False)),
            x=alt.X("value:Q", title=x_title, axis=alt.Axis(tickMinStep=1)),
            color=_colour("series", list(colours), list(colours.values())),
            order=alt.Order("rank:Q"),
            tooltip=[alt.Tooltip("label:N", title="who"), alt.Tooltip("series:N", title="what"), alt.Tooltip("value:Q", title=x_title)],
        )
    )
    if name is not None:
        chart = chart.add_params(alt.selection_point(name=name, fields=["key", "series"]))
    return _sized(chart, max(140, 26 * len(order) + 90))


def ranges(frame: pl.DataFrame, *, label: str, low: str, middle: str, high: str, end: str) -> Drawing:
    """For each label a bar from low to high, a mark at the middle, a thin line on to the end; values in ms, shown in minutes."""
    rows = frame.select(
        label=worded(frame[label], lambda text: short(text, limit=30)),
        **{part: pl.col(column) / 60_000 for part, column in (("low", low), ("middle", middle), ("high", high), ("end", end))},
        tip=pl.Series(
            [
                f"median {duration(row[middle])}, half {duration(row[low])} – {duration(row[high])}, 90 % below {duration(row[end])}"
                for row in frame.iter_rows(named=True)
            ],
            dtype=pl.String,
        ),
    )
    order = list(rows["label"].unique(maintain_order=True))
    base = alt.Chart(_values(rows)).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False)),
        tooltip=[alt.Tooltip("label:N", title="who"), alt.Tooltip("tip:N", title="talk")],
    )
    thin = base.mark_rule(color=GREY).encode(x=alt.X("low:Q", title="minutes"), x2="end:Q")
    bar = base.mark_bar(color=BLUE, opacity=0.75, cornerRadius=2, height={"band": 0.55}).encode(x="low:Q", x2="high:Q")
    mark = base.mark_tick(color=VERMILION, thickness=3, size=16).encode(x="middle:Q")
    return _sized(thin + bar + mark, max(140, 26 * len(order) + 60))


def flow(frame: pl.DataFrame, *, x: str, now: str, usual: str, marked: str | None = None, name: str | None = None) -> Drawing:
    """Columns of events with the usual as a dashed line over them. `marked`: a word, with a triangle, over the columns that have one."""
    rows = frame.select(x=pl.col(x), now=pl.col(now), usual=pl.col(usual), mark=pl.col(marked).fill_null("") if marked else pl.lit(""))
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("x:O", sort=rows["x"].to_list(), title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
        tooltip=[
            alt.Tooltip("x:N", title="when"),
            alt.Tooltip("now:Q", title="events", format=","),
            alt.Tooltip("usual:Q", title="usual", format=",.0f"),
            *([alt.Tooltip("mark:N", title="look at it")] if marked else []),
        ],
    )
    scale = alt.Scale(domain=["events", "usual"], range=[BLUE, GREY])
    bar = (
        base.transform_calculate(what="'events'")
        .mark_bar(cornerRadius=1)
        .encode(y=alt.Y("now:Q", title="events"), color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND))
    )
    if name is not None:
        bar = bar.add_params(alt.selection_point(name=name, fields=["x"]))
    line = (
        base.transform_calculate(what="'usual'")
        .mark_line(strokeDash=[5, 4], strokeWidth=2)
        .encode(y="usual:Q", color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND))
    )
    layers = [bar, line]
    if marked:
        odd = base.transform_filter("datum.mark != ''").transform_calculate(top="max(datum.now, datum.usual)")
        layers.append(odd.mark_point(shape="triangle-down", filled=True, size=90, color=VERMILION, opacity=1, yOffset=-9).encode(y="top:Q"))
        layers.append(odd.mark_text(dy=-22, fontSize=11, color=VERMILION).encode(y="top:Q", text="mark:N"))
    return _sized(alt.layer(*layers), 240)


def line_in_band(
    frame: pl.DataFrame, *, x: str, now: str, usual: str, low: str, high: str, now_title: str, usual_title: str, y_title: str = "calls"
) -> Drawing:
    """Now as a solid line, the usual as a dashed one inside its band; told apart by dash and width, not by colour alone."""
    rows = frame.select(x=pl.col(x), now=pl.col(now), usual=pl.col(usual), low=pl.col(low), high=pl.col(high))
    order = rows["x"].to_list()
    axis = alt.X("x:O", sort=order, title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False))
    base = alt.Chart(_values(rows)).encode(x=axis)
    tip = [
        alt.Tooltip("x:N", title="when"),
        alt.Tooltip("now:Q", title=now_title, format=",.1f"),
        alt.Tooltip("usual:Q", title=usual_title, format=",.1f"),
    ]
    scale = alt.Scale(domain=[now_title, usual_title], range=[BLUE, GREY])
    band = base.mark_area(opacity=_BAND, color=GREY, interpolate="monotone").encode(y=alt.Y("low:Q", title=y_title), y2="high:Q")
    usual_line = (
        base.transform_calculate(what=f"{usual_title!r}")
        .mark_line(strokeDash=[5, 4], strokeWidth=2, interpolate="monotone")
        .encode(y="usual:Q", color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND), tooltip=tip)
    )
    now_line = (
        base.transform_calculate(what=f"{now_title!r}")
        .mark_line(strokeWidth=3, interpolate="monotone", point=alt.OverlayMarkDef(size=30))
        .encode(y="now:Q", color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND), tooltip=tip)
    )
    return _sized(band + usual_line + now_line, 260)


def lines(
    frame: pl.DataFrame,
    *,
    x: str,
    y: str,
    series: str | None = None,
    goals: Sequence[tuple[float, str]] = (),
    y_title: str = "",
    y_format: str = "~s",
    x_title: str = "",
    share: bool = False,
    height: int = 260,
    name: str | None = None,
) -> Drawing:
    """Lines over ordered text, each series with its own dash and point shape; each of `goals` is a rule with its name on it.

    `name`: of the selection of a point, by `x` and `key`, the series as it stands in the frame.
    """
    rows = frame.select(
        x=pl.col(x).cast(pl.String),
        y=pl.col(y),
        key=pl.col(series).cast(pl.String) if series else pl.lit(""),
        series=worded(frame[series].cast(pl.String), lambda text: short(text, limit=40)) if series else pl.lit(""),
    )
    order = list(rows["x"].unique(maintain_order=True))
    names = list(rows["series"].unique(maintain_order=True))
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True)
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("x:O", sort=order, title=x_title or None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
        y=alt.Y("y:Q", title=y_title or None, axis=alt.Axis(format=y_format), scale=scale),
    )
    if series:
        base = base.encode(color=_colour("series", names, [SERIES[place % len(SERIES)] for place in range(len(names))]))
    else:
        base = base.encode(color=alt.value(BLUE))
    line = base.mark_line(strokeWidth=2.5)
    # a tooltip is the points' alone: a line that answers to the mouse would give its first point for any place on it
    point = base.mark_point(filled=True, size=55, opacity=1).encode(
        tooltip=[
            *([alt.Tooltip("series:N", title="which")] if series else []),
            alt.Tooltip("x:N", title=x_title or "when"),
            alt.Tooltip("y:Q", title=y_title, format=y_format),
        ]
    )
    if series:
        line = line.encode(strokeDash=alt.StrokeDash("series:N", sort=names, legend=None))
        point = point.encode(shape=alt.Shape("series:N", sort=names, legend=None))
    if name is not None:
        point = point.add_params(alt.selection_point(name=name, fields=["x", "key"]))
    layers = [line, point]
    for goal, text in goals:
        mark = alt.Chart(alt.InlineData(values=[{"goal": goal, "text": text}]))
        layers.append(mark.mark_rule(strokeDash=[6, 4], strokeWidth=1.5, color=VERMILION).encode(y="goal:Q"))
        layers.append(
            mark.mark_text(align="right", baseline="bottom", dy=-3, color=VERMILION, fontSize=12, limit=260).encode(
                y="goal:Q", x=alt.value("width"), text="text:N"
            )
        )
    return _sized(alt.layer(*layers), height)


def bullets(frame: pl.DataFrame, *, label: str, value: str, goal: str, x_title: str, name: str | None = None) -> Drawing:
    """For each label its share as a bar and its goal as a mark across it; beside them, in words, both and whether it is met."""
    rows = frame.select(
        key=pl.col(label).fill_null(""),
        label=worded(frame[label], lambda text: short(text, limit=30)),
        value=pl.col(value),
        goal=pl.col(goal),
        text=pl.Series([against_goal(*both) for both in frame.select(value, goal).iter_rows()], dtype=pl.String),
        met=pl.when(pl.col(value) >= pl.col(goal)).then(pl.lit("met")).otherwise(pl.lit("missed")),
    )
    base = alt.Chart(_values(rows)).encode(
        y=alt.Y(
            "label:N",
            sort=rows["label"].to_list(),
            title=None,
            axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False),
        ),
        tooltip=[alt.Tooltip("label:N", title="which"), alt.Tooltip("text:N", title=x_title)],
    )
    axis = alt.X("value:Q", title=x_title, axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1]), scale=alt.Scale(domain=[0, 1.6]))
    bar = base.mark_bar(cornerRadius=2, height={"band": 0.5}).encode(
        x=axis, color=alt.Color("met:N", scale=alt.Scale(domain=["met", "missed"], range=[BLUE, VERMILION]), title=None, legend=_LEGEND)
    )
    if name is not None:
        bar = bar.add_params(alt.selection_point(name=name, fields=["key"]))
    mark = base.mark_tick(color=QUIET, thickness=3, height={"band": 0.85}).encode(x="goal:Q")
    figure = (
        base.transform_calculate(end="max(datum.value, datum.goal)")
        .mark_text(align="left", dx=8, fontSize=12, color=QUIET)
        .encode(x="end:Q", text="text:N")
    )
    return _sized(bar + mark + figure, max(110, 32 * rows.height + 90))


def heatmap(
    frame: pl.DataFrame,
    *,
    x: str,
    y: str,
    value: str,
    x_title: str = "",
    y_title: str = "",
    value_title: str = "calls",
    figures: bool = False,
    height: int = 250,
    name: str | None = None,
) -> Drawing:
    """A grid of shades with the figure in the tooltip, or in each cell too; x and y are text in the frame's order."""
    rows = frame.select(x=pl.col(x).cast(pl.String), y=pl.col(y).cast(pl.String), value=pl.col(value))
    xs, ys = list(rows["x"].unique(maintain_order=True)), list(rows["y"].unique(maintain_order=True))
    top = _room(rows["value"]) / 1.25
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("x:O", sort=xs, title=x_title or None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False, domain=False)),
        y=alt.Y("y:O", sort=ys, title=y_title or None, axis=alt.Axis(ticks=False, domain=False, labelLimit=150)),
    )
    cells = base.mark_rect(cornerRadius=2).encode(
        # from almost nothing to the full colour, by opacity: so it holds on a white and on a dark ground
        opacity=alt.Opacity("value:Q", scale=alt.Scale(domain=[0, top], range=[0.06, 1]), legend=None),
        color=alt.value(BLUE),
        tooltip=[
            alt.Tooltip("y:N", title=y_title or "row"),
            alt.Tooltip("x:N", title=x_title or "column"),
            alt.Tooltip("value:Q", title=value_title, format=",.2~f"),
        ],
    )
    if name is not None:
        cells = cells.add_params(alt.selection_point(name=name, fields=["x", "y"]))
    if not figures:
        return _sized(alt.layer(cells), height)
    on_full = alt.condition(f"datum.value > {top / 2}", alt.value("#ffffff"), alt.value(GREY))
    return _sized(
        cells + base.mark_text(fontSize=12, fontWeight=600).encode(text=alt.Text("value:Q", format=",.2~f"), color=on_full), height
    )


def lanes(
    frame: pl.DataFrame,
    *,
    colours: Mapping[str, str],
    time_zone: str | None = None,
    lane_order: Sequence[str] | None = None,
    height_of_lane: int = 40,
    name: str | None = None,
    x_title: str = "",
    span: tuple[datetime, datetime] | None = None,
    zoom: bool = False,
) -> Drawing:
    """Horizontal blocks: lane (text), kind (text, coloured), text, tip, key, and from_at/until_at (UTC) or from_ms/until_ms.

    With instants the axis is the wall clock of `time_zone`; with ms it is the time since the beginning. `zoom`: the wheel with
    Shift stretches the axis (without it the page scrolls), dragging moves it, a double click resets it.
    """
    ordered = list(lane_order) if lane_order is not None else list(frame["lane"].unique(maintain_order=True))
    if time_zone is not None:
        frame = frame.with_columns(
            from_ms=wall_clock_ms(pl.col("from_at"), time_zone), until_ms=wall_clock_ms(pl.col("until_at"), time_zone)
        )
        domain: Any = alt.Undefined
        if span is not None:
            domain = pl.DataFrame({"at": [span[0], span[1]]}).select(wall_clock_ms(pl.col("at"), time_zone)).to_series().to_list()
        axis = alt.X(
            "from_ms:T",
            title=x_title or None,
            scale=alt.Scale(type="utc", domain=domain, nice=False),
            axis=alt.Axis(format="%H:%M", labelOverlap="greedy"),
        )
    else:
        axis = alt.X(
            "from_ms:Q",
            title=x_title or "time since the call began",
            scale=alt.Scale(nice=False, zero=True),
            axis=alt.Axis(labelExpr=_SINCE, labelOverlap="greedy", tickMinStep=1000),
        )
    present = _present(frame, "kind", colours)
    rows = frame.select("lane", "kind", "from_ms", "until_ms", "text", "tip", "key", word=worded(frame["kind"], words))
    base = alt.Chart(_values(rows)).encode(
        y=alt.Y(
            "lane:N", sort=ordered, scale=alt.Scale(domain=ordered), title=None, axis=alt.Axis(labelLimit=170, ticks=False, domain=False)
        ),
        x=axis,
        x2="until_ms",
        tooltip=[alt.Tooltip("lane:N", title="who"), alt.Tooltip("word:N", title="what"), alt.Tooltip("tip:N", title="when")],
    )
    block = base.mark_bar(height={"band": 0.72}, cornerRadius=2, minBandSize=2, clip=zoom).encode(
        color=_colour("word", [words(key) for key in present], [colours.get(key, GREY) for key in present])
    )
    if name is not None:
        block = block.add_params(alt.selection_point(name=name, fields=["key"]))
    if zoom:
        block = block.add_params(
            alt.selection_interval(name="zoom", bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]", clear="dblclick")
        )
    text = (
        base.transform_filter("datum.text != ''")
        .mark_text(align="left", dx=5, fontSize=11, color="#ffffff", fontWeight=600)
        .encode(text="text:N")
    )
    return _sized(block + text, max(100, height_of_lane * len(ordered) + 70))


def scatter(frame: pl.DataFrame, *, x: str, y: str, x_title: str, y_title: str, name: str | None = None) -> Drawing:
    """Points and the line on which both agree; values in ms, shown in seconds. A click gives `key`, a call's: see `call_of`."""
    key = pl.Series([_call_key(row) for row in frame.iter_rows(named=True)], dtype=pl.String)
    rows = frame.select(x=pl.col(x) / 1000, y=pl.col(y) / 1000, key=key).drop_nulls()
    top = max(_room(rows["x"]), _room(rows["y"]))
    points = (
        alt.Chart(_values(rows))
        .mark_point(filled=True, size=36, opacity=0.55, color=BLUE)
        .encode(
            x=alt.X("x:Q", title=x_title),
            y=alt.Y("y:Q", title=y_title),
            tooltip=[alt.Tooltip("x:Q", title=x_title), alt.Tooltip("y:Q", title=y_title)],
        )
    )
    if name is not None:
        points = points.add_params(alt.selection_point(name=name, fields=["key"]))
    line = (
        alt.Chart(alt.InlineData(values=[{"x": at, "y": at} for at in (0.0, top)]))
        .mark_line(strokeDash=[4, 4], color=GREY)
        .encode(x="x:Q", y="y:Q")
    )
    return _sized(line + points, 320)


def wall_clock_ms(at: pl.Expr, time_zone: str) -> pl.Expr:
    """UTC instants → ms of the wall clock of a zone, as if that were UTC."""
    return at.dt.convert_time_zone(time_zone).dt.replace_time_zone(None).dt.epoch("ms")


# in columns, fewer on a narrow screen, so that there a long legend goes on below instead of out of the picture
_LEGEND: Final = alt.Legend(
    orient="top",
    title=None,
    labelLimit=150,
    symbolType="square",
    columns=alt.ExprRef("width < 380 ? 2 : width < 640 ? 3 : 6"),
    columnPadding=12,
)


def _colour(field: str, domain: Sequence[str], colours: Sequence[str]) -> alt.Color:
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(domain), range=list(colours)),
        title=None,
        legend=_LEGEND,
    )


def _present(frame: pl.DataFrame, series: str, colours: Mapping[str, str]) -> list[str]:
    """The values that occur: those with a colour of their own in its order, then the unknown ones."""
    found = {value for value in frame[series].to_list() if value is not None}
    return [key for key in colours if key in found] + sorted(found - set(colours))


def _room(values: pl.Series) -> float:
    """The end of an axis that leaves room for the figure beside the longest bar."""
    top = values.max()
    return float(top) * 1.25 if isinstance(top, int | float) and top else 1.0


def specification(drawn: Drawing) -> dict[str, Any]:
    """A picture as Vega-Lite reads it, unchecked."""
    spec: dict[str, Any] = drawn.to_dict(validate=False)
    return spec


def _values(rows: pl.DataFrame) -> Any:
    return alt.InlineData(values=rows.to_dicts())


def _sized(chart: Drawing, height: int) -> Drawing:
    return chart.properties(width="container", height=height).configure_view(strokeOpacity=0)
