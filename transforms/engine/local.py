"""Where facts run on one machine: bucket after bucket, in bounded memory. (DESIGN 9, PERFORMANCE 2)

A few buckets are read together, then each is computed and written by itself, so memory holds those few, whatever the number of events.
`run` spills each table of each bucket to a Parquet file; whoever publishes puts the files together in order. Another engine
offers the same: parts in, Parquet files by table out (`Computed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from transforms.tables import TABLES

ROW_GROUP: Final = 16_384
"""Rows of a row group of the spilled files, which are in order: who wants a part of the order reads few others."""
BUCKET_ROWS: Final = 150_000
"""Deliveries in a bucket: polars takes about 1.6 KB for each, and smaller buckets stay in the processor's caches."""


@dataclass(slots=True)
class Computed:
    """Facts of all events, spilled.

    Attributes:
        files: Parquet files by published table; together they are the table.
        people_seen, open_calls: the builder's own, see tables.py.
        calls: how many calls were computed.
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    people_seen: list[pl.DataFrame] = field(default_factory=list)
    open_calls: list[pl.DataFrame] = field(default_factory=list)
    calls: int = 0


def run(facts_of_buckets: Iterable[Mapping[str, pl.DataFrame]], folder: Path) -> Computed:
    """Spill the facts of each bucket into `folder` as they come."""
    computed = Computed()
    for number, tables in enumerate(facts_of_buckets):
        for name, frame in tables.items():
            if name in TABLES and not frame.is_empty():
                path = folder / f"{name}-{number:05d}.parquet"
                # Its own order within the bucket: putting sorted runs in order costs less than sorting.
                rows = frame.select(TABLES[name].names).sort(TABLES[name].order_by)
                rows.write_parquet(path, compression="lz4", row_group_size=ROW_GROUP)
                computed.files.setdefault(name, []).append(path)
        computed.people_seen.append(_apart(tables["people_seen"]))
        computed.open_calls.append(_apart(tables["open_calls"]))
        computed.calls += tables["calls"].height
    return computed


def _apart(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with texts of their own: those of polars are views, and a few rows would keep all texts of their bucket alive."""
    own = pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    assert isinstance(own, pl.DataFrame)
    return own
