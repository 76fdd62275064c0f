"""The four principles of Article 6 as pure rules that return counts, and the verdict on a partition.

The circular's words: اصل تبدیل (transformation), اصل سیستم (system), اصل سازگار (consistency), اصل کیفیت (quality). Not here:
reading a table, Dagster, and how strictly a rule is held, which is configuration.
"""

from __future__ import annotations

from collections.abc import Mapping

from mdlake.principles import consistency, quality, system, transformation
from mdlake.principles.rule import Question, Rule, RuleResult, Subject
from mdlake.principles.verdict import Outcome, evaluate, outcome_of, principles_of, rules_version

__all__ = [
    "RULES",
    "Outcome",
    "Question",
    "Rule",
    "RuleResult",
    "Subject",
    "evaluate",
    "outcome_of",
    "principles_of",
    "rules_version",
]

RULES: Mapping[str, Rule] = {
    rule.name: rule for rule in (*transformation.RULES, *system.RULES, *consistency.RULES, *quality.RULES)
}
"""Every rule that exists, by name."""
