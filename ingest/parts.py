"""Parts: written whole, listed, read. The only code that knows Parquet. (CONTRACT §5, DESIGN 2)

Promise: a part that can be listed can be read, and holds for good what its name says. `write_part` may be repeated after any failure: it
ends with the part in place, or raises and leaves nothing that counts.

Invariants:
 1. A part appears under its name whole: written aside, on disk, its footer read back, and only then given its name (`Store.put_if_absent`).
 2. An existing part is never overwritten. One with equal rows is success, one with other rows PartConflict. Rows are compared, not
    bytes: those change with the library's version.
 3. Rows are in order of seq, all of the name's writer and within its range.
 4. No row group holds more than 30,000 rows or (a single row aside) 64 MiB, so that reading one never costs more memory than that.

On disk: Parquet, zstd, a checksum in each page, statistics on what is asked for by range, the Arrow schema of `layout` in the footer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.errors import DamagedPart, PartConflict, StorageError, StorageUnavailable
from ingest.failpoints import reach
from ingest.layout import (
    LANDING_SCHEMA,
    PART_ROWS,
    QUARANTINE_SCHEMA,
    Counted,
    PartName,
    PartRef,
    counting,
    is_temporary,
    parse_part_key,
    part_key,
)
from ingest.storage import Entry, Store

LEVEL: Final = 3
"""zstd for parts of the roller: stronger levels cost more than they save."""
COMPACT_LEVEL: Final = 6
"""zstd for compacted parts, written once and read often."""
GROUP_BYTES: Final = 64 * 1024 * 1024

_DICTIONARY: Final = ("writer", "source", "transport", "integration_id", "company", "pbx", "event_type", "reason", "detail")
_STATISTICS: Final = ("writer", "seq", "received_at", "source", "company", "event_type", "event_time")


@dataclass(frozen=True, slots=True)
class Listing:
    """All that lies in a zone.

    Attributes:
        counted: its parts, sorted into those that count and those superseded.
        foreign: files that are neither parts nor temporary.
        temporary: what a crash, or a writer at this moment, has left.
    """

    counted: Counted
    foreign: tuple[Entry, ...]
    temporary: tuple[Entry, ...]


def list_parts(store: Store) -> list[PartRef]:
    """The parts that count, in order of date and name. A listing is no snapshot. (CONTRACT §5)"""
    found = (_part_ref(entry) for entry in store.list("received_date="))
    return list(counting(part for part in found if part is not None).parts)


def list_all(store: Store) -> Listing:
    """Everything in a zone, for those who judge it."""
    parts, foreign, temporary = [], [], []
    for entry in store.list():
        if (part := _part_ref(entry)) is not None:
            parts.append(part)
        elif is_temporary(entry.key):
            temporary.append(entry)
        else:
            foreign.append(entry)
    return Listing(counting(parts), tuple(foreign), tuple(temporary))


def write_part(store: Store, table: pa.Table, *, date: date, name: PartName) -> PartRef:
    """Bring the rows of a range to their place, durably; an equal part that is there already is success.

    `table` has the landing or the quarantine schema and may be empty: what it lacks of its range lies in the other zone. Rows in
    ascending order of seq. Raises ValueError for rows that do not belong, PartConflict, DamagedPart where an existing part cannot be
    compared, StorageError, StorageUnavailable.
    """
    schema = _schema_of(table.schema.names)
    table = table.select(schema.names).cast(schema)
    return write_batches(store, table.to_batches(), schema, date=date, name=name, level=LEVEL)


def write_batches(
    store: Store, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, date: date, name: PartName, level: int = COMPACT_LEVEL
) -> PartRef:
    """`write_part` of rows that come one batch after the other; holds one row group in memory."""
    key = part_key(date, name)
    with store.stage(key) as staged:
        rows = _write_file(staged, _belonging(batches, name), schema, level=level, at=f"{store.url}/{key}")

        def footer_is_whole(path: Path) -> None:
            with _damage(store, key):
                if (read_back := pq.read_metadata(path).num_rows) != rows:
                    raise DamagedPart(f"{store.url}/{key}: {rows} rows written, {read_back} read back; check the disk")

        size = staged.stat().st_size
        if not store.put_if_absent(key, staged, verify=footer_is_whole):
            _compare(store, key, staged, schema)
    return PartRef(name, date, key, size)


def read_part(store: Store, ref: PartRef, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a part, in order of seq, with the types of `layout`. Raises DamagedPart, naming it; StorageMissing where it is gone."""
    with _open(store, ref.key) as file, _damage(store, ref.key):
        return _conforming(file.read(columns=_present(file, columns)), columns)


