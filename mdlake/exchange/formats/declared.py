"""Whether the bytes of a file can be what they are declared to be. Wrong declarations are found here, none is corrected.

Windows-1256 has a character for every byte, so that anything decodes by it. What is told apart from it is UTF-8, and text
whose bytes above 0x7F are not those of Persian: the Iran System code page, a picture, an archive.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Protocol

import numpy as np

from mdlake.errors import DeliveryRefused
from mdlake.exchange.formats.iran_system import FINAL_FORMS, FOREIGN, INITIAL_FORMS

__all__ = ["EncodingCheck", "IranSystemCheck", "Windows1256Check", "check_beginning"]

_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"x\x01", b"x^", b"x\x9c", b"x\xda")
"""How packed files begin. The fast reader of CSV would unpack some of them in silence, and without end."""

_TWO_TOGETHER = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]){2}|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")

_FOREIGN_BYTES = 8
_FOREIGN_SHARE = 0.1


def _kinds() -> tuple[bytes, bytes]:
    """The bytes that Windows-1256 has for letters of the Arabic script, and those that Persian text has no use for."""
    letters, foreign = bytearray(), bytearray()
    for code in range(0x80, 0x100):
        character = bytes([code]).decode("windows-1256")
        if "\u0621" <= character <= "\u06d2" and character.isalpha():
            letters.append(code)
        elif character.isalpha() or character in "¢£¤¥¦§¨©¬®¯±²³´µ¶¸¹¼½¾€‚ƒ„†‡ˆ‰‹›˜™":
            foreign.append(code)
    return bytes(letters), bytes(foreign)


_LETTERS, _FOREIGN = (np.frombuffer(codes, np.uint8) for codes in _kinds())


def check_beginning(path: Path, start: bytes) -> None:
    """Refuse text whose first bytes say that it is packed, or of an encoding that no delivery may have.

    Raises:
        DeliveryRefused: `encoding` or `unreadable_file`.
    """
    if start.startswith(_WIDE_MARKS):
        fix = "Save the file as UTF-8, and send again."
        raise DeliveryRefused("encoding", "it is UTF-16 or UTF-32 text", where=path.name, next_step=fix)
    if start.startswith(_PACKED):
        what, fix = "it is a packed file, not text", "Unpack it, and send the CSV file itself."
        raise DeliveryRefused("unreadable_file", what, where=path.name, next_step=fix)


class EncodingCheck(Protocol):
    """Looks at the text of one file, piece by piece."""

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the text."""

    def judge(self) -> None:
        """Raise `DeliveryRefused` (`encoding`) if what was seen so far is not of the declared encoding."""


class Windows1256Check:
    """Looks at a file's text piece by piece for signs that it is not Windows-1256."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._seen_together = False
        self._counts = np.zeros(256, dtype=np.int64)

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the text."""
        self._counts += np.bincount(np.frombuffer(piece, np.uint8), minlength=256)
        if self._decoder is None:
            return
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._decoder = None
            return
        self._seen_together = self._seen_together or _TWO_TOGETHER.search(piece) is not None

    def judge(self) -> None:
        """Refuse the text if what was seen so far is not Windows-1256.

        Raises:
            DeliveryRefused: `encoding`.
        """
        # In Windows-1256, what UTF-8 has as the second byte of a character is one of پ چ ژ گ ک, a mark or a rare sign. One
        # such pair happens («تک», «رگ»). That every word of a text is made of such pairs, and one of them of two or more,
        # does not: «از», «علی» and nearly every word that has two plain letters in a row breaks the rules of UTF-8.
        if self._decoder is not None and self._seen_together:
            raise DeliveryRefused(
                "encoding",
                "it is declared as Windows-1256 and is UTF-8 text",
                where=self._path.name,
                next_step="Declare the encoding utf-8, or save the file as Windows-1256, and send again.",
            )
        letters, foreign = int(self._counts[_LETTERS].sum()), int(self._counts[_FOREIGN].sum())
        # a register may hold a French name; a text of which a tenth is accents and signs of trade is of another code page
        if foreign >= _FOREIGN_BYTES and foreign > _FOREIGN_SHARE * (letters + foreign):
            raise DeliveryRefused(
                "encoding",
                "it is declared as Windows-1256, and its bytes are not those of Persian text in that encoding",
                where=self._path.name,
                next_step="Declare the encoding that the file has, or save it as declared, and send again.",
            )


class IranSystemCheck:
    """Looks at a file's text piece by piece for signs that it is not Iran System in the order in which a line shows it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._high = self._foreign = 0
        self._from_right = self._from_left = 0

    def feed(self, piece: bytes) -> None:
        """Look at the next piece of the text."""
        codes = np.frombuffer(piece, np.uint8)
        self._high += int((codes >= 0x80).sum())
        self._foreign += int(FOREIGN[codes].sum())
        final, initial = FINAL_FORMS[codes], INITIAL_FORMS[codes]
        self._from_right += int((final[:-1] & initial[1:]).sum())
        self._from_left += int((initial[:-1] & final[1:]).sum())

    def judge(self) -> None:
        """Refuse the text if what was seen so far is not Iran System.

        Raises:
            DeliveryRefused: `encoding`.
        """
        if self._foreign >= _FOREIGN_BYTES and self._foreign > _FOREIGN_SHARE * self._high:
            raise DeliveryRefused(
                "encoding",
                "it is declared as Iran System, and its bytes are not those of Persian text in that code page",
                where=self._path.name,
                next_step="Declare the encoding that the file has, and send again.",
            )
        # a final letter stands left of the one before it on a line, and right of it only where two words touch
        if self._from_left >= _FOREIGN_BYTES and self._from_left > self._from_right:
            raise DeliveryRefused(
                "encoding",
                "its letters are those of Iran System in reading order, not in the order in which a line shows them",
                where=self._path.name,
                next_step="Export the file as programs of that code page show it, or as Windows-1256, and send again.",
            )
