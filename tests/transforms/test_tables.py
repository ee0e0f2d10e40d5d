"""The declarations against DuckDB, polars and CONTRACT §6."""

from __future__ import annotations

import duckdb
import pytest

from tests.builders import facts
from transforms.tables import KEY_SQL, TABLES, TYPED, Table, key_of

EVERY = [*TABLES.values(), *TYPED.values()]


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_ddl_gives_the_declared_types(table: Table) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(table.ddl())
        for comment in table.comments():
            con.execute(comment)
        assert con.sql(f'from "{table.name}"').pl().schema == table.polars
        comments = con.execute("select count(comment) from duckdb_columns() where not internal").fetchone()
        assert comments == (len(table.columns),)
    assert len(set(table.names)) == len(table.names)
    assert {*table.key, *table.order_by} <= set(table.names)


def test_facts_have_the_declared_columns_even_of_no_events() -> None:
    for name, frame in facts([]).items():
        assert list(frame.schema.items()) == list((TABLES | TYPED)[name].polars.items()), name


@pytest.mark.parametrize("names", [("it_w100001", "it_w100001_1.1"), ("é", "\0x"), ("a", ""), ("1:", "x")])
def test_the_key_in_python_is_the_key_in_duckdb(names: tuple[str, str]) -> None:
    with duckdb.connect() as con:
        assert con.execute("select " + KEY_SQL.format("$1", "$2"), list(names)).fetchone() == (key_of(*names),)
