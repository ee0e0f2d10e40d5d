"""What all pages share: configuration, header, filters, tiles, tables with export, the `?`, links to the calls behind a figure, and
the pages that stand in for a page that cannot be shown.

A page opens with `open_page`, which returns only when there are calls to show; otherwise it has drawn the reason and stopped.
The environment is read here and nowhere else in app.

Names, numbers and texts of calls come from outside. They are shown through elements that take plain text (grids, metrics'
values, charts) or through `plain`, which escapes what Markdown would read as markup; never as HTML.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NoReturn
from urllib.parse import urlencode

import duckdb
import polars as pl
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.charts import NOTHING, age, count, duration, instant, number, percent, plain, short
from app.export import MEDIA_TYPES, Column, Context, Format, exported
from app.filters import Choice, Options, chips, filters_of, form, period_words, says_anything
from app.warehouse import UnreadableWarehouse, Version, Warehouse
from ingest.config import Config, load_config
from ingest.errors import ConfigError, WarehouseMissing
from transforms.reports.catalog import METRICS, REPORTS, Filters, Metric, Report, ask, ask_usual

ALL_FILTERS: Final = frozenset({"companies", "directions", "queues", "agents", "departments", "trunks", "in_hours_only"})
WATCH_SECONDS: Final = 3
OLD_AFTER: Final = timedelta(minutes=60)
ROWS_ON_SCREEN: Final = 500
_REMEMBERED: Final = "callfacts-choice"

Link = tuple[str, Mapping[str, Sequence[str]]]
"""A page (`calls`) and what its URL is to say beside the common filters."""


# ---------------------------------------------------------------- what a page is given


@dataclass(frozen=True, slots=True)
class Cell:
    """How one column of a table looks: its heading, and where a click on one of its cells leads."""

    label: str
    to: Callable[[Mapping[str, Any]], Link | None] | None = None


@dataclass(frozen=True)
class Page:
    """An open page: the filters in force and the means to ask, draw and list.

    Attributes:
        version: of the warehouse, so that answers of an older one are not shown.
        choice, filters: what the reader asks for, as the URL has it and as a report takes it.
        as_of: of the newest build.
    """

    title: str
    config: Config
    warehouse: Warehouse
    version: Version
    choice: Choice
    filters: Filters
    as_of: datetime
    names: Mapping[str, str]

    @property
    def time_zone(self) -> str:
        return self.filters.settings.time_zone

    # ---- ask

    def ask(self, report: str, filters: Filters | None = None) -> pl.DataFrame:
        """A report's answer; the same question to the same build is answered once."""
        return _answer(
            self.warehouse,
            str(self.warehouse.path),
            self.version,
            report,
            filters or self.filters,
            _spelled(filters or self.filters),
            usual=False,
        )

    def usual(self, report: str, filters: Filters | None = None) -> pl.DataFrame | None:
        """The same figures of what the period is compared with; None where it is compared with nothing."""
        asked = filters or self.filters
        if not asked.compared_days():
            return None
        return _answer(self.warehouse, str(self.warehouse.path), self.version, report, asked, _spelled(asked), usual=True)

    # ---- link

    def query(self, **narrowing: str | Sequence[str] | None) -> dict[str, list[str]]:
        """The common filters and this narrowing, as a URL's query; a narrowing of a common filter takes its place."""
        said = self.choice.query()
        for name, value in narrowing.items():
            if value is not None:
                said[name] = [value] if isinstance(value, str) else list(value)
        return said

    def link(
        self, page: str, label: str, *, width: Literal["content", "stretch"] = "content", **narrowing: str | Sequence[str] | None
    ) -> None:
        """A link to another page with the same filters."""
        _page_link(page, label, self.query(**narrowing), width=width)

    def instant(self, at: datetime | None) -> str:
        return instant(at, self.time_zone)

    # ---- draw

    def tile(
        self,
        label: str,
        value: str,
        *,
        metric: str,
        report: str,
        change: str | None = None,
        better: Literal["more", "less", "neither"] = "neither",
        compared: str | None = None,
        trend: Sequence[float | None] | None = None,
        link: Link | None = None,
        link_text: str = "",
    ) -> None:
        """One figure: its value, the change against the comparison, its course over the period, its formula behind `?`, its calls."""
        with st.container(key=f"tile-{self.title}-{label}".replace(" ", "-").lower(), gap=None):
            with st.container(key=f"ask-{self.title}-{label}".replace(" ", "-").lower()):
                self.explain(report, metrics=(metric,))
            colour = {"more": "normal", "less": "inverse", "neither": "off"}[better]
            st.metric(
                label,
                value,
                change,
                delta_color=colour if change else "off",  # type: ignore[arg-type]
                delta_description=compared if change else None,
                chart_data=[0 if point is None else point for point in trend] if trend and len(trend) > 1 else None,
                chart_type="area",
            )
            if link is not None:
                self.link(link[0], link_text, **link[1])

    def explain(self, report: str, *, metrics: Sequence[str] | None = None) -> None:
        """The `?`: formula, grain, unit and source of each metric, and the SQL that was asked."""
        asked = REPORTS[report]
        with st.popover("?", type="tertiary", help="What this is and how it is counted"):
            for name in asked.metrics if metrics is None else metrics:
                _describe(METRICS[name])
            st.markdown(f"**Question** {plain(asked.question)}  \n**One row is** {plain(asked.grain)}")
            st.caption("The statement, and what this page's filters put into it. Its macros are in the warehouse: it runs as it stands.")
            st.code(asked.sql, language="sql")
            known = self.filters.parameters()
            said = {name: known[name] for name in asked.parameters if known.get(name) is not None}
            st.code("\n".join(f"${name} = {short(value, limit=120)}" for name, value in said.items()) or "no parameters", language=None)

    def table(
        self,
        report: str,
        frame: pl.DataFrame,
        cells: Mapping[str, Cell | str],
        *,
        name: str,
        whole: Callable[[], pl.DataFrame] | None = None,
        rows: int | None = None,
        note: str | None = None,
        explained: bool = True,
    ) -> None:
        """A table with its files: `cells` are the columns on screen, by name of the report's column, in order.

        `frame` is what is shown, `whole` gives all rows for the files (else the frame itself), `rows` says how many those are.
        A click on a cell that leads somewhere goes there.
        """
        looks = {column: Cell(look) if isinstance(look, str) else look for column, look in cells.items()}
        columns = [_column(REPORTS[report], column, look.label) for column, look in looks.items()]
        leads = any(look.to for look in looks.values())
        shown = frame.head(ROWS_ON_SCREEN)
        key = f"table-{name}-{hash((self.choice, self.version))}"
        event = st.dataframe(
            _styled(shown, columns, self.time_zone),
            hide_index=True,
            placeholder=NOTHING,
            column_config=_column_config(columns, REPORTS[report], self.time_zone),
            on_select="rerun" if leads else "ignore",
            selection_mode="single-cell" if leads else "multi-row",
            height="content" if shown.height <= 12 else 460,
            key=key,
            alt=f"{name}, {shown.height} rows",
        )
        if leads:
            self._follow(event, shown, looks, columns)
        self._files(
            report, frame, columns, name=name, whole=whole, rows=rows if rows is not None else frame.height, note=note, explained=explained
        )

    def _follow(self, event: Any, shown: pl.DataFrame, looks: Mapping[str, Cell], columns: Sequence[Column]) -> None:
        """Go where the chosen cell leads."""
        cells = event["selection"]["cells"] if event else []
        if not cells:
            return
        row, label = cells[0]
        chosen = next((column.name for column in columns if column.label == label), None)
        look = looks[chosen] if chosen is not None else None
        if look is None or look.to is None or row >= shown.height:
            return
        target = look.to(shown.row(row, named=True))
        if target is not None:
            go(target[0], self.query(**target[1]))

    def _files(
        self,
        report: str,
        frame: pl.DataFrame,
        columns: Sequence[Column],
        *,
        name: str,
        whole: Callable[[], pl.DataFrame] | None,
        rows: int,
        note: str | None,
        explained: bool,
    ) -> None:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"files-{name}"):
            shown = min(frame.height, ROWS_ON_SCREEN)
            st.caption(f"{count(rows)} rows" if shown == rows else f"{count(shown)} of {count(rows)} rows; files hold all", width="content")
            context = Context(f"{self.title}: {name}", self.said, self.time_zone, self.as_of, self._meanings(report, columns))
            for file_format in ("csv", "xlsx", "parquet"):
                st.download_button(
                    file_format.upper() if file_format != "parquet" else "Parquet",
                    data=partial(_file, whole or (lambda: frame), columns, context, file_format),  # type: ignore[arg-type]
                    file_name=f"{_file_stem(self.title, name)}.{file_format}",
                    mime=MEDIA_TYPES[file_format],  # type: ignore[index]
                    on_click="ignore",
                    type="tertiary",
                    icon="⬇" if file_format == "csv" else None,
                    key=f"file-{name}-{file_format}",
                    help=f"All {count(rows)} rows as {file_format.upper()}, in {self.time_zone}",
                )
            if explained:
                self.explain(report)
        if note:
            st.caption(note)

    def _meanings(self, report: str, columns: Sequence[Column]) -> dict[str, str]:
        known = {column.name: column.meaning for column in REPORTS[report].columns}
        return {column.label: known.get(column.name, "") for column in columns}

    @property
    def said(self) -> str:
        """The filters in force, in words."""
        today = self.as_of.astimezone(self.filters.zone).date()
        return "; ".join(
            [
                period_words(self.choice, today=today, first_weekday=self.filters.settings.first_weekday),
                *chips(self.choice, lambda kind, value: self.names.get(value, value) if kind == "agent" else value),
            ]
        )

    @property
    def compared(self) -> str | None:
        """What a change is against, in a few words."""
        match self.choice.compare:
            case "none":
                return None
            case "usual":
                return "vs usual"
            case _:
                return "vs before"


