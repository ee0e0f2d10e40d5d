"""The configuration: one TOML file, read once, checked whole. (CONTRACT §2)

Promise: `load_config` either returns a `Config` in which every value is usable, every path absolute and every default filled in, or raises
`ConfigError` with one line `<file>: <key>: <what is wrong>`. An unknown key is an error, never ignored.

Secrets stay references (`env:NAME`, `file:PATH`): only `ingest.signature` turns them into values, so whoever holds a
`Config` holds no secret. A literal, meant for tests, is kept too and hides itself in `repr`.

Where the file comes from: the path given, else `CALLFACTS_CONFIG`, else `callfacts.toml` in the working directory, else
the embedded default (folder `data/`, no sources). `CALLFACTS_DATA` wins over `storage.root`. Relative paths count from the
TOML file, without one from the working directory; those of the environment from the working directory.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, structs

from ingest.errors import ConfigError

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

DEFAULT_FILE: Final = "callfacts.toml"
SERVICE_LEVEL_FORMULAS: Final = (
    "default",
    "abandons_negative",
    "abandons_ignored",
    "abandons_positive",
    "of_answered_only",
    "overflow_ignored",
)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?")
_SIZE_UNITS: Final = {
    None: 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 1024 * GIB,
}  # fmt: skip
_LARGEST_SIZE: Final = 2**62
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_DURATION_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_HOURS = re.compile(r"(\d{2}):(\d{2})\s*-\s*(\d{2}):(\d{2})")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MSGSPEC_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?P<place>[^`]*)`)?", re.DOTALL)
_MSGSPEC_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>.*)`", re.DOTALL)
_MSGSPEC_MISSING = re.compile(r"Object missing required field `(?P<key>.*)`", re.DOTALL)

PositiveInt = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Days = Annotated[int, Meta(ge=1, le=3650)]
Share = Annotated[float, Meta(ge=0, le=1)]
Size = int | str


class SecretReference(str):
    """A secret as the configuration names it; a literal hides itself in `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self.shown}'"

    @property
    def shown(self) -> str:
        """What may be said of it: the reference, or that it is a literal."""
        return str(self) if self.startswith(("env:", "file:")) else "(literal)"


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    """Where things lie.

    Attributes:
        root: the data root, absolute.
        landing: the landing zone: an absolute folder, or `s3://bucket/prefix`.
        s3_endpoint_url, s3_region: for S3 landing zones alone; None: boto3's own chain.
        journal: the journal's folder, absolute and local.
        journal_max_bytes: with more than this in the journal the ingester answers 503.
    """

    root: str = "data"
    landing: str | None = None
    s3_endpoint_url: str | None = None
    s3_region: str | None = None
    journal: str | None = None
    journal_max_bytes: Size = 4 * GIB

    @property
    def root_path(self) -> Path:
        return Path(self.root)

    @property
    def landing_url(self) -> str:
        return self.landing if self.landing is not None else str(self.root_path / "landing")

    @property
    def journal_path(self) -> Path:
        return Path(self.journal) if self.journal is not None else self.root_path / "journal"

    @property
    def journal_limit_bytes(self) -> int:
        return int(self.journal_max_bytes)

    @property
    def warehouse_path(self) -> Path:
        return self.root_path / "warehouse.duckdb"


class Ingest(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of the ingester. After loading all sizes are ints (bytes)."""

    roll_seconds: Annotated[float, Meta(gt=0, le=86_400)] = 5
    roll_bytes: Size = 64 * MIB
    max_body_bytes: Size = MIB
    max_pending_bytes: Size = 64 * MIB
    compact_grace: str = "24h"

    @property
    def grace(self) -> timedelta:
        return parse_duration(self.compact_grace)


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One sender: a webhook path, or an SQS queue.

    Attributes:
        secrets: references to one or more active secrets.
        integration_id, company: events of another one are quarantined; None: any.
        requests_per_second: counted after verifying; None: no limit.
        max_body_bytes: None: that of `[ingest]`.
    """

    name: str
    transport: Literal["webhook", "sqs"]
    secrets: tuple[str, ...] = ()
    integration_id: str | None = None
    company: str | None = None
    queue_url: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    requests_per_second: Annotated[float, Meta(gt=0)] | None = None
    max_body_bytes: Size | None = None


class Transforms(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the build: an own status → phase list (absolute path), and DuckDB's memory limit."""

    call_phases: str | None = None
    memory_limit: str = "2GiB"

    @property
    def memory_limit_bytes(self) -> int:
        return parse_size(self.memory_limit)


class QueueSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of one queue; None: those of `[reports]`."""

    service_level_s: Seconds | None = None
    service_level_goal: Share | None = None
    service_level_formula: str | None = None
    short_abandon_s: Seconds | None = None


class Reports(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the reports; they never change a table.

    Attributes:
        time_zone: an IANA name.
        first_weekday: 1 Monday … 7 Sunday.
        business_hours: after loading: weekday name → list of "hh:mm-hh:mm"; empty: always open. See `opening_minutes`.
        holidays: days on which nobody is in.
        service_level_s, service_level_goal, service_level_formula, short_abandon_s: METRICS 1.1 and 1.2.
        callback_days, repeat_days: windows of missed-caller recovery and of repeat callers.
        queues: the same settings for one queue, by its name.
        per_person: whether figures of single persons are shown; where a works council forbids it, false.
        masked_digits: how many of the last digits of numbers outside are hidden, on screen and in files; 0: none.
    """

    time_zone: str = "UTC"
    first_weekday: Annotated[int, Meta(ge=1, le=7)] = 1
    business_hours: dict[str, list[str]] = {}
    holidays: list[date] = []
    service_level_s: Seconds = 20
    service_level_goal: Share = 0.8
    service_level_formula: str = "default"
    short_abandon_s: Seconds = 5
    callback_days: Days = 7
    repeat_days: Days = 7
    queues: dict[str, QueueSettings] = {}
    per_person: bool = True
    masked_digits: Annotated[int, Meta(ge=0, le=15)] = 0

    @property
    def opening_minutes(self) -> dict[int, tuple[tuple[int, int], ...]]:
        """ISO weekday (1 Monday) → opening spans as (from, until) minutes of the local day; empty: always open."""
        return {WEEKDAYS.index(day) + 1: tuple(_span(text) for text in spans) for day, spans in self.business_hours.items()}

    def of_queue(self, queue: str | None) -> QueueSettings:
        """The settings in force for a queue: its own where it has them, else the general ones. No field is None."""
        own = self.queues.get(queue, QueueSettings()) if queue is not None else QueueSettings()
        return QueueSettings(
            **{
                field: getattr(self, field) if getattr(own, field) is None else getattr(own, field)
                for field in QueueSettings.__struct_fields__
            }
        )


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All of the TOML, checked. `file` is the TOML file, or None where the embedded default is in force."""

    storage: Storage = Storage()
    ingest: Ingest = Ingest()
    sources: tuple[Source, ...] = ()
    transforms: Transforms = Transforms()
    reports: Reports = Reports()
    file: Path | None = None

    @property
    def where(self) -> str:
        """The name of the configuration in messages."""
        return str(self.file) if self.file is not None else "(default configuration)"

    def source(self, name: str) -> Source:
        """The source of that name. Raises ConfigError with the names there are."""
        for source in self.sources:
            if source.name == name:
                return source
        names = ", ".join(source.name for source in self.sources) or "none"
        raise ConfigError(f"{self.where}: sources: there is no source {name!r} (there are: {names})")

    def body_limit_bytes(self, source: Source) -> int:
        """The largest body accepted from a source."""
        return int(self.ingest.max_body_bytes if source.max_body_bytes is None else source.max_body_bytes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but worth a line at start."""
        if len(self.sources) < 2:
            return ()
        return tuple(
            f"{self.where}: sources[{i}].company: source {source.name!r} names no company, so its sender can write into any company"
            for i, source in enumerate(self.sources)
            if source.company is None
        )


def load_config(path: Path | None, environ: Mapping[str, str], *, cwd: Path | None = None) -> Config:
    """The configuration in force. Raises ConfigError: one line that names file and key."""
    here = (cwd or Path.cwd()).absolute()
    file = _config_file(path, environ, here)
    document = {} if file is None else _toml(file)
    where = str(file) if file is not None else "(default configuration)"
    if "file" in document:
        raise ConfigError(f"{where}: file: unknown key")
    _check_queues(document, where)
    try:
        config = msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_plain(str(error))}") from None
    base = here if file is None else file.parent
    try:
        return structs.replace(
            config,
            storage=_storage(config.storage, base, environ.get("CALLFACTS_DATA"), here),
            ingest=_ingest(config.ingest),
            sources=_sources(config.sources, base),
            transforms=_transforms(config.transforms, base),
            reports=_reports(config.reports),
            file=file,
        )
    except _Mistake as mistake:
        raise ConfigError(f"{where}: {mistake}") from None


def parse_size(text: Size) -> int:
    """Bytes of `67108864`, "64 MiB" or "2GB". Raises ValueError."""
    if isinstance(text, int):
        if text < 1:
            raise ValueError("must be at least 1 byte")
        return text
    match = _SIZE.fullmatch(text.strip())
    size = float(match[1]) * _SIZE_UNITS[match[2]] if match is not None else 0.0
    if not 1 <= size <= _LARGEST_SIZE:
        raise ValueError(f'{_short(text)} is not a size; write bytes, or for example "64MiB"')
    return int(size)


