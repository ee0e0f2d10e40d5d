"""Who sees what, decided where the connection is made: pages never open the file themselves.

Promise: whatever comes through `attach` can read the published warehouse and nothing else: no other file, no network, no
extension fetched from outside, nothing written. Everyone who reaches the app sees every call; what of it
is hidden from them a report leaves out of its answer (transforms.reports.masking), so that screen and export agree.
"""

from pathlib import Path

import duckdb

from transforms.reports.catalog import FEW

CATALOG = "warehouse"


def attach(connection: duckdb.DuckDBPyConnection, path: Path, *, memory_limit: str, spill: Path) -> None:
    """Attach the published file read-only to an in-memory connection, then lock the door behind it."""
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set memory_limit = $1", [memory_limit])
    connection.execute("set temp_directory = $1", [str(spill)])
    # the few calls of a page are found by their instants: up to so many, the scan itself leaves the others out
    connection.execute(f"set global dynamic_or_filter_threshold = {FEW}")
    # the path is the operator's; ATTACH takes no parameter, so its quotes are doubled
    connection.execute(f"attach '{str(path).replace(chr(39), chr(39) * 2)}' as {CATALOG} (read_only)")
    # without this, SQL that ever reached the connection could read any file of the host
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def enter(cursor: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The cursor, with the warehouse as its default catalog: a cursor does not inherit it from its connection."""
    cursor.execute(f"use {CATALOG}")
    return cursor
