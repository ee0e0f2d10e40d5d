"""Messages between a process and its child; failpoints; rejections on disk."""

import os
import socket
from datetime import date
from pathlib import Path

import pytest

from ingest import failpoints
from ingest.child import Channel
from ingest.config import Storage
from ingest.errors import UsageError
from ingest.layout import Reason
from ingest.rejections import Rejection, Rejections, list_rejections, put_rejections
from ingest.storage import open_zone


def pair() -> tuple[Channel, Channel]:
    one, other = socket.socketpair()
    return Channel(one), Channel(other)


def test_messages_arrive_whole_and_in_order_with_their_descriptors() -> None:
    ours, theirs = pair()
    read, write = os.pipe()
    ours.send(("first", b"x" * 100_000))
    ours.send("with a pipe", (write,))
    os.close(write)
    ours.send("last")
    found = []
    while len(found) < 3:
        ours.flush()
        found += theirs.wait(1)
    assert [message for message, _ in found] == [("first", b"x" * 100_000), "with a pipe", "last"]
    [(_, none), (_, [descriptor]), _] = found
    assert none == [] and not os.get_inheritable(descriptor)
    os.write(descriptor, b"hello")
    os.close(descriptor)
    assert os.read(read, 10) == b"hello"
    assert os.read(read, 10) == b""  # nobody else has kept it
    os.close(read)
    ours.close()
    theirs.close()


def test_what_does_not_fit_waits_and_nothing_blocks() -> None:
    ours, theirs = pair()
    for n in range(200):
        ours.send((n, b"x" * 10_000))
    assert ours.has_unsent
    found = []
    while len(found) < 200:
        found += theirs.wait(1)
        ours.flush()
    assert [message[0] for message, _ in found] == list(range(200))
    assert not ours.has_unsent
    ours.close()
    theirs.close()


def test_the_end_of_the_peer_is_noticed_and_sending_to_it_is_harmless() -> None:
    ours, theirs = pair()
    theirs.send("goodbye")
    theirs.close()
    assert [message for message, _ in ours.receive()] == ["goodbye"]
    assert ours.ended
    ours.send("too late")
    assert not ours.has_unsent
    ours.close()


def test_a_failpoint_strikes_at_its_visit_and_no_other() -> None:
    failpoints.arm("here:raise:2,there:full:2+")
    try:
        assert failpoints.armed() == "here:raise:2,there:full:2+"
        assert [struck("here") for _ in range(4)] == [None, "Input/output error (failpoint here)", None, None]
        assert [struck("there") for _ in range(3)] == [None, *["No space left on device (failpoint there)"] * 2]
        assert struck("elsewhere") is None
    finally:
        failpoints.arm("")
    assert (struck("there"), failpoints.armed()) == (None, "")


def struck(name: str) -> str | None:
    try:
        failpoints.reach(name)
    except OSError as error:
        return error.strerror
    return None


@pytest.mark.parametrize("spec", ["x:explode", "x:kill:0x", "::", "a b"])
def test_a_failpoint_that_cannot_be_read_is_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="CALLFACTS_FAILPOINT"):
        failpoints.arm(spec)


def test_rejections_are_totals_by_writer_replaced_whole_and_added_up_by_the_reader(tmp_path: Path) -> None:
    store = open_zone(Storage(root=str(tmp_path))).rejections
    counting, day = Rejections(), 1_764_000_000_000_000
    one, two = "a" * 32, "b" * 32
    counting.count(one, "acme", Reason.BAD_SIGNATURE, day)
    for writer, counts in counting.take_changed().items():
        put_rejections(store, writer, counts)
    assert counting.take_changed() == {}
    counting.count(one, "acme", Reason.BAD_SIGNATURE, day)
    counting.count(two, "acme", Reason.BAD_SIGNATURE, day)
    counting.count(two, "acme", Reason.TOO_LARGE, day + 86_400_000_000)
    for writer, counts in counting.take_changed().items():
        put_rejections(store, writer, counts)
    (tmp_path / "rejections" / "notes.txt").write_text("foreign")
    (tmp_path / "rejections" / f"{'c' * 32}.json").write_text("damaged")
    assert list_rejections(store) == [
        Rejection("acme", "bad_signature", date(2025, 11, 24), 3),
        Rejection("acme", "too_large", date(2025, 11, 25), 1),
    ]


def test_totals_that_could_not_be_written_are_due_again() -> None:
    counting = Rejections()
    counting.count("a" * 32, "acme", Reason.TOO_LARGE, 0)
    first = counting.take_changed()
    counting.give_back(first)
    assert counting.take_changed() == first