# ---------------------------------------------------------------- opening a page


def open_page(title: str, question: str, *, uses: frozenset[str] = ALL_FILTERS, needs_calls: bool = True) -> Page:
    """The page's head, and what it needs to go on; where there is nothing to show, the reason, and the page ends here.

    `uses`: the filters that the page heeds. `needs_calls`: whether it has nothing to say about a period without calls.
    """
    st.html(Path(__file__).with_name("theme.css"))
    config = _config()
    warehouse = _warehouse(str(config.storage.warehouse_path))
    try:
        version = warehouse.version
        if version is None:
            raise WarehouseMissing(str(warehouse.path))
        page = _page(title, config, warehouse, version)
    except WarehouseMissing:
        _watch(warehouse, None)
        _missing(title, warehouse.path)
    except UnreadableWarehouse as error:
        _unreadable(title, str(error))
    except duckdb.Error as error:
        _unreadable(title, f"{warehouse.path}: {str(error).splitlines()[0]}")
    _head(page, question)
    _filter_bar(page, uses)
    if needs_calls:
        _stop_without_calls(page)
    return page


def go(page: str, query: Mapping[str, Sequence[str]]) -> NoReturn:
    """Open another page in place of this one."""
    st.switch_page(f"pages/{page}.py", query_params=query)


