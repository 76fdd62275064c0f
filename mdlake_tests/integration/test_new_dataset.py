"""A tenth organization and a seventeenth dataset are two YAML files: those of docs/developer.md, whose whole way by the
command is run with the documentation. Here: what the UI has of them after a reload, in both code locations.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import decide_all

from mdlake.config import LAYERS, Configuration, Home
from mdlake.pipeline.build import build_definitions
from mdlake.steps import open_house, prepare

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- file: (\S+) -->\n```yaml\n(.*?)```", re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An installation with the ministry's configuration and the two files of the documentation."""
    shutil.copytree(ROOT / "assets_config", tmp_path / "config")
    blocks = BLOCK.findall((ROOT / "docs/developer.md").read_text(encoding="utf-8"))
    assert [Path(name).suffix for name, _ in blocks] == [".yaml", ".yaml"]
    for name, text in blocks:
        target = tmp_path / "config" / name
        assert not target.exists()
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    home = Home.from_environment({"MDLAKE_HOME": str(tmp_path / "home"), "MDLAKE_CONFIG": str(tmp_path / "config")})
    at = datetime(2024, 6, 1, tzinfo=UTC)
    prepare(home, at)
    decide_all(open_house(home, "research", lambda: at), at)
    return home


def test_two_yaml_files_give_the_graph_four_assets_with_checks_jobs_and_partitions(
    home: Home, configuration: Configuration
) -> None:
    graphs = {}
    for room in ("secure", "research"):
        house = open_house(home, room, lambda: datetime(2024, 6, 1, tzinfo=UTC))  # type: ignore[arg-type]
        definitions = build_definitions(house)
        graphs[room] = definitions.resolve_asset_graph()
        (new,) = set(house.configuration.datasets) - set(configuration.datasets)
        assert set(house.configuration.organizations) - set(configuration.organizations) == {new.split("/")[0]}
        assert f"{room}__{new.replace('/', '__')}" in {job.name for job in definitions.resolve_all_job_defs()}
    made = {
        key.path[0]: graph.get(key)
        for graph in graphs.values()
        for key in graph.materializable_asset_keys
        if "/".join(key.path[1:]) == new
    }
    assert set(made) == set(LAYERS)
    for layer, node in made.items():
        assert node.check_keys, layer
        assert node.partitions_def is not None
        assert "1403-01" in node.partitions_def.get_partition_keys()
    assert {parent.path[0] for parent in made["published"].parent_keys} == {"pseudonymized"}
