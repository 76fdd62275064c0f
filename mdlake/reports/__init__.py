"""Pages for people who decide and answer: today the register of decisions. Not here: what the pages tell of."""

from __future__ import annotations

from mdlake.reports.decisions import register_page

__all__ = ["register_page"]
