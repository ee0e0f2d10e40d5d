"""The reference tables: which status is which phase, which cause code means what. The only reader of data/reference/.

Found in the source tree (`data/reference/`) or in the wheel (`transforms/reference_data/`), never under `storage.root`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import polars as pl

from ingest.errors import ConfigError
from transforms.tables import END_CAUSES

PHASES: Final = ("ringing", "talking", "held")
OTHER: Final = "other"
"""The phase of every status that no list names, and of none."""

_HERE: Final = Path(__file__).resolve().parent
_FOLDERS: Final = (_HERE / "reference_data", _HERE.parent / "data" / "reference")


def shipped(name: str) -> Path:
    """Path of a reference file that came with callfacts."""
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{_FOLDERS[-1] / name}: this reference table is missing: install callfacts again")


def call_phases(path: Path | None = None) -> pl.DataFrame:
    """Columns status (upper case) and phase (ringing, talking, held), sorted by status. Key: status.

    `path` is a list of one's own (`[transforms] call_phases`) in place of the shipped one. Raises ConfigError.
    """
    file = path or shipped("call_phases.csv")
    phases: dict[str, str] = {}
    for line, (status, phase) in _rows(file, ("status", "phase")):
        status, phase = status.strip().upper(), phase.strip().lower()
        if phase not in (*PHASES, OTHER):
            raise ConfigError(f"{file}: line {line}: phase {phase!r} is none of {', '.join((*PHASES, OTHER))}")
        if phases.setdefault(status, phase) != phase:
            raise ConfigError(f"{file}: line {line}: status {status!r} has two phases: keep one")
    return pl.DataFrame({"status": list(phases), "phase": list(phases.values())}, schema={"status": pl.String, "phase": pl.String}).sort(
        "status"
    )


def end_causes() -> pl.DataFrame:
    """The table end_causes: code, name, category, sorted by code. Key: code."""
    file = shipped("end_causes.csv")
    rows = [row for _, row in _rows(file, ("code", "name", "category"))]
    return pl.DataFrame(rows, schema=END_CAUSES.polars, orient="row").sort("code")


def _rows(file: Path, header: tuple[str, ...]) -> list[tuple[int, tuple[str, ...]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            found = next(reader, [])
            if tuple(name.strip() for name in found) != header:
                raise ConfigError(f"{file}: line 1: the header must be {','.join(header)}")
            rows = []
            for row in reader:
                if len(row) not in (0, len(header)):
                    raise ConfigError(f"{file}: line {reader.line_num}: {len(row)} fields where {len(header)} belong")
                if row:
                    rows.append((reader.line_num, tuple(row)))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{file}: cannot be read: {reason}") from error
