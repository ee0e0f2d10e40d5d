"""Facts: typed events on disk → calls, call_states, call_legs in memory; polars (ours) beside DuckDB SQL and pandas."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
from polars.testing import assert_frame_equal

from tests.builders import MONDAY, Call, agent, customer, delivered, typed_frames
from transforms.calls import call_rows, calls
from transforms.events import basis_of_calls, ordered_events, ordered_vendor_events, timeline
from transforms.legs import call_legs, legs
from transforms.reference import call_phases, end_causes
from transforms.states import call_states, states
from transforms.tables import PARTY, TABLES, TYPED_VENDOR
from transforms.vendor import vendor_rows

TITLE = "Facts: typed events → calls, states, legs"
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
    """Ours: the same functions as a build's, in the same order (facts.call_facts)."""
    typed, landed = pl.read_parquet(folder / "typed.parquet"), pl.read_parquet(folder / "deliveries.parquet")
    none = ordered_vendor_events(TYPED_VENDOR.empty(), landed.clear())
    events, of_vendor = basis_of_calls(ordered_events(typed, landed, call_phases()), none)
    line = timeline(events)
    wide = states(line)
    of_legs = legs(wide)
    table, _ = calls(call_rows(line, of_legs), vendor_rows(of_vendor), as_of=AS_OF, end_causes=end_causes())
    return {"calls": table, "call_states": call_states(wide), "call_legs": call_legs(of_legs)}