def read_rows(store: Store, ref: PartRef, *, first: int, last: int, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows numbered first … last of a part; only the row groups that can hold them are read."""
    wanted = None if columns is None else ["seq", *(column for column in columns if column != "seq")]
    with _open(store, ref.key) as file, _damage(store, ref.key):
        groups = [i for i in range(file.num_row_groups) if _may_hold(file.metadata.row_group(i), first, last)]
        table = _conforming(file.read_row_groups(groups, columns=_present(file, wanted)), wanted)
        table = table.filter(pc.and_(pc.greater_equal(table["seq"], first), pc.less_equal(table["seq"], last)))
        return table if columns is None else table.select(list(columns))


def iter_part(store: Store, ref: PartRef, columns: Sequence[str] | None = None, *, batch_rows: int = PART_ROWS) -> Iterator[pa.RecordBatch]:
    """`read_part` one batch after the other."""
    with _open(store, ref.key) as file, _damage(store, ref.key):
        for batch in file.iter_batches(batch_size=batch_rows, columns=_present(file, columns)):
            yield from _conforming(pa.Table.from_batches([batch]), columns).to_batches()


def count_rows(store: Store, ref: PartRef) -> int:
    """How many rows a part's footer tells of."""
    with _open(store, ref.key) as file:
        return int(file.metadata.num_rows)


def read_notes(store: Store, ref: PartRef) -> dict[str, bytes]:
    """What `replace_part` has written into a part's footer beside the rows."""
    with _open(store, ref.key) as file:
        return {key.decode(): value for key, value in (file.metadata.metadata or {}).items() if key.startswith(b"callfacts.")}


def replace_part(store: Store, ref: PartRef, table: pa.Table, *, notes: Mapping[str, bytes]) -> None:
    """Put other rows, and notes, in the place of a part, whole. For the quarantine alone: a landed part never changes."""
    schema = QUARANTINE_SCHEMA.with_metadata(dict(notes))
    sink = pa.BufferOutputStream()
    with _writer(sink, schema, level=LEVEL) as writer:
        for group in _row_groups(_belonging(table.select(schema.names).cast(QUARANTINE_SCHEMA).to_batches(), ref.name), QUARANTINE_SCHEMA):
            writer.write_table(group, row_group_size=PART_ROWS)
    store.put(ref.key, sink.getvalue().to_pybytes())


# ---------------------------------------------------------------- writing


def _write_file(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, level: int, at: str) -> int:
    """Write a Parquet file; returns its rows."""
    rows = 0
    try:
        with _writer(str(path), schema, level=level) as writer:
            for group in _row_groups(batches, schema):
                writer.write_table(group, row_group_size=PART_ROWS)
                rows += group.num_rows
            reach("part_half_written")
    except OSError as error:
        raise StorageUnavailable(f"{at}: cannot be written: {error.strerror or error}") from error
    return rows


def _writer(where: Any, schema: pa.Schema, *, level: int) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        where,
        schema,
        compression="zstd",
        compression_level=level,
        use_dictionary=[column for column in _DICTIONARY if column in schema.names],
        write_statistics=[column for column in _STATISTICS if column in schema.names],
        write_page_checksum=True,
    )


def _belonging(batches: Iterable[pa.RecordBatch], name: PartName) -> Iterator[pa.RecordBatch]:
    """The batches, each looked at: a row of another writer, out of the range or out of order would make the name a lie."""
    before = name.first - 1
    for batch in batches:
        if batch.num_rows == 0:
            continue
        seq = batch["seq"]
        if seq.null_count or pc.any(pc.not_equal(batch["writer"], name.writer)).as_py() is not False or batch["writer"].null_count:
            raise ValueError(f"{name}: rows of another writer, or of none")
        if seq[0].as_py() <= before or seq[-1].as_py() > name.last or not _ascending(seq):
            raise ValueError(f"{name}: rows out of its range, or not in order of seq")
        before = seq[-1].as_py()
        yield batch


