"""Signatures of the vendor: secrets from their references, and the one comparison. (CONTRACT §1 "Signature")

Promise: a body is accepted only where its signature is, byte for byte, the lower-case hex HMAC-SHA256 of the raw body under one of the
source's active secrets. Comparing takes the same time whichever secret matches and wherever a wrong signature differs.

Secret values live in a `Verifier` and nowhere else: not in its `repr`, not in a message, not in a pickle. References are
`env:NAME`, `file:PATH` (one trailing line break is cut), or a literal, which is meant for tests.
"""

import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from ingest.errors import ConfigError

MIN_SECRET_BYTES: Final = 8
MAX_SECRET_FILE_BYTES: Final = 64 * 1024


def sign(secret: bytes, body: bytes) -> str:
    """The signature of a body: lower-case hex HMAC-SHA256 over its raw bytes."""
    return hmac.digest(secret, body, "sha256").hex()  # hmac.digest is the fastest way in: 1.9 µs a body


class Verifier:
    """The active secrets of one source, and nothing that would show them."""

    __slots__ = ("_keyed",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        if not secrets:
            raise ValueError("a verifier without a secret would accept nothing, or everything")
        # Keyed once: hmac.digest costs three times a copy where OpenSSL 3 looks the algorithm up at each call.
        self._keyed = tuple(hmac.new(secret, digestmod="sha256") for secret in secrets)

    def match(self, body: bytes, signature: str | None) -> int | None:
        """The place of the secret under which the signature is right (the first, if several are), or None."""
        # What is not ASCII cannot be hex, and compare_digest would raise on it.
        if signature is None or not signature.isascii():
            return None
        matched: int | None = None
        for place, keyed in enumerate(self._keyed):  # no early end: the time must not tell which secret is in use
            code = keyed.copy()
            code.update(body)
            if hmac.compare_digest(code.hexdigest(), signature) and matched is None:
                matched = place
        return matched

    def accepts(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature is right under any active secret."""
        return self.match(body, signature) is not None

    def sign(self, body: bytes) -> str:
        """The signature of a body under the first secret: what a sender (`ingest simulate`) writes into the header."""
        code = self._keyed[0].copy()
        code.update(body)
        return code.hexdigest()

    def __len__(self) -> int:
        return len(self._keyed)

    def __repr__(self) -> str:
        return f"Verifier({len(self._keyed)} secrets)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Verifier is not pickled: its secrets stay in the process that resolved them")


def open_verifier(refs: Sequence[str], environ: Mapping[str, str], *, where: str) -> Verifier:
    """The verifier of a source, its secret references resolved.

    `where` leads each message: file and key, such as `callfacts.toml: sources[0].secrets`. Raises ConfigError: no secret at all, one that
    cannot be found, is empty or shorter than 8 bytes. No message shows a value.
    """
    if not refs:
        raise ConfigError(f"{where}: is empty; a source without a secret accepts nothing")
    return Verifier([_secret(ref, place, environ, where=where) for place, ref in enumerate(refs)])


def _secret(ref: str, place: int, environ: Mapping[str, str], *, where: str) -> bytes:
    """The value of one reference, as bytes."""
    if ref.startswith("env:"):
        shown, value = str(ref), _from_environment(ref, environ, where=where)
    elif ref.startswith("file:"):
        shown, value = str(ref), _from_file(ref, where=where)
    else:
        shown, value = f"number {place + 1}, a literal,", _utf8(str(ref), f"{where}: number {place + 1}")
    if not value:
        raise ConfigError(f"{where}: {shown} is empty")
    if len(value) < MIN_SECRET_BYTES:
        raise ConfigError(f"{where}: {shown} is shorter than {MIN_SECRET_BYTES} bytes")
    return value


def _from_environment(ref: str, environ: Mapping[str, str], *, where: str) -> bytes:
    name = ref.removeprefix("env:")
    if not name:
        raise ConfigError(f"{where}: env: names no variable; write env:NAME")
    if name not in environ:
        raise ConfigError(f"{where}: {ref} is not set")
    return _utf8(environ[name], f"{where}: {ref}")


def _from_file(ref: str, *, where: str) -> bytes:
    path = ref.removeprefix("file:")
    if not path:
        raise ConfigError(f"{where}: file: names no file; write file:PATH")
    try:
        with Path(path).open("rb") as file:
            value = file.read(MAX_SECRET_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{where}: {ref} is not there") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{where}: {ref} cannot be read: {reason}") from None
    if len(value) > MAX_SECRET_FILE_BYTES:
        raise ConfigError(f"{where}: {ref} is no secret: it is larger than {MAX_SECRET_FILE_BYTES} bytes")
    # One line break, as an editor or `echo` leaves it; a second one is the secret's own.
    for line_break in (b"\r\n", b"\n"):
        if value.endswith(line_break):
            value = value[: -len(line_break)]
            break
    try:
        value.decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: {ref} is not UTF-8") from None
    return value


def _utf8(value: str, what: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:  # bytes of the environment that are not UTF-8 come as lone surrogates
        raise ConfigError(f"{what} is not UTF-8") from None
