"""The list of pages. `streamlit run app`, from anywhere.

Streamlit reads this file twice: as the module that holds the server's `app`, and as the script of each visitor's run. What pages
need is loaded before the server answers, so that no visitor waits for it.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

FIRST = "overview"
PAGES = {
    "Today": [
        ("overview", "Overview", ":material/bar_chart:"),
        ("missed", "Missed callers", ":material/phone_missed:"),
    ],
    "People and queues": [
        ("queues", "Queues", ":material/groups:"),
        ("agents", "Agents", ":material/headset_mic:"),
        ("agent_day", "Agent day", ":material/calendar_month:"),
    ],
    "Calls": [
        ("calls", "Calls", ":material/call:"),
        ("call", "Call", ":material/route:"),
        ("outcomes", "Outcomes", ":material/flag:"),
    ],
    "Trust": [
        ("quality", "Data quality", ":material/fact_check:"),
        ("definitions", "Definitions", ":material/menu_book:"),
    ],
}


def draw() -> None:
    """The page that the visitor chose."""
    from app.shell import AT_HOME

    st.session_state[AT_HOME] = True
    # no material icon here: for the tab alone Streamlit fetches it from outside
    st.set_page_config(page_title="callfacts", page_icon="📞", layout="wide")
    pages = {
        section: [st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name) for name, title, icon in listed]
        for section, listed in PAGES.items()
    }
    pages["Today"].insert(0, st.Page(front_door, title="callfacts", url_path="home", default=True, visibility="hidden"))
    st.navigation(pages, expanded=True).run()


def front_door() -> None:
    """/ leads to the first page, whose own address says its name like any other."""
    st.switch_page(f"pages/{FIRST}.py", query_params={name: st.query_params.get_all(name) for name in st.query_params})


@asynccontextmanager
async def loaded(_: st.App) -> AsyncIterator[None]:
    """The server's life: once Streamlit's runtime is there, whose caches the pages' modules fill, and before a visitor is let in."""
    import pandas.io.formats.style  # noqa: F401 - of Streamlit's own, with the first table

    import app.shell  # noqa: F401

    gc.collect()
    gc.freeze()  # Streamlit looks for garbage after each run of a page, and would look through all that was loaded each time
    yield


if __name__ == "__main__":
    draw()
else:
    app = st.App(__file__, lifespan=loaded)