def parse_duration(text: str) -> timedelta:
    """A duration such as "24h", "30m", "400d". Raises ValueError."""
    if (match := _DURATION.fullmatch(text.strip())) is None:
        raise ValueError(f'{_short(text)} is not a duration; write for example "24h", "30m" or "400d"')
    try:
        return timedelta(**{_DURATION_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError(f"{_short(text)} is too long a duration") from None


def _short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:80]!r}…"


class _Mistake(Exception):
    """A value that has the right type and is wrong all the same: `key: why`."""


def _config_file(path: Path | None, environ: Mapping[str, str], here: Path) -> Path | None:
    named = path or (Path(environ["CALLFACTS_CONFIG"]) if environ.get("CALLFACTS_CONFIG") else None)
    if named is not None:
        return here / named
    default = here / DEFAULT_FILE
    return default if default.exists() else None


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 (byte {error.start})") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{file}: is not TOML: {error}".replace("\n", " ")) from None


def _check_queues(document: Mapping[str, Any], where: str) -> None:
    """Queues apart and first: msgspec says `[...]` for the key of a dict, and an admin has to know which queue it is."""
    reports = document.get("reports")
    queues = reports.get("queues") if isinstance(reports, dict) else None
    for name, own in queues.items() if isinstance(queues, dict) else ():
        try:
            msgspec.convert(own, QueueSettings)
        except msgspec.ValidationError as error:
            place, _, what = _plain(str(error)).partition(": ")
            key = f'reports.queues."{name}"'
            raise ConfigError(f"{where}: {key if place == 'the file' else f'{key}.{place}'}: {what}") from None


def _plain(message: str) -> str:
    """msgspec's message as `key: what is wrong`."""
    match = _MSGSPEC_PLACE.fullmatch(message)
    assert match is not None
    place = (match["place"] or "$").removeprefix("$").removeprefix(".")
    if unknown := _MSGSPEC_UNKNOWN.fullmatch(match["what"]):
        return f"{_join(place, unknown['key'])}: unknown key"
    if missing := _MSGSPEC_MISSING.fullmatch(match["what"]):
        return f"{_join(place, missing['key'])}: is missing"
    what = match["what"].replace("`", "")
    return f"{place or 'the file'}: {what[:1].lower()}{what[1:]}".replace("\n", " ")


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _checked_size(key: str, value: Size) -> int:
    try:
        return parse_size(value)
    except ValueError as error:
        raise _Mistake(f"{key}: {error}") from None


def _below(base: Path, text: str, key: str) -> str:
    if "\0" in text:
        raise _Mistake(f"{key}: has a character U+0000, which no path can have")
    try:
        return str(base / Path(text).expanduser())
    except RuntimeError:
        raise _Mistake(f"{key}: {_short(text)} names a user whom this machine does not know") from None


