"""Who may decide what, and the gate that obeys: offices' signed decisions, the register of them, the gate over both.

Not here: keys of pseudonyms; nor what a decision changes, which is the steps' own.
"""

from __future__ import annotations

from mdlake.governance.acts import admit_key, draft_decision, namespaces_of, revoke_key, sign_decision
from mdlake.governance.decision import Decision, Scope, fit_problems, namespace, read_decision, written_decision
from mdlake.governance.gate import Answer, Gate, Missing, Passage
from mdlake.governance.register import Register, Standing, State
from mdlake.governance.rehearsal import SyntheticOffices, rehearsal_folder, rehearse
from mdlake.governance.signatures import KeyList, Lack, Signature, describe_signatures

__all__ = [
    "Answer",
    "Decision",
    "Gate",
    "KeyList",
    "Lack",
    "Missing",
    "Passage",
    "Register",
    "Scope",
    "Signature",
    "Standing",
    "State",
    "SyntheticOffices",
    "admit_key",
    "describe_signatures",
    "draft_decision",
    "fit_problems",
    "namespace",
    "namespaces_of",
    "read_decision",
    "rehearsal_folder",
    "rehearse",
    "revoke_key",
    "sign_decision",
    "written_decision",
]
