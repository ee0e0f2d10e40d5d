"""SQS with real processes: killed around the delete, stalled disks, wrong secrets, both transports at once. Nothing deleted is lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ingester import SOURCE, Ingester, event, journal_names, landed, run, toml, wait_for
from tests.sqs import CREDENTIALS, REGION, SECRET, Proxy, Queue, bodies, ministack, new_queue, proxy_of

pytestmark = pytest.mark.timeout(120)

VISIBILITY_SECONDS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ministack() as endpoint:
        yield endpoint


@pytest.fixture
def queue(server: str, request: pytest.FixtureRequest) -> Queue:
    return new_queue(server, request.node.name, visibility_seconds=VISIBILITY_SECONDS)


def source(queue: Queue, *, secret: str = SECRET) -> str:
    return f'transport = "sqs"\nsecrets = ["{secret}"]\nqueue_url = "{queue.url}"\nendpoint_url = "{queue.endpoint}"\nregion = "{REGION}"\n'


def sqs(folder: Path, queue: Queue, *arguments: str, secret: str = SECRET, failpoint: str = "") -> Ingester:
    config = toml(sources={"acme": source(queue, secret=secret)})
    return Ingester(folder, "sqs", *arguments, config=config, environ=CREDENTIALS, failpoint=failpoint)


def drain(folder: Path, queue: Queue) -> None:
    """A run that takes what is left in the queue and lands it."""
    with sqs(folder, queue, "--until-empty") as ingester:
        assert ingester.wait() == 0


def assert_all_there(folder: Path, queue: Queue, sent: list[bytes]) -> None:
    """Each body at least once, no coordinate twice or missing, nothing else; queue and journal empty, `ingest check` content."""
    rows = landed(folder)
    assert {body for _, _, body in rows} == set(sent)
    coordinates = [(writer, seq) for writer, seq, _ in rows]
    assert len(set(coordinates)) == len(coordinates)
    last = dict(coordinates)
    assert sum(last.values()) == len(coordinates), "a number is missing"
    assert queue.size() == 0
    assert [name for name in journal_names(folder) if not name.endswith(".trust")] == []
    checked = run(folder, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("place", ["journal_append", "journal_committed", "sqs_before_delete", "sqs_after_delete"])
def test_kill_at(place: str, tmp_path: Path, queue: Queue) -> None:
    sent = list(bodies(60))
    queue.send(*sent)
    ingester = sqs(tmp_path, queue, failpoint=f"{place}:kill:2")
    assert ingester.wait() == -signal.SIGKILL
    assert queue.size() > 0
    drain(tmp_path, queue)
    assert_all_there(tmp_path, queue, sent)


def test_kill_in_traffic_and_again_while_landing(tmp_path: Path, queue: Queue) -> None:
    sent = list(bodies(400))
    queue.send(*sent)
    for failpoint in ("", "part_after_link"):
        ingester = sqs(tmp_path, queue, failpoint=failpoint)
        wait_for(lambda now=ingester: len(sent) > queue.size() or now.process.poll() is not None, "something is deleted")
        ingester.kill()
    drain(tmp_path, queue)
    assert_all_there(tmp_path, queue, sent)


def test_sigterm_lands_what_it_has_deleted_and_leaves_the_rest(tmp_path: Path, queue: Queue) -> None:
    sent = list(bodies(300))
    queue.send(*sent)
    with sqs(tmp_path, queue) as ingester:
        wait_for(lambda: queue.size() < 280, "some are deleted")
        assert ingester.end() == 0
    there = {body for _, _, body in landed(tmp_path)}
    assert len(there) == len(sent) - queue.size()
    drain(tmp_path, queue)
    assert_all_there(tmp_path, queue, sent)


def test_receives_and_deletes_that_fail_partly_expire_or_lose_their_answer_lose_nothing(tmp_path: Path, queue: Queue, server: str) -> None:
    sent = list(bodies(50))
    queue.send(*sent)
    with proxy_of(server) as proxy:
        proxy.plan("ReceiveMessage", "lost", "503 ServiceUnavailable", "refused")
        proxy.plan("DeleteMessageBatch", "fail 4", "expired 3", "lost", "500 InternalFailure", "fail 10", "expired 10")
        drain(tmp_path, queue.through(proxy))
    assert len(landed(tmp_path)) > 50
    assert_all_there(tmp_path, queue, sent)


def test_while_the_disk_stalls_nothing_is_deleted_and_readyz_says_no(tmp_path: Path, queue: Queue) -> None:
    sent = list(bodies(30))
    queue.send(*sent)
    ingester = sqs(tmp_path, queue, "--port", "0", failpoint="journal_append:hang")
    wait_for(lambda: ingester.said("sqs_source_waits"), "it says that it waits")
    assert ingester.get("/readyz").status == 503
    assert queue.size() == 30
    ingester.kill()
    drain(tmp_path, queue)
    assert_all_there(tmp_path, queue, sent)


def test_a_disk_that_fails_once_is_a_new_writer_and_no_loss(tmp_path: Path, queue: Queue) -> None:
    sent = list(bodies(60))
    queue.send(*sent)
    with sqs(tmp_path, queue, "--until-empty", failpoint="journal_append:full:2") as ingester:
        assert ingester.wait() == 0
    assert_all_there(tmp_path, queue, sent)


def test_a_mistyped_secret_ends_with_1_and_one_clear_line_and_a_full_queue(tmp_path: Path, queue: Queue) -> None:
    queue.send(*bodies(25))
    ingester = sqs(tmp_path, queue, "--until-empty", secret="another-word")
    assert ingester.wait() == 1
    (line,) = [line for line in ingester.stderr if line.startswith("ingest: ")]
    assert "sources.acme" in line
    assert "compare the secret" in line
    assert queue.size() == 25
    assert landed(tmp_path) == []
    assert "another-word" not in "".join(ingester.stderr)


def test_a_stopped_source_leaves_the_others_at_work_and_readyz_says_so(tmp_path: Path, queue: Queue) -> None:
    queue.send(*bodies(12))
    config = toml(sources={"hook": SOURCE, "acme": source(queue, secret="another-word")})
    ingester = Ingester(tmp_path, "run", "--port", "0", config=config, environ=CREDENTIALS)
    wait_for(lambda: ingester.said("sqs_source_stopped"), "it stops")
    assert ingester.post(event(1), source="hook") == 200
    answer = ingester.get("/readyz")
    assert answer.status == 503
    assert b"acme" in answer.body
    assert ingester.metric("callfacts_source_ready", source="acme") == 0
    assert queue.size() == 12
    # the secret mended in the file, without a restart
    (tmp_path / "callfacts.toml").write_text(toml(sources={"hook": SOURCE, "acme": source(queue)}))
    ingester.signal(signal.SIGHUP)
    wait_for(lambda: queue.size() == 0, "it has taken up its work")
    wait_for(lambda: ingester.get("/readyz").status == 200, "it is ready again")
    ingester.end()
    assert {body for _, _, body in landed(tmp_path)} == {event(1), *bodies(12)}


def test_a_queue_that_goes_away_and_comes_back_is_served_again(tmp_path: Path, queue: Queue, server: str) -> None:
    with proxy_of(server) as proxy:
        ingester = sqs(tmp_path, queue.through(proxy), "--port", "0")
        wait_for(lambda: ingester.get("/readyz").status == 200, "it is ready")
        proxy.plan("ReceiveMessage", "400 QueueDoesNotExist!")
        queue.send(*bodies(1))  # ends a long poll that has begun before
        wait_for(lambda: ingester.get("/readyz").status == 503, "it says no")
        queue.send(*bodies(5, first=1))
        proxy.plan("ReceiveMessage")
        wait_for(lambda: queue.size() == 0, "it has recovered")
        wait_for(lambda: ingester.get("/readyz").status == 200, "it is ready again")
        assert ingester.end() == 0
    assert len(ingester.said("sqs_source_waits")) == 1
    assert_all_there(tmp_path, queue, list(bodies(6)))


def simulate(*arguments: str) -> "subprocess.Popen[bytes]":
    """Traffic by the product's own command."""
    command = [sys.executable, "-m", "ingest.cli", "simulate", "--days", "1", "--end", "2026-11-24T18:00:00Z", *arguments]
    return subprocess.Popen(command, env=os.environ | CREDENTIALS, cwd=Path(__file__).resolve().parents[2], stdout=subprocess.DEVNULL)


