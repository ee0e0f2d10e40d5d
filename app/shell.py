"""What all pages share: configuration, head, filters, and the pages that stand in for a page that cannot be shown.

A page opens with `open_page`, which returns only when there is something to show; otherwise it has drawn the reason and stopped.
The environment and the clock are read here and nowhere else in app.
"""

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlencode

import duckdb
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app.charts import age, count, plain
from app.filters import COMMON, EVER, FIELDS, Choice, Options, filters_of, form, says_anything
from app.page import Page, query_of_page, say, stop_unreadable
from app.warehouse import UnreadableWarehouse, Version, Warehouse
from ingest.config import Config, load_config
from ingest.errors import ConfigError, WarehouseMissing
from transforms.reports.catalog import Filters

ALL_FILTERS: Final = FIELDS
AT_HOME: Final = "callfacts-at-home"
"""The session's mark that the list of pages of `streamlit_app.py` is in force."""
WATCH_SECONDS: Final = 3
OLD_AFTER: Final = timedelta(minutes=60)
_REMEMBERED: Final = "callfacts-choice"


def open_page(
    title: str, question: str, *, uses: frozenset[str] | None = ALL_FILTERS, needs_calls: bool = True, ever: bool = False
) -> Page:
    """The page's head, and what it needs to go on; where there is nothing to show, the reason, and the page ends here.

    `uses`: the filters that the page heeds; None: none at all, not even the period. `needs_calls`: whether it has nothing to
    say about a period without calls. `ever`: whether it is of all time and of everything, whatever the filters say.
    """
    _at_home()
    st.html(Path(__file__).with_name("theme.css"))
    config = _config()
    warehouse = _warehouse(str(config.storage.warehouse_path))
    try:
        version = warehouse.version
        if version is None:
            raise WarehouseMissing(str(warehouse.path))
        page = _page(title, config, warehouse, version, uses=uses, ever=ever)
        _head(page, question)
        if uses is not None:
            _filter_bar(page, uses if page.per_person else uses - {"agents"})
        else:
            _link(page)
        if needs_calls:
            stop_without_calls(page)
    except WarehouseMissing:
        _watch(warehouse, None)
        _missing(title, warehouse.path)
    except UnreadableWarehouse as error:
        _watch(warehouse, version)
        _unreadable(title, str(error))
    except duckdb.Error as error:
        _watch(warehouse, version)
        _unreadable(title, f"{warehouse.path}: {str(error).splitlines()[0]}")
    return page


def _at_home() -> None:
    """Begin anew under the app's own list of pages where Streamlit has begun with a page alone.

    It does so where the first visitor of a fresh server opens a page other than the first: finding a folder `pages`, it makes a
    list of its own of it, until st.navigation is called once.
    """
    if AT_HOME in st.session_state:
        return
    st.session_state[AT_HOME] = True
    with suppress(StreamlitAPIException):
        st.navigation([st.Page(page) for page in sorted(Path(__file__).parent.glob("pages/*.py"))], position="hidden")
        st.rerun()


def heading(text: str, *, note: str | None = None) -> None:
    """A section's heading: ours, so no text of a call."""
    with st.container(gap=None):
        st.subheader(text, anchor=False)
        if note:
            st.caption(note)


def not_subscribed(feed: str, what: str, events: str) -> None:
    """The empty state of a feed that sends nothing: what it would show, and what to switch on."""
    st.info(
        f"**{feed} is not subscribed.** {what} would stand here. Subscribe {events} in the phone system, and build again.",
        icon=":material/power_off:",
    )


def since_build(page: Page) -> timedelta:
    """How long ago the instant is that the build speaks of."""
    return datetime.now(UTC) - page.as_of


def stop_without_people(page: Page) -> None:
    """Where figures of single persons are switched off, say so, and by which key; the page ends here."""
    if page.per_person:
        return
    st.info(
        "**Figures of single persons are switched off.** `[reports] per_person = false` says so, on the page Definitions too. "
        "Lists of calls still say who answered.",
        icon=":material/lock:",
    )
    st.stop()


def nothing(text: str) -> None:
    """A part of a page that has nothing to show."""
    st.info(text, icon=":material/inbox:")


@st.cache_resource(show_spinner=False)
def _warehouse(path: str) -> Warehouse:
    return Warehouse(Path(path))


def _config() -> Config:
    """The configuration, read on each run, so that a changed setting counts at once."""
    try:
        return load_config(None, os.environ)
    except ConfigError as error:
        st.title("A setting is wrong", anchor=False)
        st.error("The reports use the same configuration as the commands, and it cannot be used as it is:", icon=":material/build:")
        st.code(str(error), language=None, wrap_lines=True)
        st.markdown("Correct the line and reload this page. `ingest config check` says the same on the command line.")
        st.stop()


