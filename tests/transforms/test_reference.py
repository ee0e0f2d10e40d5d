"""The reference tables, and lists of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ConfigError
from transforms.reference import call_phases, end_causes


def test_shipped_tables() -> None:
    assert dict(call_phases().iter_rows())["ON_HOLD"] == "held"
    causes = {code: (name, category) for code, name, category in end_causes().iter_rows()}
    assert causes["21"] == ("Call rejected", "rejected")
    assert causes["9"] == ("Preemption, circuit reserved for reuse", "network_failure")


def test_own_phases_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("status,phase\nparked,Held\nIVR,other\n")
    assert call_phases(tmp_path / "p.csv").rows() == [("IVR", "other"), ("PARKED", "held")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("status;phase\n", "line 1: the header must be status,phase"),
        ("status,phase\nUP,speaking\n", "line 2: phase 'speaking' is none of"),
        ("status,phase\nUP,talking\nup,held\n", "line 3: status 'UP' has two phases"),
        ("status,phase\nUP\n", "line 2: 1 fields where 2 belong"),
    ],
)
def test_a_wrong_list_is_refused_by_file_and_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        call_phases(tmp_path / "p.csv")


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read"):
        call_phases(tmp_path / "none.csv")
