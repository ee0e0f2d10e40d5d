"""An open page: the filters in force, and the means to ask, link, draw and list.

Names, numbers and texts of calls come from outside. They are shown through elements that take plain text (grids, metrics'
values, charts) or through `plain`, which escapes what Markdown would read as markup; never as HTML.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, NoReturn
from urllib.parse import urlencode

import duckdb
import msgspec
import polars as pl
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.charts import (
    NOTHING,
    VERMILION,
    count,
    duration,
    instant,
    interval_labels,
    number,
    percent,
    plain,
    short,
    specification,
    worded,
    words,
)
from app.export import MEDIA_TYPES, Column, Context, Format, exported
from app.filters import SERVICE_LEVEL, Choice, chips, formula_in_force, narrowed, period_words, service_level_of, settings_asked
from app.said import asked, number_named
from app.warehouse import Version, Warehouse
from ingest.config import Config, Reports
from ingest.errors import CallfactsError
from transforms.reports.catalog import METRICS, REPORTS, Filters, Metric, Report, ResultColumn, ask, ask_usual, known_windows
from transforms.reports.payload import Payload, payload

ROWS_ON_SCREEN: Final = 100
"""Of a list that goes on on further pages."""
ROWS_IN_GRID: Final = 2_000
"""Of any other table: all, or a grid sorts only a part of them; but for so many that a browser gets slow."""
TALLEST: Final = 470

Narrowing = Mapping[str, str | Sequence[str] | None]
Link = tuple[str, Narrowing]
"""A page (`calls`) and what its URL is to say beside the common filters."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How one column of a table looks: its heading, and where a click on one of its cells leads: to another page, or to what this
    page then shows too, as `say` takes it."""

    label: str
    to: Callable[[Mapping[str, Any]], Link | Mapping[str, str | None] | None] | None = None


def to_call(row: Mapping[str, Any]) -> Link:
    """The call of a row that has its key."""
    return "call", {"of": row["company"], "call": row["call_id"]}


@dataclass(frozen=True)
class Page:
    """An open page.

    Attributes:
        version: of the warehouse, so that answers of an older one are not shown.
        choice: what the reader asks for, as the URL has it.
        filters: what this page makes of it, as a report takes it: without what the page does not use.
        as_of: of the newest build.
        names: what people read for an agent's id.
        feeds: which of visits, presence and vendor the warehouse has anything of.
        uses: the filters that the page heeds; None: it has no use for any, nor for the period.
        ever: whether the page is of all time and of everything, whatever the filters say.
        carried: what every link says beside the filters, for its list to count by the same settings.
    """

    title: str
    config: Config
    warehouse: Warehouse
    version: Version
    choice: Choice
    filters: Filters
    as_of: datetime
    names: Mapping[str, str]
    feeds: frozenset[str]
    uses: frozenset[str] | None = None
    ever: bool = False
    carried: Narrowing = field(default_factory=dict)

    @property
    def blank(self) -> Filters:
        """Everything there is, under the same settings."""
        return Filters(settings=self.filters.settings)

    @property
    def per_person(self) -> bool:
        """Whether figures of single persons may be shown."""
        return self.filters.settings.per_person

    @property
    def time_zone(self) -> str:
        return self.filters.settings.time_zone

    @property
    def heeded(self) -> Choice:
        """The choice as this page heeds it, which is what its links carry on."""
        return self.choice if self.uses is None else self.choice.heeding(self.uses)

    @property
    def chips(self) -> list[tuple[str, bool]]:
        """The filters in force in words, the period first, each with whether it is used here."""
        today = self.as_of.astimezone(self.filters.zone).date()
        period = period_words(self.choice, today=today, first_weekday=self.filters.settings.first_weekday)
        others = chips(self.choice, lambda kind, value: self.names.get(value, value) if kind == "agent" else value)
        return [(period, not self.ever), *((text, not self.ever and field in (self.uses or ())) for field, text in others)]

    def said(self, reports: Iterable[str], filters: Filters | None = None) -> str:
        """What these reports were asked for, in words, for a file."""
        of = filters or self.filters
        names = {**self.names, **self.number_named(of)}
        parts = asked(of, reports, choice=self.heeded, configured=self.configured, as_of=self.as_of, names=names)
        return "; ".join(parts) or "everything"

    def number_named(self, filters: Filters) -> dict[str, str]:
        """For the id of the call that stands for its number: the number, as the reader may see it."""
        of_call = filters.call_of_number
        return {} if of_call is None else number_named(self.ask("call", of_call))

    @property
    def configured(self) -> Reports:
        """The settings of the TOML, in the reader's time zone."""
        return msgspec.structs.replace(self.config.reports, time_zone=self.time_zone)

    def counted_by(self, query: Mapping[str, Sequence[str]]) -> "Page":
        """This page under the settings that a URL puts in the place of the configured ones, carried on by every link."""
        settings = settings_asked(self.filters.settings, query)
        carried = {name: query[name] for name, key in SERVICE_LEVEL.items() if key in service_level_of(query)}
        return replace(self, filters=replace(self.filters, settings=settings), carried=carried)

    @property
    def compared(self) -> str:
        """What a change is against, in two words, or a few more where the warehouse knows only a part of it."""
        if self.filters.compare == "previous":
            return "vs before"
        wanted, known = self.filters.compared_days(), len(self._known(self.filters))
        if known == len(wanted):
            return "vs usual"
        return f"vs usual of {known} {'week' if wanted[0] == 7 else 'period'}{'' if known == 1 else 's'}"

    def instant(self, at: datetime | None) -> str:
        return instant(at, self.time_zone)

    # ---- ask

    def ask(self, report: str, filters: Filters | None = None) -> pl.DataFrame:
        """A report's answer; the same question to the same build is answered once."""
        asked_for = filters or self.filters
        try:
            return _answer(self.warehouse, str(self.warehouse.path), self.version, report, asked_for, repr(asked_for))
        except (duckdb.CatalogException, duckdb.BinderException) as error:  # a formula or column of this version is not there
            stop_unreadable(f"{self.warehouse.path}: {str(error).splitlines()[0]}")

    def one(self, report: str, filters: Filters | None = None) -> dict[str, Any]:
        """The only row of a report whose answer is one row."""
        return self.ask(report, filters).row(0, named=True)

    def usual(self, report: str, filters: Filters | None = None) -> dict[str, Any]:
        """The figures of `one` in what the period is compared with; empty where it is compared with nothing that is known."""
        answer = self.usual_rows(report, filters)
        return {} if answer is None else answer.row(0, named=True)

    def usual_rows(self, report: str, filters: Filters | None = None) -> pl.DataFrame | None:
        """The same of a report with several rows, by its key."""
        of = filters or self.filters
        return _usual(self.warehouse, str(self.warehouse.path), self.version, report, of, repr(of))

    def same_weekdays(self, report: str) -> list[pl.DataFrame]:
        """The answers for the same weekdays of the last four weeks, or of those that are known, whatever the comparison chosen."""
        return [self.ask(report, window) for window in self._known(replace(self.filters, compare="usual"))]

    def _known(self, filters: Filters) -> tuple[Filters, ...]:
        return _known(self.warehouse, str(self.warehouse.path), self.version, filters, repr(filters))

    @property
    def formula(self) -> tuple[str, tuple[str, ...]]:
        """The formula of service level in force for the queues in view: in words, and what the `?` explains."""
        queues = self.filters.queues or self.ask("options", self.blank).filter(kind="queue")["value"].to_list()
        said, metrics = formula_in_force(self.filters.settings, queues)
        return said, ("service_level_in_force", *metrics)

    def labels(self, frame: pl.DataFrame, column: str = "interval_at") -> list[str]:
        """The intervals of a series as words on the reader's wall clock, no two alike."""
        return interval_labels(frame[column], time_zone=self.time_zone, grain=self.filters.series_grain)

    def interval(self, frame: pl.DataFrame, label: str, column: str = "interval_at", *, labels: Sequence[str] | None = None) -> Narrowing:
        """The interval of that label, as a link's narrowing. `labels`: of the frame's intervals, where they are not those of `labels`."""
        starts = frame[column].unique(maintain_order=True)
        place = (self.labels(starts.to_frame(), column) if labels is None else list(labels)).index(label)
        end = starts[place + 1] if place + 1 < len(starts) else self.filters.end
        return {"at": starts[place].isoformat(), "until": end.isoformat() if end is not None else None}

    def narrowed(self) -> Filters:
        """The common filters and what the URL of this page adds to them."""
        return narrowed(self.filters, query_of_page())

    # ---- link

    def query(self, narrowing: Narrowing) -> dict[str, list[str]]:
        """The common filters and this narrowing, as a URL's query; a narrowing of a common filter takes its place."""
        said = self.heeded.query()
        for name, value in (*self.carried.items(), *narrowing.items()):
            if value is not None:
                said[name] = [value] if isinstance(value, str) else list(value)
        return said

    def link(self, to: Link, label: str, *, icon: str | None = None, width: Literal["content", "stretch"] = "content") -> None:
        """A link to another page with the same filters. The label is ours or has gone through `plain`."""
        query = self.query(to[1])
        try:
            st.page_link(f"pages/{to[0]}.py", label=label, icon=icon, query_params=query, width=width)
        except StreamlitAPIException:
            # a page run by itself knows no others
            st.markdown(f"[{label}]({to[0]}?{urlencode(query, doseq=True)})")

    def go(self, to: Link) -> NoReturn:
        """Open another page in place of this one."""
        st.switch_page(f"pages/{to[0]}.py", query_params=self.query(to[1]))

    # ---- draw

    def tile(
        self,
        label: str,
        value: str,
        *,
        report: str,
        metric: str | Sequence[str] | None = None,
        change: str | None = None,
        better: Literal["more", "less", "neither"] = "neither",
        trend: Iterable[float | None] = (),
        link: Link | None = None,
        link_text: str = "",
        more: Sequence[tuple[Link, str]] = (),
        note: str | None = None,
        filters: Filters | None = None,
    ) -> None:
        """One figure: its value, the change against the comparison, its course over the period, its formula behind `?`, its calls.

        `more`: further counts that belong to it, each with the link to its calls. `filters`: what was asked, if not the page's.
        """
        key = f"{self.title}-{label}".replace(" ", "-").lower()
        course = [point for point in trend if point is not None and point == point]
        colours: dict[str, Literal["normal", "inverse", "off"]] = {"more": "normal", "less": "inverse", "neither": "off"}
        with st.container(key=f"tile-{key}", gap=None, height="stretch"):
            self.explain(report, key=f"ask-{key}", metrics=(metric,) if isinstance(metric, str) else metric, filters=filters)
            st.metric(
                label,
                value,
                change,
                delta_color=colours[better] if change and not change.startswith("±") else "off",
                delta_arrow="auto" if change and not change.startswith("±") else "off",
                delta_description=self.compared if change else None,
                chart_data=course if len(course) > 1 else None,
                chart_type="area",
            )
            if link is not None:
                self.link(link, link_text)
            for target, text in more:
                self.link(target, text)
            if note:
                st.caption(note)

    def explain(self, report: str, *, key: str, metrics: Sequence[str] | None = None, filters: Filters | None = None) -> None:
        """The `?`: formula, grain, unit and source of each metric, and the SQL that was shown."""
        shown = REPORTS[report]
        with st.popover("?", type="tertiary", key=key):
            for name in shown.metrics if metrics is None else metrics:
                if name in METRICS:
                    _describe(METRICS[name])
            st.markdown(f"**Question** {plain(shown.question)}  \n**One row is** {plain(shown.grain)}")
            st.caption("The statement, and what this page's filters put into it. Its macros are in the warehouse: it runs as it stands.")
            st.code(shown.sql, language="sql", height=min(TALLEST, 60 + 18 * shown.sql.count("\n")))
            asked_for = filters or self.filters
            known = asked_for.parameters() | ({"number": f"(that of the call {asked_for.number_of[1]})"} if asked_for.number_of else {})
            said = [f"${name} = {short(known[name], limit=120)}" for name in shown.parameters if known.get(name) is not None]
            st.code("\n".join(said) or "no parameters", language=None)

    def chart(self, drawn: Any, *, report: str, key: str, alt: str, chosen: str | None = None) -> dict[str, Any] | None:
        """A chart with its `?`. With `chosen`, the name of its selection: the fields of what the reader clicked, or None."""
        with st.container(key=f"chart-{key}", gap=None):
            self.explain(report, key=f"ask-{key}")
            if chosen is None:
                st.vega_lite_chart(specification(drawn), key=f"drawn-{key}", alt=alt)
                return None
            event = st.vega_lite_chart(
                specification(drawn),
                key=f"drawn-{key}-{hash((self.choice, self.version))}",
                alt=alt,
                on_select="rerun",
                selection_mode=chosen,
            )
        picked = event["selection"].get(chosen) if event else None
        return dict(picked[0]) if picked else None

    def table(
        self,
        report: str | tuple[str, ...],
        frame: pl.DataFrame,
        cells: Mapping[str, Cell | str],
        *,
        name: str,
        whole: Callable[[], pl.DataFrame] | None = None,
        rows: int | None = None,
        files: bool = True,
        reaches: Mapping[str, str] | None = None,
        filters: Filters | None = None,
        also: Sequence[str] = (),
        opened: str = "",
    ) -> None:
        """A table with its files: `cells` are the columns on screen, by name of the report's column, in order.

        `frame` is what is shown, `whole` gives all rows for the files (else the frame itself), `rows` says how many those are.
        A click on a cell that leads somewhere goes there. Several reports: their columns stand side by side in the frame.
        `reaches`: a share and the column of its goal; what falls short is marked, in words and in colour.
        `filters`: what was asked, if not the page's; `also`: what else was left out, in words: both stand in the files.
        `opened`: which of its rows the page shows more of; the click that opened it is then forgotten.
        """
        reports = (report,) if isinstance(report, str) else report
        declared = {column.name: column for asked in reports for column in REPORTS[asked].columns}
        looks = {column: Cell(look) if isinstance(look, str) else look for column, look in cells.items()}
        drawn = [_column(declared[column], look.label) for column, look in looks.items()]
        leads = any(look.to for look in looks.values())
        shown = frame.head(ROWS_IN_GRID)
        event = st.dataframe(
            _styled(shown, drawn, self.time_zone, {looks[share].label: shown[goal].to_list() for share, goal in (reaches or {}).items()}),
            hide_index=True,
            placeholder=NOTHING,
            column_config=_column_config(drawn, declared, self.time_zone),
            on_select="rerun" if leads else "ignore",
            selection_mode="single-cell" if leads else "multi-row",
            height="content" if shown.height <= 12 else TALLEST,
            key=f"table-{name}-{hash((self.choice, self.version, opened))}",
            alt=f"{name}, {shown.height} rows",
        )
        if leads:
            self._follow(event, shown, looks, drawn)
        if files:
            self._files(
                reports,
                frame,
                drawn,
                declared,
                name=name,
                whole=whole,
                rows=frame.height if rows is None else rows,
                shown=shown.height,
                filters=filters or self.filters,
                also=also,
            )

    def made_table(self, frame: pl.DataFrame, cells: Mapping[str, Cell | str], *, name: str, report: str) -> None:
        """A small table that is made of a report's answers rather than being one; its columns show as their types say."""
        looks = {column: Cell(look) if isinstance(look, str) else look for column, look in cells.items()}
        drawn = [Column(column, look.label, "count" if frame.schema[column].is_numeric() else "text") for column, look in looks.items()]
        event = st.dataframe(
            _styled(frame, drawn, self.time_zone),
            hide_index=True,
            placeholder=NOTHING,
            on_select="rerun",
            selection_mode="single-cell",
            height="content",
            key=f"made-{name}-{hash((self.choice, self.version))}",
            alt=name,
        )
        self._follow(event, frame, looks, drawn)
        self._files((report,), frame, drawn, {}, name=name, whole=None, rows=frame.height, shown=frame.height)

    def made_rows(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, name: str, about: str, row_height: int | None = None
    ) -> None:
        """Words in a table; in higher rows long words go on in a second line. `about`: what its `?` says, ours."""
        table = pl.DataFrame(rows, schema=dict.fromkeys(headings, pl.String()), orient="row")
        st.dataframe(
            table.to_pandas(),
            hide_index=True,
            height="content" if table.height <= 16 else TALLEST,
            row_height=row_height,
            key=f"made-{name}",
            alt=name,
        )
        self._files(
            (about,),
            table,
            [Column(label, label, "text") for label in headings],
            {},
            name=name,
            whole=None,
            rows=len(rows),
            shown=len(rows),
        )

    def facts(self, row: Mapping[str, Any], meanings: Mapping[str, str], *, name: str, report: str) -> None:
        """One row, turned on its side: each column with its value and what it means."""
        turned = pl.DataFrame(
            {
                "column": list(meanings),
                "value": [_said(column, row[column], self.time_zone) for column in meanings],
                "meaning": list(meanings.values()),
            }
        )
        st.dataframe(turned.to_pandas(), hide_index=True, height=TALLEST, key=f"facts-{name}", alt=name)
        drawn = [Column(column, column, "text") for column in turned.columns]
        self._files((report,), turned, drawn, {}, name=name, whole=None, rows=turned.height, shown=turned.height)

    def _follow(self, event: Any, shown: pl.DataFrame, looks: Mapping[str, Cell], drawn: Sequence[Column]) -> None:
        """Go where the chosen cell leads."""
        cells = event["selection"]["cells"] if event else []
        if not cells:
            return
        row, label = cells[0]
        chosen = next((column.name for column in drawn if column.label == label), None)
        look = looks.get(chosen) if chosen is not None else None
        if look is None or look.to is None or row >= shown.height:
            return
        target = look.to(shown.row(row, named=True))
        if isinstance(target, Mapping):
            say(target)
            st.rerun()
        if target is not None:
            self.go(target)

    def _files(
        self,
        reports: Sequence[str],
        frame: pl.DataFrame,
        drawn: Sequence[Column],
        declared: Mapping[str, ResultColumn],
        *,
        name: str,
        whole: Callable[[], pl.DataFrame] | None,
        rows: int,
        shown: int,
        filters: Filters | None = None,
        also: Sequence[str] = (),
    ) -> None:
        """The line under a table: how many rows, all of them as files, the `?`: of a report, or with these words."""
        meanings = {column.label: declared[column.name].meaning for column in drawn if column.name in declared}
        said = "; ".join([self.said([report for report in reports if report in REPORTS], filters), *also])
        context = Context(f"{self.title}: {name}", said, self.time_zone, self.as_of, meanings)
        formats: dict[Format, str] = {"csv": "CSV", "xlsx": "XLSX", "parquet": "Parquet"}
        key = name.replace(" ", "-").lower()
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"files-{key}"):
            st.caption(
                f"{count(rows)} {'row' if rows == 1 else 'rows'}"
                if shown == rows
                else f"{count(shown)} of {count(rows)} rows, and a click on a heading sorts these alone; files hold all",
                width="content",
            )
            # one button instead of three, and what is in it only once it is opened: a button is what costs a browser most
            with st.popover("⬇ Files", type="tertiary", key=f"save-{key}"):
                for file_format, label in formats.items():
                    st.download_button(
                        f"⬇ {label}",
                        data=partial(_file, whole or (lambda: frame), drawn, context, file_format),
                        file_name=f"{_file_stem(self.title, name)}.{file_format}",
                        mime=MEDIA_TYPES[file_format],
                        on_click="ignore",
                        type="tertiary",
                        key=f"file-{name}-{file_format}",
                    )
                st.caption(f"All {count(rows)} rows, times in {plain(self.time_zone)}")
            if reports[0] in REPORTS:
                self.explain(reports[0], key=f"ask-of-{key}", filters=filters)
            else:
                with st.popover("?", type="tertiary", key=f"ask-of-{key}"):
                    st.markdown(reports[0])

    def payload(self, writer: str, seq: int) -> Payload | str:
        """A delivery's signed body from the landing zone, or why it is not to be had."""
        try:
            return payload(self.config, writer, seq)
        except CallfactsError as error:
            return str(error)

    def every(self, report: str, filters: Filters | None = None) -> pl.DataFrame:
        """All rows of a list, for a file: asked when the file is wanted, and not kept."""
        with self.warehouse.cursor() as cursor:
            return ask(cursor, report, replace(filters or self.filters, limit=None, offset=0))


