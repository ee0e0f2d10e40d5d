"""An incremental build gives what a full one gives, whatever came before. (CONTRACT §6, issue 5)"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ingest import failpoints
from ingest.config import Config, Storage
from ingest.errors import BuildError
from ingest.layout import PartName
from ingest.parts import list_all, list_parts, read_part, write_part
from ingest.storage import open_zone
from tests.builders import MONDAY
from tests.landing import configured, land
from tests.transforms.awkward import call_events, presence_event
from tests.transforms.published import difference, rows_of
from transforms.build import Built, build

INSTANTS = [MONDAY + timedelta(hours=hours, seconds=seconds) for hours, seconds in ((1, 0), (4, 1), (4, 2), (4, 3), (9, 0))]
POINTS = (
    "events_taken",
    "facts_before_commit",
    "facts_after_commit",
    "publish_before_sync",
    "publish_before_rename",
    "publish_after_rename",
)


def built(config: Config, as_of: datetime = MONDAY + timedelta(hours=9), *, full: bool = False) -> Built:
    return build(config, lambda: datetime.now(UTC), as_of=as_of, full=full)


def afresh(config: Config, root: Path, as_of: datetime) -> Path:
    """A full build of the same landing zone, elsewhere; its warehouse."""
    other = Config(storage=Storage(root=str(root), landing=config.storage.landing_url), transforms=config.transforms)
    built(other, as_of, full=True)
    return other.storage.warehouse_path


@contextmanager
def failing(point: str) -> Iterator[None]:
    failpoints.arm(f"{point}:raise")
    try:
        yield
    finally:
        failpoints.arm("")


class Builds(RuleBasedStateMachine):
    """Landing, compaction, retention, damage, and builds that end well or in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.config = configured(self.folder / "data")
        self.landing = open_zone(self.config.storage).landing

    def teardown(self) -> None:
        shutil.rmtree(self.folder)
        super().teardown()

    @initialize(seed=st.integers(0, 2**32))
    def writers_number_their_deliveries(self, seed: int) -> None:
        self.rng = Random(seed)
        events = [event for call in ("c_1", "c_2", "c_3", "c_4") for event in call_events(self.rng, call)]
        self.events = [*events, *(presence_event(self.rng) for _ in range(8)), {"type": "strange", "time": 1_772_442_000_000}]
        self.due: list[tuple[str, int, list[object]]] = []
        for writer in "abc":
            first = 1
            for _ in range(4):
                sent: list[object] = [*self.rng.choices(self.events, k=self.rng.randint(1, 6))]
                if self.rng.random() < 0.3:
                    sent.insert(self.rng.randint(0, len(sent)), b"not json")
                self.due.append((writer * 32, first, sent))
                first += len(sent)

    @rule(place=st.integers(0, 100))
    def land_a_part_in_any_order(self, place: int) -> None:
        if self.due:
            writer, first, sent = self.due.pop(place % len(self.due))
            land(self.config, sent, writer=writer, first=first, received_at=MONDAY + timedelta(hours=1, seconds=first))

    @rule(place=st.integers(0, 100), leave=st.booleans())
    def compact_two_neighbours(self, place: int, leave: bool) -> None:
        parts = sorted(list_parts(self.landing), key=lambda part: part.name)
        pairs = [(a, b) for a, b in pairwise(parts) if a.name.writer == b.name.writer and a.name.last + 1 == b.name.first]
        if pairs:
            first, second = pairs[place % len(pairs)]
            rows = pa.concat_tables([read_part(self.landing, first), read_part(self.landing, second)])
            write_part(self.landing, rows, date=first.date, name=PartName(first.name.writer, first.name.first, second.name.last))
            if not leave:
                for gone in (first, second):
                    self.landing.delete(gone.key)

    @rule()
    def delete_what_is_superseded(self) -> None:
        for gone in list_all(self.landing).counted.superseded:
            self.landing.delete(gone.part.key)

    @rule(place=st.integers(0, 100))
    def retain_all_but_a_part(self, place: int) -> None:
        parts = list_parts(self.landing)
        if len(parts) > 3:
            self.delete_what_is_superseded()
            self.landing.delete(parts[place % len(parts)].key)

    @rule(which=st.sampled_from(["events.duckdb", "facts.duckdb"]), damage=st.sampled_from(["missing", "cut", "foreign", "flipped"]))
    def damage_the_state(self, which: str, damage: str) -> None:
        path = self.folder / "data" / "build" / which
        if not path.exists():
            return
        content = bytearray(path.read_bytes())
        path.unlink()
        if damage == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "foreign":
            path.write_bytes(b"SQLite format 3\0" * 100)
        elif damage == "flipped":
            for place in range(4096 * 3, len(content), 4096):
                content[place] ^= 0xFF
            path.write_bytes(content)

    @rule(point=st.sampled_from(POINTS), as_of=st.sampled_from(INSTANTS), full=st.booleans())
    def build_and_fail(self, point: str, as_of: datetime, full: bool) -> None:
        published = self.config.storage.warehouse_path
        before = published.stat().st_ino if published.exists() else None
        with failing(point):
            try:
                built(self.config, as_of, full=full)
            except (OSError, BuildError):
                after = published.stat().st_ino if published.exists() else None
                assert point == "publish_after_rename" or after == before

    @rule(as_of=st.sampled_from(INSTANTS), full=st.sampled_from([False, False, False, True]))
    def build_right(self, as_of: datetime, full: bool) -> None:
        built(self.config, as_of, full=full)
        expected = rows_of(afresh(self.config, self.folder / "other", as_of))
        found = rows_of(self.config.storage.warehouse_path)
        assert found == expected, difference(found, expected)

    @rule(as_of=st.sampled_from(INSTANTS))
    def build_again_right(self, as_of: datetime) -> None:
        self.build_right(as_of, False)


TestBuilds = Builds.TestCase
TestBuilds.settings = settings(max_examples=6, stateful_step_count=14, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
