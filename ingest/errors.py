"""Every error of callfacts, as a tree with its exit code.

    CallfactsError (1)
    ├── UsageError (2)          the command line
    ├── ConfigError (2)         the configuration: file, key, what to do
    ├── NotDurable (1)          a delivery could not be brought to stable storage
    │   └── JournalFull (1)     the journal has reached journal_max_bytes
    ├── LockHeld (1)            another process owns it
    ├── StorageError (1)        the landing zone answers with an error
    │   ├── StorageUnavailable (1)   … that may pass: away, throttled, timed out
    │   └── StorageMissing (1)       … there is no object of that key
    ├── DamagedPart (1)         a part that counts cannot be read
    ├── PartConflict (1)        a part of this name holds other rows
    ├── DamagedJournal (1)      a journal file cannot be read
    ├── SourceStopped (1)       a source refuses to go on: a mistyped secret must not empty a queue
    ├── BuildError (1)          a build cannot be done; the published warehouse stays
    └── WarehouseMissing (1)    no warehouse has been published yet

Messages are one line: where, what, and what to do. This module imports nothing.
"""


class CallfactsError(Exception):
    """A failure that callfacts understands; `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(CallfactsError):
    """The command line cannot be obeyed."""

    exit_code = 2


class ConfigError(CallfactsError):
    """The configuration is wrong: the message names file, key and mistake."""

    exit_code = 2


class NotDurable(CallfactsError):
    """A delivery is not on stable storage and must not be acknowledged."""


class JournalFull(NotDurable):
    """The journal holds as many bytes as it may."""


class LockHeld(CallfactsError):
    """Another living process holds the lock; the message names it."""


class StorageError(CallfactsError):
    """The landing zone refused, and a retry will not help."""


class StorageUnavailable(StorageError):
    """The landing zone is away for now; nothing is lost by trying again."""


class StorageMissing(StorageError):
    """There is no object of that key (any longer)."""


class DamagedPart(CallfactsError):
    """A part under its final name cannot be read."""


class PartConflict(CallfactsError):
    """A part of this name is there and holds other rows: never overwritten."""


class DamagedJournal(CallfactsError):
    """A journal file cannot be read."""


class SourceStopped(CallfactsError):
    """A source stops receiving, since going on would lose what it cannot verify."""


class BuildError(CallfactsError):
    """A build ends without a new warehouse; the published one stays as it was."""


class WarehouseMissing(CallfactsError):
    """There is no published warehouse at the path."""
