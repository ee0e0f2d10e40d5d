"""A simulated month in twenty slices, in random order, with repetition: each build gives what a full one gives. (issue 5)"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from ingest.storage import LocalStore
from tests.landing import configured, land
from tests.transforms.published import difference, rows_of
from transforms.build import OnSpark, build
from transforms.engine.spark import Cluster

AS_OF = datetime(2026, 11, 24, tzinfo=UTC)
HAS_SPARK = shutil.which("java") is not None and find_spec("pyspark") is not None


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_build_after_each_slice_equals_a_full_one_and_spark(tmp_path: Path) -> None:
    rng = Random(5)
    month = tmp_path / "month.ndjson"
    shape = ("--calls", "1500", "--days", "30", "--seed", "9", "--end", AS_OF.isoformat(), "--completed", "0.3", "--live", "0.1")
    subprocess.run([sys.executable, "-m", "ingest.cli", "simulate", *shape, "--out", str(month)], check=True, capture_output=True)
    bodies = month.read_bytes().splitlines()
    bodies += rng.sample(bodies, len(bodies) // 20)
    rng.shuffle(bodies)
    config = configured(tmp_path / "data")
    for n in range(20):
        land(config, bodies[n::20], writer=f"{n:032x}")
        assert build(config, lambda: AS_OF).mode == ("full" if n == 0 else "incremental")

    incremental = rows_of(config.storage.warehouse_path)
    assert len(incremental["calls"]) == 1500
    build(config, lambda: AS_OF, full=True)
    assert difference(rows_of(config.storage.warehouse_path), incremental) == ""
    if HAS_SPARK:
        build(config, lambda: AS_OF, on_spark=OnSpark(Cluster("local[2]"), LocalStore(tmp_path / "facts")))
        assert difference(rows_of(config.storage.warehouse_path), incremental) == ""
