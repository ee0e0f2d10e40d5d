"""Per source: last event, rate, backlog, quarantine."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ingest.config import Config
from ingest.layout import Reason
from ingest.rejections import Rejection, put_rejections
from ingest.storage import Zone
from ingest.upkeep.status import SourceStatus, as_dict, status, table
from tests.zones import W1, W2, Refused, configured, event_body, journal_of, land, zone_of

NOW = datetime(2026, 11, 24, 8, 10, tzinfo=UTC)
TODAY, YESTERDAY = NOW.date(), NOW.date() - timedelta(days=1)
MORE = '[[sources]]\nname = "beta"\ntransport = "webhook"\nsecrets = ["a-secret-of-beta"]\n'


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path, more=MORE)


@pytest.fixture
def zone(config: Config) -> Zone:
    return zone_of(config)


def of(config: Config, source: str, *, now: datetime = NOW) -> SourceStatus:
    return {found.source: found for found in status(config, now=now).sources}[source]


def test_deliveries_of_the_last_day_and_quarter_of_an_hour_are_counted(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 30, day=TODAY)
    land(zone, W1, 31, 40, day=YESTERDAY)
    acme = of(config, "acme")
    assert (acme.last_15_minutes, acme.last_24_hours, acme.per_minute) == (30, 30, 2.0)
    assert acme.last_received_at == datetime(2026, 11, 24, 8, 0, 0, 30, UTC)
    earlier = of(config, "acme", now=NOW - timedelta(minutes=20))
    assert earlier.last_24_hours == 40, "yesterday's lie within a day of this"
    assert of(config, "acme", now=NOW + timedelta(hours=30)).last_24_hours == 0


def test_a_silent_source_is_looked_for_for_seven_days(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 5, day=TODAY - timedelta(days=6))
    land(zone, W2, 1, 5, day=TODAY - timedelta(days=9), refused={1: Refused(source="beta")})
    assert of(config, "acme").last_received_at == datetime(2026, 11, 18, 8, 0, 0, 5, UTC)
    assert (of(config, "beta").last_received_at, of(config, "beta").configured) == (None, True)


def test_the_quarantine_is_counted_by_reason_once_it_counts(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 4, refused={2: Refused(), 3: Refused(b"[]"), 4: Refused(source="gone")})
    land(zone, W2, 1, 1, refused={1: Refused(event_body(1), Reason.BAD_SIGNATURE)}, landing=False)
    assert dict(of(config, "acme").quarantine) == {"not_json": 1, "not_object": 1}
    assert (dict(of(config, "gone").quarantine), of(config, "gone").configured) == ({"not_json": 1}, False)


def test_the_backlog_is_what_the_journal_holds_beyond_what_has_landed(config: Config, zone: Zone) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    writer = journal_of(config, 5)
    acme = of(config, "acme", now=now)
    assert (acme.backlog, acme.last_15_minutes, acme.last_24_hours) == (5, 5, 5)
    assert acme.oldest_backlog_at == acme.last_received_at
    land(zone, writer, 1, 3, day=date(2026, 11, 20))
    assert of(config, "acme", now=now).backlog == 2
    whole = status(config, now=now)
    assert (whole.living_writers, whole.dead_writers, whole.journal_files) == (0, 1, 1)


def test_refused_requests_of_the_last_seven_days_are_told(config: Config, zone: Zone) -> None:
    counts = [Rejection("acme", "bad_signature", TODAY, 3), Rejection("acme", "bad_signature", TODAY - timedelta(days=8), 50)]
    put_rejections(zone.rejections, W1, counts)
    assert dict(of(config, "acme").refused) == {"bad_signature": 3}


def test_the_table_has_a_line_a_source_and_one_for_the_whole(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 30, day=TODAY, refused={7: Refused(source="g\x1b[2Jone"), 8: Refused()})
    lines = list(table(status(config, now=NOW), now=NOW))
    assert lines[0].split() == ["source", "last", "event", "per", "minute", "last", "24", "h", "backlog", "quarantine", "refused", "7", "d"]
    assert lines[1].split() == ["acme", "2026-11-24", "08:00:00", "(9", "min", "59", "s)", "1.9", "28", "0", "1", "0"]
    assert lines[2].split() == ["beta", "none", "for", "7", "days", "0.0", "0", "0", "0", "0"]
    assert lines[3].startswith("g\\x1b[2Jone (not configured)")
    assert lines[-1].startswith("landing: 1 parts, ")


def test_the_same_as_json(config: Config, zone: Zone) -> None:
    land(zone, W1, 1, 30, day=TODAY, refused={8: Refused()})
    found = json.loads(json.dumps(as_dict(status(config, now=NOW))))
    assert found["sources"][0] == {
        "source": "acme",
        "transport": "webhook",
        "configured": True,
        "last_event_at": "2026-11-24T08:00:00.000030+00:00",
        "rate_per_minute": 1.93,
        "last_15_minutes": 29,
        "last_24_hours": 29,
        "backlog": 0,
        "oldest_backlog_at": None,
        "quarantine": 1,
        "quarantine_by_reason": {"not_json": 1},
        "refused_last_7_days": {},
    }
    assert found["landing"]["parts"] == 1
    assert found["journal"] == {"files": 0, "bytes": 0, "living_writers": 0, "dead_writers": 0}


def test_an_empty_zone_has_its_sources(config: Config) -> None:
    assert [(found.source, found.last_24_hours) for found in status(config, now=NOW).sources] == [("acme", 0), ("beta", 0)]
