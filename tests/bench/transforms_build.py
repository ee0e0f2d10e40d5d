"""Builds from landing to the published file: full ones by size, one of 1 % new calls, and the copy that publishes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ingest.config import Config
from tests.bench._landing import land_copies, size_of, templates
from tests.landing import configured
from transforms.warehouse import publish

TITLE = "Transforms: builds"


@dataclass(frozen=True)
class Run:
    """A build as a process of its own."""

    seconds: float
    peak_mb: float
    said: str


def build(config: Config, *arguments: str) -> Run:
    command = [sys.executable, "-m", "transforms.cli", "build", *arguments]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"CALLFACTS_DATA": config.storage.root}, stdout=subprocess.PIPE, text=True)
    # Not ru_maxrss: a child's begins with what its parent, who made the events, had at the fork.
    peak_kb = 0
    while process.poll() is None:
        with suppress(OSError, ValueError, IndexError):
            peak_kb = max(peak_kb, int(re.findall(r"VmHWM:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text())[0]))
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    process.stdout.close()
    assert process.returncode == 0, said
    return Run(seconds, peak_kb / 1024, said)


def phases(run: Run) -> str:
    return run.said.partition(" s (")[2].partition(")")[0]


def run(*, quick: bool) -> str:
    sizes = [20_000, 100_000] if quick else [int(float(size) * 1e6) for size in os.environ.get("BENCH_BUILD", "1 5").split()]
    template = templates()
    lines = [
        "Each build a process of its own, start of Python and imports within; memory_limit as shipped.", "",
        "| build | seconds | events a second | peak MB | phases, s | builder, MB | published, MB |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    full: dict[int, Run] = {}
    little: dict[int, Run] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in sizes:
            config = configured(folder / "data")
            shutil.rmtree(folder / "data", ignore_errors=True)
            land_copies(config, template, size)
            full[size] = done = build(config, "--full")
            kept, published = size_of(folder / "data" / "build") / 1e6, config.storage.warehouse_path.stat().st_size / 1e6
            figures = f"{done.seconds:.1f} | {size / done.seconds:,.0f} | {done.peak_mb:,.0f} | {phases(done)}"
            lines.append(f"| full, {size:,} | {figures} | {kept:,.0f} | {published:,.0f} |")
            if size == sizes[0]:
                continue
            land_copies(config, template, size // 100, writer="c" * 32, first_copy=10_000_000)
            little[size] = new = build(config)
            lines.append(f"| 1 % new calls on {size:,} | {new.seconds:.2f} | | {new.peak_mb:,.0f} | {phases(new)} | | |")
            nothing = build(config)
            lines.append(f"| nothing new on {size:,} | {nothing.seconds:.2f} | | {nothing.peak_mb:,.0f} | {phases(nothing)} | | |")
        ours, cp = copy_seconds(folder / "data" / "build" / "facts.duckdb", folder)
    goals = ["5 M ≤ 7 × 1 M", "20 M ≤ 4.4 × 5 M, memory within 15 %"]
    lines.append("")
    for (less, more), goal in zip(pairwise(sizes), goals, strict=False):
        lines.append(
            f"- {more / less:.0f} × the events ({less:,} → {more:,}) take {full[more].seconds / full[less].seconds:.2f} × the time "
            f"and {full[more].peak_mb / full[less].peak_mb:.2f} × the memory (goal: {goal}; peak ≤ 3 GiB)."
        )
    lines += [
        f"- 1 % new calls on {size:,}: {100 * new.seconds / full[size].seconds:.1f} % of the full build, "
        "publishing and start included (goal on 5 M: ≤ 6 %)."
        for size, new in little.items()
    ]
    lines.append(f"- Publishing: {ours:.2f} s, cp and fsync of the same file {cp:.2f} s: {ours / cp:.2f} × (goal ≤ 1.3).")
    return "\n".join(lines)


def copy_seconds(facts: Path, folder: Path) -> tuple[float, float]:
    """Best of five of ours, and of cp and fsync."""
    ours, cp = [], []
    for _ in range(5):
        began = time.perf_counter()
        publish(facts, folder / "published.duckdb")
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        subprocess.run(["cp", "--reflink=auto", facts, folder / "copied.duckdb"], check=True)
        handle = os.open(folder / "copied.duckdb", os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        cp.append(time.perf_counter() - began)
    return min(ours), min(cp)
