"""What the ingester says about itself: logs, and counts for `/metrics`.

Logs are structlog over the standard library, so that the server's and boto3's lines look the same: JSON, one object a
line, where stderr is not a terminal. Event names are constants, facts are keys. No body, phone number or secret.

Counts are plain numbers in a dict, since a request may cost a microsecond for them and no more. `METRICS` declares each
with its meaning; `exposition` writes Prometheus text through its client library. Counts of several workers are merged by
adding, but for those whose `merge` is max or min. A key is written by one thread only; a snapshot may be taken by any.
"""

import logging
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

Counts = dict[tuple[str, ...], float]
"""(metric, label values …) → value; of a histogram (metric, bucket) → observations, (metric, "sum") → their sum."""

_COMMIT_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric: its kind, its labels, what it means, and how the values of several workers become one."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    merge: Literal["sum", "max", "min"] = "sum"
    buckets: tuple[float, ...] = ()


METRICS: Final[Mapping[str, Declared]] = {
    "callfacts_requests": Declared("counter", ("source", "status"), "Webhook requests answered; source is empty for unknown ones."),
    "callfacts_received_bytes": Declared("counter", ("source",), "Bytes of the bodies that were read."),
    "callfacts_deliveries": Declared("counter", ("source", "transport"), "Deliveries made durable."),
    "callfacts_rejections": Declared("counter", ("source", "reason"), "Webhook requests refused unverified: counted, never stored."),
    "callfacts_secret_matches": Declared(
        "counter", ("source", "secret"), "Deliveries by the secret that matched (its place in the list, from 0): 0 for long: retire it."
    ),
    "callfacts_pending_bytes": Declared("gauge", (), "Bytes waiting for a commit."),
    "callfacts_commit_seconds": Declared("histogram", (), "From the start of a commit to its end on disk.", buckets=_COMMIT_BUCKETS),
    "callfacts_commit_failures": Declared("counter", (), "Commits that failed; each began a new writer."),
    "callfacts_journal_rows": Declared("gauge", (), "Deliveries in the journal that are not landed yet."),
    "callfacts_journal_bytes": Declared("gauge", (), "Size of the journal's folder.", merge="max"),
    "callfacts_journal_oldest_seconds": Declared("gauge", (), "Age of the oldest delivery not landed yet.", merge="max"),
    "callfacts_parts": Declared("counter", (), "Parts landed."),
    "callfacts_landed_rows": Declared("counter", (), "Deliveries landed."),
    "callfacts_quarantined": Declared("counter", ("reason",), "Deliveries that went to the quarantine."),
    "callfacts_last_landed_timestamp_seconds": Declared("gauge", (), "When a part was last landed (Unix time).", merge="max"),
    "callfacts_landing_failures": Declared("counter", ("error",), "Attempts to land a part that failed and are tried again."),
    "callfacts_damaged_journals": Declared("gauge", (), "Journal files that cannot be read; they stay where they are."),
    "callfacts_roller_starts": Declared("counter", (), "Starts of the roller process."),
    "callfacts_worker_starts": Declared("counter", (), "Starts of worker processes.", merge="max"),
    "callfacts_connections": Declared("gauge", (), "Open connections."),
    "callfacts_connections_closed": Declared("counter", ("why",), "Connections the server closed: idle, crowded, slow, shutdown."),
    "callfacts_reloads": Declared("counter", ("result",), "Reloads of the configuration: done or refused."),
    "callfacts_source_ready": Declared("gauge", ("source",), "1 while an SQS source receives, 0 while it backs off.", merge="min"),
    "callfacts_sqs_deleted": Declared("counter", ("source",), "Messages deleted from their queue after the commit."),
    "callfacts_sqs_errors": Declared("counter", ("source", "error"), "Errors of a queue, by name."),
    "callfacts_ready": Declared("gauge", (), "1 while /readyz says yes.", merge="min"),
}  # fmt: skip


class Meter:
    """The counts of one process."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counts = {}

    def add(self, metric: str, *labels: str, n: float = 1) -> None:
        """Count `n` more."""
        self.add_key((metric, *labels), n)

    def add_key(self, key: tuple[str, ...], n: float = 1) -> None:
        """`add` for a key made ahead: the hot path's way."""
        self._counts[key] = self._counts.get(key, 0) + n

    def set(self, metric: str, *labels: str, value: float) -> None:
        """Say what a gauge stands at."""
        self._counts[(metric, *labels)] = value

    def observe(self, metric: str, value: float) -> None:
        """One more observation of a histogram."""
        self.add(metric, str(bisect_left(METRICS[metric].buckets, value)))
        self.add(metric, "sum", n=value)

    def snapshot(self) -> Counts:
        """All counts as they are now."""
        return dict(self._counts)


def merged(snapshots: Iterable[Counts]) -> Counts:
    """The counts of several processes as one."""
    total: Counts = {}
    for counts in snapshots:
        for key, value in counts.items():
            if key not in total:
                total[key] = value
                continue
            match METRICS[key[0]].merge:
                case "sum":
                    total[key] += value
                case "max":
                    total[key] = max(total[key], value)
                case "min":
                    total[key] = min(total[key], value)
    return total


def lasting(counts: Counts) -> Counts:
    """What remains true of a process that has ended: its counters and histograms, not its gauges."""
    return {key: value for key, value in counts.items() if METRICS[key[0]].kind != "gauge"}


def exposition(counts: Counts) -> bytes:
    """Prometheus text."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(counts))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in METRICS}
        for (name, *labels), value in sorted(self._counts.items()):
            values[name][tuple(labels)] = value
        for name, declared in METRICS.items():
            yield _family(name, declared, values[name])


def _family(name: str, declared: Declared, values: Mapping[tuple[str, ...], float]) -> Metric:
    if declared.kind == "histogram":
        total, buckets = 0.0, []
        for i, bound in enumerate((*declared.buckets, float("inf"))):
            total += values.get((str(i),), 0)
            buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
        histogram = HistogramMetricFamily(name, declared.meaning)
        histogram.add_metric([], buckets, sum_value=values.get(("sum",), 0.0))
        return histogram
    kind = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    family: Metric = kind(name, declared.meaning, labels=declared.labels)
    for labels, value in values.items() or ([((), 0.0)] if not declared.labels else []):
        family.add_metric(labels, value)  # type: ignore[attr-defined]
    return family


def set_up_logs(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send every log line of the process to `stream` (stderr): JSON, or readable where that is a terminal."""
    out = sys.stderr if stream is None else stream
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    terminal = out.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    exceptions = [] if terminal else [structlog.processors.format_exc_info]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *exceptions, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("botocore", "boto3", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # below that it has a line for each malformed request


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
