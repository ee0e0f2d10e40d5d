"""Numbers of parties outside, cut for readers who may not see them whole. (METRICS 5, P13)

Promise: what a report answers is masked here, in one place, after it has been asked with whole numbers: a page, its files and the
command line show the same, and filters, searches and links find what they find unmasked.
"""

from __future__ import annotations

from typing import Final

import polars as pl

PHONE, NAME = "phone", "name"
"""Units of columns that hold a number, and of those that may: a phone book's name is often the number itself."""
SIGN: Final = "•"
FEWEST_DIGITS: Final = 6
"""With fewer it is an extension or a short number of the house, and stays."""
_DIGITS: Final = r"[0-9\p{Nd}]"
_A_NUMBER: Final = rf"^[+*#\s()./\-{SIGN}]*(?:{_DIGITS}[+*#\s()./\-]*)+$"


def masked(frame: pl.DataFrame, units: dict[str, str], digits: int) -> pl.DataFrame:
    """The frame with the last `digits` digits of every number hidden. `units`: by column, of those that have one."""
    if digits == 0:
        return frame
    hidden = [_hidden(pl.col(name), digits, only_numbers=unit == NAME) for name, unit in units.items() if unit in (PHONE, NAME)]
    return frame.with_columns(hidden)


def _hidden(text: pl.Expr, digits: int, *, only_numbers: bool) -> pl.Expr:
    cut = text
    for _ in range(digits):
        cut = cut.str.replace(rf"{_DIGITS}(\P{{Nd}}*)$", f"{SIGN}$1")
    whole = text.str.count_matches(_DIGITS) >= FEWEST_DIGITS
    if only_numbers:
        whole &= text.str.contains(_A_NUMBER)
    return pl.when(whole).then(cut).otherwise(text)