def test_both_transports_at_once_killed_and_restarted_in_between(tmp_path: Path, queue: Queue) -> None:
    config = toml(sources={"hook": SOURCE, "acme": source(queue)})
    ingester = Ingester(tmp_path, "run", "--port", "0", config=config, environ=CREDENTIALS)
    url = f"http://127.0.0.1:{ingester.port}/webhook/hook"
    notes = tmp_path / "posted.ndjson", tmp_path / "queued.ndjson"
    senders = [
        simulate("--calls", "250", "--seed", "1", "--to", url, "--secret", "a-secret-of-tests", "--rate", "500",
                 "--duplicates", "0.02", "--disorder", "0.05", "--accepted", str(notes[0])),
        simulate("--calls", "150", "--seed", "2", "--queue-url", queue.url, "--endpoint-url", queue.endpoint, "--region", REGION,
                 "--secret", SECRET, "--rate", "300", "--accepted", str(notes[1])),
    ]  # fmt: skip
    for _ in range(2):
        seen = sum(note.stat().st_size for note in notes if note.exists())
        wait_for(lambda before=seen: sum(n.stat().st_size for n in notes if n.exists()) > before + 150_000, "traffic flows")
        ingester.kill()
        ingester = Ingester(tmp_path, "run", "--port", url.split(":")[2].split("/")[0], environ=CREDENTIALS)
    for sender in senders:
        sender.wait(60)
    wait_for(lambda: queue.size() == 0, "the queue is drained", 40)
    assert ingester.end() == 0
    accepted = {body for note in notes for body in note.read_bytes().splitlines()}
    there = {body for _, _, body in landed(tmp_path)}
    assert accepted <= there
    checked = run(tmp_path, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_proxy_is_seen_through(server: str, queue: Queue) -> None:
    """The tests above are worth what their proxy is: it must forward what it is not told to spoil."""
    with proxy_of(server) as proxy:
        assert isinstance(proxy, Proxy)
        queue.send(*bodies(2))
        assert queue.through(proxy).size() == 2
        assert [action for action, _ in proxy.seen] == ["GetQueueAttributes"]
