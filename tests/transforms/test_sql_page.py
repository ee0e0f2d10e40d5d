"""docs/sql.md: every query runs on a published warehouse and answers something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.warehouses import simulated_warehouse

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
ANSWERS = re.findall(r"^## (\d+)\. (.*?)$.*?^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = simulated_warehouse(tmp_path_factory.mktemp("sql") / "w.duckdb", calls=3000, days=10)
    with duckdb.connect(str(path), read_only=True) as opened:
        opened.execute("set TimeZone = 'UTC'")
        yield opened


def test_there_are_ten_questions() -> None:
    assert [int(number) for number, _, _ in ANSWERS] == list(range(1, 11))


@pytest.mark.parametrize(("number", "question", "query"), ANSWERS, ids=[number for number, _, _ in ANSWERS])
def test_the_query_answers(con: duckdb.DuckDBPyConnection, number: str, question: str, query: str) -> None:
    answer = con.sql(query).pl()
    assert answer.height >= 1, question
    assert all(answer[name].null_count() < answer.height for name in answer.columns), answer


def test_answered_of_the_first_is_the_prepared_tables(con: duckdb.DuckDBPyConnection) -> None:
    by_day = con.sql(ANSWERS[0][2]).pl()
    assert by_day["offered"].sum() == con.sql("select count(*) from calls where direction = 'inbound' and has_end").fetchall()[0][0]
    assert 0 < by_day["answered"].sum() < by_day["offered"].sum()
