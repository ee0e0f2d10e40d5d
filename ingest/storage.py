"""Where parts lie: a local folder or a prefix of an S3 bucket. Keys and bytes; what a name means is `layout`'s. (CONTRACT §5, DESIGN 2, 3)

Promise: an object appears under its key whole, or not at all, and once a call has returned it is on stable storage.

Invariants:
 1. `put_if_absent` never replaces. Locally: a temporary file in the same folder, fsync, a hard link to the final name, fsync of the
    folder (and of the parents of a folder not used before). On S3: one PUT with `If-None-Match: *`; 412 says that it is there, 409 is tried
    again.
 2. Nothing is deleted because of an error. An ambiguous answer (time-out, 5xx, broken connection) is tried again, and ends in
    StorageUnavailable: nobody knows, ask again later.
 3. StorageUnavailable may pass by itself; any other StorageError needs a person; StorageMissing says that there is no such object.

A store can be pickled and used after a fork: an S3 client is made at first use, in each process of its own.
"""

import errno
import io
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from ingest.config import Storage
from ingest.errors import ConfigError, StorageError, StorageMissing, StorageUnavailable
from ingest.failpoints import reach

Verify = Callable[[Path], None]
"""Called with a file that is written and on disk, before its name appears; what it raises stops the name from appearing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing. `key` counts from the store's own root; `modified` is an UTC instant by the store's clock."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """A place for whole objects."""

    @property
    def url(self) -> str:
        """Its name in messages: a folder's path or `s3://bucket/prefix`."""

    def stage(self, key: str) -> AbstractContextManager[Path]:
        """A path to write the future object of that key to; the file, if still there, is removed at the end."""

    def put_if_absent(self, key: str, data: bytes | Path, *, verify: Verify | None = None) -> bool:
        """Make the object appear, unless there is one: True if it is ours, False if it was there. A path comes from `stage(key)`."""

    def put(self, key: str, data: bytes) -> None:
        """Make the object appear, replacing the one that may be there, whole."""

    def read(self, key: str) -> bytes:
        """All of an object. Raises StorageMissing."""

    def open_input(self, key: str) -> pa.NativeFile:
        """An object to read at random; close it. Raises StorageMissing."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """Every object whose key begins with `prefix`, in order of the keys. No snapshot: see CONTRACT §5."""

    def settle(self, key: str) -> None:
        """Bring an object that a listing shows to stable storage: who linked it may have died before it was."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is fine."""

    def local_path(self, key: str) -> Path | None:
        """The object's file, for readers that want one; None where it has none."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The landing zone and what lies beside it."""

    landing: Store
    quarantine: Store
    rejections: Store


def open_zone(storage: Storage) -> Zone:
    """The stores that the configuration names; nothing is read or made yet.

    `quarantine` and `rejections` are siblings of the landing zone. Where that is a whole bucket they are prefixes in it.
    """
    url = storage.landing_url
    if not url.startswith("s3://"):
        landing = Path(url)
        return Zone(LocalStore(landing), LocalStore(landing.parent / "quarantine"), LocalStore(landing.parent / "rejections"))
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    parent = prefix.rpartition("/")[0]

    def store(path: str) -> S3Store:
        return S3Store(bucket, path, endpoint_url=storage.s3_endpoint_url, region=storage.s3_region)

    return Zone(store(prefix), store(f"{parent}/quarantine".lstrip("/")), store(f"{parent}/rejections".lstrip("/")))


def open_store(url: str, storage: Storage) -> Store:
    """A store at a folder's path or at `s3://bucket/prefix`, by the credentials and endpoint of the landing zone."""
    if not url.startswith("s3://"):
        return LocalStore(Path(url).absolute())
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return S3Store(bucket, prefix.strip("/"), endpoint_url=storage.s3_endpoint_url, region=storage.s3_region)


# ---------------------------------------------------------------- a local folder

_NEEDS_A_PERSON: Final = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENOTSUP,
}  # fmt: skip