def say(narrowing: Mapping[str, str | None]) -> None:
    """Put a page's own words into its address, so that it goes on being a link to this view; None takes one out."""
    for name, value in narrowing.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def tabs(labels: Mapping[str, str]) -> list[Any]:
    """Tabs whose open one stands in the address: name there → label, whose figures may change."""
    names = list(labels)
    wanted = st.query_params.get("tab", "")
    shown = st.tabs(list(labels.values()), default=labels.get(wanted), key=f"tabs-{'-'.join(names)}", on_change="rerun")
    opened = next((name for name, tab in zip(names, shown, strict=True) if tab.open), names[0])
    say({"tab": None if opened == names[0] else opened})
    return list(shown)


def query_of_page() -> dict[str, list[str]]:
    """The query of the page's own address."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


# ---------------------------------------------------------------- asking


def stop_unreadable(reason: str) -> NoReturn:
    """Say what makes a warehouse that can be read again."""
    st.error(
        "**The warehouse cannot be read.** It is damaged, or another version of callfacts built it. A full build makes a new one:",
        icon=":material/error:",
    )
    st.code("transforms build --full", language="bash")
    st.code(reason, language=None, wrap_lines=True)
    st.stop()


@st.cache_data(max_entries=300, show_spinner=False)
def _answer(_warehouse: Warehouse, path: str, version: Version, report: str, _filters: Filters, spelled: str) -> pl.DataFrame:
    with _warehouse.cursor() as cursor:
        return ask(cursor, report, _filters)


@st.cache_data(max_entries=100, show_spinner=False)
def _usual(_warehouse: Warehouse, path: str, version: Version, report: str, _filters: Filters, spelled: str) -> pl.DataFrame | None:
    with _warehouse.cursor() as cursor:
        return ask_usual(cursor, report, _filters)


@st.cache_data(max_entries=100, show_spinner=False)
def _known(_warehouse: Warehouse, path: str, version: Version, _filters: Filters, spelled: str) -> tuple[Filters, ...]:
    with _warehouse.cursor() as cursor:
        return known_windows(cursor, _filters)


def _file(whole: Callable[[], pl.DataFrame], columns: Sequence[Column], context: Context, file_format: Format) -> bytes:
    return exported(whole(), columns, context, file_format=file_format)


def _file_stem(title: str, name: str) -> str:
    return "callfacts-" + "-".join("".join(sign if sign.isalnum() else " " for sign in f"{title} {name}").lower().split())


# ---------------------------------------------------------------- drawing


def _describe(metric: Metric) -> None:
    st.markdown(f"**{plain(metric.label)}**  \n{plain(metric.formula)}")
    st.caption(f"grain: {plain(metric.grain)} · unit: {plain(metric.unit)} · from: {plain(metric.source)}")


def is_by_person(report: Report) -> bool:
    """Whether its rows are of single persons: what `[reports] per_person = false` switches off."""
    return report.name != "agents_total" and (report.name.startswith("agent") or any(column.name == "agent" for column in report.columns))


def columns_of(report: Report) -> list[Column]:
    """Every column of a report, under its own name."""
    return [_column(column, column.name) for column in report.columns]


def _column(declared: ResultColumn, label: str) -> Column:
    """A column as the report declares it, under the page's heading."""
    name = declared.name
    match declared.unit, declared.type:
        case "ms", _:
            return Column(name, label, "duration")
        case "share", _:
            return Column(name, label, "share")
        case "code", _:
            return Column(name, label, "code")
        case _, "BIGINT":
            return Column(name, label, "count")
        case _, "DOUBLE":
            return Column(name, label, "number")
        case _, "BOOLEAN":
            return Column(name, label, "flag")
        case _, "TIMESTAMPTZ":
            return Column(name, label, "instant")
        case _, "DATE":
            return Column(name, label, "date")
        case _, "VARCHAR[]":
            return Column(name, label, "list")
        case _, "TIMESTAMPTZ[]":
            return Column(name, label, "instants")
        case _:
            return Column(name, label, "text")


