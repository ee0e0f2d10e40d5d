"""The list of pages. `streamlit run app`, from anywhere."""

import streamlit as st

from app.shell import AT_HOME

PAGES = {
    "Today": [
        ("overview", "Overview", "📊"),
        ("missed", "Missed callers", "📵"),
    ],
    "People and queues": [
        ("queues", "Queues", "👥"),
        ("agents", "Agents", "🎧"),
        ("agent_day", "Agent day", "🗓️"),
    ],
    "Calls": [
        ("calls", "Calls", "📞"),
        ("call", "Call", "🧭"),
        ("outcomes", "Outcomes", "🏁"),
    ],
    "Trust": [
        ("quality", "Data quality", "🩺"),
        ("definitions", "Definitions", "📖"),
    ],
}

st.session_state[AT_HOME] = True
st.set_page_config(page_title="callfacts", page_icon="📞", layout="wide")
st.navigation(
    {
        section: [
            st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name, default=name == "overview") for name, title, icon in pages
        ]
        for section, pages in PAGES.items()
    },
    expanded=True,
).run()
