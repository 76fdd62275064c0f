"""The synthetic ministry's own identifiers: check digits and forms, written a second time on purpose.

The standard validates what is made here, so nothing is shared with it: a mistake on one side must show on the
other. The forms are those of the national code, the legal person's id and the postal code.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mdlake.synthetic.randomness import Bits, Ints

__all__ = ["legal_ids", "national_codes", "padded", "postal_codes"]

_LEGAL_WEIGHTS = (29, 27, 23, 19, 17)
_POSTAL_ALPHABETS = ("13456789",) * 4 + ("1346789",) + ("013456789",) * 5


def padded(number: Ints, width: int) -> pl.Series:
    """Whole numbers as text of at least `width` digits."""
    return pl.Series(number).cast(pl.String).str.zfill(width)


def national_codes(serial: Ints) -> pl.Series:
    """Nine-digit serials with their check digit: r = Σ d[i]·(10−i) mod 11, then r if r < 2, else 11 − r."""
    weighted = np.zeros_like(serial)
    rest = serial.copy()
    for weight in range(2, 11):
        rest, digit = np.divmod(rest, 10)
        weighted += digit * weight
    remainder = weighted % 11
    check = np.where(remainder < 2, remainder, 11 - remainder)
    return padded(serial * 10 + check, 10)


def legal_ids(serial: Ints) -> pl.Series:
    """Ten-digit serials with their check digit: c = d[9] + 2, Σ (d[i] + c)·w[i mod 5] mod 11, 10 as 0."""
    constant = serial % 10 + 2
    weighted = np.zeros_like(serial)
    rest = serial.copy()
    for place in range(9, -1, -1):
        rest, digit = np.divmod(rest, 10)
        weighted += (digit + constant) * _LEGAL_WEIGHTS[place % 5]
    return padded(serial * 10 + weighted % 11 % 10, 11)


def postal_codes(draw: Bits) -> pl.Series:
    """Ten digits in the postal alphabet of each place, the first four never all equal; one code per draw."""
    rest = draw.copy()
    digits: list[Ints] = []
    for alphabet in _POSTAL_ALPHABETS:
        rest, place = np.divmod(rest, np.uint64(len(alphabet)))
        digits.append(np.array([int(symbol) for symbol in alphabet])[place.astype(np.int64)])
    monotone = (digits[0] == digits[1]) & (digits[1] == digits[2]) & (digits[2] == digits[3])
    digits[3] = np.where(monotone, np.where(digits[3] == 1, 3, 1), digits[3])
    number = np.zeros(draw.size, dtype=np.int64)
    for digit in digits:
        number = number * 10 + digit
    return padded(number, 10)
