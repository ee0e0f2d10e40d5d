"""What a question asks for, in words: for the filter that stands in a file. Pure.

Promise: everything that narrows the answer is named, whole and uncut, and nothing that it takes no account of. Which that is, the
report's own SQL says: what it has no parameter for, it does not heed.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Final

import polars as pl

from app.charts import instant, words
from app.filters import FORMULAS, LISTS, Choice, filters_of, period_words
from ingest.config import Reports
from transforms.reports.catalog import REPORTS, Filters

# the field of Filters → the parameters any of which says that a report heeds it
_PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "period": frozenset({"start", "stop", "whole_from", "rows_from", "month_from", "month_rows_from"}),
    **{field: frozenset({field}) for field in LISTS.values()},
    "in_hours_only": frozenset({"open_minutes"}),
    "call": frozenset({"call_id"}),
    **{field: frozenset({field}) for field in ("figure", "outcomes", "causes", "categories", "ended_by", "reasons", "states")},
    **{field: frozenset({field}) for field in ("number", "part", "text", "include_short")},
    "number_of": frozenset({"number"}),
    "service_level_s": frozenset({"within_ms"}),
    "service_level_formula": frozenset({"formula"}),
}
_NARROWED: Final[Mapping[str, str]] = {
    "figure": "figure",
    "outcomes": "outcome",
    "causes": "end cause",
    "categories": "category of the end cause",
    "ended_by": "ended by",
    "reasons": "reason",
    "states": "state",
    "number": "number",
    "number_of": "number",
    "text": "search",
}
_CODES: Final = frozenset({"figure", "outcomes", "categories", "reasons", "states"})
"""Fields whose values are words of ours; those of the others stay as they are."""


def heeded(reports: Iterable[str]) -> frozenset[str]:
    """The fields of `Filters` that any of these reports takes account of, and `period`."""
    known = {parameter for report in reports for parameter in REPORTS[report].parameters}
    return frozenset(field for field, parameters in _PARAMETERS.items() if parameters & known)


def asked(
    filters: Filters, reports: Iterable[str], *, choice: Choice, configured: Reports, as_of: datetime, names: Mapping[str, str]
) -> list[str]:
    """What these reports were asked for. `choice` gives the period its name where it is the one; `names`: of agents, by id, and the
    number of the call that stands for it."""
    heeds = heeded(reports)
    said = [period_of(filters, choice=choice, configured=configured, as_of=as_of)] if "period" in heeds else []
    for label, field in LISTS.items():
        if field in heeds and (values := getattr(filters, field)):
            said.append(f"{label}: {', '.join(names.get(value, value) if field == 'agents' else value for value in values)}")
    if "in_hours_only" in heeds and filters.in_hours_only:
        said.append("within business hours")
    for field, label in _NARROWED.items():
        value = getattr(filters, field)
        if field in heeds and value:
            values = (names.get(value[1], value[1]),) if field == "number_of" else value if isinstance(value, tuple) else (value,)
            said.append(f"{label}: {', '.join(words(one).lower() if field in _CODES or not one else one for one in values)}")
    if "part" in heeds and filters.part:
        said.append(part_words(filters.part, filters.settings.time_zone))
    if "call" in heeds and filters.call is not None:
        said.append(f"call: {filters.call[1]} of {filters.call[0]}")
    if "include_short" in heeds and filters.include_short:
        said.append("also callers who left at once")
    queues = (None, *configured.queues)
    if "service_level_s" in heeds and any(
        filters.settings.of_queue(name).service_level_s != configured.of_queue(name).service_level_s for name in queues
    ):
        said.append(f"T: {filters.settings.service_level_s:g} s for every queue")
    if "service_level_formula" in heeds and any(
        filters.settings.of_queue(name).service_level_formula != configured.of_queue(name).service_level_formula for name in queues
    ):
        said.append(f"service level: {FORMULAS[filters.settings.service_level_formula]}")
    return said


def number_named(call: pl.DataFrame) -> dict[str, str]:
    """For the id of a call that stands for its number, the number. `call`: the report of that name, as the reader may see it."""
    return {row["call_id"]: row["external_phone"] for row in call.to_dicts() if row["external_phone"]}


def part_words(part: str, time_zone: str) -> str:
    """`hour:34` → `hour: Tue 10`, `instant:<ISO>` → on the wall clock; other values as they are."""
    kind, _, value = part.partition(":")
    if kind == "instant":
        value = instant_words(value, time_zone)
    elif kind == "hour" and value.isascii() and value.isdigit() and int(value[:4]) < 168:
        value = f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[int(value) // 24]} {int(value) % 24:02d}:00"
    elif kind == "flaw":
        value = words(value).lower()
    return f"{words(kind).lower()}: {value or 'none'}"


def instant_words(text: str, time_zone: str) -> str:
    """An instant of a URL on the wall clock of a zone; what is none stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return instant(at, time_zone) if at.tzinfo is not None and 2000 <= at.year < 2100 else text


def period_of(filters: Filters, *, choice: Choice, configured: Reports, as_of: datetime) -> str:
    """The period by the name that the reader chose, where it is that one; else from when until when on the wall clock."""
    start, end, zone = filters.start, filters.end, filters.settings.time_zone
    chosen = filters_of(choice, settings=configured, as_of=as_of)
    if (start, end) == (chosen.start, chosen.end):
        return period_words(choice, today=as_of.astimezone(filters.zone).date(), first_weekday=filters.settings.first_weekday)
    if start is None:
        return "All time" if end is None else f"until {instant(end, zone)}"
    if end is None:
        return f"from {instant(start, zone)}"
    first, last = start.astimezone(filters.zone), end.astimezone(filters.zone)
    if first.time() == last.time() == time() and last.date() - first.date() == timedelta(days=1):
        return f"{first:%a %-d %b %Y}"
    return f"{instant(start, zone)} – {instant(end, zone)}"
