"""The configuration: what is read, what is filled in, and the one line for each mistake."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from ingest.config import GIB, MIB, Config, load_config, parse_duration, parse_size
from ingest.errors import ConfigError

WEBHOOK = '[[sources]]\nname = "acme"\ntransport = "webhook"\nsecrets = ["env:ACME_SECRET"]\n'
SQS = '[[sources]]\nname = "queue"\ntransport = "sqs"\nsecrets = ["env:S"]\nqueue_url = "http://127.0.0.1:1/q"\n'


def read(folder: Path, toml: str, environ: dict[str, str] | None = None) -> Config:
    (folder / "callfacts.toml").write_text(toml)
    return load_config(folder / "callfacts.toml", environ or {}, cwd=folder)


def test_without_a_file_the_embedded_default_is_in_force(tmp_path: Path) -> None:
    config = load_config(None, {}, cwd=tmp_path)
    assert (config.file, config.sources, config.storage.root_path) == (None, (), tmp_path / "data")
    assert config.storage.landing_url == str(tmp_path / "data" / "landing")
    assert config.storage.journal_path == tmp_path / "data" / "journal"


def test_the_defaults_are_the_contracts(tmp_path: Path) -> None:
    config = read(tmp_path, WEBHOOK)
    ingest, reports = config.ingest, config.reports
    assert (ingest.roll_seconds, ingest.roll_bytes, ingest.max_body_bytes, ingest.max_pending_bytes) == (5, 64 * MIB, MIB, 64 * MIB)
    assert (ingest.grace, config.storage.journal_limit_bytes) == (timedelta(hours=24), 4 * GIB)
    assert config.transforms.memory_limit_bytes == 2 * GIB
    assert (reports.time_zone, reports.first_weekday, reports.business_hours, reports.holidays) == ("UTC", 1, {}, [])
    assert (reports.service_level_s, reports.service_level_goal, reports.service_level_formula) == (20, 0.8, "default")
    assert (reports.short_abandon_s, reports.callback_days, reports.repeat_days) == (5, 7, 7)
    assert reports.per_person is True
    assert reports.masked_digits == 0


def test_a_file_is_found_by_argument_then_environment_then_working_directory(tmp_path: Path) -> None:
    for name in ("callfacts", "by_environ", "by_argument"):
        (tmp_path / f"{name}.toml").write_text(f'[storage]\nroot = "{name}"\n')
    environ = {"CALLFACTS_CONFIG": "by_environ.toml"}
    assert load_config(Path("by_argument.toml"), environ, cwd=tmp_path).storage.root_path.name == "by_argument"
    assert load_config(None, environ, cwd=tmp_path).storage.root_path.name == "by_environ"
    assert load_config(None, {}, cwd=tmp_path).storage.root_path.name == "callfacts"


def test_callfacts_data_wins_over_the_root(tmp_path: Path) -> None:
    config = read(tmp_path, '[storage]\nroot = "elsewhere"\n', {"CALLFACTS_DATA": "mine"})
    assert config.storage.root_path == tmp_path / "mine"


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "c.toml").write_text(
        '[storage]\nroot = "../var"\nlanding = "land"\njournal = "j"\n[transforms]\ncall_phases = "phases.csv"\n'
        '[[sources]]\nname = "a"\ntransport = "webhook"\nsecrets = ["file:key"]\n'
    )
    config = load_config(Path("etc/c.toml"), {}, cwd=tmp_path)
    etc = tmp_path / "etc"
    assert config.storage.root_path == etc / ".." / "var"
    assert (config.storage.landing_url, config.storage.journal_path) == (str(etc / "land"), etc / "j")
    assert config.transforms.call_phases == str(etc / "phases.csv")
    assert config.sources[0].secrets == (f"file:{etc / 'key'}",)


def test_a_queue_has_its_own_settings_and_the_general_ones_for_the_rest(tmp_path: Path) -> None:
    reports = read(
        tmp_path,
        '[reports]\nservice_level_s = 30\n[reports.queues."Help desk"]\nshort_abandon_s = 9\nservice_level_formula = "of answered only"\n',
    ).reports
    own = reports.of_queue("Help desk")
    assert (own.service_level_s, own.short_abandon_s, own.service_level_formula, own.service_level_goal) == (30, 9, "of_answered_only", 0.8)
    assert reports.of_queue("other").short_abandon_s == 5


def test_business_hours_take_names_and_numbers_and_come_out_as_minutes(tmp_path: Path) -> None:
    reports = read(
        tmp_path,
        '[reports]\nholidays = [2026-12-25, "2026-12-26"]\n'
        '[reports.business_hours]\nmon = ["14:00-18:00", "09:00-13:00"]\n7 = ["00:00-24:00"]\nWednesday = []\n',
    ).reports
    assert reports.opening_minutes == {1: ((540, 780), (840, 1080)), 3: (), 7: ((0, 1440),)}
    assert reports.holidays == [date(2026, 12, 25), date(2026, 12, 26)]


def test_a_literal_secret_never_shows_in_repr(tmp_path: Path) -> None:
    config = read(tmp_path, WEBHOOK.replace("env:ACME_SECRET", "very-secret-indeed"))
    assert "very-secret-indeed" not in repr(config)
    assert config.sources[0].secrets == ("very-secret-indeed",)


def test_of_several_sources_one_without_company_is_warned_about(tmp_path: Path) -> None:
    assert read(tmp_path, WEBHOOK).warnings == ()
    (warning,) = read(tmp_path, WEBHOOK + 'company = "it_w1"\n' + SQS).warnings
    assert "sources[1].company" in warning and "'queue'" in warning


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ("x = 1", "x: unknown key"),
        ("[storage]\nroots = 1", "storage.roots: unknown key"),
        ('file = "x"', "file: unknown key"),
        ("[ingest]\nroll_seconds = 0", "ingest.roll_seconds: expected float > 0.0"),
        ('[ingest]\nroll_seconds = "5"', "ingest.roll_seconds: expected float, got str"),
        ('[ingest]\nroll_bytes = "many"', "ingest.roll_bytes: 'many' is not a size"),
        ("[ingest]\nmax_body_bytes = 0", "ingest.max_body_bytes: must be at least 1 byte"),
        ('[ingest]\ncompact_grace = "soon"', "ingest.compact_grace: 'soon' is not a duration"),
        ("[storage]\njournal_max_bytes = true", "storage.journal_max_bytes: expected int | str, got bool"),
        ('[storage]\njournal = "s3://b/j"', "storage.journal: must be a local folder"),
        ('[storage]\nlanding = "gs://b/j"', "storage.landing: 'gs://b/j' is neither a folder nor s3://bucket/prefix"),
        ('[storage]\nlanding = "s3://"', "storage.landing: names no bucket"),
        ('[storage]\nroot = "a\\u0000b"', "storage.root: has a character U+0000"),
        ('[storage]\nlanding = "a\\u0000b"', "storage.landing: has a character U+0000"),
        ('[storage]\njournal = "a\\u0000b"', "storage.journal: has a character U+0000"),
        ('[storage]\njournal = "~nobody-at-all/j"', "storage.journal: '~nobody-at-all/j' names a user whom this machine does not know"),
        ('[storage]\ns3_endpoint_url = "127.0.0.1:9000"', "storage.s3_endpoint_url: '127.0.0.1:9000' is not an address"),
        ('[storage]\ns3_endpoint_url = "http://"', "storage.s3_endpoint_url: 'http://' is not an address"),
        ('[storage]\ns3_endpoint_url = "https://s3.example.com:port"', "storage.s3_endpoint_url: 'https://s3.example.com:port' is not an"),
        ('[storage]\ns3_endpoint_url = "http://a b"', "storage.s3_endpoint_url: 'http://a b' is not an address"),
        (SQS + 'endpoint_url = "127.0.0.1:9324"', "sources[0].endpoint_url: '127.0.0.1:9324' is not an address"),
        ('[transforms]\ncall_phases = "a\\u0000b"', "transforms.call_phases: has a character U+0000"),
        (f'[transforms]\nmemory_limit = "{"9" * 400}TB"', "transforms.memory_limit: '999"),
        ('[transforms]\nmemory_limit = "2 gigs"', "transforms.memory_limit: '2 gigs' is not a size"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"', "sources[0].secrets: source 'a' has no secret"),
        ('[[sources]]\nname = "a"\ntransport = "webhook"\nsecrets = []', "sources[0].secrets: source 'a' has no secret"),
        ('[[sources]]\ntransport = "webhook"', "sources[0].name: is missing"),
        ('[[sources]]\nname = "a"\ntransport = "smtp"', "sources[0].transport: invalid enum value 'smtp'"),
        ('[[sources]]\nname = "a/b"\ntransport = "webhook"\nsecrets = ["x"]', "sources[0].name: 'a/b' cannot be a path"),
        (WEBHOOK + WEBHOOK, "sources[1].name: there is a source 'acme' already"),
        (WEBHOOK + 'queue_url = "http://127.0.0.1/q"', "sources[0].queue_url: is for sqs sources only"),
        (SQS.replace('queue_url = "http://127.0.0.1:1/q"\n', ""), "sources[0].queue_url: is missing"),
        (WEBHOOK + 'company = ""', "sources[0].company: is empty"),
        (WEBHOOK + "requests_per_second = 0", "sources[0].requests_per_second: expected float > 0.0"),
        ('[reports]\ntime_zone = "Mars/Olympus"', "reports.time_zone: 'Mars/Olympus' is not a time zone"),
        ('[reports]\nper_person = "no"', "reports.per_person: expected bool, got str"),
        ("[reports]\nmasked_digits = -1", "reports.masked_digits"),
        ("[reports]\nmasked_digits = 16", "reports.masked_digits"),
        ("[reports]\nfirst_weekday = 8", "reports.first_weekday: expected int <= 7"),
        ("[reports]\nservice_level_goal = 80", "reports.service_level_goal: expected float <= 1.0"),
        ('[reports]\nservice_level_formula = "best"', "reports.service_level_formula: 'best' is not one of default"),
        ('[reports.queues."A B"]\nservice_level_formula = "best"', "reports.queues.\"A B\".service_level_formula: 'best' is not one of"),
        ('[reports.queues."A B"]\ncolour = 1', 'reports.queues."A B".colour: unknown key'),
        ('[reports]\nqueues = { q = 3 }', 'reports.queues."q": expected object, got int'),
        ('[reports.business_hours]\nt = ["09:00-10:00"]', "reports.business_hours.t: is not a weekday"),
        ('[reports.business_hours]\nmon = ["22:00-02:00"]', "reports.business_hours.mon: '22:00-02:00' is not a span of one day"),
        ('[reports.business_hours]\nmon = ["09:00-12:00", "11:00-13:00"]', "reports.business_hours.mon: its spans overlap"),
        ('[reports.business_hours]\nmon = []\n1 = []', "reports.business_hours.1: monday is there twice"),
        ("x = [", "is not TOML: "),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, toml: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, toml)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'callfacts.toml'}: {line}")
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_a_missing_unreadable_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: there is no such file"):
        load_config(tmp_path / "gone.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, {})
    (tmp_path / "latin.toml").write_bytes(b'x = "\xff"')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not UTF-8"):
        load_config(tmp_path / "latin.toml", {})


def test_the_source_asked_for_is_found_or_the_names_are_said(tmp_path: Path) -> None:
    config = read(tmp_path, WEBHOOK + SQS)
    assert config.source("queue").transport == "sqs"
    assert config.body_limit_bytes(config.source("acme")) == MIB
    with pytest.raises(ConfigError, match=r"no source 'nobody' \(there are: acme, queue\)"):
        config.source("nobody")


def test_sizes_and_durations() -> None:
    assert [parse_size(x) for x in (7, "7", "2GiB", "1.5 MiB", "2MB")] == [7, 7, 2 * GIB, MIB * 3 // 2, 2_000_000]
    assert [parse_duration(x).total_seconds() for x in ("90s", "30m", "24h", "2d", "1w")] == [90, 1800, 86_400, 172_800, 604_800]
    for text in ("0", "-1", "", "1 XB"):
        with pytest.raises(ValueError, match=r"size|at least"):
            parse_size(text)
    for text in ("24", "h", "1.5h", "99999999999w"):
        with pytest.raises(ValueError, match="duration"):
            parse_duration(text)
