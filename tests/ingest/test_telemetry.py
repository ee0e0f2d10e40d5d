"""Counts and logs."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.telemetry import METRICS, Meter, exposition, lasting, logger, merged, set_up_logs


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_every_metric_is_written_as_prometheus_reads_it() -> None:
    meter = Meter()
    for name, declared in METRICS.items():
        if declared.kind == "histogram":
            meter.observe(name, 0.004)
            meter.observe(name, 99)
        else:
            meter.add(name, *("x" for _ in declared.labels), n=2)
    families = {family.name: family for family in text_string_to_metric_families(exposition(meter.snapshot()).decode())}
    assert set(families) == set(METRICS)
    assert all(family.documentation for family in families.values())
    buckets = {sample.labels.get("le"): sample.value for sample in families["callfacts_commit_seconds"].samples if "le" in sample.labels}
    assert (buckets["0.0025"], buckets["0.005"], buckets["5.0"], buckets["+Inf"]) == (0, 1, 1, 2)


def test_counts_of_workers_are_summed_and_gauges_of_state_are_not() -> None:
    first, second = Meter(), Meter()
    for meter, n in ((first, 1), (second, 5)):
        meter.add("callfacts_parts", n=n)
        meter.set("callfacts_journal_oldest_seconds", value=n)
        meter.set("callfacts_ready", value=n % 5)
    total = merged([first.snapshot(), second.snapshot()])
    assert (total["callfacts_parts",], total["callfacts_journal_oldest_seconds",], total["callfacts_ready",]) == (6, 5, 0)


def test_of_a_dead_worker_the_counters_remain_and_the_gauges_go() -> None:
    meter = Meter()
    meter.add("callfacts_parts")
    meter.observe("callfacts_commit_seconds", 1)
    meter.set("callfacts_journal_rows", value=7)
    assert {key[0] for key in lasting(meter.snapshot())} == {"callfacts_parts", "callfacts_commit_seconds"}


def test_a_log_line_is_json_with_its_facts_and_so_is_one_of_the_libraries() -> None:
    out = io.StringIO()
    set_up_logs(out)
    logger("ingest.x").info("part_written", part="p", deliveries=3)
    logging.getLogger("botocore.x").warning("retrying %s", "once")
    logging.getLogger("botocore.x").info("hidden")
    ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
    assert (ours["event"], ours["level"], ours["part"], ours["deliveries"]) == ("part_written", "info", "p", 3)
    assert (theirs["event"], theirs["logger"]) == ("retrying once", "botocore.x")
