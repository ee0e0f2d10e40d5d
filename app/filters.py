"""What the reader asks for: widgets ⇄ URL ⇄ frozen `Filters`.

A `Choice` is what stands in the URL: the name of a period rather than its instants, so that a link to the last seven days goes
on being one. `filters_of` turns it into instants with the as-of time of the build and the settings: pure, no clock.

Whatever stands in a URL was written by anybody: what is not understood counts as not said, and never fails a page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import streamlit as st

from app.charts import short
from ingest.config import SERVICE_LEVEL_FORMULAS, Reports
from transforms.reports.catalog import Compare, Filters

PERIODS: Final[Mapping[str, str]] = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "28d": "Last 28 days",
    "week": "This week",
    "last_week": "Last week",
    "month": "This month",
    "last_month": "Last month",
    "90d": "Last 90 days",
    "all": "All time",
    "custom": "From … to …",
}
COMPARISONS: Final[Mapping[Compare, str]] = {
    "previous": "the period before",
    "usual": "the same weekdays of the last 4 weeks",
    "none": "nothing",
}
DIRECTIONS: Final = ("inbound", "outbound", "internal", "unknown")
DEFAULT_PERIOD: Final = "7d"
_LONGEST_VALUE: Final = 20_000
_MOST_VALUES: Final = 200
_QUARTER: Final = timedelta(minutes=15)

# the name in the URL → the field
LISTS: Final[Mapping[str, str]] = {
    "company": "companies",
    "pbx": "pbxs",
    "direction": "directions",
    "queue": "queues",
    "agent": "agents",
    "department": "departments",
    "trunk": "trunks",
}
FIELDS: Final = frozenset({*LISTS.values(), "in_hours_only"})
"""Of `Choice` and of `Filters`: what a page may heed or not. Every page heeds the period."""
COMMON: Final = frozenset({"period", "from", "to", "compare", "tz", "in_hours", *LISTS})
"""Every name that a common filter has in a URL."""

EVER: Final = "ever"
"""In a URL: of all time, and whatever the common filters say."""

# what one page alone uses, beside the common filters: a link to a list carries them, the next page does not
NARROWINGS: Final[Mapping[str, str]] = {
    "figure": "figure",
    "outcome": "outcomes",
    "cause": "causes",
    "category": "categories",
    "ended_by": "ended_by",
    "reason": "reasons",
    "state": "states",
    "part": "part",
    "short": "include_short",
    "text": "text",
    "number": "number",
    "number_of": "number_of",
    "in_queue": "queues",
    "of_agent": "agents",
    "of_company": "companies",
    "going": "directions",
    "on_trunk": "trunks",
    "at": "start",
    "until": "end",
    "order": "order",
}


# what the reader puts in the place of a setting, for every queue alike: a link from a page that does so carries it
SERVICE_LEVEL: Final[Mapping[str, str]] = {"within": "service_level_s", "formula": "service_level_formula"}
LONGEST_T_S: Final = 600
FORMULAS: Final[Mapping[str, str]] = {
    "default": "answered in time / (offered − short abandons)",
    "abandons_negative": "answered in time / offered",
    "abandons_ignored": "answered in time / (offered − abandoned in time)",
    "abandons_positive": "(answered + abandoned in time) / offered",
    "of_answered_only": "answered in time / answered",
    "overflow_ignored": "answered in time / (offered − short abandons − overflowed)",
}


@cache
def time_zones() -> frozenset[str]:
    """The names that this machine knows; to look for them takes as long as a report."""
    return frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Choice:
    """The common filters, as the URL has them. Empty: all.

    Attributes:
        period: a key of PERIODS; `custom` is the local days from `first` to `last`, both included.
        compare: None: what suits the period.
        time_zone: None: that of the settings.
    """

    period: str = DEFAULT_PERIOD
    first: date | None = None
    last: date | None = None
    compare: Compare | None = None
    companies: tuple[str, ...] = ()
    pbxs: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    trunks: tuple[str, ...] = ()
    time_zone: str | None = None
    in_hours_only: bool = False

    @classmethod
    def of_query(cls, query: Mapping[str, Sequence[str]]) -> Self:
        """The choice that a URL's query describes."""
        period = _only(query, "period")
        first, last = _day(_only(query, "from")), _day(_only(query, "to"))
        if first is not None and period in (None, "custom"):
            last = last or first
            period, first, last = "custom", min(first, last), max(first, last)
        else:
            first = last = None
        compare = _only(query, "compare")
        zone = _only(query, "tz")
        return cls(
            period=period if period is not None and period in PERIODS and (period != "custom" or first) else DEFAULT_PERIOD,
            first=first,
            last=last,
            compare=next((known for known in COMPARISONS if known == compare), None),
            time_zone=zone if zone in time_zones() else None,
            in_hours_only=_only(query, "in_hours") == "1",
            **{field: _many(query, name) for name, field in LISTS.items()},
        )

    def query(self) -> dict[str, list[str]]:
        """What stands in the URL: the period always, the rest where it is not the default."""
        said: dict[str, list[str]] = {"period": [self.period]}
        if self.period == "custom" and self.first and self.last:
            said |= {"from": [self.first.isoformat()], "to": [self.last.isoformat()]}
        if self.compare is not None:
            said["compare"] = [self.compare]
        said |= {name: list(values) for name, field in LISTS.items() if (values := getattr(self, field))}
        if self.time_zone:
            said["tz"] = [self.time_zone]
        if self.in_hours_only:
            said["in_hours"] = ["1"]
        return said

    @property
    def narrowed(self) -> bool:
        """Whether more than the period is asked for."""
        return self != replace(
            Choice(), period=self.period, first=self.first, last=self.last, compare=self.compare, time_zone=self.time_zone
        )

    def heeding(self, used: frozenset[str]) -> Self:
        """The choice without the filters that are not used."""
        return replace(self, **{field: getattr(Choice(), field) for field in FIELDS - used})

    @property
    def widened(self) -> Self:
        """The same period without any other filter."""
        return type(self)(period=self.period, first=self.first, last=self.last, compare=self.compare, time_zone=self.time_zone)


