"""Both engines give the same facts. (DESIGN 8, 9)

Needs Java and pyspark; `make test` installs the second where it finds the first. A Spark session is slow to start, so each test
asks much of one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from random import Random

import duckdb
import pytest

from ingest.config import Config
from ingest.errors import DamagedPart
from ingest.parts import list_parts
from ingest.storage import LocalStore, open_zone
from tests.builders import MONDAY, call, epoch_ms
from tests.landing import configured, land
from tests.transforms.awkward import call_events, presence_event
from tests.transforms.published import column, difference, rows_of
from transforms.build import OnSpark, build
from transforms.engine.spark import CURRENT, Cluster

pytestmark = [
    pytest.mark.spark,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which("java") is None, reason="THE SPARK ENGINE IS NOT TESTED: there is no java on the PATH"),
    pytest.mark.skipif(find_spec("pyspark") is None, reason="THE SPARK ENGINE IS NOT TESTED: pyspark is not installed"),
]

AS_OF = MONDAY + timedelta(hours=5)
ROME_CLOCKS_GO_BACK = datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)
ROME_CLOCKS_GO_FORWARD = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)


@pytest.fixture
def far_away_clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time zone is 5:45 h from UTC, for Python and for Java."""
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.timezone=Asia/Kathmandu")
    yield


def on_spark(config: Config, *, bucket_rows: int) -> OnSpark:
    return OnSpark(Cluster("local[2]"), LocalStore(config.storage.root_path / "facts"), bucket_rows)


def test_spark_and_polars_give_the_same_tables(tmp_path: Path, far_away_clocks: None) -> None:
    rng = Random(20_261_124)
    config = configured(tmp_path / "data")
    events: list[object] = [event for i in range(60) for event in call_events(rng, f"c_{i}")]
    events += [presence_event(rng) for _ in range(80)]
    events += [event | {"time": epoch_ms(at) + i} for at in (ROME_CLOCKS_GO_BACK, ROME_CLOCKS_GO_FORWARD)
               for i, event in enumerate(call_events(rng, f"dst_{at:%m}"))]  # fmt: skip
    # One call outweighs its bucket; and with far more buckets than keys, many are empty.
    events += [event | {"time": epoch_ms(MONDAY) + i} for i in range(300) for event in call_events(rng, "heavy")[:1]]
    events += [{"type": "strange", "time": epoch_ms(MONDAY), "n": n % 3} for n in range(7)] + [b"not json"]
    rng.shuffle(events)
    for number, start in enumerate(range(0, len(events), 100)):
        writer = "ab"[number % 2] * 32
        bodies = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events[start : start + 100]]
        land(config, bodies, writer=writer, first=1 + start, received_at=MONDAY + timedelta(hours=1, seconds=start))

    polars = build(config, lambda: AS_OF, as_of=AS_OF, full=True)
    expected = rows_of(config.storage.warehouse_path)
    assert len(expected["calls"]) > 60 and len(expected["presence_intervals"]) > 20 and len(expected["vendor_calls"]) > 5

    spark = build(config, lambda: AS_OF, as_of=AS_OF, on_spark=on_spark(config, bucket_rows=7))
    assert difference(rows_of(config.storage.warehouse_path), expected) == ""
    assert (spark.files, spark.events, spark.calls, spark.unknown_types) == (
        polars.files,
        polars.events,
        polars.calls,
        polars.unknown_types,
    )
    assert column(config.storage.warehouse_path, "select engine from builds order by rowid") == ["polars", "spark"]

    folder = config.storage.root_path / "facts"
    current = folder / (folder / CURRENT).read_text().strip()
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        kept = con.sql(
            f"select company, call_id, duration_ms from read_parquet('{current}/calls/*/*.parquet') "
            f"where month = strftime(started_at, '%Y-%m')"
        )
        assert sorted(kept.fetchall(), key=repr) == sorted(((r[0], r[2], r[7]) for r in expected["calls"]), key=repr)

    # What Spark made is a state like any other: the next build finds it wanting, says so, and gives the same.
    again = build(config, lambda: AS_OF, as_of=AS_OF)
    assert again.mode == "full" and "events.duckdb" in again.reason
    assert difference(rows_of(config.storage.warehouse_path), expected) == ""


def test_a_damaged_part_is_named_by_a_worker_and_the_published_file_stays(tmp_path: Path) -> None:
    config = configured(tmp_path / "data")
    land(config, call(ring=1_000).events(), received_at=MONDAY)
    build(config, lambda: AS_OF, as_of=AS_OF)
    before = config.storage.warehouse_path.stat().st_ino
    (part,) = list_parts(open_zone(config.storage).landing)
    path = config.storage.root_path / "landing" / part.key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(DamagedPart, match=str(part.name)) as caught:
        build(config, lambda: AS_OF, as_of=AS_OF, on_spark=on_spark(config, bucket_rows=100))
    assert "\n" not in str(caught.value)
    assert config.storage.warehouse_path.stat().st_ino == before
