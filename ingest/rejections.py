"""Unverified webhook requests: counted, never stored. (CONTRACT §5)

Each writer keeps its totals in `rejections/<writer>.json` beside the landing zone, replaced whole every ten seconds and at
shutdown, so a crash loses the last seconds of a count and nothing else:

    {"writer": "0f3c…9a", "counts": [{"source": "acme", "reason": "bad_signature", "day": "2026-11-24", "count": 3}, …]}

The counts of all files together are the truth: a reader adds them up. Any other file in the folder does not count.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec

from ingest.errors import StorageMissing
from ingest.layout import Reason
from ingest.storage import Store

_FILE_NAME: Final = re.compile(r"[0-9a-f]{32}\.json")


@dataclass(frozen=True, slots=True, order=True)
class Rejection:
    """How often requests to a source were refused for a reason on a UTC day."""

    source: str
    reason: str
    day: date
    count: int


@dataclass(frozen=True, slots=True)
class _Totals:
    writer: str
    counts: list[Rejection]


class Rejections:
    """The totals of one process, by the writer that was in force. Not for several threads at once."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[str, str, date], int]] = {}
        self._changed: set[str] = set()

    def count(self, writer: str, source: str, reason: Reason, at_us: int) -> None:
        """One more, at a time in µs since 1970."""
        when = time.gmtime(at_us // 1_000_000)
        of_writer = self._counts.setdefault(writer, {})
        key = (source, str(reason), date(when.tm_year, when.tm_mon, when.tm_mday))
        of_writer[key] = of_writer.get(key, 0) + 1
        self._changed.add(writer)

    def take_changed(self) -> dict[str, list[Rejection]]:
        """The whole totals of each writer under which something was counted since the last call."""
        changed, self._changed = self._changed, set()
        return {writer: [Rejection(*key, n) for key, n in sorted(self._counts[writer].items())] for writer in sorted(changed)}

    def give_back(self, writers: Iterable[str]) -> None:
        """Their totals could not be written: they are due again."""
        self._changed.update(writers)


def put_rejections(store: Store, writer: str, counts: list[Rejection]) -> None:
    """Replace a writer's file whole. Raises StorageError."""
    store.put(f"{writer}.json", msgspec.json.encode(_Totals(writer, counts)))


def list_rejections(store: Store) -> list[Rejection]:
    """The totals of all writers, added up; by source, reason and day. A file that cannot be read as one does not count."""
    totals: dict[tuple[str, str, date], int] = {}
    for entry in store.list():
        if _FILE_NAME.fullmatch(entry.key) is None:
            continue
        try:
            found = msgspec.json.decode(store.read(entry.key), type=_Totals)
        except (StorageMissing, msgspec.MsgspecError):
            continue
        for rejection in found.counts:
            key = (rejection.source, rejection.reason, rejection.day)
            totals[key] = totals.get(key, 0) + rejection.count
    return [Rejection(*key, n) for key, n in sorted(totals.items())]
