"""The journal and its roller beside a model of a dozen lines, over generated lives with faults in them."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest import failpoints
from ingest.config import Storage
from ingest.errors import CallfactsError
from ingest.journal import Journal, Limits
from ingest.parts import list_parts, read_part
from ingest.roller import Closed, Finished, Roller
from ingest.storage import open_zone
from ingest.telemetry import Meter
from tests.ingester import event
from tests.journals import Reports, new_row

PLACES = [
    "part_half_written",
    "part_before_link",
    "part_after_link",
    "roller_after_quarantine",
    "roller_between_parts",
    "roller_before_unlink",
]
SMALL = Limits(roll_seconds=3600, roll_bytes=400, max_pending_bytes=1 << 26, max_bytes=1 << 40)


class Told(Reports):
    """Hands on what the journal reports, as the process would, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.news: list[Any] = []

    def own(self, lock: Any) -> None:
        super().own(lock)
        self.news.append(lock)

    def closed(self, file: Any) -> None:
        self.news.append(Closed(file.name))

    def finished(self, writer: str) -> None:
        self.news.append(Finished(writer))


class Life(RuleBasedStateMachine):
    """Submit, fail, roll, die and start again in any order: acknowledged bodies are landed once, no coordinate twice."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.aside = tempfile.TemporaryDirectory()
        self.folder = Path(self.aside.name)
        self.zone = open_zone(Storage(root=self.aside.name))
        self.acknowledged: set[bytes] = set()  # the model
        self.refused: set[bytes] = set()
        self.n = 0
        self._start()

    def _start(self) -> None:
        self.told = Told()
        self.journal = Journal(self.folder / "journal", limits=SMALL, handover=self.told, meter=Meter())
        self.loop.run_until_complete(self.journal.start())
        self.roller = Roller(self.folder / "journal", self.zone, {}, lambda message: None)

    def _die(self) -> None:
        self.loop.run_until_complete(self.journal.close())
        self.told.release()
        for writer in self.roller._writers.values():
            writer.lock.close()
        self.journal.close_connections()

    @rule(sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4), usable=st.booleans())
    def submit(self, sizes: list[int], usable: bool) -> None:
        async def together() -> list[Any]:
            return await asyncio.gather(*(self.journal.submit([new_row(body) for body in batch], 100 * len(batch)) for batch in batches))

        batches = []
        for size in sizes:
            batches.append([event(self.n + i) if usable else b"no event %d" % (self.n + i) for i in range(size)])
            self.n += size
        for batch, error in zip(batches, self.loop.run_until_complete(together()), strict=True):
            (self.acknowledged if error is None else self.refused).update(batch)

    @rule(place=st.sampled_from(["journal_append", "journal_committed"]), visit=st.integers(1, 3))
    def arm_the_journal(self, place: str, visit: int) -> None:
        failpoints.arm(f"{place}:raise:{visit}")

    @rule(fault=st.none() | st.sampled_from(PLACES), visit=st.integers(1, 3))
    def roll(self, fault: str | None, visit: int) -> None:
        self.loop.run_until_complete(asyncio.sleep(0))
        failpoints.arm("" if fault is None else f"{fault}:raise:{visit}")
        try:
            self._hear()
            self.roller.take_dead()
            while self.roller.land_next():
                pass
        except (CallfactsError, OSError):
            assert fault is not None
        failpoints.arm("")

    def _hear(self) -> None:
        for news in self.told.news:
            match news:
                case Closed(name):
                    self.roller.closed(name)
                case Finished(writer):
                    self.roller.finished(writer)
                case lock:
                    self.roller.own(lock, fresh=True)
        self.told.news.clear()

    @rule()
    def die_and_start_again(self) -> None:
        failpoints.arm("")
        self._die()
        self._start()

    @precondition(lambda self: hasattr(self, "zone"))
    @invariant()
    def no_coordinate_is_landed_twice(self) -> None:
        coordinates = [row[:2] for row in self._landed()]
        assert len(set(coordinates)) == len(coordinates)

    def _landed(self) -> list[tuple[str, int, bytes]]:
        found = []
        for store, column in ((self.zone.landing, "payload"), (self.zone.quarantine, "body")):
            for part in list_parts(store):
                for row in read_part(store, part, ["writer", "seq", column]).to_pylist():
                    body = row[column]
                    found.append((row["writer"], row["seq"], body.encode() if isinstance(body, str) else body))
        return found

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        failpoints.arm("")
        self._die()
        self.roller = Roller(self.folder / "journal", self.zone, {}, lambda message: None)
        self.roller.take_dead()
        while self.roller.land_next():
            pass
        bodies = [body for _, _, body in self._landed()]
        assert len(set(bodies)) == len(bodies)
        assert self.acknowledged <= set(bodies) <= self.acknowledged | self.refused
        assert list((self.folder / "journal").iterdir()) == []
        self.loop.close()
        self.aside.cleanup()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
