"""Runs the benchmarks one after another, each in a process of its own, and writes docs/benchmarks.md.

    python -m tests.bench                     all of them
    python -m tests.bench reports ingest      those whose names contain one of the words; the other sections of the page stay
    python -m tests.bench --quick             small sizes, printed, nothing written: to see that they run

A benchmark is a module here with `TITLE` (the section's heading) and `run(quick: bool) -> str` (Markdown: a table, and what it says).
"""

import argparse
import contextlib
import importlib
import os
import pkgutil
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from tests import bench

PAGE = Path(__file__).parent.parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Written by `make bench`; `make bench ARGS="reports"` measures one part anew. Every figure stands beside a peer or a limit
that ran on the same machine in the same run: machines differ and are shared, so read the ratios first. "Goal" and "floor"
are what was set before the code was written; a figure that falls short says so.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="run only the benchmarks whose names contain one of these")
    parser.add_argument("--quick", action="store_true", help="small sizes, printed, nothing written")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return run_one(arguments.one, quick=arguments.quick)
    names = [m.name for m in pkgutil.iter_modules(bench.__path__) if not m.name.startswith("_") and m.name != "peers"]
    failed = []
    for name in sorted(n for n in names if not arguments.words or any(word in n for word in arguments.words)):
        print(f"· {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.bench", "--one", name, *(["--quick"] if arguments.quick else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(f"  {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if done.returncode != 0:
            failed.append(name)
        elif arguments.quick:
            print(done.stdout)
        elif done.stdout.strip():
            keep(name, done.stdout)
    if failed:
        print(f"bench: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run_one(name: str, *, quick: bool) -> int:
    """Print one section; what the benchmark itself prints goes to stderr."""
    module = importlib.import_module(f"tests.bench.{name}")
    if not hasattr(module, "run"):
        return 0
    with contextlib.redirect_stdout(sys.stderr):
        text = module.run(quick=quick)
    print(f"## {module.TITLE}\n\n_{machine()}; {time.strftime('%Y-%m-%d', time.gmtime())}_\n\n{text.strip()}")
    return 0


def keep(name: str, section: str) -> None:
    """Put a section into the page in place of its older self; sections stand in order of their names."""
    page = PAGE.read_text() if PAGE.exists() else HEAD
    sections = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=\n<!-- \w+ -->\n|\Z)", page, re.DOTALL))
    sections[name] = section.strip() + "\n"
    body = "\n".join(f"<!-- {key} -->\n{sections[key].strip()}\n" for key in sorted(sections))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(f"{HEAD}\n{body}")


def machine() -> str:
    """The machine in a line: processor, cores, memory, Python and the libraries that matter."""
    model = ""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
        model = found[1].strip() if found else ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in ("duckdb", "polars", "pyarrow"))
    cores = f"{os.cpu_count()} shared cores, {model or platform.machine()}, {memory:.0f} GiB"
    return f"{cores}; Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    raise SystemExit(main())