class LocalStore:
    """Objects as files below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._settled: set[Path] = set()

    @property
    def url(self) -> str:
        return str(self._root)

    def __repr__(self) -> str:
        return f"LocalStore({self.url!r})"

    @contextmanager
    def stage(self, key: str) -> Iterator[Path]:
        with self._errors(key):
            folder = self._folder_of(key)
        path = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            yield path
        finally:
            with suppress(OSError):  # what is left of it is a temporary file, which is nobody's finding
                path.unlink(missing_ok=True)

    def put_if_absent(self, key: str, data: bytes | Path, *, verify: Verify | None = None) -> bool:
        if isinstance(data, bytes):
            with self.stage(key) as staged:
                with self._errors(key):
                    staged.write_bytes(data)
                return self.put_if_absent(key, staged, verify=verify)
        path = self._path(key)
        with self._errors(key):
            _fsync(data)
        if verify is not None:
            verify(data)
        with self._errors(key):
            reach("part_before_link")
            try:
                os.link(data, path)  # unlike a rename, a link never replaces
                created = True
            except FileExistsError:
                created = False
            reach("part_after_link")
            # The folder too: a name alone may not survive power loss. Also where the name was there: who made it may have died before this.
            _fsync(path.parent)
        return created

    def put(self, key: str, data: bytes) -> None:
        with self.stage(key) as staged, self._errors(key):
            staged.write_bytes(data)
            _fsync(staged)
            reach("object_before_rename")
            staged.replace(self._path(key))
            _fsync(self._path(key).parent)

    def read(self, key: str) -> bytes:
        with self._errors(key):
            return self._path(key).read_bytes()

    def open_input(self, key: str) -> pa.NativeFile:
        with self._errors(key):
            return pa.OSFile(str(self._path(key)), "rb")

    def list(self, prefix: str = "") -> Iterator[Entry]:
        folder = prefix.rpartition("/")[0]
        with self._errors(prefix):
            yield from _files(self._path(folder), f"{folder}/" if folder else "", prefix)

    def settle(self, key: str) -> None:
        with self._errors(key):
            _fsync(self._path(key))
            _fsync(self._folder_of(key))

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors(key), suppress(FileNotFoundError):
            path.unlink()
            _fsync(path.parent)
        if path.parent != self._root:
            with suppress(OSError):  # not empty, most of the time
                path.parent.rmdir()

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self._root / key

    def _folder_of(self, key: str) -> Path:
        """The folder of a key, made if need be, its own name on stable storage (once a process: a crashed one may have left it undone)."""
        folder = self._path(key).parent
        new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        if new or folder not in self._settled:
            for parent in (folder.parent, *folder.parent.parents):
                with suppress(PermissionError):  # above the root nothing need be ours to open
                    _fsync(parent)
                if parent == self._root.parent:
                    break
            self._settled.add(folder)
        return folder

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        where = f"{self.url}/{key}" if key else self.url
        try:
            yield
        except FileNotFoundError as error:
            raise StorageMissing(f"{where}: is not there") from error
        except OSError as error:
            why = error.strerror or str(error)
            if error.errno in _NEEDS_A_PERSON:
                raise StorageError(f"{where}: {why}; check the folder, its rights and its mount") from error
            raise StorageUnavailable(f"{where}: {why}") from error


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path, below: str, prefix: str) -> Iterator[Entry]:
    """Files of a tree whose key begins with the prefix, in order; what vanishes meanwhile is left out."""
    try:
        with os.scandir(folder) as scan:
            found = sorted(scan, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in found:
        key = below + entry.name
        with suppress(FileNotFoundError):
            if entry.is_dir():
                if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                    yield from _files(Path(entry.path), f"{key}/", prefix)
            elif key.startswith(prefix):
                status = entry.stat()
                yield Entry(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


# ---------------------------------------------------------------- a prefix of a bucket

CONNECT_TIMEOUT_S: float = 4
READ_TIMEOUT_S: float = 15
REQUEST_TRIES: int = 3
PAGE_KEYS: int = 1_000
_CONFLICT_TRIES: Final = 6
_READ_TRIES: Final = 4
_PAUSE_S: Final = 0.1
_WHOLE_BYTES: Final = 8 * 1024 * 1024
"""An object up to this size is read with one request."""

_MAY_PASS: Final = {
    "SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "TooManyRequests", "RequestTimeout",
    "RequestTimeTooSkewed", "RequestLimitExceeded", "BandwidthLimitExceeded", "InternalError", "ServiceUnavailable", "ExpiredToken",
    "ExpiredTokenException", "TokenRefreshRequired", "OperationAborted", "ConditionalRequestConflict",
}  # fmt: skip


class S3Store:
    """Objects below a prefix of a bucket, through boto3 with its own chain of credentials and region."""

    def __init__(self, bucket: str, prefix: str, *, endpoint_url: str | None, region: str | None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url
        self._region = region
        self._clients: dict[int, Any] = {}
        self._making = threading.Lock()

    @property
    def url(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _s3_store, (self._bucket, self._prefix.rstrip("/"), self._endpoint_url, self._region)

    @contextmanager
    def stage(self, key: str) -> Iterator[Path]:
        try:
            with tempfile.TemporaryDirectory(prefix="callfacts-") as folder:
                yield Path(folder) / key.rpartition("/")[2]
        except OSError as error:
            raise StorageUnavailable(
                f"{tempfile.gettempdir()}: {error.strerror or error} (a part is written there on its way to {self.url})"
            ) from error

    def put_if_absent(self, key: str, data: bytes | Path, *, verify: Verify | None = None) -> bool:
        if verify is not None:
            if isinstance(data, bytes):
                raise ValueError("only a staged file can be verified")
            verify(data)
        reach("part_before_put")
        created = self._put(key, data, if_none_match="*")
        reach("part_after_put")
        return created

    def put(self, key: str, data: bytes) -> None:
        self._put(key, data, if_none_match=None)

    def read(self, key: str) -> bytes:
        return self._get(key, None)[0]

    def open_input(self, key: str) -> pa.NativeFile:
        head, size, etag = self._get(key, (0, _WHOLE_BYTES))
        if size <= len(head):
            return pa.BufferReader(head)
        return pa.PythonFile(_RangedObject(self, key, size, etag), mode="r")

    def list(self, prefix: str = "") -> Iterator[Entry]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, PaginationConfig={"PageSize": PAGE_KEYS}
        )
        with self._errors(prefix):
            for page in pages:
                for found in page.get("Contents", []):
                    yield Entry(found["Key"][len(self._prefix) :], found["Size"], found["LastModified"].astimezone(UTC))

    def settle(self, key: str) -> None:
        """An object that S3 lists is durable."""

    def delete(self, key: str) -> None:
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def local_path(self, key: str) -> Path | None:
        return None

    def read_range(self, key: str, first: int, end: int, etag: str) -> bytes:
        """Bytes first … end−1 of the object of that ETag. Raises StorageUnavailable where it has been replaced since."""
        return self._get(key, (first, end), etag)[0]

    @property
    def _client(self) -> Any:
        with self._making:
            if (client := self._clients.get(os.getpid())) is None:
                client = self._clients[os.getpid()] = _s3_client(self._endpoint_url, self._region)
            return client

    def _put(self, key: str, data: bytes | Path, *, if_none_match: str | None) -> bool:
        from botocore.exceptions import ClientError

        condition: Any = {} if if_none_match is None else {"IfNoneMatch": if_none_match}
        for attempt in range(_CONFLICT_TRIES):
            with self._errors(key):
                body = io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")
                with body:
                    try:
                        self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **condition)
                        return True
                    except ClientError as error:
                        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                        if status == 412:  # also when our own first try succeeded and its answer was lost
                            return False
                        if status != 409:
                            raise
            time.sleep(_PAUSE_S * 2**attempt)
        raise StorageUnavailable(f"{self.url}/{key}: others keep writing it (409)")

    def _get(self, key: str, span: tuple[int, int] | None, etag: str | None = None) -> tuple[bytes, int, str]:
        """Bytes, size of the whole object and its ETag. A body that breaks off is read again: boto3 retries requests, not bodies."""
        from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
        from urllib3.exceptions import HTTPError

        request: Any = {"Bucket": self._bucket, "Key": self._prefix + key}
        if span is not None:
            request["Range"] = f"bytes={span[0]}-{span[1] - 1}"
        if etag is not None:
            request["IfMatch"] = etag
        for attempt in range(_READ_TRIES):
            with self._errors(key):
                try:
                    answer = self._client.get_object(**request)
                    body = answer["Body"].read()
                except ClientError as error:
                    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416 and span is not None and span[0] == 0:
                        return b"", 0, ""
                    raise
                except (HTTPClientError, IncompleteReadError, ResponseStreamingError, HTTPError):
                    if attempt + 1 == _READ_TRIES:
                        raise
                else:
                    whole = answer.get("ContentRange", "").rpartition("/")[2]
                    return body, int(whole) if whole.isdigit() else len(body), answer.get("ETag", "")
            time.sleep(_PAUSE_S * 2**attempt)
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError, ParamValidationError
        from urllib3.exceptions import HTTPError

        where = f"{self.url}/{key}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in ("NoSuchKey", "404"):
                raise StorageMissing(f"{where}: is not there") from error
            if status == 412:
                raise StorageUnavailable(f"{where}: was replaced while it was read; try again") from error
            if (status >= 500 and status != 501) or status == 429 or code in _MAY_PASS:
                raise StorageUnavailable(f"{where}: S3 answers {status} {code}") from error
            raise StorageError(f"{where}: S3 answers {status} {code}: {_one_line(error)}") from error
        except (NoCredentialsError, NoRegionError, ParamValidationError) as error:
            raise StorageError(f"{where}: {_one_line(error)}") from error
        except (BotoCoreError, HTTPError, OSError) as error:  # time-outs, refused or broken connections, credentials that cannot be fetched
            raise StorageUnavailable(f"{where}: {_one_line(error)}") from error


class _RangedObject(io.RawIOBase):
    """An object of S3 as a file to read at random, one request a read."""

    def __init__(self, store: S3Store, key: str, size: int, etag: str) -> None:
        self._store, self._key, self._size, self._etag, self._at = store, key, size, etag, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def size(self) -> int:
        return self._size

    def read(self, size: int | None = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        if end <= self._at:
            return b""
        found = self._store.read_range(self._key, self._at, end, self._etag)
        self._at += len(found)
        return found


def _s3_store(bucket: str, prefix: str, endpoint_url: str | None, region: str | None) -> S3Store:
    return S3Store(bucket, prefix, endpoint_url=endpoint_url, region=region)


def _s3_client(endpoint_url: str | None, region: str | None) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    compatible: dict[str, Any] = {}
    if endpoint_url is not None:
        # Services other than AWS: bucket names are no host names there, and many refuse checksums in trailers.
        compatible = {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": REQUEST_TRIES},
        tcp_keepalive=True,
        **compatible,
    )
    try:
        return boto3.session.Session().client("s3", endpoint_url=endpoint_url, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"storage: no S3 client can be made: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
