"""What lies in a published warehouse, as rows to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars.selectors as cs

from transforms.rollups import REPORT_TABLES
from transforms.tables import TABLES

Rows = list[tuple[Any, ...]]


def rows_of(warehouse: Path, *names: str) -> dict[str, Rows]:
    """Rows of the named tables, sorted; without names of every table but builds."""
    wanted = names or tuple(name for name in (*TABLES, *REPORT_TABLES) if name != "builds")
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        # Instants as microseconds: a vendor's figures may add up to a year that Python has no datetime for.
        return {name: sorted(con.sql(f"from {name}").pl().with_columns(cs.datetime().dt.epoch("us")).rows(), key=repr) for name in wanted}


def column(warehouse: Path, query: str) -> list[Any]:
    """The first column of a query."""
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        return con.sql(query).pl().to_series().to_list()


def difference(found: dict[str, Rows], expected: dict[str, Rows]) -> str:
    """The first rows in which they differ, by table; empty where they are equal."""
    lines = []
    for name, rows in expected.items():
        if found[name] != rows:
            extra = [row for row in found[name] if row not in rows]
            missing = [row for row in rows if row not in found[name]]
            lines.append(f"{name}: {len(found[name])} rows, not {len(rows)}; extra {extra[:2]}, missing {missing[:2]}")
    return "\n".join(lines)
