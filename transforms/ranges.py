"""Which numbers of which writers: the arithmetic of what a build has taken. Pure. (CONTRACT §5)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Ranges:
    """Numbers by writer: inclusive spans, disjoint, never adjacent, ascending."""

    def __init__(self, spans: Iterable[tuple[str, int, int]] = ()) -> None:
        self._spans: dict[str, list[tuple[int, int]]] = {}
        gathered: dict[str, list[tuple[int, int]]] = {}
        for writer, first, last in spans:
            gathered.setdefault(writer, []).append((first, last))
        for writer, own in gathered.items():
            self._spans[writer] = _joined(own)

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        for writer in sorted(self._spans):
            for first, last in self._spans[writer]:
                yield writer, first, last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Ranges({list(self)!r})"

    def __bool__(self) -> bool:
        return bool(self._spans)

    def add(self, writer: str, first: int, last: int) -> None:
        """Take first … last too."""
        self._spans[writer] = _joined([*self._spans.get(writer, ()), (first, last)])

    def missing(self, writer: str, first: int, last: int) -> list[tuple[int, int]]:
        """The spans of first … last that are not here."""
        gaps, low = [], first
        for start, end in self._spans.get(writer, ()):
            if end < low:
                continue
            if start > last:
                break
            if start > low:
                gaps.append((low, start - 1))
            low = end + 1
        if low <= last:
            gaps.append((low, last))
        return gaps

    def first_missing(self, wanted: Ranges) -> tuple[str, int, int] | None:
        """The first span of `wanted` that is not here."""
        return next(((writer, *gap) for writer, first, last in wanted for gap in self.missing(writer, first, last)), None)

    def without(self, taken: Ranges) -> Ranges:
        """What is here and not in `taken`."""
        return Ranges((writer, *gap) for writer, first, last in self for gap in taken.missing(writer, first, last))

    def has(self, writer: str, seq: int) -> bool:
        return not self.missing(writer, seq, seq)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
