"""Look into the journal from outside, without touching it: whose writers live, and what their files hold."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import DamagedJournal


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows of one source in a journal file; times in µs since 1970; `since` counts those received after each time asked for."""

    source: str
    rows: int
    oldest_us: int
    newest_us: int
    since: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class JournalContent:
    """What a journal file holds: the numbers first … last (0 … 0 where it is empty), and how many rows of which source."""

    first: int
    last: int
    sources: tuple[SourceRows, ...]

    @property
    def rows(self) -> int:
        return sum(of_source.rows for of_source in self.sources)


def is_living(folder: Path, writer: str) -> bool:
    """Whether a process holds the writer's lock. Asks with a shared lock, for an instant, and never creates the file."""
    try:
        descriptor = os.open(folder / f"{writer}.land", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def journal_content(path: Path, *, beyond: int = 0, since_us: Sequence[int] = (), thorough: bool = False) -> JournalContent | None:
    """What a journal file holds with numbers above `beyond`; None where it is gone: landed. `thorough`: its structure is checked too.

    Opened read-only: the last writable connection to close would checkpoint the file, which nobody asked for. Raises DamagedJournal.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            if connection.execute("select 1 from sqlite_schema where name = 'j'").fetchone() is None:
                return JournalContent(0, 0, ())  # its writer died while preparing it
            if thorough and (verdict := connection.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(str(verdict))
            connection.execute("begin")
            first, last = connection.execute("select min(seq), max(seq) from j where seq > ?", (beyond,)).fetchone()
            counts = "".join(", sum(received_at > ?)" for _ in since_us)
            rows = connection.execute(
                f"select source, count(*), min(received_at), max(received_at){counts} from j where seq > ? group by source order by source",
                (*since_us, beyond),
            ).fetchall()
    except sqlite3.Error as error:
        if not path.exists():
            return None
        raise DamagedJournal(f"{path}: cannot be read: {error}; restore it from the disk, or move it away") from error
    return JournalContent(first or 0, last or 0, tuple(SourceRows(row[0], row[1], row[2], row[3], tuple(row[4:])) for row in rows))
