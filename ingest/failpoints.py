"""Named places at which a fault test makes the process die, fail or hang.

The code says `reach("part_linked")`; nothing happens there unless the command line armed that name from the environment variable
`CALLFACTS_FAILPOINT`, a comma-separated list of `name[:action][:visit]`:

    action  kill (default)  SIGKILL to this process, as a power cut would do
            raise           OSError(EIO), as a broken disk would do
            full            OSError(ENOSPC), as a full disk would do
            hang            never returns (an hour), as a stalled disk would do
    visit   3   at the third visit alone (default: 1, the first)
            3+  at the third and each later one

The names are in the code that reaches them: `grep -rn 'reach(' ingest`. This module holds the one mutable global of the
package: a fault has to be reachable from anywhere without a parameter in every signature. Only `cli.py` reads the
environment; child processes are told what is armed by their parents.
"""

import errno
import os
import re
import signal
import time
from typing import Final

from ingest.errors import UsageError

VARIABLE: Final = "CALLFACTS_FAILPOINT"
_ACTIONS: Final = ("kill", "raise", "full", "hang")
_ENTRY = re.compile(r"(?P<name>\w+)(?::(?P<action>[a-z]+))?(?::(?P<visit>\d+)(?P<on>\+)?)?")


class _Fault:
    """One armed fault and how often its place has been visited."""

    def __init__(self, action: str, visit: int, *, and_later: bool) -> None:
        self.action, self.visit, self.and_later, self.visits = action, visit, and_later, 0

    def is_due(self) -> bool:
        self.visits += 1
        return self.visits == self.visit or (self.and_later and self.visits > self.visit)


_armed: dict[str, _Fault] = {}


def arm(spec: str) -> None:
    """Arm exactly the faults of `spec`, an empty one none. Raises UsageError on one that cannot be read."""
    faults = {}
    for entry in filter(None, spec.split(",")):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None or (action := match["action"] or "kill") not in _ACTIONS:
            raise UsageError(f"{VARIABLE}: {entry!r} is not name[:{'|'.join(_ACTIONS)}][:visit[+]]")
        faults[match["name"]] = _Fault(action, int(match["visit"] or 1), and_later=bool(match["on"]))
    _armed.clear()
    _armed.update(faults)


def reach(name: str) -> None:
    """Does nothing, unless a test armed this place."""
    if _armed and (fault := _armed.get(name)) is not None and fault.is_due():
        _strike(name, fault.action)


def _strike(name: str, action: str) -> None:
    match action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(3600)
        case "full":
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (failpoint {name})")
        case _:
            raise OSError(errno.EIO, f"{os.strerror(errno.EIO)} (failpoint {name})")


def armed() -> str:
    """What is armed, as `arm` reads it: a parent hands it to its children."""
    return ",".join(f"{name}:{fault.action}:{fault.visit}{'+' if fault.and_later else ''}" for name, fault in _armed.items())
