"""What do the words mean, and which settings are in force?"""

import streamlit as st

from app.charts import plain
from app.filters import settings_rows
from app.shell import heading, open_page
from transforms.reports.catalog import METRICS, REPORTS

page = open_page("Definitions", "What do the words mean, and which settings are in force?", uses=None, needs_calls=False)

file = page.config.file.name if page.config.file else "the default configuration"
heading("Settings in force", note=f"`[reports]` of {plain(file)}. A change counts at once, for the past too: no table depends on it.")
page.made_rows(
    ("Key", "Value", "What it does"),
    settings_rows(page.config.reports),
    name="settings",
    about="**Question** Which settings count?  \n**One row is** a key of `[reports]` and its value, the default where the file says none",
)

heading("Metrics", note="Each formula once: a macro in the warehouse, which pages, files and your own SQL share.")
sought = st.text_input("Look for", placeholder="a word of a metric's name or formula", width=360).casefold()
found = [metric for metric in METRICS.values() if sought in f"{metric.label} {metric.formula} {metric.source}".casefold()]
page.made_rows(
    ("Metric", "Formula", "Grain", "Unit", "From"),
    [(metric.label, metric.formula, metric.grain, metric.unit, metric.source) for metric in found],
    name="metrics",
    about="**Question** What is counted, and how?  \n**One row is** a formula of `metrics.sql`, a macro in the warehouse under its name",
    row_height=64,  # Streamlit goes on in a second line in rows of more than 4 rem
)
with st.expander("The macros as SQL"):
    st.code("\n\n".join(f"-- {metric.label}\n{metric.sql}" for metric in found) or "-- none", language="sql")

heading("Reports", note="Each table and picture of these pages is one of these questions.")
page.made_rows(
    ("Report", "Question", "One row is"),
    [(report.name, report.question, report.grain) for report in REPORTS.values()],
    name="reports",
    about="**Question** What can be asked?  \n**One row is** a file of `transforms/reports`, saved by `python -m app REPORT --out FILE`",
)

heading("What these numbers cannot say", note="Not in the phone system's events, so on no page:")
st.markdown(
    "- work after a call, and so handling time with it; utilisation, adherence and shrinkage, without paid hours or a roster\n"
    "- whether a caller's matter was settled at once: “no repeat within the window” is shown under its own name\n"
    "- consultation calls, which have a call id of their own; the path through an announcement; the position in a queue\n"
    "- why a queue overflowed; satisfaction; cost; post-dial delay; log-in and pause codes"
)
