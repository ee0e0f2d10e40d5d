"""Where facts run on many machines: Spark carries typed rows to their buckets, and the same functions make facts of them. (DESIGN 8)

    parts ─ mapInArrow: our own reader, our own parser ─▶ (bucket, name, Arrow IPC bytes)
          ─ groupBy(bucket).applyInArrow: the transforms' functions ─▶ Parquet files by table and month, and a row for each file

Spark sees three columns and never a column of ours, so no type is translated twice; a bucket's frames travel as compressed Arrow
streams. A bucket's task writes its own files, whole and under names that follow from the bucket, so a task that Spark runs again
writes the same files. Facts lie in

    <facts>/<build>/<table>/month=YYYY-MM/<bucket>.parquet
    <facts>/CURRENT                                            the build that is whole; written last

A refusal in a worker (a damaged part, a store that is away) comes back as a row and is raised by the driver as it was raised there:
one line, no Java trace.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from ingest.errors import BuildError, CallfactsError, UsageError
from ingest.layout import PartRef
from ingest.storage import Store
from transforms.engine.local import Computed
from transforms.tables import TABLES, Table

Spans = tuple[tuple[int, int], ...]
Scan = Callable[[PartRef, Spans], Iterable[Mapping[str, pl.DataFrame]]]
"""A part and the numbers that are wanted of it → its typed rows by name, batch after batch. Every frame has a column `k`."""
Facts = Callable[[Mapping[str, pl.DataFrame]], Mapping[str, pl.DataFrame]]
"""Typed rows of one bucket by name → its facts by name."""

BUCKET_ROWS: Final = 300_000
"""Deliveries in a bucket: about 0.5 GB in a worker."""
TASK_ROWS: Final = 300_000
"""Deliveries that one task reads."""
K_BITS: Final = 63

ERROR: Final = "error"
STRANGE: Final = "strange"
"""Typed rows: k, event_type, event_uid of events that no table is made of; facts: event_type, events."""
SCANNED: Final = "scanned"
"""Typed rows: k, deliveries that were read; facts: deliveries."""
NOTHING_STRANGE: Final = pl.DataFrame(schema={"event_type": pl.String, "events": pl.UInt32})
CURRENT: Final = "CURRENT"
NO_MONTH: Final = "__HIVE_DEFAULT_PARTITION__"
"""What Hive, Spark and DuckDB call the partition of rows without a value."""

_MONTH_OF: Final = {
    "calls": "started_at",
    "call_states": "started_at",
    "call_legs": "started_at",
    "queue_visits": "entered_at",
    "call_events": "event_time",
    "presence_intervals": "started_at",
    "conference_events": "event_time",
    "vendor_calls": "started_at",
}
_ROWS: Final = "bucket int, name string, ipc binary"
_RESULTS: Final = "name string, key string, size bigint, ipc binary"
_RESULT_SCHEMA: Final = pa.schema([("name", pa.string()), ("key", pa.string()), ("size", pa.int64()), ("ipc", pa.binary())])


@dataclass(slots=True)
class ComputedOnSpark(Computed):
    """Facts, and what the workers counted.

    Attributes:
        strange, scanned: see STRANGE, SCANNED; a frame a bucket.
    """

    strange: list[pl.DataFrame] = field(default_factory=list)
    scanned: list[pl.DataFrame] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where Spark runs.

    Attributes:
        master: any Spark master's URL; `local[*]` is this machine.
        memory: of the driver, which with a local master is all of Spark's JVM.
    """

    master: str = "local[*]"
    memory: str = "1g"

    @property
    def is_local(self) -> bool:
        return self.master.startswith("local")


