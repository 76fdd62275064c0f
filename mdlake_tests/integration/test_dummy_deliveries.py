"""Invented rows go the whole way: made by the command, described and packed as a delivery, taken in, and through four layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import CONFIG, Walk, desk, send_all

from mdlake.cli import cli
from mdlake.exchange import Consignment, Form
from mdlake.standard import Period
from mdlake.steps import House

ROWS = 500


@pytest.mark.parametrize("format_", ["csv", "xlsx"])
def test_a_dummy_delivery_reaches_the_researchers_whole(
    format_: str, secure: House, walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, period = "sso/insured_contributions", "1403-02"
    organization, dataset = key.split("/")
    monkeypatch.setenv("MDLAKE_CONFIG", str(CONFIG))
    asked = [key, period, "--rows", str(ROWS), "--format", format_, "--to", str(desk(secure))]
    CliRunner().invoke(cli, ["deliver", "dummy", *asked], catch_exceptions=False)
    data = desk(secure) / f"{organization}-{dataset}-{period}-dummy.{format_}"
    checked = CliRunner().invoke(cli, ["deliver", "check", str(data), key, period, "--json"], catch_exceptions=False)
    assert (checked.exit_code, json.loads(checked.output)["findings"]) == (0, [])
    dataset_ = secure.configuration.dataset(key)
    contract = dataset_.contract(Period.parse(period))
    form = Form.of_file(data.name, None, None)
    descriptor = Consignment(key, period, contract.version, form).descriptor(data, ROWS)
    data.with_suffix(".json").write_bytes(descriptor)
    [received] = send_all(secure)
    assert received.refusal is None
    outcomes = walk(key, period)
    assert set(outcomes) == {"raw", "standardized", "pseudonymized", "published"}
    assert set(outcomes.values()) == {"passed"}
    table = secure.table("published", dataset_, contract)
    state = table.state(period)
    assert state is not None
    assert state.rows == ROWS