def heading(text: str, *, note: str | None = None) -> None:
    """A section's heading: ours, so no text of a call."""
    st.subheader(text, anchor=False)
    if note:
        st.caption(note)


def draw(chart: Any, *, key: str, alt: str, choose: str | None = None) -> dict[str, Any] | None:
    """A chart; with `choose`, the name of its selection, what the reader clicked: the selection's fields, or None."""
    if choose is None:
        st.altair_chart(chart, key=key, alt=alt)
        return None
    event = st.altair_chart(chart, key=key, alt=alt, on_select="rerun", selection_mode=choose)
    chosen = event["selection"].get(choose) if event else None
    return dict(chosen[0]) if chosen else None


def not_subscribed(feed: str, what: str, events: str) -> None:
    """The empty state of a feed that sends nothing: what it would show, and what to switch on."""
    st.info(
        f"**{feed} is not subscribed.** {what} would stand here. Subscribe {events} in the phone system's integration, and build again.",
        icon="🔌",
    )


def nothing(text: str) -> None:
    """A part of a page that has nothing to show."""
    st.info(text, icon="🫙")


@st.cache_resource(show_spinner=False)
def _warehouse(path: str) -> Warehouse:
    return Warehouse(Path(path))


def _config() -> Config:
    """The configuration, read on each run, so that a changed setting counts at once."""
    try:
        return load_config(None, os.environ)
    except ConfigError as error:
        st.title("A setting is wrong", anchor=False)
        st.error("The reports use the same configuration as the commands, and it cannot be used as it is:", icon="🛠️")
        st.code(str(error), language=None)
        st.markdown("Correct the line and reload this page. `ingest config check` says the same on the command line.")
        st.stop()


