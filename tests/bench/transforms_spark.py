"""The same facts on Spark: against polars at 1 M events, and what a million costs as they grow."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from ingest.config import Config
from ingest.storage import LocalStore
from tests.bench._landing import land_copies, size_of, templates
from tests.landing import configured
from transforms.build import OnSpark, build
from transforms.engine.spark import Cluster

TITLE = "Transforms: Spark"


def run(*, quick: bool) -> str:
    if shutil.which("java") is None or find_spec("pyspark") is None:
        return "Not measured: there is no Java, or no pyspark."
    sizes = [20_000] if quick else [int(float(size) * 1e6) for size in os.environ.get("BENCH_SPARK", "1 5").split()]
    template = templates()
    lines = [
        "Whole builds, landing to published, in one process on local[*]. The first on Spark starts the JVM and its Python workers; warm is",
        "the second in the same process.",
        "",
        "| events | polars, s | Spark, first, s | Spark, warm, s | warm ÷ polars | warm, s a million | facts as Parquet, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in sizes:
            shutil.rmtree(folder / "data", ignore_errors=True)
            shutil.rmtree(folder / "facts", ignore_errors=True)
            config = configured(folder / "data")
            land_copies(config, template, size)
            polars = seconds(config, None) if size <= 5_000_000 else None
            on_spark = OnSpark(Cluster(), LocalStore(folder / "facts"))
            first = seconds(config, on_spark)
            bytes_kept = size_of(folder / "facts")
            warm = seconds(config, on_spark) if size <= 5_000_000 else first
            beside = ("", "") if polars is None else (f"{polars:.1f}", f"{warm / polars:.1f}")
            lines.append(
                f"| {size:,} | {beside[0]} | {first:.1f} | {warm:.1f} | {beside[1]} | {warm / size * 1e6:.1f} | {bytes_kept / 1e6:,.0f} |"
            )
    lines += ["", "Above 5 M there is one build, the first. Goal: warm ≤ 10 × polars at 1 M; seconds a million flat."]
    return "\n".join(lines)


def seconds(config: Config, on_spark: OnSpark | None) -> float:
    began = time.perf_counter()
    build(config, lambda: datetime.now(UTC), full=True, on_spark=on_spark)
    return time.perf_counter() - began
