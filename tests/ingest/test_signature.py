"""Secrets from their references, and the one comparison."""

import hashlib
import hmac
import pickle
from pathlib import Path

import pytest

from ingest import signature
from ingest.errors import ConfigError
from ingest.signature import Verifier, open_verifier

BODY = b'{"id": "x"}'
SECRET = "sécret-of-acme"
WHERE = "callfacts.toml: sources[0].secrets"


def signed(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_sign_is_lower_case_hex_hmac_sha256_of_the_raw_body() -> None:
    assert signature.sign(SECRET.encode(), BODY) == signed(SECRET)


def test_every_active_secret_is_accepted_and_told_apart() -> None:
    verifier = Verifier([b"new-secret", b"old-secret"])
    assert verifier.match(BODY, signed("new-secret")) == 0
    assert verifier.match(BODY, signed("old-secret")) == 1
    assert verifier.match(BODY, signed("other-secret")) is None


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        signed(SECRET).upper(),
        signed(SECRET)[:-1],
        signed(SECRET) + "0",
        " " + signed(SECRET),
        signed(SECRET) + "\n",
        "sha256=" + signed(SECRET),
        "é" * 64,
        "\ud800",
        signed(SECRET, b'{"id":"x"}'),
    ],
)
def test_anything_but_the_exact_signature_is_refused(given: str | None) -> None:
    assert not Verifier([SECRET.encode()]).accepts(BODY, given)


def test_the_exact_signature_is_accepted() -> None:
    assert Verifier([SECRET.encode()]).accepts(BODY, signed(SECRET))


def test_references_are_resolved_from_environment_file_and_literal(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"from-a-file")
    verifier = open_verifier(["env:ACME", f"file:{file}", "a-literal-one"], {"ACME": "from-environ"}, where=WHERE)
    assert [verifier.match(BODY, signed(s)) for s in ("from-environ", "from-a-file", "a-literal-one")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"long-enough\n", "long-enough"),
        (b"long-enough\r\n", "long-enough"),
        (b"long-enough\n\n", "long-enough\n"),
        (b"long-enough\r\n\r\n", "long-enough\r\n"),
        (b"long-enough ", "long-enough "),
        (b"\nlong-enough", "\nlong-enough"),
        (b"long-enough\r", "long-enough\r"),
        (b"long-enough", "long-enough"),
    ],
)
def test_one_trailing_line_break_of_a_file_is_cut(tmp_path: Path, content: bytes, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert open_verifier([f"file:{file}"], {}, where=WHERE).accepts(BODY, signed(secret))


def test_a_line_break_of_the_environment_is_the_secrets_own() -> None:
    assert open_verifier(["env:A"], {"A": "long-enough\n"}, where=WHERE).accepts(BODY, signed("long-enough\n"))


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("env:ACME_SECRET", "env:ACME_SECRET is not set"),
        ("env:", "env: names no variable; write env:NAME"),
        ("env:EMPTY", "env:EMPTY is empty"),
        ("env:SHORT", "env:SHORT is shorter than 8 bytes"),
        ("env:BYTES", "env:BYTES is not UTF-8"),
        ("file:", "file: names no file; write file:PATH"),
        ("seven77", "number 1, a literal, is shorter than 8 bytes"),
        ("", "number 1, a literal, is empty"),
    ],
)
def test_a_secret_that_is_none_is_refused_with_its_key(ref: str, message: str) -> None:
    environ = {"EMPTY": "", "SHORT": "1234567", "BYTES": "12345678\udcff"}
    with pytest.raises(ConfigError) as refused:
        open_verifier([ref], environ, where=WHERE)
    assert str(refused.value) == f"{WHERE}: {message}"
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"1234567\n", "is shorter than 8 bytes"),
        (b"\xff\xfe1234567", "is not UTF-8"),
        (b"x" * 70_000, "is no secret: it is larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        open_verifier([f"file:{file}"], {}, where=WHERE)
    assert str(refused.value) == f"{WHERE}: file:{file} {message}"


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone is not there"):
        open_verifier([f"file:{tmp_path}/gone"], {}, where=WHERE)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        open_verifier([f"file:{tmp_path}"], {}, where=WHERE)


def test_eight_bytes_are_enough_and_umlauts_count_as_two() -> None:
    assert open_verifier(["12345678"], {}, where=WHERE).accepts(BODY, signed("12345678"))
    assert open_verifier(["ääää"], {}, where=WHERE).accepts(BODY, signed("ääää"))


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"sources\[0\]\.secrets: is empty"):
        open_verifier([], {}, where=WHERE)
    with pytest.raises(ValueError, match="without a secret"):
        Verifier([])


def test_one_bad_reference_beside_a_good_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="env:OLD is not set"):
        open_verifier(["a-literal-one", "env:OLD"], {}, where=WHERE)


def test_a_verifier_shows_no_secret() -> None:
    verifier = Verifier([b"hidden-secret"])
    assert repr(verifier) == str(verifier) == f"{verifier!s}" == "Verifier(1 secrets)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(verifier)