def _page(title: str, config: Config, warehouse: Warehouse, version: Version) -> Page:
    """The page with its filters: of the URL where that says any, else what the session remembers."""
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    if says_anything(query) or _REMEMBERED not in st.session_state:
        choice = Choice.of_query(query)
    else:
        choice = st.session_state[_REMEMBERED]
    _remember(choice)
    blank = Filters(settings=config.reports)
    draft = Page(title, config, warehouse, version, choice, blank, datetime.now(UTC), {})
    build = draft.ask("freshness", blank)
    as_of = build["as_of"][0] if build.height else None
    if as_of is None:
        return draft
    filters = filters_of(choice, settings=config.reports, as_of=as_of)
    people = draft.ask("agent_names", blank)
    names = dict(zip(people["agent"], people["name"], strict=True))
    return replace(draft, filters=filters, as_of=as_of, names=names)


def _remember(choice: Choice) -> None:
    """Keep the choice for the next page, and in the URL, so that the address bar is always a link to this view."""
    st.session_state[_REMEMBERED] = choice
    said = choice.query()
    here = {name: st.query_params.get_all(name) for name in st.query_params}
    common = set(said) | {
        "period",
        "from",
        "to",
        "compare",
        "tz",
        "in_hours",
        "company",
        "direction",
        "queue",
        "agent",
        "department",
        "trunk",
    }
    wanted = said | {name: values for name, values in here.items() if name not in common}
    if wanted != here:
        st.query_params.from_dict(wanted)


def _filter_bar(page: Page, uses: frozenset[str]) -> None:
    settings = page.filters.settings
    today = page.as_of.astimezone(page.filters.zone).date()
    applied = form(page.choice, options=_options(page), settings=page.config.reports, today=today, uses=uses)
    if applied is not None and applied != page.choice:
        _remember(applied)
        st.rerun()
    said = [period_words(page.choice, today=today, first_weekday=settings.first_weekday)]
    said += chips(page.choice, lambda kind, value: page.names.get(value, value) if kind == "agent" else value)
    with st.container(horizontal=True, vertical_alignment="center", key="chips", gap="xsmall"):
        for chip in said:
            st.markdown(f":gray-badge[{plain(chip)}]", width="content")
        if page.choice.narrowed and st.button("✕ clear filters", type="tertiary", key="clear-filters"):
            _remember(page.choice.widened)
            st.rerun()
        with st.popover("🔗 Link", type="tertiary", help="This view as a link"):
            st.caption("This view, for a colleague who can reach this app:")
            st.code(_address(page), language=None, wrap_lines=True)


def _address(page: Page) -> str:
    query = {name: st.query_params.get_all(name) for name in st.query_params} or page.choice.query()
    return f"{str(st.context.url or '').split('?')[0]}?{urlencode(query, doseq=True)}"