def says_anything(query: Mapping[str, Sequence[str]]) -> bool:
    """Whether a URL names any common filter: then it wins over what the session remembers."""
    return not COMMON.isdisjoint(query)


def narrowing_of(query: Mapping[str, Sequence[str]], *, per_person: bool = True) -> dict[str, Any]:
    """What a page's own part of the URL adds to `Filters`; not per person: nothing that picks out one of ours."""
    several = {field.name for field in fields(Filters) if str(field.type).startswith("tuple")}
    found: dict[str, Any] = {}
    for name, field in NARROWINGS.items():
        values = _many(query, name)
        if field == "number_of":
            if len(values) == 2:
                found[field] = values
        elif field in several and values:
            found[field] = values
        elif field in ("start", "end"):
            at = _instant(values[0]) if values else None
            if at is not None:
                found[field] = at
        elif field == "include_short":
            if values == ("1",):
                found[field] = True
        elif values and values[0]:
            found[field] = values[0]
    if not per_person:
        found.pop("agents", None)
        if str(found.get("part", "")).startswith("caller:"):
            del found["part"]
    return found


def narrowed(filters: Filters, query: Mapping[str, Sequence[str]]) -> Filters:
    """The common filters and what a URL adds to them; a narrower period stays within theirs."""
    added = narrowing_of(query, per_person=filters.settings.per_person)
    if EVER in query:
        filters = Filters(settings=filters.settings)
    if "start" in added and filters.start is not None:
        added["start"] = max(added["start"], filters.start)
    if "end" in added and filters.end is not None:
        added["end"] = min(added["end"], filters.end)
    return replace(filters, settings=settings_asked(filters.settings, query), **added)


