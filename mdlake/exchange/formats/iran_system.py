"""The Iran System code page of Persian DOS programs: shaped glyphs in the order in which a line shows them, left to right.

Here: from its bytes to text in reading order, many values at a time. The glyphs are those of Roozbeh Pournader's «IRAN SYSTEM
to Unicode» (table version 1.0, 21 January 2000), compared glyph by glyph with Ebrahim Mohammadi's iransystem-to-utf8 (public
domain) and the table of Wikipedia's «Iran System encoding»; all three agree. How runs of digits and Latin letters keep their
direction follows UAX #9 (rules W4, W7 and N1), of which the visual order keeps enough to undo it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdlake.exchange.formats.fixed_width import TextTable, text_table

__all__ = ["FINAL_FORMS", "FOREIGN", "INITIAL_FORMS", "decoding_table", "reading_order"]

Bytes = NDArray[np.uint8]

_GLYPHS = {
    0x80: "۰۱۲۳۴۵۶۷۸۹،ـ؟آئءااببپپتتثثججچچححخخدذرزژسسششصصضضط",
    # frames of tables, as in code page 437
    0xB0: "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    0xE0: "ظععععغغغغففققککگگل\0لممننوهههییی\xa0",
}
_LAM_ALEF = 0xF2

_FINAL = (
    *range(0x92, 0xA2, 2),
    *range(0xA7, 0xAF, 2),
    0xE1,
    0xE2,
    0xE5,
    0xE6,
    0xE9,
    0xEB,
    0xED,
    0xEF,
    0xF1,
    0xF4,
    0xF6,
    0xF9,
    0xFC,
    0xFD,
)
_INITIAL = (0x8E, *range(0x93, 0xA2, 2), *range(0xA8, 0xAF, 2), 0xE4, 0xE8, 0xEA, 0xEC, 0xEE, 0xF0, 0xF3, 0xF5, 0xF7, 0xFB, 0xFE)

_NEUTRAL, _RIGHT_TO_LEFT, _LATIN, _DIGIT = range(4)
_IN_NUMBERS = b"./,:-+"
_MIRRORED = bytes.maketrans(b"()[]{}<>", b")(][}{><")
_ZWNJ = "\u200c"
_ENDS_WORD = 256


def _flags(codes: bytes | tuple[int, ...] | range) -> NDArray[np.bool_]:
    flags = np.zeros(256, dtype=np.bool_)
    flags[list(codes)] = True
    return flags


FINAL_FORMS = _flags(_FINAL)
"""Glyphs of letters that join to the next one, in the form in which they do not."""

INITIAL_FORMS = _flags(_INITIAL)
"""Glyphs of letters in the form that joins to the next one and, but for a few, may begin a word."""

FOREIGN = _flags(range(0xB0, 0xE0))
"""Frames of tables, which no value of a register has. Windows-1256 has most of its letters in their places."""

_LETTERS = _flags((*range(0x8D, 0xB0), *range(0xE0, 0xFF)))
# hamza joins to nothing, so that the letter before it has its final form in any case
_JOINED_TO = _LETTERS & ~_flags((0x8F,))
_SEPARATORS = _flags(_IN_NUMBERS)
_MIRROR = np.frombuffer(_MIRRORED, np.uint8)


def _kinds() -> NDArray[np.uint8]:
    kinds = np.full(256, _NEUTRAL, dtype=np.uint8)
    kinds[_LETTERS | _flags((0x8A, 0x8B, 0x8C))] = _RIGHT_TO_LEFT
    kinds[_flags((*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)))] = _LATIN
    kinds[_flags((*range(ord("0"), ord("9") + 1), *range(0x80, 0x8A)))] = _DIGIT
    return kinds


_KINDS = _kinds()


def decoding_table() -> TextTable:
    """UTF-8 of each glyph, and behind these 256 that of each glyph which ends a word without a blank behind it.

    Such a glyph has the form that does not join, and a letter follows: reading order says so by a zero-width non-joiner.
    """
    characters = [chr(code) for code in range(0x80)]
    for start, glyphs in _GLYPHS.items():
        assert len(characters) == start, "a gap in the code page"
        characters += glyphs
    characters[_LAM_ALEF] = "لا"
    return text_table([*characters, *(character + _ZWNJ for character in characters)])


def reading_order(values: Bytes) -> NDArray[np.uint16]:
    """Values in reading order, as indices into `decoding_table`.

    A value without a letter of Persian stands as it is: dates, numbers, Latin names.

    Args:
        values: one value a line, (n, width), padded with blanks.

    Returns:
        (n, width), padded with blanks on either side.
    """
    ordered = values.astype(np.uint16)
    persian = (_KINDS[values] == _RIGHT_TO_LEFT).any(axis=1)
    if persian.any():
        ordered[persian] = _from_right(values[persian])
    return ordered


def _from_right(values: Bytes) -> NDArray[np.uint16]:
    """Values turned around, with the runs that are read from the left as they were."""
    keeps = _reads_from_left(values)[:, ::-1]
    glyphs = values[:, ::-1]
    glyphs = np.where(keeps, glyphs, _MIRROR[glyphs])
    places = np.arange(values.shape[1])
    before, after = _shifted(keeps, 1), _shifted(keeps, -1)
    first = np.maximum.accumulate(np.where(keeps & ~before, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(keeps & ~after, places, places.size)[:, ::-1], axis=1)[:, ::-1]
    glyphs = np.take_along_axis(glyphs, np.where(keeps, first + last - places, places), axis=1)
    ends_word = FINAL_FORMS[glyphs] & _shifted(_JOINED_TO[glyphs], -1)
    return glyphs + ends_word * np.uint16(_ENDS_WORD)


def _reads_from_left(values: Bytes) -> NDArray[np.bool_]:
    """Whether each place belongs to a number or to Latin words, with the blanks and signs inside them."""
    kinds = _KINDS[values]
    digit = kinds == _DIGIT
    strong = _last_of(kinds, (kinds == _LATIN) | (kinds == _RIGHT_TO_LEFT))
    following = _last_of(kinds[:, ::-1], kinds[:, ::-1] != _NEUTRAL)[:, ::-1]
    in_number = _SEPARATORS[values] & _shifted(digit, 1) & _shifted(digit, -1)
    in_words = (kinds == _NEUTRAL) & (strong == _LATIN) & ((following == _LATIN) | (following == _DIGIT))
    runs: NDArray[np.bool_] = digit | (kinds == _LATIN) | in_number | in_words
    return runs


def _last_of(kinds: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """At each place the kind of the last chosen one up to there; neutral where there is none."""
    places = np.maximum.accumulate(np.where(chosen, np.arange(1, kinds.shape[1] + 1), 0), axis=1)
    found = np.take_along_axis(kinds, np.maximum(places - 1, 0), axis=1)
    return np.where(places > 0, found, np.uint8(_NEUTRAL))


def _shifted(flags: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The flags of the neighbours: of the one before with 1, of the one after with -1."""
    moved = np.zeros_like(flags)
    if by > 0:
        moved[:, 1:] = flags[:, :-1]
    else:
        moved[:, :-1] = flags[:, 1:]
    return moved
