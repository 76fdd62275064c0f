"""RESULTS.md: a section per kind and size of measurement, each replaced when it is measured again."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_section"]

_RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results

`make bench`: one dataset-month of N rows layer by layer, beside the floor and the peer, in one run. Each contender runs in a
process of its own, one after another on the same file, so that peak memory is its own; the whole round is repeated and the best
of the rounds counts. The floor and the peer say in their own modules what makes them fair.

`make months`: the whole ministry month after month through all layers, and whether a late month costs what an early one does.

`make packages`: a delivery of a gigabyte packed and opened, beside the `age` command, in turn on the same file and disk. Plain
tools do the same work as we do, one command after another. `benchmarks/packages.py` says what is counted.
"""


def write_section(title: str, text: str) -> None:
    """Put a section, whose heading begins with the title, in place of the one that is there; all others are kept."""
    parts = _RESULTS.read_text(encoding="utf-8").split("\n## ")[1:] if _RESULTS.exists() else []
    kept = ["## " + part.rstrip() + "\n" for part in parts if not part.startswith(title)]
    _RESULTS.write_text("\n".join([_HEAD, *kept, text]), encoding="utf-8")
