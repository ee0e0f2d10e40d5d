"""Pictures and words: frame → chart, value → text. Pure.

Colours come from one palette that the colour-blind can tell apart on a white and on a dark ground (tests/app measures both);
no chart says anything by colour alone: each colour has its word in the legend, in the order of the stack, and in the tooltip.

Vega draws instants in the time zone of the *browser*. The reader's zone is a setting, so an instant is handed over as the
wall clock of that zone, in ms as if it were UTC, on a scale of type `utc`; tooltips are text made here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

import altair as alt
import polars as pl

Drawing: TypeAlias = Any
"""A chart of altair, whose layers are typed more loosely than they behave."""

NOTHING: Final = "–"

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


def words(name: str | None) -> str:
    """`no_answer` → `No answer`."""
    return NOTHING if name is None else name.replace("_", " ").strip().capitalize() or NOTHING


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
    "away": OCHRE,
    "dnd": VERMILION,
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


def minute_labels(minutes: pl.Series) -> pl.Series:
    """Minutes of a day as `08:30`."""
    return pl.Series([f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes], dtype=pl.String)


def week_labels(frame: pl.DataFrame) -> pl.DataFrame:
    """ISO weekdays as `Mon`, hours as `08`, beside what they were."""
    days = dict(enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), start=1))
    return frame.with_columns(
        day=pl.col("weekday").replace_strict(days, return_dtype=pl.String), at=pl.col("hour").cast(pl.String).str.zfill(2)
    )


def day_lanes(presence: pl.DataFrame, calls: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """A person's day as blocks for `lanes`: status, phone, and the calls with their ringing and talking."""
    blocks: list[dict[str, Any]] = []
    for row in presence.iter_rows(named=True):
        lane = "Status" if row["kind"] == "user" else "Phone"
        kind = {"rt": "talking and ringing", None: "other"}.get(row["status"], row["status"])
        blocks.append(_day_block(lane, kind, row["started_at"], row["ended_at"], words(kind), ""))
    for row in calls.iter_rows(named=True):
        who = short(row["other_name"] or row["other_phone"] or "unknown", limit=40)
        end = row["ended_at"] or as_of
        key = f"{row['company']} {row['call_id']}"
        answered = row["answered_at"]
        blocks.append(_day_block("Calls", "ringing", row["started_at"], answered or end, f"{who}: rang", key))
        if answered is not None:
            blocks.append(
                _day_block(
                    "Calls", "talking", answered, end, f"{who}: {duration(row['talk_ms'])} talk, {duration(row['hold_ms'])} hold", key
                )
            )
    return pl.DataFrame(blocks, schema=_BLOCKS)


def _day_block(lane: str, kind: str, start: datetime, end: datetime, tip: str, key: str) -> dict[str, Any]:
    length = round((end - start).total_seconds() * 1000)
    return {"lane": lane, "kind": kind, "from_at": start, "until_at": end, "text": "", "tip": f"{tip} ({duration(length)})", "key": key}


def totals_of_day(presence: pl.DataFrame, calls: pl.DataFrame, span: tuple[datetime, datetime]) -> dict[str, str]:
    """How long a person was available, away and in calls, and how much of the period nothing is known of."""

    def spent(kind: str, *statuses: str) -> int:
        return int(presence.filter(pl.col("kind") == kind, pl.col("status").is_in(statuses))["duration_ms"].sum())

    known = int(presence.filter(pl.col("kind") == "user")["duration_ms"].sum())
    whole = round((span[1] - span[0]).total_seconds() * 1000)
    in_calls = int(calls.select(pl.col("talk_ms").fill_null(0).sum() + pl.col("hold_ms").fill_null(0).sum()).item() or 0)
    return {
        "In calls": duration(in_calls),
        "Available": duration(spent("user", "available", "online")) if known else NOTHING,
        "Away": duration(spent("user", "away", "dnd")) if known else NOTHING,
        "Unknown": duration(max(0, whole - known)),
        "Calls": count(calls.select("company", "call_id").n_unique()),
    }


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
    """Horizontal bars with their figure beside them, in the frame's order. `coloured`: a colour for each label."""
    said = worded(frame[value], count)
    if share is not None:
        said = said + "  ·  " + worded(frame[share], percent, nulls=True)
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


