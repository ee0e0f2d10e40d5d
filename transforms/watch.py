"""Building again and again: when something is new, and not so often that publishing takes all the time. (CONTRACT §3, issue 5)

Promise: `watch` ends only when told to. A build that fails is told of and tried again, later each time; the last warehouse
stays. A build at work when it is told to stop is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Final

import duckdb
from polars.exceptions import PolarsError

from ingest.config import Config
from ingest.errors import CallfactsError
from ingest.telemetry import logger
from transforms.build import Built, build, inputs

PUBLISHING_SHARE: Final = 3
"""Publishing takes at most this part of the time: above a few million calls the copy of the facts is what a build costs."""

LONGEST_PAUSE_S: Final = 900.0
"""Between tries after failures."""

log = logger(__name__)


@dataclass(slots=True)
class Watch:
    """What is remembered from one round to the next.

    Attributes:
        config, clock: of the builds.
        every_s: how often to look.
    """

    config: Config
    clock: Callable[[], datetime]
    every_s: float
    _inputs: object = None
    _next_turn_at: datetime | None = None
    _failures: int = 0

    def run(self, stop: Event) -> None:
        """Rounds until told to stop."""
        log.info("watching", every_s=self.every_s, warehouse=str(self.config.storage.warehouse_path))
        while not stop.is_set():
            stop.wait(self.round())
        log.info("stopped")

    def round(self) -> float:
        """Look, and build if something is new; seconds to pause."""
        began = time.monotonic()
        try:
            built = self._build_if_due()
        except (CallfactsError, OSError, duckdb.Error, PolarsError) as error:
            self._failures += 1
            pause: float = min(self.every_s * 2.0**self._failures, max(LONGEST_PAUSE_S, self.every_s))
            log.error("build_failed", why=" ".join(str(error).split()), tries=self._failures, next_try_s=pause)
            return pause
        self._failures = 0
        spent = time.monotonic() - began
        cycle = self.every_s if built is None else max(self.every_s, PUBLISHING_SHARE * built.seconds["publishing"])
        return max(cycle - spent, 0.0)

    def _build_if_due(self) -> Built | None:
        found = inputs(self.config)
        due_turn = self._next_turn_at is not None and self._next_turn_at <= self.clock()
        if found == self._inputs and not due_turn:
            return None
        began = time.monotonic()
        built = build(self.config, self.clock)
        # What came while it was at work differs from what was found before: the next round builds.
        self._inputs, self._next_turn_at = found, built.next_turn_at
        log.info(
            "built", mode=built.mode, reason=built.reason, parts=built.files, deliveries=built.events, calls=built.calls,
            seconds=round(time.monotonic() - began, 2), publishing=round(built.seconds["publishing"], 2), bytes=built.published_bytes,
            unlisted_statuses=built.unlisted_statuses, unknown_types=built.unknown_types,
        )  # fmt: skip
        return built
