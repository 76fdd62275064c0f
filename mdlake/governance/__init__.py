"""Who may decide what, and the gate that obeys. For now: the gate over the ledger's verdicts; signed decisions join it."""

from __future__ import annotations

from mdlake.governance.gate import Answer, Gate, LedgerGate, Missing, Passage, refusal

__all__ = ["Answer", "Gate", "LedgerGate", "Missing", "Passage", "refusal"]