def _options(page: Page) -> Options:
    """What the warehouse offers to choose from."""
    found = page.ask("choices", Filters(settings=page.filters.settings))
    listed: dict[str, tuple[tuple[str, str], ...]] = {
        kind: tuple((value, label or value) for value, label in rows.select("value", "label").iter_rows())
        for (kind,), rows in found.group_by("kind", maintain_order=True)
    }
    return Options(**{kind: values for kind, values in listed.items() if kind in Options.__dataclass_fields__})


def _head(page: Page, question: str) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom", key="head"):
        with st.container(width="content", gap=None):
            st.title(page.title, anchor=False)
            st.caption(question)
        with st.container(width="content", key="as-of", gap=None):
            _watch(page.warehouse, page.version)
            _as_of(page)


@st.fragment(run_every=WATCH_SECONDS)
def _watch(warehouse: Warehouse, version: Version | None) -> None:
    """See a new build without a reload by hand: every few seconds one `stat` of the file."""
    if warehouse.version != version:
        st.rerun()


@st.fragment(run_every=30)
def _as_of(page: Page) -> None:
    gone = datetime.now(UTC) - page.as_of
    open_calls = page.ask("freshness", Filters(settings=page.filters.settings))["in_progress"][0]
    st.markdown(
        f"**Data as of {plain(page.instant(page.as_of))}** · {age(gone.total_seconds())}  \n"
        f"{plain(page.time_zone)} · {count(open_calls)} {'call' if open_calls == 1 else 'calls'} in progress",
        width="content",
    )
    if gone > OLD_AFTER:
        st.caption("⚠️ The last build is old: `transforms watch --every 60s` keeps it fresh.")


# ---------------------------------------------------------------- pages that stand in for a page


def _missing(title: str, path: Path) -> NoReturn:
    st.title(title, anchor=False)
    st.info("**There is no warehouse yet.** The reports read what a build publishes, and none has been published here.", icon="📭")
    st.markdown("Build it from the landing zone; this page opens by itself as soon as it is there:")
    st.code("transforms build", language="bash")
    st.markdown("No calls yet at all? See the whole way on simulated traffic, or receive from your phone system:")
    st.code("make demo\ningest run", language="bash")
    st.caption(f"Looked for: {plain(path)}")
    st.stop()


def _unreadable(title: str, reason: str) -> NoReturn:
    st.title(title, anchor=False)
    st.error(
        "**The warehouse cannot be read.** It is damaged, or another version of callfacts built it. A full build makes a new one:",
        icon="🧱",
    )
    st.code("transforms build --full", language="bash")
    st.code(reason, language=None, wrap_lines=True)
    st.stop()


def _stop_without_calls(page: Page) -> None:
    """Say which of the empty states it is, with the way out as a button; go on where there are calls."""
    found = page.ask("extent")
    in_view, in_period, in_all = found["calls"][0], found["calls_in_period"][0], found["calls_in_all"][0]
    if in_view:
        return
    if not in_all:
        st.info("**The warehouse is there, and holds no calls yet.** Once events have come in, build again:", icon="📭")
        st.code("ingest status\ntransforms build", language="bash")
    elif not in_period:
        nearest: date | None = found["nearest_day"][0]
        st.info(f"**No calls in this period.** There are {count(in_all)} calls at other times.", icon="📅")
        if nearest is not None and st.button(
            f"Go to the nearest day with calls: {nearest:%a %-d %b %Y}", type="primary", key="nearest-day"
        ):
            _remember(replace(page.choice, period="custom", first=nearest, last=nearest))
            st.rerun()
    else:
        st.info(f"**The filters leave nothing.** There are {count(in_period)} calls in this period.", icon="🔍")
        if st.button("Clear the filters", type="primary", key="clear-all"):
            _remember(page.choice.widened)
            st.rerun()
    st.stop()


# ---------------------------------------------------------------- asking


