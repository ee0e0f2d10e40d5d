"""The reports: each a named question with its SQL, its parameters, its result schema and the metrics it uses.

Promise: `ask` returns exactly the columns that the report declares, in order and type, or raises. Every value reaches the SQL
as a bound parameter. One `Filters` says what is asked for; the same one opens the list behind a figure.

A report is one file, `<name>.sql`, whose head says what it is:

    -- question: Are we answering, better or worse than usual?
    -- grain: one row
    -- key: …                                   columns that identify a row; none for one row
    -- metrics: is_offered, answer_rate         macros of metrics.sql
    -- result:
    --   offered BIGINT [calls] Offered calls   name, type, unit, meaning

What follows is the statement; its parameters are those it names with `$`. Metrics are read from metrics.sql.
`python -m transforms.reports.catalog > docs/metrics.md` writes the page of all of them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property
from importlib import resources
from itertools import islice, pairwise, takewhile
from statistics import median
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from ingest.config import QueueSettings, Reports
from transforms.reports.masking import masked

Compare = Literal["previous", "usual", "none"]
Grain = Literal["quarter", "half_hour", "hour", "day", "week", "month"]

MINUTES_OF_WEEK: Final = 7 * 24 * 60
STEPPED_WAIT_S: Final = 600
"""Up to this many whole seconds the roll-ups know each second of wait."""
USUAL_WEEKS: Final = 4
FEW: Final = 200
"""So many calls are named by their instants, and found by them at once."""
FLOW_DAYS: Final = 63
"""Eight weeks and the part of a week that an interval may begin before the period."""
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result makes an extra copy", category=UserWarning)
_QUARTER: Final = timedelta(minutes=15)
_STRAY: Final = timedelta(days=28)
"""A call so long before all periods that are compared does not tell since when calls are kept."""
_WIDER: Final = 20
"""So many times as many calls as before are looked through at each step of a search for a page."""
_SEPARATOR: Final = "\x1f"
"""separator() of metrics.sql."""
_BY_TIME: Final = frozenset({"calls", "missed_calls", "offers", "repeat_calls", "visits"})
"""Lists in order of time, the newest first; that of calls in the order that the filters say."""
NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)

_TYPES: Final[dict[str, pl.DataType]] = {
    "VARCHAR": pl.String(),
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "BOOLEAN": pl.Boolean(),
    "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
    "TIMESTAMPTZ[]": pl.List(pl.Datetime("us", "UTC")),
    "TIMESTAMP": pl.Datetime("us"),
    "DATE": pl.Date(),
    "VARCHAR[]": pl.List(pl.String()),
}


_EITHER: Final = re.compile(r"counted_(?P<what>call|abandon|outcome|wait|hit)s\(\$(?P<rolled>\w+), ")


@cache
def _parameters(statement: str) -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"\$([a-z_]+)", statement))))


@dataclass(frozen=True, slots=True)
class Metric:
    """A formula of metrics.sql and what it means."""

    name: str
    label: str
    formula: str
    grain: str
    unit: str
    source: str
    sql: str


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a report's result."""

    name: str
    type: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class Report:
    """A named question and its answer's shape.

    Attributes:
        name: of the file, without `.sql`.
        question, grain: for people.
        key: the columns that identify a row; empty where the result is one row or a plain list.
        metrics: names in METRICS.
        columns: the result, in order.
        sql: the statement, without its head.
    """

    name: str
    question: str
    grain: str
    key: tuple[str, ...]
    metrics: tuple[str, ...]
    columns: tuple[ResultColumn, ...]
    sql: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return _parameters(self.sql)

    def statement(self, known: Mapping[str, Any]) -> str:
        """The statement with, of roll-ups and rows, only the one that is asked: to bind both takes longer than to run one."""
        return _EITHER.sub(lambda at: f"rolled_{at['what']}s(" if known[at["rolled"]] else f"{at['what']}_units(", self.sql)

    @cached_property
    def units(self) -> dict[str, str]:
        return {column.name: column.unit for column in self.columns if column.unit}

    @cached_property
    def schema(self) -> pl.Schema:
        return pl.Schema({column.name: _TYPES[column.type] for column in self.columns})