def run(
    parts: Sequence[tuple[PartRef, Spans]],
    *,
    scan: Scan,
    facts_of: Facts,
    cluster: Cluster,
    store: Store,
    build_id: str,
    spill: Path,
    bucket_rows: int = BUCKET_ROWS,
) -> ComputedOnSpark:
    """Facts of the parts, as Parquet files below `<store>/<build_id>/`; a local copy of each below `spill` where the store is not local.

    `scan` and `facts_of` run in the workers and are pickled. Raises the CallfactsError of a worker; UsageError without pyspark or Java;
    BuildError where Spark itself fails.
    """
    deliveries = sum(last - first + 1 for _, spans in parts for first, last in spans)
    buckets = max(1, -(-deliveries // bucket_rows))
    with _session(cluster) as spark:
        try:
            rows = _carried(spark, parts, scan=scan, buckets=buckets, facts_of=facts_of, store=store, build_id=build_id)
        except Exception as error:
            if type(error).__module__.partition(".")[0] not in ("py4j", "pyspark"):
                raise
            raise BuildError(f"spark ({cluster.master}): {_first_line(error)}") from error
    if errors := [row["ipc"] for row in rows if row["name"] == ERROR]:
        raise pickle.loads(bytes(errors[0]))  # of our own worker
    return _computed(rows, store, spill)


def keep_current(store: Store, build_id: str) -> None:
    """Say which build of the facts is whole, and drop those before the last one, which somebody may still be reading."""
    before = store.read(CURRENT).decode().strip() if any(entry.key == CURRENT for entry in store.list(CURRENT)) else build_id
    store.put(CURRENT, f"{build_id}\n".encode())
    for entry in list(store.list()):
        if entry.key != CURRENT and entry.key.partition("/")[0] not in (build_id, before):
            store.delete(entry.key)


# ---------------------------------------------------------------- the driver


class _session:
    """A Spark session of our own settings; stopped at the end."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> Any:
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise UsageError("--engine spark needs pyspark: pip install 'callfacts[spark]'") from None
        builder = SparkSession.builder.master(self._cluster.master).appName("callfacts")
        settings = {
            "spark.sql.session.timeZone": "UTC",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
            # Merged partitions would put several buckets into one task, one after the other, while other cores wait.
            "spark.sql.adaptive.enabled": "false",
            # Few rows with much in each: batches by number of rows would outgrow Arrow's 2 GiB.
            "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
            "spark.driver.memory": self._cluster.memory,
        }
        if self._cluster.is_local:
            settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else the first python3 on the PATH, which has none of this
        for name, value in settings.items():
            builder = builder.config(name, value)
        try:
            self._spark = builder.getOrCreate()
        except Exception as error:
            if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
                raise UsageError("--engine spark needs Java 17 or later on the PATH") from None
            raise BuildError(f"spark ({self._cluster.master}): {_first_line(error)}") from error
        self._spark.sparkContext.setLogLevel("ERROR")
        return self._spark

    def __exit__(self, *_: object) -> None:
        self._spark.stop()


def _carried(
    spark: Any,
    parts: Sequence[tuple[PartRef, Spans]],
    *,
    scan: Scan,
    buckets: int,
    facts_of: Facts,
    store: Store,
    build_id: str,
) -> list[Any]:
    tasks = [(pickle.dumps(task),) for task in _tasks(parts)]
    if not tasks:
        return []
    frame = spark.createDataFrame(spark.sparkContext.parallelize(tasks, len(tasks)), "task binary")
    reader, maker = _Reader(scan, buckets), _Maker(facts_of, store, build_id)
    # Spark counts the arguments of what it is given, and counts a method's `self` too.
    carried = frame.mapInArrow(lambda batches: reader(batches), _ROWS)
    spark.conf.set("spark.sql.shuffle.partitions", str(buckets))
    results = carried.groupBy("bucket").applyInArrow(lambda key, rows: maker(key, rows), _RESULTS)
    return list(results.collect())


def _tasks(parts: Sequence[tuple[PartRef, Spans]]) -> Iterator[list[tuple[PartRef, Spans]]]:
    """Parts together, up to TASK_ROWS deliveries a task; a larger part alone is read in pieces of that size."""
    task: list[tuple[PartRef, Spans]] = []
    rows = 0
    for part, spans in parts:
        for first, last in spans:
            for start in range(first, last + 1, TASK_ROWS):
                stop = min(last, start + TASK_ROWS - 1)
                if task and rows + stop - start + 1 > TASK_ROWS:
                    yield task
                    task, rows = [], 0
                task.append((part, ((start, stop),)))
                rows += stop - start + 1
    if task:
        yield task


def _computed(rows: Iterable[Any], store: Store, spill: Path) -> ComputedOnSpark:
    computed = ComputedOnSpark()
    for row in rows:
        name = row["name"]
        if row["key"] is not None:
            computed.files.setdefault(name, []).append(_local(store, row["key"], spill))
            if name == "calls":
                computed.calls += row["size"]
        else:
            own = {
                "people_seen": computed.people_seen,
                "open_calls": computed.open_calls,
                STRANGE: computed.strange,
                SCANNED: computed.scanned,
            }
            if name in own:
                own[name].append(_frame(row["ipc"]))
    for files in computed.files.values():
        files.sort()
    return computed


def _local(store: Store, key: str, spill: Path) -> Path:
    """A file of DuckDB's to read; a copy where the store has none."""
    if (path := store.local_path(key)) is not None:
        return path
    copy = spill / "facts" / key
    copy.parent.mkdir(parents=True, exist_ok=True)
    with store.open_input(key) as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    return copy


# ---------------------------------------------------------------- the workers


@dataclass(frozen=True, slots=True)
class _Reader:
    """Parts → typed rows, cut by bucket."""

    scan: Scan
    buckets: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        width = -(-(2**K_BITS) // self.buckets)
        for batch in batches:
            for task in batch.column("task").to_pylist():
                try:
                    for part, spans in pickle.loads(task):
                        for frames in self.scan(part, spans):
                            yield from _cut(frames, width)
                except CallfactsError as error:
                    yield _carrier(0, ERROR, pickle.dumps(_plain(error)))


def _cut(frames: Mapping[str, pl.DataFrame], width: int) -> Iterator[pa.RecordBatch]:
    for name, frame in frames.items():
        if frame.is_empty():
            continue
        cut = frame.with_columns(_bucket=pl.col("k") // width).partition_by("_bucket", as_dict=True, include_key=False)
        for (bucket, *_), rows in cut.items():
            yield _carrier(bucket, name, _ipc(rows))


def _carrier(bucket: int, name: str, ipc: bytes) -> pa.RecordBatch:
    schema = pa.schema([("bucket", pa.int32()), ("name", pa.string()), ("ipc", pa.binary())])
    return pa.RecordBatch.from_pylist([{"bucket": bucket, "name": name, "ipc": ipc}], schema)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Typed rows of one bucket → its facts, written; a row for each file, and the builder's own frames as they are."""

    facts_of: Facts
    store: Store
    build_id: str

    def __call__(self, key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        names, blobs = rows["name"].to_pylist(), rows["ipc"].to_pylist()
        if ERROR in names:
            return _results([{"name": ERROR, "ipc": blobs[names.index(ERROR)]}])
        found: dict[str, list[pl.DataFrame]] = {}
        for name, blob in zip(names, blobs, strict=True):
            found.setdefault(name, []).append(_frame(blob))
        try:
            facts = self.facts_of({name: pl.concat(frames) for name, frames in found.items()})
            return _results(self._kept(int(key[0].as_py()), facts))
        except CallfactsError as error:
            return _results([{"name": ERROR, "ipc": pickle.dumps(_plain(error))}])

    def _kept(self, bucket: int, facts: Mapping[str, pl.DataFrame]) -> Iterator[dict[str, Any]]:
        for name, frame in facts.items():
            if name not in TABLES:
                yield {"name": name, "ipc": _ipc(frame)}
            else:
                for month, rows in _months(TABLES[name], frame):
                    key = f"{self.build_id}/{name}/month={month}/{bucket:06d}.parquet"
                    sink = io.BytesIO()
                    rows.sort(TABLES[name].order_by).write_parquet(sink, compression="zstd", compression_level=3)
                    self.store.put(key, sink.getvalue())
                    yield {"name": name, "key": key, "size": rows.height}


def _months(table: Table, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    rows = frame.select(table.names).with_columns(_month=pl.col(_MONTH_OF[table.name]).dt.strftime("%Y-%m"))
    for (month, *_), part in rows.partition_by("_month", as_dict=True, include_key=False).items():
        yield NO_MONTH if month is None else str(month), part


def _results(rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{"key": None, "size": None, "ipc": None} | row for row in rows], _RESULT_SCHEMA)


def _ipc(frame: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    frame.write_ipc_stream(sink, compression="zstd")
    return sink.getvalue()


def _frame(ipc: bytes) -> pl.DataFrame:
    return pl.read_ipc_stream(io.BytesIO(bytes(ipc)))


def _plain(error: CallfactsError) -> CallfactsError:
    """The error with its line alone: its cause may hold what cannot be pickled."""
    return type(error)(str(error))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
