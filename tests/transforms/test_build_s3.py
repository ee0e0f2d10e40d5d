"""A build from a landing zone on S3 gives what one from a folder gives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config, Storage
from ingest.errors import DamagedPart
from ingest.storage import open_zone
from tests.builders import MONDAY, call
from tests.landing import configured, land
from tests.s3 import CREDENTIALS, seaweedfs
from tests.transforms.published import difference, rows_of
from transforms.build import build

AS_OF = MONDAY + timedelta(hours=9)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with seaweedfs("landing-bucket") as url:
        yield url


def built(config: Config) -> str:
    return build(config, lambda: datetime.now(UTC), as_of=AS_OF).mode


def test_parts_on_s3_are_read_like_those_in_a_folder(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    storage = Storage(
        root=str(tmp_path / "a"), landing="s3://landing-bucket/phone/landing", s3_endpoint_url=endpoint, s3_region="eu-west-1"
    )
    remote, local = Config(storage=storage), configured(tmp_path / "b")
    for config in (remote, local):
        land(config, [*call(call_id="c_1", talk=9).events(), b"not json"])
    assert (built(remote), built(local)) == ("full", "full")
    for config in (remote, local):
        land(config, [*call(call_id="c_1", talk=9).events()[:1], *call(call_id="c_2").events()], first=10)
    assert (built(remote), built(local)) == ("incremental", "incremental")
    found, expected = rows_of(remote.storage.warehouse_path), rows_of(local.storage.warehouse_path)
    assert found == expected, difference(found, expected)
    assert len(expected["calls"]) == 2 and len(expected["quarantine"]) == 1

    part = land(remote, call(call_id="c_3").events(), first=100)
    store = open_zone(remote.storage).landing
    store.put(part.key, store.read(part.key)[:200])
    with pytest.raises(DamagedPart, match=str(part.name)):
        built(remote)
    assert rows_of(remote.storage.warehouse_path) == found
