"""`mdlake init`, `config`, `maintain`, `ui`: an installation, its configuration, its upkeep."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

import click

from mdlake.cli.surroundings import as_json_option, console, current_home, installed_house, now, print_json, print_table
from mdlake.errors import MdlakeError

__all__ = ["config", "init", "maintain", "prepare_installation", "ui"]


def prepare_installation() -> tuple[str, ...]:
    """Make what is missing of the installation that the environment names, the Dagster instance included."""
    from mdlake.steps import prepare

    home = current_home()
    made = list(prepare(home, now()))
    home.dagster.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = home.dagster / "dagster.yaml"
    if not settings.exists():
        settings.write_text(resources.files("mdlake.cli").joinpath("dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        made.append(str(settings))
    return tuple(made)


@click.command()
def init() -> None:
    """Make the folders, the ledger and the keys of an installation; what is there stays as it is."""
    made = prepare_installation()
    for path in made:
        console.print(f"made {path}", highlight=False, soft_wrap=True)
    if not made:
        console.print("everything is there already")
    console.print(
        f"The root key lies in {current_home().keys}: keep a sealed copy elsewhere. Next: `mdlake config check`.", soft_wrap=True
    )


@click.group()
def config() -> None:
    """Check the configuration, or write its JSON Schema for editors."""


@config.command("check")
@as_json_option
def check(as_json: bool) -> None:
    """Report every error of assets_config/, with file, line, field and fix."""
    from mdlake.config import check_configuration
    from mdlake.principles import RULES
    from mdlake.statistics import saved_query_problems
    from mdlake.steps import unexcepted_periods

    folder = current_home().config
    if not folder.is_dir():
        raise MdlakeError(
            "there is no configuration", where=str(folder), next_step="Run in the project's folder, or set MDLAKE_CONFIG."
        )
    configuration, problems = check_configuration(folder, RULES)
    if configuration is not None:
        problems = saved_query_problems(configuration)
    if as_json:
        print_json([vars(problem) for problem in problems])
    else:
        for problem in problems:
            console.print(str(problem), highlight=False, soft_wrap=True, markup=False)
        if configuration is not None and not problems:
            versions = sum(len(dataset.versions) for dataset in configuration.datasets.values())
            console.print(
                f"{folder.name}: right. {len(configuration.organizations)} organizations, "
                f"{len(configuration.datasets)} datasets, {versions} contract versions, "
                f"{len(configuration.classifications)} classifications.",
                highlight=False,
            )
            console.print(f"{len(configuration.queries)} saved queries fit the contracts.", highlight=False)
    if problems:
        sys.exit(1)
    if current_home().control.is_dir():
        for missing in unexcepted_periods(installed_house("research")):
            click.secho(f"warning: {missing}", fg="yellow", err=True)


@config.command("schema")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
def schema(folder: Path | None) -> None:
    """Write the JSON Schema of each kind of file to FOLDER (default: schema/ in the configuration)."""
    from mdlake.config import configuration_schemas

    target = folder or current_home().config / "schema"
    target.mkdir(parents=True, exist_ok=True)
    for name, text in configuration_schemas().items():
        (target / name).write_text(text, encoding="utf-8")
        console.print(f"wrote {target / name}", highlight=False, soft_wrap=True)


@click.command()
@click.option(
    "--retention-hours", type=click.IntRange(min=0), help="Another retention than the zones' own; 0 only while nothing runs."
)
def maintain(retention_hours: int | None) -> None:
    """Join small files and remove those that nothing needs; pinned versions stay."""
    from mdlake.steps import maintain as maintain_lake

    done = maintain_lake(installed_house("secure"), retention_hours)
    print_table(
        "maintenance", ("table", "files joined", "files removed"), [(d.table, str(d.rewritten), str(d.removed)) for d in done]
    )


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port on the loopback interface.")
def ui(port: int) -> None:
    """Open Dagster (web server and daemon, loopback only) on this installation."""
    home = current_home()
    prepare_installation()
    workspace = home.config.parent / "workspace.yaml"
    if not workspace.is_file():
        raise MdlakeError("workspace.yaml is missing", where=str(workspace), next_step="Run in the project's folder.")
    environment = {**os.environ, **home.environment()}
    dagster = str(Path(sys.executable).with_name("dagster"))
    console.print(f"Dagster on http://127.0.0.1:{port} (stop it with Ctrl-C)", highlight=False)
    arguments = [dagster, "dev", "--workspace", str(workspace), "--host", "127.0.0.1", "--port", str(port)]
    os.execve(dagster, arguments, environment)  # noqa: S606 - Dagster takes this process's place, no shell is wanted
