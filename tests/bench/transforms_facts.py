"""Facts: typed events on disk → calls, call_states, call_legs in memory; polars (ours) beside DuckDB SQL and pandas."""

from __future__ import annotations

import random
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from tests.builders import MONDAY, Call, agent, customer, delivered, typed_frames
from transforms import facts
from transforms.reference import call_phases, end_causes

AS_OF = MONDAY + timedelta(days=365)
TEMPLATES = 400


def believable(rng: random.Random, number: int) -> Call:
    """A call of about six events: rings one to three agents from a queue, is talked, held, transferred, or not answered."""
    agents = [agent(str(200 + rng.randint(0, 59))) for _ in range(3)]
    built = Call(
        call_id=f"it_w100001_{number}",
        company=f"it_w10000{number % 3}",
        started_at=MONDAY + timedelta(seconds=number * 211),
        caller=customer(f"+1555{rng.randint(0, 10**7):07}"),
        callee=None,
        data={"trunkName": "trunk", "destination": "100", "tags": ["vip"] if rng.random() < 0.2 else [], "flags": []},
    ).then("start", "CONNECTING")
    queue = rng.choice([None, "Sales", "Support"])
    for who in agents[: rng.randint(1, 3)]:
        built = built.then("update", "RINGING", after=rng.randint(0, 15_000), callee=who, queueName=queue, queueId=queue and "1")
    if rng.random() < 0.8:
        built = built.then("update", "TALKING", after=rng.randint(500, 20_000))
        if rng.random() < 0.5:
            built = built.then("update", "HOLD", after=rng.randint(1_000, 90_000))
            built = built.then("update", "TALKING", after=rng.randint(1_000, 60_000))
        if rng.random() < 0.2:
            built = built.then("update", "TALKING", after=rng.randint(1_000, 60_000), callee=rng.choice(agents))
    if rng.random() < 0.996:
        built = built.then(
            "end", "TALKING", after=rng.randint(0, 200_000), endCause=rng.choice(["16", "16", "17", "19", "21"]), endBy="CALLER"
        )
    if rng.random() < 0.15:
        built = built.then("update", "TALKING", after=rng.randint(0, 2_000))
    return built


def write_events(folder: Path, events: int) -> None:
    """typed.parquet and deliveries.parquet: about as many distinct events, in order of arrival, 4 % delivered twice."""
    rng = random.Random(1)
    sent = [event for number in range(TEMPLATES) for event in believable(rng, number).events()]
    frames = typed_frames(delivered(sent))
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    con.register("call_templates", frames.call)
    con.register("deliveries", frames.deliveries)
    con.execute(
        """
        create table copies as
        select t.* replace (
                   call_id || '.' || copy as call_id,
                   sha256(event_uid || copy) as event_uid,
                   event_time + to_seconds(copy * 97) as event_time,
                   hash(company, call_id, copy) >> 1 as k
               ),
               row_number() over (order by event_time + to_seconds(copy * 97), event_uid) as seq
        from call_templates t, range(?) r(copy)
        """,
        [events // len(sent)],
    )
    typed, landed = str(folder / "typed.parquet"), str(folder / "deliveries.parquet")
    con.sql("select * exclude (seq) replace (k::bigint as k) from copies order by seq").write_parquet(typed)
    con.sql(
        """
        select k::bigint as k, repeat('0', 31) || copy as writer, seq, event_uid,
               event_time + to_milliseconds(300 + 5000 * copy) as received_at, 'acme' as source, 'abc123' as integration_id
        from copies, range(2) c(copy)
        where copy = 0 or hash(seq) % 25 = 0
        order by seq
        """
    ).write_parquet(landed)


def by_polars(folder: Path) -> dict[str, pl.DataFrame]:
    return facts.main_tables(
        pl.read_parquet(folder / "typed.parquet"),
        pl.read_parquet(folder / "deliveries.parquet"),
        as_of=AS_OF,
        phases=call_phases(),
        end_causes=end_causes(),
    )
