"""Pages of several readers run in threads of one process: none may wait for ever for another."""

import re
import subprocess
import sys
from pathlib import Path

import app

TOGETHER = """
import os, threading, time
import polars as pl
from app import charts

few = pl.DataFrame({"what": [f"cause {n}" for n in range(30)], "calls": list(range(30)), "share": [n / 30 for n in range(30)],
    "series": ["answered", "lost", "taken"] * 10, **{name: [n * 1000.0 for n in range(30)] for name in ("low", "middle", "high", "end")}})
many = pl.DataFrame({"at": list(range(20_000)), "name": [f"name {n % 37}" for n in range(20_000)], "of": [n * 0.5 for n in range(20_000)]})

def draw():
    charts.bars(few, label="what", value="calls", share="share")
    colours = {"answered": "#111", "lost": "#222", "taken": "#333"}
    charts.stacked_rows(few, label="what", value="calls", series="series", colours=colours, x_title="n")
    charts.ranges(few, label="what", low="low", middle="middle", high="high", end="end")

turns = {draw: 0, many.to_pandas: 0}

def again(work):
    while True:
        work()
        turns[work] += 1

draw(), many.to_pandas()  # imports are done before the threads begin
for work in (*turns, *turns):
    threading.Thread(target=again, args=(work,), daemon=True).start()
time.sleep(4)
before = dict(turns)
time.sleep(2)
os._exit(0 if all(turns[work] > before[work] for work in turns) else 3)
"""


def test_drawing_beside_another_page_does_not_stop_the_process() -> None:
    """Python called back from polars' own threads did, where another thread waited for these and held the interpreter's lock."""
    done = subprocess.run([sys.executable, "-c", TOGETHER], timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_polars_never_calls_python_back() -> None:
    """`charts.worded` is there instead."""
    sources = list(Path(app.__file__).parent.rglob("*.py"))
    assert len(sources) > 10
    assert not [path for path in sources if re.search(r"\.(map_elements|map_batches|map_groups)\(", path.read_text())]
