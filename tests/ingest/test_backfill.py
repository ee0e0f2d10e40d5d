"""`ingest load`: lines → deliveries, by the real command."""

import gzip
import io
import signal
from pathlib import Path

import pytest

from ingest.backfill import Line, lines
from ingest.parts import list_parts, read_part
from tests.ingester import SOURCE, Ingester, assert_exactly_once, event, landed, run, toml, wait_for, zone


def found(raw: bytes, limit: int = 10) -> list[Line]:
    return list(lines(io.BytesIO(raw), limit))


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress], ids=["plain", "gzip"])
def test_lines_have_numbers_and_no_line_breaks_and_empty_ones_are_skipped(pack: object) -> None:
    raw = pack(b"one\n\ntwo\r\n\r\nx\ry\nlast")  # type: ignore[operator]
    assert found(raw) == [Line(1, b"one", 3), Line(3, b"two", 3), Line(5, b"x\ry", 3), Line(6, b"last", 4)]


def test_a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() -> None:
    assert found(b"0123456789\n0123456789a\n0123456789abcdef\nnext\n0123456789abcdef") == [
        Line(1, b"0123456789", 10),
        Line(2, b"0123456789a", 11),
        Line(3, b"0123456789ab", 17),
        Line(4, b"next", 4),
        Line(5, b"0123456789ab", 16),
    ]


def test_an_empty_file_has_no_lines() -> None:
    assert found(b"") == []


def test_a_file_is_landed_and_its_unusable_lines_are_quarantined_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson.gz"
    file.write_bytes(gzip.compress(b"\n".join([event(1), b"", b"nonsense", event(2), event(3, pad="x" * 500)])))
    config = toml(sources={"acme": SOURCE + "max_body_bytes = 400\n"})
    ended = run(tmp_path, "load", str(file), "--source", "acme", config=config)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{file}: 4 deliveries of source acme: 2 landed, 2 quarantined (not_json 1, too_large 1)\n"
    rows = [row for part in list_parts(zone(tmp_path).quarantine) for row in read_part(zone(tmp_path).quarantine, part).to_pylist()]
    assert [(row["transport"], row["reason"], row["detail"].startswith(f"{file}:{n}")) for row, n in zip(rows, (3, 5), strict=True)] == [
        ("load", "not_json", True),
        ("load", "too_large", True),
    ]
    assert_exactly_once(tmp_path, [event(1), event(2), b"nonsense"])


def test_twice_adds_deliveries_under_another_writer(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(event(1) + b"\n")
    for _ in range(2):
        assert run(tmp_path, "load", str(file), "--source", "acme", config=toml()).returncode == 0
    assert [(seq, body) for _, seq, body in landed(tmp_path)] == [(1, event(1))] * 2
    assert len({writer for writer, _, _ in landed(tmp_path)}) == 2


def test_a_gzip_file_that_is_cut_lands_what_it_has_and_is_exit_1(tmp_path: Path) -> None:
    file = tmp_path / "cut.ndjson.gz"
    file.write_bytes(gzip.compress(b"".join(event(n) + b"\n" for n in range(500)), compresslevel=1)[:-20])
    ended = run(tmp_path, "load", str(file), "--source", "acme", config=toml())
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"ingest: {file}: cannot be read to its end: ") and ended.stderr.count("\n") == 1
    assert len(landed(tmp_path)) > 0


def test_an_unknown_source_is_exit_2_and_without_any_source_every_name_will_do(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(event(1))
    ended = run(tmp_path, "load", str(file), "--source", "nobody", config=toml())
    assert ended.returncode == 2 and "there is no source 'nobody' (there are: acme)" in ended.stderr
    assert run(tmp_path, "load", str(file), "--source", "history", config=toml(sources={})).returncode == 0


def test_beside_a_running_ingester_it_lands_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(event(2))
    with Ingester(tmp_path, config=toml(ingest="roll_seconds = 60")) as ingester:
        assert ingester.post(event(1)) == 200
        assert run(tmp_path, "load", str(file), "--source", "acme").returncode == 0
        assert [body for _, _, body in landed(tmp_path)] == [event(2)]
    assert_exactly_once(tmp_path, [event(1), event(2)])


def test_interrupted_it_lands_what_it_has_read(tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(b"".join(event(n) + b"\n" for n in range(200_000)))
    loading = Ingester(tmp_path, "load", str(file), "--source", "acme", config=toml())
    wait_for(lambda: any((tmp_path / "data").rglob("*.sqlite-wal")), "it has begun")
    loading.signal(signal.SIGINT)
    assert loading.wait() == 1
    assert loading.stderr[-1] == "ingest: interrupted\n"
    assert 0 < len(landed(tmp_path)) < 200_000