def _page(title: str, config: Config, warehouse: Warehouse, version: Version, *, uses: frozenset[str] | None, ever: bool) -> Page:
    """The page with its filters: of the URL where that says any, else what the session remembers."""
    query = query_of_page()
    remembered: Choice | None = st.session_state.get(_REMEMBERED)
    choice = Choice.of_query(query) if remembered is None or says_anything(query) else remembered
    if not config.reports.per_person:
        choice = replace(choice, agents=())
    _remember(choice)
    blank = Filters(settings=config.reports)
    draft = Page(title, config, warehouse, version, choice, blank, datetime.now(UTC), {}, frozenset(), uses, ever)
    told = draft.ask("as_of").to_dicts()
    if not told or told[0]["as_of"] is None:
        return draft
    filters = filters_of(draft.heeded, settings=config.reports, as_of=told[0]["as_of"])
    agents = draft.ask("options").filter(kind="agent")
    return replace(
        draft,
        filters=filters,
        as_of=told[0]["as_of"],
        names=dict(zip(agents["value"], agents["label"], strict=True)),
        feeds=frozenset(feed for feed in ("visits", "presence", "vendor") if told[0][f"has_{feed}"]),
    )


def _remember(choice: Choice) -> None:
    """Keep the choice for the next page, and in the URL, so that the address bar is always a link to this view."""
    st.session_state[_REMEMBERED] = choice
    here = query_of_page()
    wanted = choice.query() | {name: values for name, values in here.items() if name not in COMMON}
    if wanted != here:
        st.query_params.from_dict(wanted)


def offer_to_clear(page: Page) -> None:
    """The way out of filters that leave nothing."""
    if st.button("Clear the filters", type="primary", key="clear-all"):
        _remember(page.choice.widened)
        st.rerun()


def _filter_bar(page: Page, uses: frozenset[str]) -> None:
    today = page.as_of.astimezone(page.filters.zone).date()
    applied = form(page.choice, options=_options(page), settings=page.config.reports, today=today, uses=uses)
    if applied is not None and applied != page.choice:
        _remember(applied)
        # who applies a filter to a list of all time means the filter; and other rows begin on their first page
        say({EVER: None, "page": None})
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="chips", gap="xsmall"):
        for text, used in page.chips:
            st.markdown(f":gray-badge[{plain(text) if used else f'~~{plain(text)}~~ not used here'}]", width="content")
        if page.choice.narrowed and st.button("✕ clear filters", type="tertiary", key="clear-filters"):
            _remember(page.choice.widened)
            st.rerun()
        _link(page)


def _link(page: Page) -> None:
    with st.popover("Link", icon=":material/link:", type="tertiary", help="This view as a link"):
        st.caption("This view, for a colleague who can reach this app:")
        st.code(_address(page), language=None, wrap_lines=True)


def _address(page: Page) -> str:
    query = query_of_page() or page.choice.query()
    return f"{str(st.context.url or '').split('?')[0]}?{urlencode(query, doseq=True)}"


def _options(page: Page) -> Options:
    """What the warehouse offers to choose from."""
    found = page.ask("options", page.blank)

    def listed(kind: str) -> tuple[tuple[str, str], ...]:
        return tuple(found.filter(kind=kind).select("value", "label").iter_rows())

    return Options(
        companies=listed("company"),
        pbxs=listed("pbx"),
        queues=listed("queue"),
        agents=listed("agent"),
        departments=listed("department"),
        trunks=listed("trunk"),
    )


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
    gone = since_build(page)
    told = page.ask("as_of", page.blank).to_dicts()
    open_calls = told[0]["in_progress"] if told else 0
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
    st.info(
        "**There is no warehouse yet.** The reports read what a build publishes, and none has been published here.", icon=":material/inbox:"
    )
    st.markdown("Build it from the landing zone; this page opens by itself as soon as it is there:")
    st.code("transforms build", language="bash")
    st.markdown("No calls yet at all? See the whole way on simulated traffic, or receive from your phone system:")
    st.code("make demo\ningest run", language="bash")
    st.caption(f"Looked for: {plain(path)}")
    st.stop()


def _unreadable(title: str, reason: str) -> NoReturn:
    st.title(title, anchor=False)
    stop_unreadable(reason)


def stop_without_any_calls(page: Page) -> int:
    """Say so where the warehouse holds no call at all; else how many it holds."""
    told = page.ask("as_of", page.blank).to_dicts()
    if told and told[0]["calls"]:
        return int(told[0]["calls"])
    st.info("**The warehouse is there, and holds no calls yet.** Once events have come in, build again:", icon=":material/inbox:")
    st.code("ingest status\ntransforms build", language="bash")
    st.stop()


def stop_without_calls(page: Page) -> None:
    """Say which of the empty states it is, with the way out as a button; go on where there are calls."""
    if page.one("calls_total")["calls"]:
        return
    every = stop_without_any_calls(page)
    in_period = page.one("calls_total", replace(page.blank, start=page.filters.start, end=page.filters.end))["calls"]
    if in_period:
        st.info(f"**The filters leave nothing.** There are {count(in_period)} calls in this period.", icon=":material/filter_alt:")
        offer_to_clear(page)
        st.stop()
    st.info(f"**No calls in this period.** There are {count(every)} calls at other times.", icon=":material/calendar_today:")
    nearest: list[date] = page.ask("nearest_day")["day"].to_list()
    if nearest and st.button(f"Go to the nearest day with calls: {nearest[0]:%a %-d %b %Y}", type="primary", key="nearest-day"):
        _remember(replace(page.choice, period="custom", first=nearest[0], last=nearest[0]))
        st.rerun()
    st.stop()