SQL = """
create or replace temp table ev as
with received as (
    select event_uid, count(*) as delivery_count, min(received_at) as received_at, max(received_at) as last_received_at
    from (select distinct writer, seq, event_uid, received_at from read_parquet($landed))
    group by event_uid
), once as (
    select distinct on (event_uid) t.*, coalesce(p.phase, 'other') as phase
    from read_parquet($typed) t left join phases p on p.status = upper(t.status)
), ranked as (
    select once.*, delivery_count, received_at, last_received_at,
           case kind when 'start' then 0 when 'update' then 1 else 2 end as kind_rank,
           case phase when 'other' then 0 when 'ringing' then 1 when 'talking' then 2 else 3 end as phase_rank
    from once left join received using (event_uid)
), numbered as (
    select *, row_number() over w as n, lead(event_time) over w as next_at,
           coalesce(sum((kind = 'end')::int) over (w rows between unbounded preceding and 1 preceding), 0) as ends
    from ranked
    window w as (partition by company, call_id order by event_time, kind_rank, phase_rank, event_uid)
)
select *, ends > 0 as late, ends = 0 and kind <> 'end' as is_state, case when ends = 0 and kind <> 'end' then next_at end as until_at
from numbered;

create or replace temp table call_states as
select company, call_id, n - 1 as seq, status, phase, event_time as started_at, until_at as ended_at,
       epoch_ms(until_at) - epoch_ms(event_time) as duration_ms,
       caller_phone, callee_type, callee_phone, callee_name, callee_user_id, callee_extension, queue_name,
       callee_present, callee_department, callee_device
from ev where is_state;

create or replace temp table call_legs as
with party as (
    select *, case when not callee_present then '0' when callee_user_id is not null then '1' || callee_user_id
                   when callee_phone is not null then '2' || callee_phone else '3' end as party
    from call_states
), changed as (
    select *, (party is distinct from lag(party) over (partition by company, call_id order by seq))::int as opens from party
), run as (
    select *, sum(opens) over (partition by company, call_id order by seq) as run from changed
), grouped as (
    select company, call_id, run, arg_max(struct_pack(callee_present, callee_type, callee_phone, callee_name, callee_user_id,
               callee_extension, callee_department, callee_device, ended_at), seq) as last,
           arg_max(queue_name, seq) filter (where queue_name is not null) as queue_name, min(started_at) as started_at,
           min(started_at) filter (where phase in ('talking', 'held')) as answered_at,
           coalesce(sum(duration_ms) filter (where phase = 'ringing'), 0)::bigint as ring_ms,
           coalesce(sum(duration_ms) filter (where phase = 'talking'), 0)::bigint as talk_ms,
           coalesce(sum(duration_ms) filter (where phase = 'held'), 0)::bigint as hold_ms,
           coalesce(sum(duration_ms) filter (where phase = 'other'), 0)::bigint as other_ms
    from run group by all
)
select company, call_id, row_number() over (partition by company, call_id order by run) - 1 as leg, last.callee_type,
       last.callee_phone, last.callee_name, last.callee_user_id, last.callee_extension, last.callee_department, queue_name,
       started_at, answered_at, last.ended_at, ring_ms, talk_ms, hold_ms, other_ms, answered_at is not null as answered,
       last.callee_user_id is not null and last.callee_device is distinct from 'VOICEBOT' as is_person
from grouped where last.callee_present or last.ended_at is distinct from started_at;

create or replace temp table calls as
with held as (
    select *, is_state and phase = 'held' and not coalesce(lag(is_state and phase = 'held')
               over (partition by company, call_id order by n), false) as hold_opens
    from ev
), grouped as (
    select company, call_id, arg_min(struct_pack(pbx), n).pbx as pbx, arg_min(family, n) as basis, min(event_time) as started_at,
           min(event_time) filter (where is_state and phase in ('talking', 'held')) as answered_at,
           min(event_time) filter (where kind = 'end') as ended_at,
           coalesce(sum(epoch_ms(until_at) - epoch_ms(event_time)) filter (where phase = 'ringing'), 0)::bigint as ring_ms,
           coalesce(sum(epoch_ms(until_at) - epoch_ms(event_time)) filter (where phase = 'talking'), 0)::bigint as talk_ms,
           coalesce(sum(epoch_ms(until_at) - epoch_ms(event_time)) filter (where phase = 'held'), 0)::bigint as hold_ms,
           coalesce(sum(epoch_ms(until_at) - epoch_ms(event_time)) filter (where phase = 'other'), 0)::bigint as other_ms,
           count(*) filter (where hold_opens) as hold_count,
           arg_max(direction, n) filter (where direction is not null and not late) as said,
           arg_max(struct_pack({caller}), n) filter (where caller_present and not late) as caller,
           arg_max(struct_pack({callee}), n) filter (where callee_present and not late) as callee,
           {last_known},
           arg_min(struct_pack(end_cause, end_cause_text, ended_by := lower(ended_by)), n) filter (where kind = 'end') as ending,
           list_sort(list_distinct(coalesce(flatten(list(tags) filter (where not late and len(tags) > 0)), []))) as tags,
           list_sort(list_distinct(coalesce(flatten(list(flags) filter (where not late and len(flags) > 0)), []))) as flags,
           count(*) as event_count, sum(delivery_count)::bigint as delivery_count, count(*) filter (where late) as late_events,
           coalesce(bool_or(kind = 'start') filter (where not late), false) as has_start,
           min(received_at) as first_received_at, max(last_received_at) as last_received_at, max(event_time) as last_event_at
    from held group by company, call_id
), of_legs as (
    select company, call_id, count(*) as leg_count,
           greatest(count(*) filter (where answered and is_person) - 1, 0) as transfer_count,
           arg_min(struct_pack(answered_at, callee_user_id, callee_extension, callee_name, callee_department), leg)
               filter (where answered and is_person) as answer
    from call_legs group by company, call_id
), directed as (
    select g.*, coalesce(leg_count, 0) as leg_count, coalesce(transfer_count, 0) as transfer_count, answer,
           coalesce(said, case when caller.caller_type = 'REMOTE' then 'inbound'
               when caller.caller_type = 'LOCAL' and (callee.callee_type = 'REMOTE' or callee is null and trunk_name is not null)
               then 'outbound' when caller.caller_type = 'LOCAL' and callee.callee_type = 'LOCAL' then 'internal'
               else 'unknown' end) as direction
    from grouped g left join of_legs using (company, call_id)
), outside as (
    select *, case direction when 'inbound' then caller.caller_phone when 'outbound'
               then coalesce(callee.callee_phone, destination) end as external_phone,
           regexp_replace(external_phone, '[^0-9]', '', 'g') as digits
    from directed
)
select company, pbx, call_id, basis, started_at, answered_at, ended_at,
       epoch_ms(ended_at) - epoch_ms(started_at) as duration_ms, ring_ms, talk_ms, hold_ms, other_ms,
       coalesce(epoch_ms(answered_at) - epoch_ms(started_at), duration_ms) as wait_ms, hold_count, leg_count, transfer_count,
       direction, unnest(caller), unnest(callee), answer.answered_at as answered_by_at, answer.callee_user_id as answered_by_user_id,
       answer.callee_extension as answered_by_extension, answer.callee_name as answered_by_name,
       answer.callee_department as answered_by_department, destination, service, trunk_name, queue_name, queue_id, external_phone,
       case when length(digits) >= 6 then right(digits, 9) end as external_key, tags, flags, ending.end_cause,
       ending.end_cause_text, case when ended_at is not null then coalesce(c.name, 'unknown') end as end_cause_name,
       case when ended_at is not null then coalesce(c.category, 'unknown') end as end_cause_category, ending.ended_by,
       case when ended_at is null and last_event_at > $as_of - interval 4 hour then 'in_progress' when ended_at is null then 'lost'
            when o.answered_at is not null then 'answered' when c.category in ('rejected', 'busy', 'no_answer') then c.category
            when c.category in ('unreachable', 'invalid_number', 'congestion', 'network_failure', 'not_permitted', 'protocol_error')
            then 'failed' when ending.ended_by = 'caller' then 'abandoned' else 'no_answer' end as outcome,
       event_count, delivery_count, late_events, has_start, ended_at is not null as has_end, first_received_at, last_received_at,
       case when ended_at is not null then o.answered_at is null and ending.ended_by is not distinct from 'caller' end as abandoned
from outside o left join causes c on c.code = ending.end_cause
"""