@dataclass(frozen=True)
class Filters:
    """What is asked for. Empty tuples and None mean: all.

    Attributes:
        settings: `[reports]` of the configuration, or what the reader put in its place.
        start, end: the period, from start to before end, as instants.
        compare: with what: the previous equal period, the median of the same weekdays of the last four weeks, nothing.
        companies, pbxs, directions, queues, agents, trunks, departments: only these. An agent is `<company>_<extension>`
            (without an extension the user id). Of calls: queues they visited; agents and departments that answered first, or that called.
        in_hours_only: only what began within business hours.
        figure: only what this figure counts, for the list behind it (CALL_FIGURES, VISIT_FIGURES, OFFER_FIGURES …).
        outcomes, causes, categories, ended_by, reasons, states, countries: only these.
        part: only what one row of a report counts, as `<what it groups by>:<value>` (is_part and is_visit_part of metrics.sql).
        text: part of a number or name, or a whole call id. number: a whole external_key; number_of: that of a call, as
            (company, call_id). call: (company, call_id).
        instants: only calls that started at one of these.
        grain: of series; None: what suits the period.
        order, descending, limit, offset: of lists.
    """

    settings: Reports = field(default_factory=Reports)
    start: datetime | None = None
    end: datetime | None = None
    compare: Compare = "previous"
    companies: tuple[str, ...] = ()
    pbxs: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    in_hours_only: bool = False
    figure: str | None = None
    outcomes: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    ended_by: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    part: str | None = None
    text: str | None = None
    number: str | None = None
    number_of: tuple[str, str] | None = None
    call: tuple[str, str] | None = None
    include_short: bool = False
    grain: Grain | None = None
    instants: tuple[datetime, ...] | None = None
    order: str = "started_at"
    descending: bool = True
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant is not None and instant.tzinfo is None:
                raise ValueError("a period is made of instants: start and end need a time zone")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    @property
    def series_grain(self) -> Grain:
        """The grain asked for, else one that gives a readable number of intervals."""
        if self.grain is not None:
            return self.grain
        if self.start is None or self.end is None:
            return "month"
        days = (self.end - self.start) / timedelta(days=1)
        return "half_hour" if days <= 2 else "hour" if days <= 4 else "day" if days <= 120 else "week" if days <= 750 else "month"

    @property
    def flow_grain(self) -> Grain:
        """The grain asked for, else one in which a gap of an hour is seen: a day as a whole hides it."""
        if self.grain is None and self.within_days(14):
            return "hour"
        return self.series_grain

    def windows(self) -> tuple[Filters, ...]:
        """The periods to compare with: none, the one before, or the same weekdays of the last four weeks."""
        if self.compare == "none" or self.start is None or self.end is None:
            return ()
        return tuple(self.shifted(days) for days in self.compared_days())

    def compared_days(self) -> tuple[int, ...]:
        """By how many local days each period to compare with lies before this one."""
        if self.compare == "none" or self.start is None or self.end is None:
            return ()
        start, end = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        wall = end.replace(tzinfo=None) - start.replace(tzinfo=None)
        days = max(1, -(-wall // timedelta(days=1)))
        if self.compare == "previous":
            return (days,)
        weeks = -(-days // 7)
        return tuple(7 * weeks * k for k in range(1, USUAL_WEEKS + 1))

    def shifted(self, days: int) -> Filters:
        """The same period so many local days earlier: the clock on the wall shows the same times."""
        assert self.start is not None
        assert self.end is not None
        start, end = (
            (instant.astimezone(self.zone).replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=self.zone).astimezone(UTC)
            for instant in (self.start, self.end)
        )
        return replace(self, start=start, end=end, compare="none")

    # ---- what the SQL is given

    @property
    def open_minutes(self) -> str | None:
        """One bit a minute of the local week from Monday 00:00; None: always open."""
        hours = self.settings.opening_minutes
        if not hours:
            return "1" * MINUTES_OF_WEEK if self.settings.holidays else None
        week = bytearray(b"0" * MINUTES_OF_WEEK)
        for weekday, spans in hours.items():
            for start, until in spans:
                first = (weekday - 1) * 1440
                week[first + start : first + until] = b"1" * (until - start)
        return week.decode()

    @property
    def opens_on_quarters(self) -> bool:
        return all(minute % 15 == 0 for spans in self.settings.opening_minutes.values() for span in spans for minute in span)

    def open_windows(self, start: datetime, end: datetime) -> list[dict[str, datetime]]:
        """Business hours between two instants, as spans of instants, joined where they touch."""
        if self.open_minutes is None:
            return [{"from_at": start, "until_at": end}]
        spans = sorted(
            (max(opens, start), min(closes, end)) for opens, closes in self._openings(start, end) if opens < end and closes > start
        )
        joined: list[tuple[datetime, datetime]] = []
        for opens, closes in spans:
            if joined and opens <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
            elif opens < closes:
                joined.append((opens, closes))
        return [{"from_at": opens, "until_at": closes} for opens, closes in joined]

    def _openings(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """By local day; on a day on which the clock is changed by quarter hour of UTC, in which no offset changes."""
        day = start.astimezone(self.zone).date()
        while (midnight := self._midnight(day)) < end:
            tomorrow = self._midnight(day + timedelta(days=1))
            if day not in self.settings.holidays:
                if tomorrow - midnight == timedelta(days=1):
                    spans = self.settings.opening_minutes.get(day.isoweekday(), ()) if self.settings.opening_minutes else ((0, 1440),)
                    for opens, closes in spans:
                        yield midnight + timedelta(minutes=opens), midnight + timedelta(minutes=closes)
                else:
                    yield from self._openings_by_quarter(midnight, tomorrow)
            day += timedelta(days=1)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def _openings_by_quarter(self, at: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        week = self.open_minutes or ""
        while at < end:
            local = at.astimezone(self.zone)
            first = (local.isoweekday() - 1) * 1440 + local.hour * 60 + local.minute
            bits = week[first : first + 15]
            for i, j in pairwise([0, *(i for i in range(1, 15) if bits[i] != bits[i - 1]), 15]):
                if bits[i] == "1":
                    yield at + timedelta(minutes=i), at + timedelta(minutes=j)
            at += _QUARTER

    @property
    def period_on_quarters(self) -> bool:
        return all(instant is None or instant.timestamp() % 900 == 0 for instant in (self.start, self.end))

    @property
    def on_quarters(self) -> bool:
        """Whether quarter-hour roll-ups can tell the period and the hours."""
        return self.period_on_quarters and (not self.in_hours_only or self.opens_on_quarters)

    @property
    def days_rolled(self) -> bool:
        """Whether the roll-ups by day can answer this exactly, but for parts of days at both ends."""
        return not (self.of_calls or self.queues or self.in_hours_only)

    @property
    def every_episode(self) -> bool:
        """Whether all episodes of missed callers are asked for, or all of some companies."""
        return self.start is None and self.end is None and not (self.queues or self.trunks or self.reasons or self.in_hours_only)

    def _parts(
        self, whole: str, prefix: str, start_of: Callable[[datetime], datetime], most: timedelta, *, rolled: bool
    ) -> dict[str, datetime | None]:
        """The period in two: whole steps (days, months) of UTC, and the rows beside them. Not rolled: no step, and all rows."""
        first, last = self.start, self.end
        if rolled:
            after = None if first is None else first if start_of(first) == first else start_of(start_of(first) + most)
            before = None if last is None else start_of(last)
            if after is None or before is None or after < before:
                all_whole = first == after and last == before
                return {
                    f"{whole}_from": after, f"{whole}_until": before,
                    f"{prefix}rows_from": NEVER if all_whole else first, f"{prefix}rows_until": NEVER if all_whole else last,
                    f"{prefix}but_from": after or NEVER, f"{prefix}but_until": before or EVER,
                }  # fmt: skip
        return {
            f"{whole}_from": NEVER, f"{whole}_until": NEVER,
            f"{prefix}rows_from": first, f"{prefix}rows_until": last,
            f"{prefix}but_from": None, f"{prefix}but_until": None,
        }  # fmt: skip

    @property
    def calls_rolled(self) -> bool:
        """Whether the roll-up of calls can answer this exactly."""
        return self.on_quarters and not self.beyond_direction and _stepped(self.settings.short_abandon_s)

    @property
    def beyond_direction(self) -> bool:
        """Whether a filter is in force beyond period, hours, company and direction, which tables prepared of calls know."""
        return bool(self.pbxs or self.queues or self.agents or self.trunks or self.departments)

    @property
    def visits_rolled(self) -> bool:
        """Whether the roll-up of queue visits can answer this exactly."""
        whole = all(_stepped(own.service_level_s) and _stepped(own.short_abandon_s) for own in self._own_settings)
        return self.on_quarters and not self.of_calls and whole

    @property
    def whole_only(self) -> bool:
        """Whether a text must be a whole number or name: where numbers are masked, trying would tell the digits that are hidden."""
        return bool(self.settings.masked_digits) and any(sign.isdigit() for sign in self.text or "")

    @property
    def hits_rolled(self) -> bool:
        """Whether what a search reads can answer this exactly: a list of calls with a text to find, and little else."""
        if not self.text or _SEPARATOR in self.text or self.whole_only or self.beyond_direction:
            return False
        narrowed = self.outcomes or self.causes or self.categories or self.ended_by
        return not narrowed and all(one is None for one in (self.figure, self.part, self.number, self.number_of, self.instants))

    @property
    def _own_settings(self) -> list[QueueSettings]:
        """Those in force for queues without settings of their own, and for each with."""
        return [self.settings.of_queue(None), *map(self.settings.of_queue, self.settings.queues)]

    def within_days(self, days: int) -> bool:
        """Whether the period is so short, of local days."""
        if self.start is None or self.end is None:
            return False
        start, end = (instant.astimezone(self.zone).replace(tzinfo=None) for instant in (self.start, self.end))
        return end - start <= timedelta(days=days)

    @property
    def of_calls(self) -> bool:
        """Whether a filter is in force that only a call can answer, not a visit or an offer."""
        return bool(self.pbxs or self.directions or self.agents or self.trunks or self.departments)

    @property
    def call_of_number(self) -> Self | None:
        """The question for the call that stands for its number, where one does."""
        return None if self.number_of is None else type(self)(settings=self.settings, call=self.number_of)

    def parameters(self) -> dict[str, Any]:
        """Every parameter a report may name."""
        settings = self.settings
        part_of, _, part = (self.part or "").partition(":")
        by_month = self.calls_rolled and not self.in_hours_only
        call_months = self._parts("call_months", "call_months_", _month_of, timedelta(days=32), rolled=by_month)
        return {
            "start": self.start,
            "stop": self.end,
            "companies": _listed(self.companies),
            "pbxs": _listed(self.pbxs),
            "directions": _listed(self.directions),
            "queues": _listed(self.queues),
            "agents": _listed(self.agents),
            "trunks": _listed(self.trunks),
            "departments": _listed(self.departments),
            "open_minutes": self.open_minutes if self.in_hours_only else None,
            "business_minutes": self.open_minutes,
            "holidays": list(settings.holidays),
            "time_zone": settings.time_zone,
            "first_weekday": settings.first_weekday,
            "grain": self.series_grain,
            "flow_grain": self.flow_grain,
            "flow_from": None if self.start is None or self.end is None else self.shifted(FLOW_DAYS).start,
            "short_ms": _ms(settings.short_abandon_s),
            "within_ms": _ms(settings.service_level_s),
            "goal": float(settings.service_level_goal),
            "formula": settings.service_level_formula,
            "queue_settings": [
                {
                    "queue_name": name,
                    "within_ms": _ms(own.service_level_s),
                    "short_ms": _ms(own.short_abandon_s),
                    "goal": None if own.service_level_goal is None else float(own.service_level_goal),
                    "formula": own.service_level_formula,
                }
                for name, own in ((name, settings.of_queue(name)) for name in settings.queues)
            ],
            "callback_days": settings.callback_days,
            "repeat_days": settings.repeat_days,
            "calls_rolled": self.calls_rolled,
            "days_rolled": self.days_rolled,
            "period_on_quarters": self.period_on_quarters,
            "every_episode": self.every_episode,
            "of_calls_or_queues": self.of_calls or bool(self.queues),
            "most_ms": max(_ms(seconds) or 0 for own in self._own_settings for seconds in (own.service_level_s, own.short_abandon_s)),
            **self._parts("whole", "", _day_of, timedelta(days=1), rolled=self.days_rolled),
            **self._parts("month", "month_", _month_of, timedelta(days=32), rolled=self.visits_rolled and not self.in_hours_only),
            **call_months,
            "times_rolled": call_months["call_months_from"] != NEVER,
            "visits_rolled": self.visits_rolled,
            "hits_rolled": self.hits_rolled,
            "of_calls": self.of_calls,
            "figure": self.figure,
            "outcomes": _listed(self.outcomes),
            "causes": _listed(self.causes),
            "categories": _listed(self.categories),
            "ended_by": _listed(self.ended_by),
            "reasons": _listed(self.reasons),
            "states": _listed(self.states),
            "part_of": part_of or None,
            "part": part,
            "text": self.text or None,
            "text_key": _key_of(self.text or ""),
            "whole_only": self.whole_only,
            "few": FEW,
            "instants": None if self.instants is None else list(self.instants),
            "number": self.number,
            "company": self.call[0] if self.call else None,
            "call_id": self.call[1] if self.call else None,
            "include_short": self.include_short,
            "order": self.order,
            "descending": self.descending,
            "limit": self.limit,
            "offset": self.offset,
        }


def ask(cursor: duckdb.DuckDBPyConnection, report: Report | str, filters: Filters) -> pl.DataFrame:
    """The report's answer, with exactly its declared columns. The cursor's default schema is the warehouse's.

    Numbers are masked as the settings say. Raises TypeError if the statement gives other columns than declared: a mistake of ours,
    never of the data.
    """
    asked = REPORTS[report] if isinstance(report, str) else report
    if filters.number_of is not None:
        filters = replace(filters, number=_number_of(cursor, filters), number_of=None)
    if "text" in asked.parameters:
        filters = _of_few(cursor, asked, filters)
    return masked(_page(cursor, asked, filters), asked.units, filters.settings.masked_digits)


def _page(cursor: duckdb.DuckDBPyConnection, asked: Report, filters: Filters) -> pl.DataFrame:
    if filters.limit is not None and filters.instants is None and not filters.within_days(31):
        by_time = _is_by_time(asked, filters)
        if not (by_time and filters.hits_rolled):
            for nearer in _nearer(cursor, asked, filters):
                if (page := _answer(cursor, asked, nearer)).height == filters.limit:
                    return page
        if by_time:
            filters = _up_to_the_page(cursor, filters)
    return _answer(cursor, asked, filters)


def _is_by_time(asked: Report, filters: Filters) -> bool:
    """Whether these are calls in order of time, of which calls_edge knows where a page ends."""
    return asked.name == "calls" and filters.order == "started_at"


def _answer(cursor: duckdb.DuckDBPyConnection, asked: Report, filters: Filters) -> pl.DataFrame:
    known: dict[str, Any] = {**filters.parameters(), "near_from": None, "near_until": None}
    if "near_from" in asked.parameters:
        known["near_from"], known["near_until"] = _near(cursor, filters, itself=asked.name == "call")
    if "open_windows" in asked.parameters:
        known["open_windows"] = _windows_of(cursor, filters)
    statement = asked.statement(known)
    frame = _frame(cursor, statement, {name: known[name] for name in _parameters(statement)})
    if frame.columns != asked.schema.names():
        raise TypeError(f"report {asked.name} gives {frame.columns}, and declares {asked.schema.names()}")
    return frame.cast(asked.schema, strict=True)


def _frame(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any]) -> pl.DataFrame:
    # Not `cursor.sql(…).pl()`: a relation is bound once to learn its columns and once more to run, and binding is most of
    # a small report's time. The copy that DuckDB warns of costs less, also for a list of a million rows.
    return pl.DataFrame(cursor.execute(sql, parameters).to_arrow_table())


def ask_usual(cursor: duckdb.DuckDBPyConnection, report: Report | str, filters: Filters) -> pl.DataFrame | None:
    """The report's answer for what the period is compared with, or None: of several periods each figure's median, by key.

    Instants and local times of the key are moved to the period's own days. Other columns than key and numbers are left out.
    A period that began before the first call was kept is no zero: it is left out, and where none is left the answer is None.
    """
    asked = REPORTS[report] if isinstance(report, str) else report
    known = _known_days(cursor, filters)
    answers = [_moved(ask(cursor, asked, filters.shifted(days)), asked.key, days, filters) for days in known]
    if not answers:
        return None
    figures = [name for name, kind in asked.schema.items() if kind.is_numeric() and name not in asked.key]
    if not asked.key:
        return pl.DataFrame(
            {name: [_median([answer[name][0] for answer in answers])] for name in figures}, schema={name: pl.Float64() for name in figures}
        )
    together = pl.concat([answer.select(*asked.key, *figures) for answer in answers])
    return together.group_by(asked.key).agg(pl.col(figures).cast(pl.Float64).median()).sort(asked.key)


def known_windows(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> tuple[Filters, ...]:
    """Of the periods to compare with those that the warehouse knows whole: none that began more than a day before the first call.

    Calls of more than four weeks before all of these periods do not count as the first.
    """
    return tuple(filters.shifted(days) for days in _known_days(cursor, filters))


def _known_days(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> list[int]:
    begins = {days: start for days in filters.compared_days() if (start := filters.shifted(days).start) is not None}
    if not begins:
        return []
    # a stray call of years before, of a PBX whose clock was wrong, does not make empty weeks known
    since = min(begins.values()) - _STRAY
    asked = "select min(quarter_at) from calls_by_quarter where quarter_at >= $since"
    first = _frame(cursor, asked, {"since": since}).item()
    return [] if first is None else [days for days, start in begins.items() if start + timedelta(days=1) >= first]


def _median(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(median(there)) if there else None


def _moved(frame: pl.DataFrame, key: tuple[str, ...], days: int, filters: Filters) -> pl.DataFrame:
    zone = filters.settings.time_zone
    shift = pl.duration(days=days)
    moved: list[pl.Expr] = []
    for name in key:
        kind = frame.schema[name]
        if isinstance(kind, pl.Datetime) and kind.time_zone:
            local = pl.col(name).dt.convert_time_zone(zone).dt.replace_time_zone(None) + shift
            moved.append(
                local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC").alias(name)
            )
        elif isinstance(kind, pl.Datetime | pl.Date):
            moved.append((pl.col(name) + shift).alias(name))
    return frame.with_columns(moved)


def _nearer(cursor: duckdb.DuckDBPyConnection, asked: Report, filters: Filters) -> Iterator[Filters]:
    """Ever wider filters under which a page that is full is the page: all that comes before it in the list is there too."""
    if asked.name in _BY_TIME and filters.order == "started_at":
        where = _long_enough_ago(cursor, filters) if asked.name == "repeat_calls" else filters
        yield from _of_some_calls(cursor, where, newest_first=filters.descending or asked.name != "calls")


def _long_enough_ago(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> Filters:
    """The period without its calls of which it is not known yet whether the caller calls again: none of them is in a list."""
    as_of = _frame(cursor, "select max(as_of) as as_of from builds", {})["as_of"][0]
    if as_of is None:
        return filters
    known_until = as_of - timedelta(days=filters.settings.repeat_days) + timedelta(milliseconds=1)
    return replace(filters, end=min(known_until, filters.end or EVER))


def _of_some_calls(cursor: duckdb.DuckDBPyConnection, filters: Filters, *, newest_first: bool) -> Iterator[Filters]:
    """The period cut to its end, or to its beginning, with 20, 400 and 8000 times as many calls as the page and those before it."""
    found = _frame(
        cursor,
        f"""
        with counted as (
            select quarter_at, sum(sum(calls)) over (order by quarter_at {"desc" if newest_first else "asc"}) as up_to from calls_by_quarter
            where ($start is null or quarter_at > $start) and ($stop is null or quarter_at < $stop) group by quarter_at)
        select wanted, arg_min(quarter_at, up_to) as quarter_at from counted join (select unnest($wanted) as wanted) on up_to >= wanted
        group by wanted order by wanted""",
        {
            "start": filters.start,
            "stop": filters.end,
            "wanted": [_WIDER**step * ((filters.limit or 0) + filters.offset) for step in (1, 2, 3)],
        },
    )
    for quarter_at in found["quarter_at"]:
        if newest_first:
            yield replace(filters, start=quarter_at)
        else:
            yield replace(filters, end=min(quarter_at + _QUARTER, filters.end or EVER))


def _up_to_the_page(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> Filters:
    """The period cut after the page that is asked for, and few calls named by their instants: of a wide table of millions only the
    page's own days, or its own rows, are then read."""
    found = _edge(cursor, filters)
    if found["edge_at"] is None:
        return replace(filters, start=EVER)
    near = replace(filters, instants=None if found["instants"] is None else tuple(found["instants"]))
    if filters.descending:
        return replace(near, start=found["edge_at"])
    return replace(near, end=found["edge_at"] + timedelta(milliseconds=1))


def _edge(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> dict[str, Any]:
    """Of a search first among few calls, then among more of them if it has found so many that these may fill the page."""
    wanted = (filters.limit or 0) + filters.offset
    of_search = _of_some_calls(cursor, filters, newest_first=filters.descending) if filters.hits_rolled else ()
    for nearer in islice(of_search, 1, None):  # the nearest are so few that to look there costs a question for nothing
        found = _answer(cursor, REPORTS["calls_edge"], nearer).row(0, named=True)
        if found["calls"] == wanted:
            return found
        if found["calls"] * _WIDER < wanted:
            break
    return _answer(cursor, REPORTS["calls_edge"], filters).row(0, named=True)


def _of_few(cursor: duckdb.DuckDBPyConnection, asked: Report, filters: Filters) -> Filters:
    """A search whose text alone finds few calls: these by their instants, whatever else is asked of them.

    Not where the text's own table answers it anyway, or tells where the page ends, nor where the period is short.
    """
    alone = Filters(
        settings=filters.settings, start=filters.start, end=filters.end, companies=filters.companies, directions=filters.directions,
        in_hours_only=filters.in_hours_only, text=filters.text, limit=FEW + 1,
    )  # fmt: skip
    if not alone.hits_rolled or filters.instants is not None or filters.within_days(31):
        return filters
    of_a_page = filters.limit is not None and _is_by_time(asked, filters)
    if filters.hits_rolled and (of_a_page or "hits_rolled" in asked.parameters):
        return filters
    found = _edge(cursor, alone)
    if not found["calls"]:
        return replace(filters, start=EVER)
    return filters if found["calls"] > FEW else replace(filters, instants=tuple(found["instants"]))


def _number_of(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> str:
    """The external_key of the call that stands for it; without such a call, or of one without a number, what no call has."""
    asked = filters.call_of_number
    found = None if asked is None else _answer(cursor, REPORTS["call"], asked)
    return "" if found is None or not found.height else found["external_key"][0] or ""


def _near(cursor: duckdb.DuckDBPyConnection, filters: Filters, *, itself: bool) -> tuple[datetime | None, datetime | None]:
    """Between which instants to look for a call, or what belongs to it, so that not the whole table is read.

    A call's id has the second of its start in it; that is only a place to look first, and the row found says the rest.
    """
    if filters.call is None:
        return None, None
    asked, given = REPORTS["call"], {"company": filters.call[0], "call_id": filters.call[1]}
    if (match := _ID_TIME.search(filters.call[1])) is not None:
        around = datetime.fromtimestamp(int(match[1]), UTC)
        near = (around - timedelta(hours=1), around + timedelta(hours=1))
        found = _frame(cursor, asked.sql, {**given, "near_from": near[0], "near_until": near[1]})
        if found.height and itself:
            return near
    else:
        found = pl.DataFrame()
    if not found.height:
        if itself:
            return None, None
        found = _frame(cursor, asked.sql, {**given, "near_from": None, "near_until": None})
    if not found.height:
        return None, None
    row = found.row(0, named=True)
    return row["started_at"], None if row["late_events"] else row["ended_at"]


def _windows_of(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> list[dict[str, datetime]]:
    """Business hours of the period, of an open one within what the presence feed covers."""
    first, last = filters.start, filters.end
    if first is None or last is None:
        row = (
            cursor.sql("select (select min(started_at) from presence_intervals) as first, (select max(as_of) from builds) as last")
            .pl()
            .row(0)
        )
        first, last = first or row[0], last or row[1]
    return filters.open_windows(first, last) if first is not None and last is not None and first < last else []


def _listed(values: tuple[str, ...]) -> list[str] | None:
    return list(values) or None


def _key_of(text: str) -> str | None:
    """The external_key of a text that is a whole number, however it is written; None for any other."""
    digits = re.sub("[^0-9]", "", text)
    return digits[-9:] if len(digits) >= 9 and _NUMBER.fullmatch(text) else None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _day_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _month_of(instant: datetime) -> datetime:
    return _day_of(instant).replace(day=1)


def _stepped(seconds: float | None) -> bool:
    return seconds is not None and float(seconds).is_integer() and seconds <= STEPPED_WAIT_S


# ---------------------------------------------------------------------------------------------------------------------
# Reading the .sql files

_MACRO = re.compile(r"create or replace macro (?P<name>\w+)\((?P<arguments>[^)]*)\) as\s+(?P<body>.*?);", re.DOTALL)
_SAID = re.compile(r"-- (?P<key>label|formula|grain|unit|source): (?P<text>.+)")
_NUMBER = re.compile(r"[0-9\s+()./-]+")
_ID_TIME = re.compile(r"_(\d{9,10})\.")
_COLUMN = re.compile(r"(?P<name>\w+) (?P<type>[A-Z]+(?:\[\])?)(?: \[(?P<unit>[^\]]*)\])? ?(?P<meaning>.*)")


def sql_text(name: str) -> str:
    """The text of `<name>.sql` beside this module."""
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _read_report(name: str) -> Report:
    """A report of its file's head and body. Raises ValueError for a head that lacks what every report needs."""
    text = sql_text(name)
    head: dict[str, str] = {}
    columns: list[ResultColumn] = []
    body = text.splitlines()
    while body and body[0].startswith("--"):
        line = body.pop(0).removeprefix("--")
        if line.startswith("   ") and "result" in head:
            if (match := _COLUMN.fullmatch(line.strip())) is None:
                raise ValueError(f"{name}.sql: no column: {line.strip()}")
            columns.append(ResultColumn(match["name"], match["type"], match["unit"] or "", match["meaning"]))
        else:
            key, _, value = line.strip().partition(":")
            head[key] = value.strip()
    if not {"question", "grain", "result"} <= head.keys() or not columns:
        raise ValueError(f"{name}.sql: its head lacks question, grain or result")
    return Report(
        name, head["question"], head["grain"], _names(head.get("key")), _names(head.get("metrics")), tuple(columns), "\n".join(body).strip()
    )  # fmt: skip


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else ()


def _read_metrics() -> dict[str, Metric]:
    """Macros with a head of their own: `-- key: text` lines right above. Raises ValueError for a head that says too little."""
    metrics: dict[str, Metric] = {}
    text = sql_text("metrics")
    for match in _MACRO.finditer(text):
        head = takewhile(lambda line: line.startswith("--"), reversed(text[: match.start()].splitlines()))
        said = {found["key"]: found["text"] for line in head if (found := _SAID.fullmatch(line))}
        name = match["name"]
        if said and said.keys() != {"label", "formula", "grain", "unit", "source"}:
            raise ValueError(f"metrics.sql: the head of {name} says {', '.join(sorted(said))} alone")
        if said:
            metrics[name] = Metric(name=name, sql=f"{name}({match['arguments']}) = {' '.join(match['body'].split())}", **said)
    return metrics


def _report_names() -> list[str]:
    others = {"metrics", "views", "selections", "rollups"}
    return sorted(
        entry.name.removesuffix(".sql")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".sql") and entry.name.removesuffix(".sql") not in others
    )


METRICS: Final[Mapping[str, Metric]] = _read_metrics()
REPORTS: Final[Mapping[str, Report]] = {name: _read_report(name) for name in _report_names()}


# ---------------------------------------------------------------------------------------------------------------------
# docs/metrics.md


def markdown() -> str:
    """docs/metrics.md: every metric with its formula, every report with its columns."""
    lines = [
        "# Metrics and reports",
        "",
        "Generated by `python -m transforms.reports.catalog > docs/metrics.md`; a test fails when it is not current.",
        "",
        "A metric is a macro of [metrics.sql](../transforms/reports/metrics.sql), published in the warehouse: SQL of your own gives",
        "the number of the page. S, T and the goal are `short_abandon_s`, `service_level_s` and `service_level_goal` of `[reports]`,",
        "each also by queue; they are applied when a report asks, so a change holds for all of the past, and no table changes.",
        "",
        "- A call belongs to the local interval of `started_at` (others book it to the interval of its disconnect), a queue visit to",
        "  that of `entered_at`, an offer to that of its first ring; time in a state is split over intervals by overlap.",
        "- Calls in progress and lost calls are shown apart and enter no rate. A rate with denominator 0 has no value.",
        "- Totals are computed from counts, never averaged from rows.",
        "",
        "## Metrics",
        "",
        "| metric | formula | grain | unit | from |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| **{_cell(metric.label)}** `{name}` | {_cell(metric.formula)} | {_cell(metric.grain)} | {metric.unit} | {_cell(metric.source)} |"
        for name, metric in METRICS.items()
    ]
    lines += [
        "",
        "## Not computable from these events",
        "",
        "After-call work, utilisation, adherence, first-call resolution, customer satisfaction, cost, the path through a menu, the",
        "position in a queue, the reason of an overflow, pause codes, consult calls with an id of their own. They are named here so",
        "that nobody looks for them.",
        "",
        "## Reports",
        "",
        "Each is one file in [transforms/reports](../transforms/reports); `ask(cursor, name, filters)` gives exactly these columns.",
        "The units phone and name are of texts that hold a number, or may: `masked_digits` of `[reports]` hides its last digits there.",
    ]
    for report in REPORTS.values():
        used = ", ".join(f"`{name}`" for name in report.metrics)
        lines += ["", f"### {report.name}", "", f"{report.question} Grain: {report.grain}." + (f" Metrics: {used}." if used else ""), ""]
        lines += ["| column | type | unit | meaning |", "|---|---|---|---|"]
        lines += [f"| `{column.name}` | {column.type} | {column.unit} | {_cell(column.meaning)} |" for column in report.columns]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