def _endpoint(url: str | None, key: str) -> None:
    """An address that boto3 would refuse only when it is first used: then events would be taken that cannot land."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or any(sign.isspace() or sign == "\0" for sign in url):
        raise _Mistake(f'{key}: {_short(url)} is not an address; write for example "https://s3.example.com:9000"')


def _storage(storage: Storage, base: Path, data: str | None, here: Path) -> Storage:
    if not storage.root:
        raise _Mistake("storage.root: is empty")
    root = _below(here, data, "CALLFACTS_DATA") if data else _below(base, storage.root, "storage.root")
    landing = storage.landing
    if landing is not None:
        if not landing:
            raise _Mistake("storage.landing: is empty")
        if landing.startswith("s3://"):
            landing = f"s3://{landing.removeprefix('s3://').rstrip('/')}"
            if landing.startswith("s3:///") or landing == "s3://":
                raise _Mistake("storage.landing: names no bucket; write s3://bucket/prefix")
        elif "://" in landing:
            raise _Mistake(f"storage.landing: {landing!r} is neither a folder nor s3://bucket/prefix")
        else:
            landing = _below(base, landing, "storage.landing")
    _endpoint(storage.s3_endpoint_url, "storage.s3_endpoint_url")
    if storage.journal is not None and ("://" in storage.journal or not storage.journal):
        raise _Mistake("storage.journal: must be a local folder")
    return structs.replace(
        storage,
        root=root,
        landing=landing,
        journal=None if storage.journal is None else _below(base, storage.journal, "storage.journal"),
        journal_max_bytes=_checked_size("storage.journal_max_bytes", storage.journal_max_bytes),
    )


def _ingest(ingest: Ingest) -> Ingest:
    try:
        parse_duration(ingest.compact_grace)
    except ValueError as error:
        raise _Mistake(f"ingest.compact_grace: {error}") from None
    return structs.replace(
        ingest,
        **{name: _checked_size(f"ingest.{name}", getattr(ingest, name)) for name in ("roll_bytes", "max_body_bytes", "max_pending_bytes")},
    )


def _sources(sources: Iterable[Source], base: Path) -> tuple[Source, ...]:
    checked: list[Source] = []
    for i, source in enumerate(sources):
        key = f"sources[{i}]"
        if _SOURCE_NAME.fullmatch(source.name) is None:
            raise _Mistake(f"{key}.name: {source.name!r} cannot be a path: use up to 64 letters, digits, '.', '_' and '-'")
        if any(other.name == source.name for other in checked):
            raise _Mistake(f"{key}.name: there is a source {source.name!r} already")
        if not source.secrets:
            raise _Mistake(f"{key}.secrets: source {source.name!r} has no secret; an unsigned event is never accepted")
        for field in ("integration_id", "company", "queue_url", "region", "endpoint_url"):
            if getattr(source, field) == "":
                raise _Mistake(f"{key}.{field}: is empty")
        if source.transport == "sqs" and source.queue_url is None:
            raise _Mistake(f"{key}.queue_url: is missing; an sqs source needs it")
        if source.transport == "webhook":
            for field in ("queue_url", "region", "endpoint_url"):
                if getattr(source, field) is not None:
                    raise _Mistake(f"{key}.{field}: is for sqs sources only")
        _endpoint(source.endpoint_url, f"{key}.endpoint_url")
        limit = source.max_body_bytes
        checked.append(
            structs.replace(
                source,
                secrets=tuple(_reference(text, base, f"{key}.secrets") for text in source.secrets),
                max_body_bytes=None if limit is None else _checked_size(f"{key}.max_body_bytes", limit),
            )
        )
    return tuple(checked)


def _reference(text: str, base: Path, key: str) -> SecretReference:
    path = text.removeprefix("file:")
    return SecretReference(text if path == text else f"file:{_below(base, path, key)}")


def _transforms(transforms: Transforms, base: Path) -> Transforms:
    _checked_size("transforms.memory_limit", transforms.memory_limit)
    if transforms.call_phases is None:
        return transforms
    return structs.replace(transforms, call_phases=_below(base, transforms.call_phases, "transforms.call_phases"))


def _reports(reports: Reports) -> Reports:
    try:
        ZoneInfo(reports.time_zone)
    except (OSError, ValueError, KeyError):  # an unknown name is a KeyError, a folder of the database an OSError
        raise _Mistake(f"reports.time_zone: {reports.time_zone!r} is not a time zone; write for example Europe/Rome") from None
    return structs.replace(
        reports,
        business_hours=_business_hours(reports.business_hours),
        service_level_formula=_formula("reports.service_level_formula", reports.service_level_formula),
        queues={
            name: own
            if own.service_level_formula is None
            else structs.replace(
                own,
                service_level_formula=_formula(f'reports.queues."{name}".service_level_formula', own.service_level_formula),
            )
            for name, own in reports.queues.items()
        },
    )


def _formula(key: str, text: str) -> str:
    name = text.strip().lower().replace(" ", "_").replace("-", "_")
    if name not in SERVICE_LEVEL_FORMULAS:
        raise _Mistake(f"{key}: {text!r} is not one of {', '.join(SERVICE_LEVEL_FORMULAS)}")
    return name


def _business_hours(hours: Mapping[str, list[str]]) -> dict[str, list[str]]:
    by_day: dict[str, list[str]] = {}
    for day, spans in hours.items():
        key = f"reports.business_hours.{day}"
        name = _weekday(key, day)
        if name in by_day:
            raise _Mistake(f"{key}: {name} is there twice")
        try:
            minutes = sorted(_span(text) for text in spans)
        except ValueError as error:
            raise _Mistake(f"{key}: {error}") from None
        for (_, until), (start, _) in pairwise(minutes):
            if start < until:
                raise _Mistake(f"{key}: its spans overlap")
        by_day[name] = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in minutes]
    return {day: by_day[day] for day in WEEKDAYS if day in by_day}


def _weekday(key: str, text: str) -> str:
    if text in {"1", "2", "3", "4", "5", "6", "7"}:
        return WEEKDAYS[int(text) - 1]
    found = [day for day in WEEKDAYS if len(text) >= 2 and day.startswith(text.lower())]
    if len(found) != 1:
        raise _Mistake(f"{key}: is not a weekday; write monday … sunday, mon … sun or 1 (Monday) … 7")
    return found[0]


def _span(text: str) -> tuple[int, int]:
    """Minutes of the local day from "hh:mm-hh:mm". Raises ValueError."""
    match = _HOURS.fullmatch(text.strip())
    if match is not None:
        h1, m1, h2, m2 = (int(group) for group in match.groups())
        start, until = h1 * 60 + m1, h2 * 60 + m2
        if m1 < 60 and m2 < 60 and start < until <= 24 * 60:
            return start, until
    raise ValueError(f'{text!r} is not a span of one day; write for example "09:00-13:00" (over midnight: two days)')
