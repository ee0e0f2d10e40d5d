"""The published warehouse, as many readers see it: never locked, never stale.

Invariants:
  1. The file is attached read-only to an in-memory connection, so neither the build nor any other reader meets our lock.
  2. One connection for each version of the file; a version is (inode, mtime, size). A build publishes by rename, and a
     process that keeps any connection to the old file goes on seeing it: so all are closed when the version changes, each
     as soon as the last page that still reads from it is done.
  3. A cursor a call: a connection shared by threads fails.
"""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from app.access import attach, enter
from ingest.errors import CallfactsError, WarehouseMissing

MEMORY_LIMIT = "512MiB"

Version = tuple[int, int, int]


class UnreadableWarehouse(CallfactsError):
    """The published file is there and cannot be read: damaged, of a newer format, or no right to read it."""


@dataclass(slots=True)
class _Opened:
    """One version of the file, open. `readers` counts the cursors in use; `retired` says that a newer one has come."""

    version: Version
    connection: duckdb.DuckDBPyConnection
    readers: int = 0
    retired: bool = False


@dataclass(slots=True)
class Warehouse:
    """Owns every connection to one published file.

    Attributes:
        path: the published file; it need not exist yet.
    """

    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _opened: _Opened | None = None

    @property
    def version(self) -> Version | None:
        """The version that is published now; None where there is none."""
        try:
            stat = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UnreadableWarehouse(f"{self.path}: {error.strerror}: let this user read the folder") from error
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the version published now. Raises WarehouseMissing, UnreadableWarehouse."""
        opened = self._enter()
        try:
            with opened.connection.cursor() as cursor:
                yield enter(cursor)
        finally:
            self._leave(opened)

    def close(self) -> None:
        """Close what is open; a later `cursor` opens anew."""
        with self._lock:
            self._retire()

    def _enter(self) -> _Opened:
        with self._lock:
            version = self.version
            if version is None:
                self._retire()
                raise WarehouseMissing(f"{self.path}: no warehouse yet: run `transforms build`")
            if self._opened is None or self._opened.version != version:
                opened = self._open(version)
                self._retire()
                self._opened = opened
            self._opened.readers += 1
            return self._opened

    def _leave(self, opened: _Opened) -> None:
        with self._lock:
            opened.readers -= 1
            if opened.retired and opened.readers == 0:
                opened.connection.close()

    def _retire(self) -> None:
        if self._opened is None:
            return
        self._opened.retired = True
        if self._opened.readers == 0:
            self._opened.connection.close()
        self._opened = None

    def _open(self, version: Version) -> _Opened:
        # a rename between stat and attach gives the newer file under the older version: it is opened once more on the
        # next call, which costs some milliseconds and shows nothing old
        connection = duckdb.connect(":memory:")
        try:
            attach(connection, self.path, memory_limit=MEMORY_LIMIT, spill=Path(tempfile.gettempdir()) / "callfacts-spill")
        except duckdb.Error as error:
            connection.close()
            reason = str(error).splitlines()[0]
            raise UnreadableWarehouse(f"{self.path}: {reason}: run `transforms build --full`") from error
        return _Opened(version, connection)