def service_level_of(query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What a URL puts in the place of the settings of service level: key of the setting → value."""
    found: dict[str, Any] = {}
    seconds, formula = _only(query, "within") or "", _only(query, "formula")
    # eleven digits would be no number of seconds, and ten thousand no number at all
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 and int(seconds) <= LONGEST_T_S:
        found["service_level_s"] = int(seconds)
    if formula in SERVICE_LEVEL_FORMULAS:
        found["service_level_formula"] = formula
    return found


def settings_asked(settings: Reports, query: Mapping[str, Sequence[str]]) -> Reports:
    """The settings, but for what a URL puts in their place: of all queues, those with settings of their own too."""
    asked = service_level_of(query)
    if not asked:
        return settings
    of_queues = {name: msgspec.structs.replace(queue, **asked) for name, queue in settings.queues.items()}
    return msgspec.structs.replace(settings, queues=of_queues, **asked)


def formula_in_force(settings: Reports, queues: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """By which formula of service level these queues are counted: (in words, with T and S where all agree; the metrics' names)."""
    own = [settings.of_queue(name) for name in queues] or [settings.of_queue(None)]
    formulas = [formula for formula in FORMULAS if formula in {queue.service_level_formula for queue in own}]
    metrics = tuple("service_level" if formula == "default" else f"service_level_{formula}" for formula in formulas)
    thresholds = {(queue.service_level_s, queue.short_abandon_s) for queue in own}
    if len(formulas) > 1:
        return f"{len(formulas)} formulas, each queue by its own", metrics
    if len(thresholds) > 1:
        return f"{FORMULAS[formulas[0]]}; T and S by queue", metrics
    ((within, short_s),) = thresholds
    return f"{FORMULAS[formulas[0]]}; T {within:g} s, S {short_s:g} s", metrics


def days_of(choice: Choice, *, today: date, first_weekday: int) -> tuple[date, date] | None:
    """The local days of the period, both included; None: all time."""
    week = today - timedelta(days=(today.isoweekday() - first_weekday) % 7)
    month = today.replace(day=1)
    last_month = (month - timedelta(days=1)).replace(day=1)
    day = timedelta(days=1)
    match choice.period:
        case "today":
            return today, today
        case "yesterday":
            return today - day, today - day
        case "week":
            return week, today
        case "last_week":
            return week - 7 * day, week - day
        case "month":
            return month, today
        case "last_month":
            return last_month, month - day
        case "custom":
            assert choice.first is not None
            assert choice.last is not None
            return choice.first, choice.last
        case "all":
            return None
        case days:
            return today - (int(days.removesuffix("d")) - 1) * day, today


def comparison_of(choice: Choice, *, today: date, first_weekday: int) -> Compare:
    """What the period is compared with: as the reader says, else up to a week with the usual, since no day is like the one before."""
    if choice.compare is not None:
        return choice.compare
    days = days_of(choice, today=today, first_weekday=first_weekday)
    return "usual" if days is not None and (days[1] - days[0]).days < 7 else "previous"


def filters_of(choice: Choice, *, settings: Reports, as_of: datetime) -> Filters:
    """The choice as instants. The period ends at the as-of time at the latest, rounded up to a quarter hour: so a day that is not
    over is compared with the same hours of another."""
    zone_name = choice.time_zone or settings.time_zone
    zone = ZoneInfo(zone_name)
    today = as_of.astimezone(zone).date()
    days = days_of(choice, today=today, first_weekday=settings.first_weekday)
    start = end = None
    if days is not None:
        start, end = _midnight(days[0], zone), _midnight(days[1] + timedelta(days=1), zone)
        known_until = datetime.fromtimestamp(-(-as_of.timestamp() // 900) * 900, UTC)
        if start < known_until < end:
            end = known_until
    return Filters(
        settings=msgspec.structs.replace(settings, time_zone=zone_name),
        start=start,
        end=end,
        compare=comparison_of(choice, today=today, first_weekday=settings.first_weekday),
        companies=choice.companies,
        pbxs=choice.pbxs,
        directions=choice.directions,
        queues=choice.queues,
        agents=choice.agents if settings.per_person else (),
        departments=choice.departments,
        trunks=choice.trunks,
        in_hours_only=choice.in_hours_only,
    )


def of_who_waits(filters: Filters, *, as_of: datetime) -> Filters:
    """Who called in vain and still waits, whatever the period. All their calls in vain lie within the window for calling back, and
    over years of calls that is much less to look through than everything: the answer is the same."""
    return replace(filters, start=as_of - timedelta(days=filters.settings.callback_days + 1), end=None, states=("open",))


def span_of(day: date, *, zone: ZoneInfo, as_of: datetime) -> tuple[datetime, datetime]:
    """A local day from its beginning to its end, of the day that is not over to the as-of time."""
    start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
    return start, min(end, as_of) if start < as_of else end


def settings_rows(settings: Reports) -> list[tuple[str, str, str]]:
    """The settings in force: (key in the TOML, value, what it does)."""
    hours = [f"{day} {', '.join(spans) or 'closed'}" for day, spans in settings.business_hours.items()]
    said = [
        ("time_zone", settings.time_zone, "Days and hours, on screen and in files, unless the reader chooses another zone"),
        ("first_weekday", str(settings.first_weekday), "1 Monday … 7 Sunday: where weeks begin"),
        ("business_hours", "; ".join(hours) or "always", "“Within business hours only”, why a call was missed, occupancy"),
        ("holidays", ", ".join(day.isoformat() for day in settings.holidays) or "none", "Days on which nobody is in"),
        ("service_level_s", f"{settings.service_level_s:g} s", "T: answered within this time is in time"),
        ("service_level_goal", f"{settings.service_level_goal:.0%}", "The goal that service level is held against"),
        ("service_level_formula", settings.service_level_formula, "Which of the six formulas is meant"),
        ("short_abandon_s", f"{settings.short_abandon_s:g} s", "S: who leaves before this is in no rate"),
        ("callback_days", f"{settings.callback_days} days", "A missed caller reached within this time is recovered"),
        ("repeat_days", f"{settings.repeat_days} days", "Who calls again within this time is a repeat caller"),
        ("per_person", "true" if settings.per_person else "false", "Whether figures of single persons are shown"),
        ("masked_digits", str(settings.masked_digits), "Last digits of numbers outside that are hidden, on screen and in files"),
    ]
    for name in settings.queues:
        own = settings.queues[name]
        said += [
            (f'queues."{name}".{key}', str(value), "For this queue alone")
            for key in own.__struct_fields__
            if (value := getattr(own, key)) is not None
        ]
    return said


def period_words(choice: Choice, *, today: date, first_weekday: int) -> str:
    """`Last 7 days: Wed 18 – Tue 24 Nov 2026`."""
    days = days_of(choice, today=today, first_weekday=first_weekday)
    if days is None:
        return "All time"
    first, last = days
    name = "" if choice.period == "custom" else f"{PERIODS[choice.period]}: "
    if first == last:
        return f"{name}{first:%a %-d %b %Y}"
    if first.year != last.year:
        return f"{name}{first:%a %-d %b %Y} – {last:%a %-d %b %Y}"
    return f"{name}{first:%a %-d %b} – {last:%a %-d %b %Y}"


def chips(choice: Choice, names: Callable[[str, str], str]) -> list[tuple[str, str]]:
    """The filters in force beside the period: (field, in words). `names(kind, value)` gives an agent its name."""
    said = [
        (
            field,
            f"{label}: {', '.join(short(names(label, value), limit=30) for value in values[:3])}{' …' if len(values) > 3 else ''}",
        )
        for label, field in LISTS.items()
        if (values := getattr(choice, field))
    ]
    return [*said, *([("in_hours_only", "within business hours")] if choice.in_hours_only else [])]


@dataclass(frozen=True, slots=True)
class Options:
    """What can be chosen: (value, words) by field of `Choice`."""

    companies: tuple[tuple[str, str], ...] = ()
    pbxs: tuple[tuple[str, str], ...] = ()
    queues: tuple[tuple[str, str], ...] = ()
    agents: tuple[tuple[str, str], ...] = ()
    departments: tuple[tuple[str, str], ...] = ()
    trunks: tuple[tuple[str, str], ...] = ()


def form(choice: Choice, *, options: Options, settings: Reports, today: date, uses: frozenset[str]) -> Choice | None:
    """The form; the new choice once Apply is pressed, else None. `uses`: the fields that this page heeds; the others are not shown."""
    # the keys follow from the choice, so that a link or a button that changes it changes the widgets too
    stem = f"filters-{hash(choice)}"
    days = days_of(choice, today=today, first_weekday=settings.first_weekday)
    zone = choice.time_zone or settings.time_zone
    with (
        st.form(stem, border=False, enter_to_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="filter-bar"),
    ):
        period = st.selectbox("Period", list(PERIODS), index=list(PERIODS).index(choice.period), format_func=PERIODS.__getitem__, width=150)
        dates = st.date_input(
            "Days", value=list(days or ()), width=215, format="YYYY-MM-DD", help="Other days than the period's count as “From … to …”."
        )
        chosen: dict[str, tuple[str, ...]] = {}
        if "directions" in uses:
            chosen["directions"] = _multi("Direction", [(value, value) for value in DIRECTIONS], choice.directions, width=140)
        if "companies" in uses and (len(options.companies) > 1 or choice.companies):
            chosen["companies"] = _multi("Company", options.companies, choice.companies, width=150)
        if "queues" in uses:
            chosen["queues"] = _multi("Queue", options.queues, choice.queues, width=160)
        with st.popover("More filters", width="content"):
            suits = comparison_of(replace(choice, compare=None), today=today, first_weekday=settings.first_weekday)
            comparisons: list[Compare | None] = [None, *COMPARISONS]
            compare = st.selectbox(
                "Compare with",
                comparisons,
                index=comparisons.index(choice.compare),
                format_func=lambda key: f"what suits: {COMPARISONS[suits]}" if key is None else COMPARISONS[key],
                help="Up to seven days suit the same weekdays of the last four weeks, a longer period the one before it.",
            )
            if "pbxs" in uses and (len(options.pbxs) > 1 or choice.pbxs):
                chosen["pbxs"] = _multi("PBX", options.pbxs, choice.pbxs)
            if "agents" in uses:
                chosen["agents"] = _multi("Agent", options.agents, choice.agents)
            if "departments" in uses and (options.departments or choice.departments):
                chosen["departments"] = _multi("Department", options.departments, choice.departments)
            if "trunks" in uses:
                chosen["trunks"] = _multi("Trunk", options.trunks, choice.trunks)
            zones = sorted(time_zones() | {zone})
            time_zone = st.selectbox("Time zone", zones, index=zones.index(zone), help="Days and hours, on screen and in files.")
            in_hours = choice.in_hours_only
            if "in_hours_only" in uses:
                in_hours = st.checkbox("Within business hours only", value=choice.in_hours_only)
        applied = st.form_submit_button("Apply", type="primary")
    if not applied:
        return None
    first, last = choice.first, choice.last
    picked = tuple(dates) if isinstance(dates, Iterable) else (dates,)
    if picked and picked != (days or ()) and (period == choice.period or period == "custom"):
        period, first, last = "custom", picked[0], picked[-1]
    elif period == "custom" and first is None:
        first, last = days or (today, today)
    if period != "custom":
        first = last = None
    return replace(
        choice,
        period=period,
        first=first,
        last=last,
        compare=compare,
        time_zone=None if time_zone == settings.time_zone else time_zone,
        in_hours_only=in_hours,
        **chosen,
    )


def _multi(label: str, options: Sequence[tuple[str, str]], chosen: tuple[str, ...], *, width: int | str = "stretch") -> tuple[str, ...]:
    """A multiselect that also holds chosen values which the warehouse does not know: a link may name what is gone."""
    words = dict(options)
    values = [*words, *(value for value in chosen if value not in words)]
    picked = st.multiselect(
        label,
        values,
        default=list(chosen),
        format_func=lambda value: short(words.get(value, value), limit=50) or "(empty)",
        placeholder="All",
        width=width,  # type: ignore[arg-type]
    )
    return tuple(picked)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The beginning of a local day. Where midnight is skipped the wall clock's next instant, which UTC arithmetic gives."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _only(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name)
    return values[-1] if values else None


def _many(query: Mapping[str, Sequence[str]], name: str) -> tuple[str, ...]:
    values = dict.fromkeys(value[:_LONGEST_VALUE] for value in query.get(name, ()))
    return tuple(values)[:_MOST_VALUES]


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None and 2000 <= at.year < 2100 else None


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return day if day is not None and 2000 <= day.year < 2100 else None
