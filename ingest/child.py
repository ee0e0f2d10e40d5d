"""A child process that dies with its parent, and the channel between the two.

`spawn("ingest.roller:main", settings)` starts a fresh interpreter (no fork: the parent has threads) which calls
`main(channel, settings)`. Promises:

 1. The child gets SIGKILL when its parent dies (PR_SET_PDEATHSIG; elsewhere, and should that be missed, it reads the
    end of the channel). The signal is tied to the *thread* that spawned it, so spawn from the main thread.
 2. SIGINT and SIGTERM of a whole process group do not end it: the parent decides when it is done.
 3. Messages arrive whole, in order, each with the file descriptors sent along (close-on-exec).

A frame: length (4 bytes, big-endian), number of descriptors (1 byte), pickle. Both ends are this program, on an anonymous
socket pair that nobody else can open.
"""

import array
import ctypes
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_HEADER: Final = struct.Struct(">IB")
_MAX_DESCRIPTORS: Final = 16
_PR_SET_PDEATHSIG: Final = 1
_BOOTSTRAP: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from ingest.child import enter; "
    "enter(sys.argv[2], descriptor=int(sys.argv[3]), parent=int(sys.argv[4]))"
)


class Channel:
    """One end of the pair. `send` never blocks: what does not fit waits in memory for `flush`."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._inbox = bytearray()
        self._descriptors: deque[int] = deque()
        self.ended = False

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def has_unsent(self) -> bool:
        return bool(self._outbox)

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Queue one message; the descriptors are duplicated, so the caller may close its own."""
        body = pickle.dumps(message)
        frame = _HEADER.pack(len(body), len(descriptors)) + body
        self._outbox.append((frame, tuple(os.dup(descriptor) for descriptor in descriptors)))
        self.flush()

    def flush(self) -> None:
        """Write what the kernel takes now; to a peer that is gone nothing."""
        if self.ended:
            self._drop_outbox()
        while self._outbox:
            frame, descriptors = self._outbox[0]
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            try:
                sent = self._sock.sendmsg([frame], ancillary)
            except BlockingIOError:
                return
            except OSError:  # EPIPE, ECONNRESET: the other end is gone
                self._drop_outbox()
                return
            for descriptor in descriptors:
                os.close(descriptor)
            if sent == len(frame):
                self._outbox.popleft()
            else:
                self._outbox[0] = (frame[sent:], ())

    def receive(self) -> list[tuple[Any, list[int]]]:
        """The messages that have arrived, each with its descriptors; sets `ended` when the peer is gone."""
        while not self.ended:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(1 << 16, socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4))
            except BlockingIOError:
                break
            except OSError:
                data, ancillary = b"", []
            for level, kind, packed in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    found = array.array("i")
                    found.frombytes(packed[: len(packed) - len(packed) % found.itemsize])
                    for descriptor in found:
                        os.set_inheritable(descriptor, False)
                        self._descriptors.append(descriptor)
            if not data:
                self.ended = True
            self._inbox += data
        return self._messages()

    def wait(self, timeout: float | None) -> list[tuple[Any, list[int]]]:
        """Like `receive`, after waiting up to `timeout` seconds for something to arrive."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._outbox else 0))
        if not self.ended:
            poll.poll(None if timeout is None else timeout * 1000)
        self.flush()
        return self.receive()

    def close(self) -> None:
        self._drop_outbox()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()
        self._sock.close()

    def _messages(self) -> list[tuple[Any, list[int]]]:
        messages = []
        while len(self._inbox) >= _HEADER.size:
            length, count = _HEADER.unpack_from(self._inbox)
            end = _HEADER.size + length
            if len(self._inbox) < end:
                break
            descriptors = [self._descriptors.popleft() for _ in range(count)]
            messages.append((pickle.loads(bytes(self._inbox[_HEADER.size : end])), descriptors))
            del self._inbox[:end]
        return messages

    def _drop_outbox(self) -> None:
        for _, descriptors in self._outbox:
            for descriptor in descriptors:
                os.close(descriptor)
        self._outbox.clear()


class Child:
    """A spawned process and the parent's end of its channel."""

    def __init__(self, process: "subprocess.Popen[bytes]", channel: Channel) -> None:
        self.process, self.channel = process, channel

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> int:
        """End it now if it has not ended; its return code."""
        self.process.kill()
        code = self.process.wait()
        self.channel.close()
        return code


def spawn(target: str, settings: object) -> Child:
    """Start `module:function` in a new interpreter that dies with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    root = str(Path(__file__).resolve().parent.parent)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, root, target, str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
        )
    channel = Channel(ours)
    channel.send(settings)
    return Child(process, channel)


def enter(target: str, *, descriptor: int, parent: int) -> None:
    """The child's first function: tie its life to the parent's, take the settings, run the target, exit with its code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to be told
        sys.exit(1)
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    messages: list[tuple[Any, list[int]]] = []
    while not messages:
        messages = channel.wait(None)
        if channel.ended and not messages:
            sys.exit(1)
    settings = messages.pop(0)[0]
    module, function = target.split(":")
    code = getattr(__import__(module, fromlist=[function]), function)(channel, settings, messages)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what matters is on disk by now; unloading Arrow and its threads would take as long as a part
