"""`alerts.yaml`: off as shipped; what would tell nobody, tell in clear, or carry more than an address is told with its fix."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mdlake.config import (
    AlertsFile,
    Configuration,
    Problem,
    check_configuration,
    is_email_address,
    read_yaml,
    validated,
    written_yaml,
)
from mdlake.config.alerts import alert_problems
from mdlake.principles import RULES

SHIPPED = Path(__file__).resolve().parents[2] / "assets_config"

EMAIL = {"host": "mail.ministry.example", "port": 587, "tls": "starttls", "sender": "a@ministry.example", "timeout_seconds": 10}
HOOK = {"url": "https://alerts.ministry.example/mdlake", "secret": "on_call", "timeout_seconds": 10}
GOOD: dict[str, Any] = {
    "enabled": True,
    "retry": {"attempts": 12, "first_minutes": 1, "longest_minutes": 360},
    "email": EMAIL,
    "webhooks": {"on_call": HOOK},
    "offices": {"it_centre": "it@ministry.example"},
    "routes": {
        "package_refused": {"contact": True, "offices": ["it_centre"], "addresses": ["duty@ministry.example"]},
        "run_failed": {"offices": ["it_centre"], "webhooks": ["on_call"]},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "assets_config"))


def problems_of(said: Any, configuration: Configuration, folder: Path = SHIPPED) -> tuple[Problem, ...]:
    source = read_yaml(written_yaml(said).encode(), "alerts.yaml")
    file, problems = validated(source, AlertsFile)
    if file is not None:
        producers = {key: (one, read_yaml(b"contact: x", f"{key}.yaml")) for key, one in configuration.organizations.items()}
        problems += alert_problems(file, folder, configuration.offices, producers, source)
    return tuple(problems)


def test_the_shipped_alerts_are_off_and_its_example_is_right(configuration: Configuration, folder: Path) -> None:
    assert not configuration.alerts.enabled
    text = (SHIPPED / "alerts.yaml").read_text(encoding="utf-8")
    example = "\n".join(line.removeprefix("# ") for line in text.splitlines()[3:] if not line.startswith("# A message"))
    (folder / "alerts.yaml").write_text(example.replace("enabled: false", "enabled: true"), encoding="utf-8")
    loaded, problems = check_configuration(folder, RULES)
    assert problems == ()
    assert loaded is not None
    assert set(loaded.alerts.routes) == {"package_refused", "month_refused", "delivery_late", "run_failed"}
    assert loaded.alerts.email is not None


def test_a_full_file_is_right(configuration: Configuration) -> None:
    assert problems_of(GOOD, configuration) == ()


# What is written over; the field that is told, what is said, what the fix names.
BROKEN: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a field that nobody knows": ({"emails": dict(EMAIL)}, "emails", "unknown field", "email"),
    "a password in the file": ({"email": EMAIL | {"password": "x"}}, "email.password", "unknown field", "credentials"),
    "a path instead of a name": ({"email": EMAIL | {"credentials": "../keyring.json"}}, "email.credentials", "form", "a-z0-9"),
    "mail in clear over a network": ({"email": EMAIL | {"tls": "none"}}, "email", "only a server on this machine", "Correct"),
    "an address with a second header": (
        {"email": EMAIL | {"sender": "a@b.example\nBcc: c@d.example"}}, "email.sender", "no e-mail address", "Correct",
    ),
    "a webhook in clear over a network": (
        {"webhooks": {"on_call": HOOK | {"url": "http://alerts.ministry.example/"}}},
        "webhooks.on_call.url", "only https://", "Correct",
    ),
    "a webhook with a password": (
        {"webhooks": {"on_call": HOOK | {"url": "https://me:secret@alerts.ministry.example/"}}},
        "webhooks.on_call.url", "does not belong into the URL", "Correct",
    ),
    "a webhook of another kind": (
        {"webhooks": {"on_call": HOOK | {"url": "file:///etc/passwd"}}}, "webhooks.on_call.url", "this is no URL", "Correct",
    ),
    "a webhook that nothing is called": (
        {"routes": {"run_failed": {"webhooks": ["on_cal"]}}},
        "routes.run_failed.webhooks.0", "no webhook called 'on_cal'", "on_call",
    ),
    "an office that is none": (
        {"offices": {"it_center": "a@b.example", **GOOD["offices"]}}, "offices.it_center", "no office", "it_centre",
    ),
    "an office without an address": (
        {"routes": {"run_failed": {"offices": ["statistics_centre"]}}},
        "routes.run_failed.offices.0", "has no address here", "statistics_centre: …",
    ),
    "mail without a server": ({"email": None}, "routes.package_refused", "there is no mail server", "email"),
    "a route to nobody": ({"routes": {"run_failed": {}}}, "routes.run_failed", "nobody is told", "Correct"),
    "no routes at all": ({"routes": {}}, "enabled", "nobody would be told", "enabled: false"),
    "a kind of event that is none": (
        {"routes": {"package_lost": {"addresses": ["a@b.example"]}}}, "routes.package_lost", "package_refused", "Correct",
    ),
    "a failed run for a producer": (
        {"routes": {"run_failed": {"contact": True}}}, "routes.run_failed.contact", "not a producer's to mend", "IT Centre",
    ),
    "authorities that are not there": (
        {"email": EMAIL | {"authorities": "ministry.pem"}}, "email.authorities", "the file is missing", "Put it into",
    ),
    "a timeout longer than a tick": (
        {"email": EMAIL | {"timeout_seconds": 60}}, "email.timeout_seconds", "less than or equal", "Correct",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_told_with_field_and_fix(case: str, configuration: Configuration) -> None:
    change, field, said, fix = BROKEN[case]
    found = problems_of(GOOD | change, configuration)
    assert [problem.file for problem in found] == ["alerts.yaml"] * len(found)
    named = [problem for problem in found if problem.field.startswith(field) and said in problem.message]
    assert named, found
    assert fix in named[0].fix


def test_a_contact_that_is_no_address_is_told_in_its_own_file_where_alerts_go_to_it(folder: Path) -> None:
    file = folder / "organizations/sso/organization.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("statistics-unit@sso.example", "the statistics unit"), encoding="utf-8")
    (folder / "alerts.yaml").write_text(written_yaml(GOOD), encoding="utf-8")
    (problem,) = check_configuration(folder, RULES)[1]
    assert (problem.file, problem.field) == ("organizations/sso/organization.yaml", "contact")
    by_webhook = GOOD | {"routes": {"run_failed": {"webhooks": ["on_call"]}}}
    (folder / "alerts.yaml").write_text(written_yaml(by_webhook), encoding="utf-8")
    assert check_configuration(folder, RULES)[1] == ()


@pytest.mark.parametrize("text", ["a@b.example", "duty+night@mail.ministry.example", "o'brien@x.ir", "a@localhost"])
def test_an_address_is_one(text: str) -> None:
    assert is_email_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b.example", "a@", "a b@c.example", "a@b.example, c@d.example", "A <a@b.example>", "a@b.example\n", "a@b..example",
     ".a@b.example", "a@-b.example", "پ@b.example", f"{'a' * 65}@b.example", "a@" + ".".join(["b" * 50] * 5)],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    assert not is_email_address(text)


def test_a_file_that_tells_nobody_and_is_off_is_right() -> None:
    off = AlertsFile.model_validate({"enabled": False, "retry": GOOD["retry"]})
    assert (off.email, dict(off.routes)) == (None, {})