def _said(column: str, value: Any, time_zone: str) -> str:
    """A value of any column as text."""
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        return instant(value, time_zone)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or NOTHING
    return duration(value) if column.endswith("_ms") else str(value)


_MET: Final = {True: "font-weight: 600", False: f"font-weight: 600; color: {VERMILION}; text-decoration: underline"}
_WORDS: Final[Mapping[str, Any]] = {"duration": duration, "share": percent, "count": count, "number": number}


def _styled(frame: pl.DataFrame, drawn: Sequence[Column], time_zone: str, goals: Mapping[str, Sequence[float | None]] | None = None) -> Any:
    """The frame as the grid shows it: values stay values, so that a click on a heading sorts by them; durations read as words."""
    shown: list[pl.Expr] = []
    for column in drawn:
        value = pl.col(column.name)
        match column.kind:
            case "text":
                value = value.cast(pl.String).str.slice(0, 300).replace("", None)
            case "code":
                known = frame[column.name].drop_nulls().unique()
                value = value.replace_strict(known, worded(known, lambda code: words(code)[:300]), return_dtype=pl.String)
            case "list":
                value = value.cast(pl.List(pl.String)).list.join(", ")
            case "instant":
                value = value.dt.convert_time_zone(time_zone)
            case "flag":
                value = pl.when(value).then(pl.lit("yes")).when(~value).then(pl.lit("no"))
        shown.append(value.alias(column.label))
    table = frame.select(shown).to_pandas()
    formats = {column.label: _WORDS[column.kind] for column in drawn if column.kind in _WORDS}
    if not formats:
        return table
    styled = table.style.format(formats, na_rep=NOTHING)
    for label, goal in (goals or {}).items():
        met = [
            None if share is None or least is None or share != share else share >= least
            for share, least in zip(table[label], goal, strict=True)
        ]
        styled = styled.apply(lambda _, met=met: [_MET.get(reached, "") for reached in met], subset=[label])
    return styled


def _column_config(drawn: Sequence[Column], declared: Mapping[str, ResultColumn], time_zone: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for column in drawn:
        about = plain(declared[column.name].meaning)
        match column.kind:
            case "instant":
                config[column.label] = st.column_config.DatetimeColumn(help=about, format="YYYY-MM-DD HH:mm:ss", timezone=time_zone)
            case "date":
                config[column.label] = st.column_config.DateColumn(help=about, format="YYYY-MM-DD")
            case "count" | "duration" | "share" | "number":
                config[column.label] = st.column_config.NumberColumn(help=about, alignment="right")
            case _:
                config[column.label] = st.column_config.Column(help=about)
    return config