def by_duckdb(folder: Path) -> dict[str, pl.DataFrame]:
    """The same three tables in SQL, as one writes it: windows, arg_max, group by."""
    fills = {
        "{caller}": ", ".join(f"caller_{name}" for name in PARTY),
        "{callee}": ", ".join(f"callee_{name}" for name in PARTY),
        "{last_known}": ", ".join(
            f"arg_max({name}, n) filter (where {name} is not null and not late) as {name}"
            for name in ("destination", "service", "trunk_name", "queue_name", "queue_id")
        ),
        "$landed": f"'{folder / 'deliveries.parquet'}'",
        "$typed": f"'{folder / 'typed.parquet'}'",
        "$as_of": f"timestamptz '{AS_OF.isoformat()}'",
    }
    sql = SQL
    for mark, text in fills.items():
        sql = sql.replace(mark, text)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("phases", call_phases())
        con.register("causes", end_causes())
        con.execute(sql)
        return {name: con.table(name).select(*TABLES[name].names).pl() for name in ("calls", "call_states", "call_legs")}


def by_pandas(folder: Path) -> dict[str, pd.DataFrame]:
    """calls and legs of the main columns in pandas, vectorised: fewer columns than the others, and still behind."""
    d = pd.read_parquet(folder / "deliveries.parquet").drop_duplicates(["writer", "seq"])
    received = d.groupby("event_uid").agg(
        delivery_count=("seq", "size"), received_at=("received_at", "min"), last_received_at=("received_at", "max")
    )
    e = pd.read_parquet(folder / "typed.parquet").drop_duplicates("event_uid").join(received, on="event_uid")
    e["phase"] = e["status"].str.upper().map(dict(call_phases().iter_rows())).fillna("other")
    e["kind_rank"] = e["kind"].map({"start": 0, "update": 1, "end": 2})
    e["phase_rank"] = e["phase"].map({"other": 0, "ringing": 1, "talking": 2, "held": 3})
    key = ["company", "call_id"]
    e = e.sort_values([*key, "event_time", "kind_rank", "phase_rank", "event_uid"], ignore_index=True)
    e["call"] = (e[key] != e[key].shift()).any(axis=1).cumsum() - 1
    end = (e["kind"] == "end").astype(int)
    e["late"] = (end.groupby(e["call"]).cumsum() - end) > 0
    heard = e[~e["late"]].copy()
    heard["until"] = heard.groupby("call")["event_time"].shift(-1)
    heard["ms"] = (heard["until"] - heard["event_time"]).dt.total_seconds() * 1000
    s = heard[heard["kind"] != "end"].copy()
    s["connected_at"] = s["event_time"].where(s["phase"].isin(["talking", "held"]))
    s["party"] = s["callee_user_id"].fillna(s["callee_phone"]).fillna("").where(s["callee_present"], "-")
    s["leg"] = ((s["party"] != s["party"].shift()) | (s["call"] != s["call"].shift())).cumsum()

    by_phase = s.pivot_table(index="call", columns="phase", values="ms", aggfunc="sum", fill_value=0)
    last = heard.groupby("call")[["destination", "service", "trunk_name", "queue_name", "queue_id"]].last()
    parties = [
        heard[heard[f"{side}_present"]].drop_duplicates("call", keep="last").set_index("call")[[f"{side}_{n}" for n in PARTY]]
        for side in ("caller", "callee")
    ]
    ends = heard[heard["kind"] == "end"].set_index("call")[["end_cause", "end_cause_text", "ended_by", "event_time"]]
    tags = heard[heard["tags"].str.len() > 0][["call", "tags"]].explode("tags").groupby("call")["tags"].unique()
    every = e.groupby("call").agg(
        company=("company", "first"),
        call_id=("call_id", "first"),
        started_at=("event_time", "first"),
        event_count=("event_uid", "size"),
        delivery_count=("delivery_count", "sum"),
        late_events=("late", "sum"),
        first_received_at=("received_at", "min"),
        last_received_at=("last_received_at", "max"),
    )
    answered = s.groupby("call")["connected_at"].min().rename("answered_at")
    table = every.join([by_phase, last, *parties, ends.rename(columns={"event_time": "ended_at"}), tags, answered])

    groups = s.groupby("leg")
    of_legs = groups[["call", "company", "call_id", "callee_phone", "callee_name", "callee_user_id", "callee_extension"]].last()
    of_legs = of_legs.join(groups.agg(started_at=("event_time", "first"), ended_at=("until", "last"), ms=("ms", "sum")))
    of_legs = of_legs.join(s.pivot_table(index="leg", columns="phase", values="ms", aggfunc="sum", fill_value=0))
    of_legs["answered_at"] = groups["connected_at"].min()
    present = groups["callee_present"].last()
    return {
        "calls": table,
        "call_states": s,
        "call_legs": of_legs[present | (of_legs["ended_at"] != of_legs["started_at"])],
    }


