"""How each class of defects that the synthetic ministry plants must be caught, by dataset; not here: the tests that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CAUGHT", "Caught", "leaving"]


@dataclass(frozen=True)
class Caught:
    """How a class of defects must be found.

    Attributes:
        reasons: those with which its rows leave for quarantine; none where the rows stay.
        principle: of the rule that counts the rows that stay.
        rule: its name.
        parts: of its answer, whose failed counts together are the planted number.
        at_least: whether others may be counted with them, as where the register itself refused some of its rows.
    """

    reasons: frozenset[str] = frozenset()
    principle: str = ""
    rule: str = ""
    parts: tuple[str, ...] = ()
    at_least: bool = False

    @property
    def by(self) -> str:
        """What finds it, in words."""
        return f"quarantine: {', '.join(sorted(self.reasons))}" if self.reasons else f"{self.principle}: {self.rule}"


def leaves(*reasons: str) -> Caught:
    """Rows that leave for quarantine."""
    return Caught(reasons=frozenset(reasons))


def counted(principle: str, rule: str, *parts: str) -> Caught:
    """Rows that stay, and that a rule counts."""
    return Caught(principle=principle, rule=rule, parts=parts)


def unread(*columns: str) -> Caught:
    """Values that are blank because they could not be read."""
    return counted("transformation", "values_readable", *columns)


def no_code(*columns: str) -> Caught:
    """Values that are blank because the classification has no such code."""
    return counted("transformation", "codes_valid", *columns)


def invalid(*columns: str) -> Caught:
    """Identifiers that are blank because they are none."""
    return counted("transformation", "identifiers_valid", *columns)


def beyond(*columns: str) -> Caught:
    """Numbers outside the contract's bounds."""
    return counted("quality", "ranges", *columns)


def contradicts(*edits: str) -> Caught:
    """Columns that contradict one another."""
    return counted("quality", "logical_edits", *edits)


def orphan(column: str, dataset: str) -> Caught:
    """A key that the register does not have; what the register refused is counted with it."""
    return Caught(principle="system", rule="foreign_keys", parts=(f"{column}→{dataset}",), at_least=True)


def not_one(columns: str) -> Caught:
    """Rows that fill none or more than one of some columns; whichever of the two it is, the other is counted with it."""
    return Caught(principle="quality", rule="exactly_one_filled", parts=(f"one of {columns}",), at_least=True)