def _spelled(filters: Filters) -> str:
    """The filters as a key: equal text, equal question."""
    return repr(filters)


@st.cache_data(max_entries=300, show_spinner=False)
def _answer(
    _warehouse: Warehouse, path: str, version: Version, report: str, _filters: Filters, spelled: str, *, usual: bool
) -> pl.DataFrame | None:
    with _warehouse.cursor() as cursor:
        return ask_usual(cursor, report, _filters) if usual else ask(cursor, report, _filters)


def _file(whole: Callable[[], pl.DataFrame], columns: Sequence[Column], context: Context, file_format: Format) -> bytes:
    return exported(whole(), columns, context, file_format=file_format)


def _file_stem(title: str, name: str) -> str:
    return "callfacts-" + "-".join("".join(sign if sign.isalnum() else " " for sign in f"{title} {name}").lower().split())


# ---------------------------------------------------------------- drawing


def _page_link(page: str, label: str, query: Mapping[str, Sequence[str]], *, width: Literal["content", "stretch"]) -> None:
    try:
        st.page_link(f"pages/{page}.py", label=label, query_params=query, width=width)
    except StreamlitAPIException:
        # a page run by itself knows no others
        st.markdown(f"[{plain(label)}]({page}?{urlencode(query, doseq=True)})")


def _describe(metric: Metric) -> None:
    st.markdown(f"**{plain(metric.label)}**  \n{plain(metric.formula)}")
    st.caption(f"grain: {plain(metric.grain)} · unit: {plain(metric.unit)} · from: {plain(metric.source)}")


_KINDS: Final[Mapping[str, Literal["duration", "share"]]] = {"ms": "duration", "share": "share"}


def _column(report: Report, name: str, label: str) -> Column:
    """A column as the report declares it, under the page's heading."""
    declared = next(column for column in report.columns if column.name == name)
    if declared.unit in _KINDS:
        return Column(name, label, _KINDS[declared.unit])
    match declared.type:
        case "BIGINT":
            return Column(name, label, "count")
        case "DOUBLE":
            return Column(name, label, "number")
        case "BOOLEAN":
            return Column(name, label, "flag")
        case "TIMESTAMPTZ":
            return Column(name, label, "instant")
        case "DATE" | "TIMESTAMP":
            return Column(name, label, "date")
        case "VARCHAR[]":
            return Column(name, label, "list")
        case _:
            return Column(name, label, "text")


_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {"duration": duration, "share": percent, "count": count, "number": number}


def _styled(frame: pl.DataFrame, columns: Sequence[Column], time_zone: str) -> Any:
    """The frame as the grid shows it: values stay values, so that a click on a heading sorts by them; durations read as words."""
    shown: list[pl.Expr] = []
    for column in columns:
        value = pl.col(column.name)
        match column.kind:
            case "text":
                value = value.cast(pl.String).str.slice(0, 300)
            case "list":
                value = value.list.join(", ")
            case "instant":
                value = value.dt.convert_time_zone(time_zone)
        shown.append(value.alias(column.label))
    table = frame.select(shown).to_pandas()
    formats = {column.label: _WORDS[column.kind] for column in columns if column.kind in _WORDS}
    return table.style.format(formats, na_rep=NOTHING) if formats else table


def _column_config(columns: Sequence[Column], report: Report, time_zone: str) -> dict[str, Any]:
    meanings = {column.name: column.meaning for column in report.columns}
    config: dict[str, Any] = {}
    for column in columns:
        about = plain(meanings.get(column.name, ""))
        match column.kind:
            case "instant":
                config[column.label] = st.column_config.DatetimeColumn(
                    column.label, help=about, format="YYYY-MM-DD HH:mm:ss", timezone=time_zone
                )
            case "count" | "duration" | "share" | "number":
                config[column.label] = st.column_config.NumberColumn(column.label, help=about, alignment="right")
            case _:
                config[column.label] = st.column_config.Column(column.label, help=about)
    return config