def measured(act: Callable[[Path], dict[str, Any]], folder: Path) -> tuple[dict[str, Any], float]:
    began = time.perf_counter()
    tables = act(folder)
    return tables, time.perf_counter() - began


def run(*, quick: bool) -> str:
    events, rounds = (50_000, 1) if quick else (1_000_000, 3)
    ways = {"polars, ours": by_polars, "DuckDB SQL": by_duckdb, "pandas": by_pandas}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_events(folder, events)
        for _ in range(rounds):
            results = {}
            for name, act in ways.items():
                results[name], took = measured(act, folder)
                seconds[name].append(took)
    ours, sql, pandas = (results[name] for name in ways)
    for name, table in ours.items():
        order = list(TABLES[name].key)
        assert_frame_equal(table.sort(order), sql[name].sort(order))
        assert len(pandas[name]) == len(table), name
    assert int(pandas["calls"]["talking"].sum()) == ours["calls"]["talk_ms"].sum()
    best = {name: min(taken) for name, taken in seconds.items()}
    lines = [f"| {name} | {took:.2f} | {took / best['polars, ours']:.1f} × |" for name, took in best.items()]
    calls_, states_, legs_ = (len(ours[name]) for name in ("calls", "call_states", "call_legs"))
    return "\n".join(
        [
            f"{events:,} typed events on disk → {calls_:,} calls, {states_:,} states, {legs_:,} legs in memory;",
            f"best of {rounds}, interleaved.",
            "Ours and the SQL give equal rows in every column; pandas does fewer columns and is compared by row counts and talk time.",
            "Goals: ≥ 2 × DuckDB SQL, ≥ 5 × pandas.",
            "",
            "| way | s | ours is faster by |",
            "|---|---|---|",
            *lines,
        ]
    )