PERSON = {
    "wrong_check_digit": leaves("national_code:check_digit"),
    "missing_national_code": leaves("national_code:missing"),
    "exact_duplicate": leaves("row:duplicate"),
}
CAUGHT: Mapping[str, Mapping[str, Caught]] = {
    "sso/insured_contributions": PERSON
    | {
        "malformed_workplace_code": leaves("workplace_code:not_digits", "workplace_code:wrong_length"),
        "non_numeric_wage": leaves("daily_wage:not_a_number"),
        "unknown_sex_code": no_code("sex"),
        "impossible_date": unread("birth_date", "job_start"),
        "days_out_of_range": beyond("days_worked"),
        "end_before_start": contradicts("job_start <= job_end"),
        "orphan_workplace": orphan("workplace_code", "sso/workplaces"),
    },
    "sso/workplaces": {
        "malformed_workplace_code": leaves("workplace_code:not_digits", "workplace_code:wrong_length"),
        "unknown_status_code": leaves("status:unknown_code"),
        "exact_duplicate": leaves("row:duplicate"),
        "wrong_check_digit": invalid("employer_national_code", "employer_legal_id"),
    },
    "sso/pensioners": PERSON
    | {
        "unknown_pension_kind": leaves("pension_kind:unknown_code"),
        "non_numeric_pension": leaves("pension:not_a_number"),
        "survivor_without_deceased": counted("quality", "required_when", "deceased_national_code when pension_kind is 3"),
        "start_after_month": contradicts("start_date <= month"),
        "negative_pension": beyond("pension"),
        "impossible_date": unread("birth_date", "start_date"),
        "unknown_province": no_code("province"),
    },
    "sso/unemployment_benefits": PERSON
    | {
        "malformed_workplace_code": leaves("last_workplace_code:not_digits", "last_workplace_code:wrong_length"),
        "non_numeric_allowance": leaves("allowance:not_a_number"),
        "orphan_workplace": orphan("last_workplace_code", "sso/workplaces"),
        "month_number_out_of_range": beyond("month_number"),
        "start_after_month": contradicts("start_date <= month"),
        "impossible_date": unread("start_date"),
    },
    "cspf/pensioners": PERSON
    | {
        "non_numeric_pension": leaves("pension:not_a_number"),
        "retired_after_month": contradicts("retirement_date <= month"),
        "service_out_of_range": beyond("service_months"),
        "missing_service": counted("quality", "completeness", "service_months"),
        "impossible_date": unread("birth_date", "retirement_date"),
        "unknown_agency": no_code("last_agency"),
    },
    "behzisti/welfare_clients": PERSON
    | {
        "unknown_support_kind": leaves("support_kind:unknown_code"),
        "non_numeric_allowance": leaves("allowance:not_a_number"),
        "unknown_province": leaves("province:unknown_code"),
        "wrong_head_code": invalid("head_national_code"),
        "impossible_date": unread("birth_date"),
        "unknown_disability_kind": no_code("disability_kind"),
        "missing_severity": counted("quality", "completeness", "disability_severity"),
        "negative_allowance": beyond("allowance"),
        "head_of_no_household": orphan("head_national_code", "social_welfare/household_support"),
    },
    "social_welfare/household_support": PERSON
    | {
        "malformed_household_id": leaves("household_id:not_digits", "household_id:wrong_length"),
        "non_numeric_amount": leaves("support_amount:not_a_number"),
        "impossible_date": unread("birth_date"),
        "unknown_relation": no_code("relation"),
        "decile_out_of_range": beyond("income_decile"),
        # a household whose head was refused is counted with them
        "head_not_one": Caught(
            principle="quality", rule="compositions", parts=("one relation 1 in household_id",), at_least=True
        ),
    },
    "farmers_fund/insured_members": PERSON
    | {
        "non_numeric_paid_months": leaves("paid_months:not_a_number"),
        "impossible_date": unread("birth_date", "first_membership"),
        "unknown_member_kind": no_code("member_kind"),
        "malformed_village_code": unread("village_code"),
        "bracket_out_of_range": beyond("premium_bracket"),
        "negative_paid_months": beyond("paid_months"),
        "member_before_birth": contradicts("birth_date < first_membership"),
    },
    "cooperatives/cooperatives": {
        "wrong_check_digit": leaves("legal_id:check_digit"),
        "missing_legal_id": leaves("legal_id:missing"),
        "malformed_legal_id": leaves("legal_id:not_digits", "legal_id:wrong_length"),
        "non_numeric_capital": leaves("capital:not_a_number"),
        "exact_duplicate": leaves("row:duplicate"),
        "unknown_kind": no_code("kind"),
        "impossible_date": unread("registration_date"),
        "negative_members": beyond("members"),
        "registered_after_quarter": contradicts("registration_date <= month"),
    },
    "cooperatives/cooperative_members": PERSON
    | {
        "wrong_legal_id": leaves("legal_id:check_digit"),
        "non_numeric_share": leaves("share:not_a_number"),
        "unknown_role": no_code("role"),
        "impossible_date": unread("joined_date"),
        "share_out_of_range": beyond("share"),
        "joined_after_quarter": contradicts("joined_date <= month"),
        "orphan_cooperative": orphan("legal_id", "cooperatives/cooperatives"),
    },
    "tvto/trainees": {
        "wrong_check_digit": leaves("national_code:check_digit"),
        "malformed_foreigner_code": leaves("foreigner_code:not_digits", "foreigner_code:wrong_length"),
        "exact_duplicate": leaves("row:duplicate"),
        "both_codes": not_one("national_code, foreigner_code"),
        "no_code": not_one("national_code, foreigner_code"),
        "impossible_date": unread("birth_date", "start_date"),
        "end_before_start": contradicts("start_date <= end_date"),
        "ended_after_month": contradicts("end_date == month"),
        "malformed_mobile": invalid("mobile"),
        "malformed_course_code": unread("course_code"),
        "unknown_field": no_code("training_field"),
        "hours_out_of_range": beyond("hours"),
        "unknown_result": no_code("result"),
        "unknown_province": no_code("province"),
    },
    "tvto/skill_certificates": PERSON
    | {
        "impossible_date": unread("issue_date"),
        "issued_after_month": contradicts("issue_date == month"),
        "malformed_number": unread("certificate_number"),
        "unknown_occupation": no_code("occupation"),
        "unknown_grade": no_code("grade"),
        "missing_grade": Caught(principle="quality", rule="completeness", parts=("grade",), at_least=True),
        "unknown_province": no_code("province"),
    },
    "employment/foreign_work_permits": {
        "malformed_foreigner_code": leaves("foreigner_code:not_digits", "foreigner_code:wrong_length"),
        "missing_foreigner_code": leaves("foreigner_code:missing"),
        "malformed_workplace_code": leaves("workplace_code:not_digits", "workplace_code:wrong_length"),
        "exact_duplicate": leaves("row:duplicate"),
        "unknown_nationality": no_code("nationality"),
        "impossible_date": unread("birth_date", "issue_date"),
        "malformed_permit_number": unread("permit_number"),
        "expiry_before_issue": contradicts("issue_date < expiry_date"),
        "issue_after_month": contradicts("issue_date <= month"),
        # who expired before the issue has mostly expired before the month
        "expired_before_month": Caught(principle="quality", rule="logical_edits", parts=("month <= expiry_date",), at_least=True),
        "orphan_workplace": orphan("workplace_code", "sso/workplaces"),
    },
    "employment/job_seekers": PERSON
    | {
        "registered_after_month": contradicts("registration_date <= month"),
        "malformed_mobile": invalid("mobile"),
        "unknown_education": no_code("education"),
        "unknown_occupation": no_code("occupation"),
        "impossible_date": unread("birth_date", "registration_date"),
        "unknown_province": no_code("province"),
    },
    "employment/employment_loans": {
        "wrong_check_digit": leaves("national_code:check_digit"),
        "wrong_legal_id": leaves("legal_id:check_digit"),
        "non_numeric_amount": leaves("amount:not_a_number"),
        "exact_duplicate": leaves("row:duplicate"),
        "both_codes": not_one("national_code, legal_id"),
        "no_code": not_one("national_code, legal_id"),
        "negative_amount": beyond("amount"),
        "jobs_out_of_range": beyond("jobs_committed"),
        "unknown_activity": no_code("activity"),
        "approved_outside_month": contradicts("approval_date == month"),
    },
    "provincial/labour_disputes": PERSON
    | {
        "malformed_case_number": leaves("case_number:not_digits", "case_number:wrong_length"),
        "malformed_workplace_code": leaves("workplace_code:not_digits", "workplace_code:wrong_length"),
        "non_numeric_amount": leaves("claim_amount:not_a_number"),
        "unknown_claim_kind": no_code("claim_kind"),
        "impossible_date": unread("filed_date"),
        "negative_amount": beyond("claim_amount"),
        "of_another_province": counted("transformation", "rows_of_their_unit", *(f"unit {code:02}" for code in range(31))),
        "decided_before_filed": contradicts("filed_date <= decided_date"),
        "decided_after_month": contradicts("decided_date <= month"),
        "outcome_without_date": counted("quality", "required_when", "decided_date when outcome is 1|2|3|4"),
        "orphan_workplace": orphan("workplace_code", "sso/workplaces"),
    },
}


def leaving(key: str) -> list[str]:
    """The classes of a dataset whose rows leave for quarantine."""
    return [harm for harm, caught in CAUGHT[key].items() if caught.reasons]
