"""CONTRACT §4 on a real server: each status, and what it does to the landing zone."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.signature import sign
from tests.ingester import SECRET, SOURCE, Ingester, assert_exactly_once, event, landed, toml, wait_for

MIB = 1024 * 1024
SOURCES = {
    "acme": SOURCE,
    "two": 'transport = "webhook"\nsecrets = ["env:NEW_SECRET", "file:old.secret"]\n',
    "small": SOURCE + "max_body_bytes = 300\n",
    "paced": SOURCE + "requests_per_second = 3\n",
    "picky": SOURCE + 'company = "it_w100002"\nintegration_id = "abc"\n',
    "queue": 'transport = "sqs"\nsecrets = ["a-secret-of-tests"]\nqueue_url = "http://127.0.0.1:9/1/q"\nregion = "eu-south-1"\n',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("webhook")


@pytest.fixture(scope="module")
def ingester(folder: Path) -> Iterator[Ingester]:
    (folder / "old.secret").write_text("the-old-secret\n")
    config = toml(sources=SOURCES, ingest="roll_seconds = 60")
    with Ingester(folder, config=config, environ={"NEW_SECRET": "the-new-secret"}) as running:
        yield running


def requests(ingester: Ingester, status: int, source: str = "acme") -> float:
    return ingester.metric("callfacts_requests_total", source=source, status=str(status))


def test_a_signed_body_is_accepted_on_a_connection_that_stays(ingester: Ingester) -> None:
    with contextlib.closing(ingester.connect()) as connection:
        for n in range(3):
            body = event(n)
            connection.request("POST", "/webhook/acme", body=body, headers={"X-Signature": sign(SECRET.encode(), body)})
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"")
            assert response.getheader("connection") is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda body: None,
        lambda body: "",
        lambda body: sign(b"another-secret", body),
        lambda body: sign(SECRET.encode(), body).upper(),
        lambda body: sign(SECRET.encode(), body)[:-1],
        lambda body: sign(SECRET.encode(), body) + "0",
        lambda body: "sha256=" + sign(SECRET.encode(), body),
        lambda body: sign(SECRET.encode(), json.dumps(json.loads(body), indent=1).encode()),
        lambda body: "\xe9" * 64,
    ],
    ids=["missing", "empty", "forged", "upper-case", "truncated", "longer", "prefixed", "of a re-serialised body", "not ASCII"],
)
def test_a_wrong_signature_is_401(ingester: Ingester, forge: object) -> None:
    body = event(100)
    signature = forge(body)  # type: ignore[operator]
    assert ingester.answer(body, secret=None, signature=signature).status == 401


def test_each_active_secret_is_accepted_and_metrics_say_which_matched(ingester: Ingester) -> None:
    body = event(101)
    assert ingester.post(body, source="two", secret="the-new-secret") == 200
    assert ingester.post(body, source="two", secret="the-old-secret") == 200
    assert ingester.post(body, source="two", secret="the-old-secret") == 200
    assert ingester.post(body, source="two", secret="the-old-secret\n") == 401
    matched = [ingester.metric("callfacts_secret_matches_total", secret=place, source="two") for place in ("0", "1")]
    assert matched == [1, 2]


@pytest.mark.parametrize("path", ["/webhook/nobody", "/webhook/", "/webhook", "/webhook/acme/", "/webhook/queue", "/", "/webhook/ACME"])
def test_an_unknown_source_or_path_is_404(ingester: Ingester, path: str) -> None:
    assert ingester.answer(event(1), path=path).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
def test_another_method_is_405_and_says_which_is_right(ingester: Ingester, method: str) -> None:
    answer = ingester.answer(event(1) if method == "PUT" else b"", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_the_operators_pages_are_read_only(ingester: Ingester) -> None:
    answer = ingester.answer(b"", path="/metrics")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert ingester.answer(method="HEAD", path="/healthz").status == 200


def test_a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_413(ingester: Ingester) -> None:
    padding = MIB - len(event(5, pad=""))
    assert ingester.post(event(5, pad="x" * padding)) == 200
    before = requests(ingester, 413)
    assert ingester.post(event(5, pad="x" * (padding + 1))) == 413
    assert requests(ingester, 413) == before + 1


def test_a_chunked_body_over_the_limit_is_413_and_one_within_is_accepted(ingester: Ingester) -> None:
    def pieces(body: bytes) -> Iterator[bytes]:
        for i in range(0, len(body), 50_000):
            yield body[i : i + 50_000]

    body = event(6, pad="x" * 200_000)
    assert ingester.answer(pieces(body), signature=sign(SECRET.encode(), body), chunked=True).status == 200
    large = b"x" * (MIB + 1)
    assert ingester.answer(pieces(large), signature=sign(SECRET.encode(), large), chunked=True).status == 413


def test_a_source_may_have_a_smaller_limit(ingester: Ingester) -> None:
    assert ingester.post(event(7), source="small") == 200
    assert ingester.post(event(7, pad="x" * 300), source="small") == 413


def test_requests_over_the_sources_rate_are_503_with_retry_after_and_forged_ones_do_not_count(ingester: Ingester) -> None:
    for _ in range(5):
        assert ingester.answer(event(8), source="paced", secret="another-secret").status == 401
    answers = [ingester.answer(event(8 + n), source="paced") for n in range(12)]
    assert [answer.status for answer in answers[:3]] == [200] * 3
    refused = [answer for answer in answers if answer.status == 503]
    assert refused and {answer.headers["retry-after"] for answer in refused} == {"1"}


def test_a_verified_body_that_is_no_event_is_200(ingester: Ingester) -> None:
    for body in (b"", b"\x00", b"[]", b"{}", b'{"type": "call:start"}', b"\xff\xfe"):
        assert ingester.post(body) == 200


def test_health_readiness_and_metrics_answer(ingester: Ingester) -> None:
    assert ingester.get("/healthz").body == b"ok\n"
    assert json.loads(ingester.get("/readyz").body) == {"ready": True, "why": []}
    metrics = ingester.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    for name in ("callfacts_commit_seconds_bucket", "callfacts_journal_oldest_seconds", "callfacts_parts_total", "callfacts_ready"):
        assert name.encode() in metrics.body


def test_no_secret_body_or_phone_number_is_in_log_or_metrics(ingester: Ingester) -> None:
    assert ingester.post(event(9, data={"caller": {"phone": "+15550199"}})) == 200
    said = "".join(ingester.stderr) + ingester.get("/metrics").body.decode()
    for hidden in (SECRET, "the-new-secret", "the-old-secret", "+15550199", "call:start"):
        assert hidden not in said


def test_in_the_end_everything_accepted_is_landed_or_quarantined_with_its_reason(ingester: Ingester, folder: Path) -> None:
    """Last: it ends the server of this module."""
    assert ingester.post(event(10), source="picky") == 200
    other = json.dumps(
        {"type": "call:start", "time": 1_764_000_000_000, "company": "it_w100003", "id": "x", "integrationId": "abc"}
    ).encode()
    assert ingester.post(other, source="picky") == 200
    assert ingester.post(b"not json") == 200
    accepted = ingester.metric("callfacts_journal_rows")
    assert ingester.end() == 0
    assert_exactly_once(folder, [b"not json", other])
    assert len(landed(folder)) == accepted
    from ingest.parts import list_parts, read_part
    from ingest.rejections import list_rejections
    from tests.ingester import zone

    rows = [row for part in list_parts(zone(folder).quarantine) for row in read_part(zone(folder).quarantine, part).to_pylist()]
    reasons = {row["body"]: (row["source"], row["reason"]) for row in rows}
    assert reasons[event(10)] == ("picky", "wrong_integration")
    assert reasons[other] == ("picky", "wrong_company")
    assert reasons[b"not json"] == ("acme", "not_json")
    assert {row["signature"] for row in rows if row["body"] == b"not json"} == {sign(SECRET.encode(), b"not json")}
    counts = {(rejection.source, rejection.reason): rejection.count for rejection in list_rejections(zone(folder).rejections)}
    assert counts == {
        ("acme", "no_signature"): 2,
        ("acme", "bad_signature"): 7,
        ("acme", "too_large"): 2,
        ("paced", "bad_signature"): 5,
        ("small", "too_large"): 1,
        ("two", "bad_signature"): 1,
    }
    wait_for(lambda: ingester.process.returncode == 0, "it has ended")