def flow(frame: pl.DataFrame, *, x: str, now: str, usual: str) -> Drawing:
    """Columns of events with the usual as a dashed line over them."""
    rows = frame.select(x=pl.col(x), now=pl.col(now), usual=pl.col(usual))
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("x:O", sort=rows["x"].to_list(), title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
        tooltip=[
            alt.Tooltip("x:N", title="when"),
            alt.Tooltip("now:Q", title="events", format=","),
            alt.Tooltip("usual:Q", title="usual", format=",.0f"),
        ],
    )
    scale = alt.Scale(domain=["events", "usual"], range=[BLUE, GREY])
    bar = (
        base.transform_calculate(what="'events'")
        .mark_bar(cornerRadius=1)
        .encode(y=alt.Y("now:Q", title="events"), color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND))
    )
    line = (
        base.transform_calculate(what="'usual'")
        .mark_line(strokeDash=[5, 4], strokeWidth=2)
        .encode(y="usual:Q", color=alt.Color("what:N", scale=scale, title=None, legend=_LEGEND))
    )
    return _sized(bar + line, 240)


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
    goal: float | None = None,
    goal_text: str = "goal",
    y_title: str = "",
    y_format: str = "~s",
    x_title: str = "",
    share: bool = False,
    height: int = 260,
) -> Drawing:
    """Lines over ordered text, each series with its own dash and point shape; `goal` is a labelled rule."""
    rows = frame.select(x=pl.col(x).cast(pl.String), y=pl.col(y), series=pl.col(series).cast(pl.String) if series else pl.lit(""))
    order = list(rows["x"].unique(maintain_order=True))
    names = list(rows["series"].unique(maintain_order=True))
    scale = alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True)
    base = (
        alt.Chart(_values(rows))
        .mark_line(strokeWidth=2.5, point=alt.OverlayMarkDef(size=45, filled=True))
        .encode(
            x=alt.X("x:O", sort=order, title=x_title or None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy", ticks=False)),
            y=alt.Y("y:Q", title=y_title or None, axis=alt.Axis(format=y_format), scale=scale),
            tooltip=[
                *([alt.Tooltip("series:N", title="which")] if series else []),
                alt.Tooltip("x:N", title=x_title or "when"),
                alt.Tooltip("y:Q", title=y_title, format=y_format),
            ],
        )
    )
    if series:
        base = base.encode(
            color=_colour("series", names, [SERIES[place % len(SERIES)] for place in range(len(names))]),
            strokeDash=alt.StrokeDash("series:N", sort=names, legend=None),
            shape=alt.Shape("series:N", sort=names, legend=None),
        )
    else:
        base = base.encode(color=alt.value(BLUE))
    if goal is None:
        return _sized(alt.layer(base), height)
    mark = alt.Chart(alt.InlineData(values=[{"goal": goal, "text": goal_text}]))
    rule = mark.mark_rule(strokeDash=[6, 4], strokeWidth=1.5, color=VERMILION).encode(y="goal:Q")
    label = mark.mark_text(align="right", baseline="bottom", dy=-3, color=VERMILION, fontSize=12).encode(
        y="goal:Q", x=alt.value("width"), text="text:N"
    )
    return _sized(alt.layer(base, rule, label), height)


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
) -> Drawing:
    """Horizontal blocks: lane (text), kind (text, coloured), text, tip, key, and from_at/until_at (UTC) or from_ms/until_ms.

    With instants the axis is the wall clock of `time_zone`; with ms it is the time since the beginning.
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
            axis=alt.Axis(format="%H:%M", tickCount="hour", labelOverlap="greedy"),
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
    block = base.mark_bar(height={"band": 0.72}, cornerRadius=2, minBandSize=2).encode(
        color=_colour("word", [words(key) for key in present], [colours.get(key, GREY) for key in present])
    )
    if name is not None:
        block = block.add_params(alt.selection_point(name=name, fields=["key"]))
    text = (
        base.transform_filter("datum.text != ''")
        .mark_text(align="left", dx=5, fontSize=11, color="#ffffff", fontWeight=600)
        .encode(text="text:N")
    )
    return _sized(block + text, max(100, height_of_lane * len(ordered) + 70))


def scatter(frame: pl.DataFrame, *, x: str, y: str, x_title: str, y_title: str) -> Drawing:
    """Points and the line on which both agree; values in ms, shown in seconds."""
    rows = frame.select(x=pl.col(x) / 1000, y=pl.col(y) / 1000).drop_nulls()
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


def _values(rows: pl.DataFrame) -> Any:
    return alt.InlineData(values=rows.to_dicts())


def _sized(chart: Drawing, height: int) -> Drawing:
    return chart.properties(width="container", height=height).configure_view(strokeOpacity=0)
