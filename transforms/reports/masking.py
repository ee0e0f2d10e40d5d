"""Numbers of parties outside, cut for readers who may not see them whole. (METRICS 5, P13)

Promise: what a report answers is masked here, in one place, after it has been asked with whole numbers: a page, its files and the
command line show the same, and links find what they find unmasked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import polars as pl

MASKED_UNITS: Final = frozenset({"phone", "name"})
"""Units of columns that hold a number, and of texts that may: a phone book's name is often the number itself."""
SIGN: Final = "•"
FEWEST_DIGITS: Final = 6
"""With fewer it is an extension or a short number of the house, and stays."""
# digits with at most three signs between two of them, as people and machines write them: +44 (1632) 96-00, 044'555'01, 555\u201101
_NUMBER: Final = re.compile(r"\d(?:[^\w@,;]{0,3}\d)+")


def masked(frame: pl.DataFrame, units: Mapping[str, str], digits: int) -> pl.DataFrame:
    """The frame with the last `digits` digits of every number hidden. `units`: by column, of those that have one."""
    if digits == 0:
        return frame
    return frame.with_columns(_masked(frame[name], digits) for name, unit in units.items() if unit in MASKED_UNITS)


def cut(text: str, digits: int) -> str:
    """The text with the last `digits` digits of every number in it hidden."""
    return _NUMBER.sub(lambda found: _cut(found[0], digits), text)


def _masked(texts: pl.Series, digits: int) -> pl.Series:
    told = texts.drop_nulls().unique()
    shown = pl.Series([cut(text, digits) for text in told], dtype=pl.String())
    return texts.replace_strict(told, shown, default=None, return_dtype=pl.String())


def _cut(number: str, digits: int) -> str:
    places = [place for place, sign in enumerate(number) if sign.isdigit()]
    if len(places) < FEWEST_DIGITS:
        return number
    hidden = set(places[-digits:])
    return "".join(SIGN if place in hidden else sign for place, sign in enumerate(number))