def _ascending(seq: pa.Array) -> bool:
    if len(seq) < 2:
        return True
    return bool(pc.all(pc.less(seq.slice(0, len(seq) - 1), seq.slice(1))).as_py())


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows anew in groups within the limits of a row group."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for piece in _pieces(batch):
            if waiting and (rows + piece.num_rows > PART_ROWS or size + piece.nbytes > GROUP_BYTES):
                yield pa.Table.from_batches(waiting, schema)
                waiting, rows, size = [], 0, 0
            waiting.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that each fit a row group."""
    if batch.num_rows > 1 and (batch.num_rows > PART_ROWS or batch.nbytes > GROUP_BYTES):
        half = min(batch.num_rows // 2, PART_ROWS)
        yield from _pieces(batch.slice(0, half))
        yield from _pieces(batch.slice(half))
    else:
        yield batch


def _compare(store: Store, key: str, staged: Path, schema: pa.Schema) -> None:
    """Raises PartConflict unless the part in place has the rows of the staged file."""
    with _open(store, key) as existing, _damage(store, key), pq.ParquetFile(staged) as ours:
        if existing.metadata.num_rows == ours.metadata.num_rows and existing.schema_arrow.names == schema.names:
            pairs = zip(_even(existing, schema), _even(ours, schema), strict=True)
            if all(one.equals(other) for one, other in pairs):
                return
    raise PartConflict(
        f"{store.url}/{key}: is there with other rows; nothing was overwritten: run `ingest check` and compare with the journal"
    )


def _even(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.Table]:
    """A file's rows in tables of 1,000 rows, however its row groups are cut."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in file.iter_batches(batch_size=1_000):
        while rows + batch.num_rows >= 1_000:
            missing = 1_000 - rows
            yield pa.Table.from_batches([*waiting, batch.slice(0, missing)]).cast(schema).combine_chunks()
            batch, waiting, rows = batch.slice(missing), [], 0
        waiting.append(batch)
        rows += batch.num_rows
    if rows:
        yield pa.Table.from_batches(waiting).cast(schema).combine_chunks()


# ---------------------------------------------------------------- reading


@contextmanager
def _open(store: Store, key: str) -> Iterator[pq.ParquetFile]:
    with closing(store.open_input(key)) as source:
        with _damage(store, key):
            file = pq.ParquetFile(source, page_checksum_verification=True)
        with closing(file):
            yield file


@contextmanager
def _damage(store: Store, key: str) -> Iterator[None]:
    """What Arrow says about the bytes of a part, as DamagedPart."""
    try:
        yield
    except (StorageError, DamagedPart):
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())
        raise DamagedPart(f"{store.url}/{key}: cannot be read: {why}; restore it from a back-up, or move it away") from error


def _part_ref(entry: Entry) -> PartRef | None:
    if (parsed := parse_part_key(entry.key)) is None:
        return None
    day, name = parsed
    return PartRef(name, day, entry.key, entry.size, entry.modified)


def _schema_of(names: Sequence[str]) -> pa.Schema:
    return LANDING_SCHEMA if "payload" in names else QUARANTINE_SCHEMA


def _present(file: pq.ParquetFile, columns: Sequence[str] | None) -> list[str]:
    """The columns to read, all of them there. Raises ValueError."""
    names = file.schema_arrow.names
    wanted = _schema_of(names).names if columns is None else list(columns)
    if missing := [column for column in wanted if column not in names]:
        raise ValueError(f"it has no column {', '.join(missing)}")
    return wanted


def _conforming(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    """The table with the types of `layout`, in the order asked for."""
    fields = {field.name: field for field in (*QUARANTINE_SCHEMA, *LANDING_SCHEMA)}
    names = _schema_of(table.schema.names).names if columns is None else list(columns)
    return table.select(names).cast(pa.schema([fields[name] for name in names]))


def _may_hold(group: pq.RowGroupMetaData, first: int, last: int) -> bool:
    statistics = next(
        (group.column(i).statistics for i in range(group.num_columns) if group.column(i).path_in_schema == "seq"),
        None,
    )
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= last and first <= statistics.max)
