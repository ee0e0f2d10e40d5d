"""Parse: payloads of parts → typed columns, beside a bare loop of orjson.loads that makes no columns at all."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa

from tests.bench._landing import copies, templates
from transforms.landed import typed, typed_exactly

TITLE = "Transforms: parse, payload → typed columns"


def with_odd(landed: pa.Table, every: int) -> pa.Table:
    """The same rows, one in `every` with a number where a text belongs."""
    payload = [
        text.replace('"status":"', '"status":1.50,"was":"') if place % every == 0 else text
        for place, text in enumerate(landed["payload"].to_pylist())
    ]
    return landed.set_column(landed.schema.get_field_index("payload"), "payload", pa.array(payload))


def best(measure: Callable[[], object]) -> float:
    began = time.perf_counter()
    measure()
    return time.perf_counter() - began


def with_dlt(payloads: list[str]) -> None:
    """The peer: dlt loads the payloads into DuckDB tables whose columns it finds itself, by its fastest file format."""
    settings = {"RUNTIME__DLTHUB_TELEMETRY": "false", "NORMALIZE__WORKERS": "2", "RUNTIME__LOG_LEVEL": "CRITICAL"}
    with tempfile.TemporaryDirectory() as name:
        os.environ.update(settings)
        import dlt

        folder = Path(name)
        database = dlt.destinations.duckdb(str(folder / "loaded.duckdb"))
        pipeline = dlt.pipeline("events", destination=database, dataset_name="events", pipelines_dir=str(folder / "pipelines"))
        pipeline.run((orjson.loads(text) for text in payloads), table_name="events", loader_file_format="parquet")
        with pipeline.sql_client() as client:
            loaded = client.execute_sql("select count(*) from events")
        assert loaded == [(len(payloads),)], loaded


def run(*, quick: bool) -> str:
    events, rounds = (20_000, 2) if quick else (200_000, 4)
    plain = copies(templates(), events)
    plain = pa.concat_tables([plain.slice(start, 30_000) for start in range(0, events, 30_000)])
    odd = with_odd(plain, 100)
    payloads = plain["payload"].to_pylist()
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    assert typed(con, plain).odd == 0 and typed(con, odd).odd == -(-events // 100)
    few = plain.slice(0, events // 10)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "orjson.loads alone, no columns": (events, lambda: [orjson.loads(payload) for payload in payloads]),
        "typed columns": (events, lambda: typed(con, plain)),
        "typed columns, 1 % odd events": (events, lambda: typed(con, odd)),
        "typed columns, all by the exact way": (few.num_rows, lambda: typed_exactly(few)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):  # interleaved: a neighbour on the machine then slows all of them
        for name, (_, way) in ways.items():
            seconds[name].append(best(way))
    rate = {name: rows / min(seconds[name]) for name, (rows, _) in ways.items()}
    some = payloads[: events // 2]
    dlt = rate["dlt, JSON → DuckDB table"] = len(some) / best(lambda: with_dlt(some))
    yardstick = rate["orjson.loads alone, no columns"]
    lines = [
        f"{events:,} events of {len(payloads[0])} bytes, best of {rounds} interleaved rounds; goal 1.4 × orjson.loads, also with 1 % odd,",
        f"and 40 × dlt: {rate['typed columns'] / dlt:.0f} × in this run, with 1 % odd {rate['typed columns, 1 % odd events'] / dlt:.0f} × "
        f"(dlt had {len(some):,} events, and infers the schema too).",
        "",
    ]
    lines += ["| way | events a second | × orjson.loads |", "|---|---|---|"]
    lines += [f"| {name} | {value:,.0f} | {value / yardstick:.2f} |" for name, value in rate.items()]
    return "\n".join(lines)
