"""The documentation says what the program does: its examples are run, its links and paths exist, its tables are complete.

A fenced block after the comment `<!-- executed -->` is run: Python as a script, of console blocks the lines that begin
with `$`; what a console block shows besides has to come out, apart from numbers. The blocks of a document run in its own
copy of a small demo and of the configuration; `<!-- file: PATH -->` puts a block into that configuration first. Pages
that are written from the configuration are in `written_pages`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import sent
from written_pages import PAGES

from mdlake.cli import cli
from mdlake.config import Home, load_configuration
from mdlake.exchange.check_report import FIXES_FA
from mdlake.exchange.receipt import REASONS
from mdlake.governance import namespace
from mdlake.governance.signatures import check_signatures
from mdlake.layers import FAULTS
from mdlake.principles import RULES
from mdlake.standard.identifiers import FAULTS as IDENTIFIER_FAULTS
from mdlake.steps import House, house_of
from mdlake.synthetic import Ministry

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "assets_config"
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = {"ssh-keygen": "ssh-keygen", "pack.sh": "age"}
EXECUTED, IN_EMPTY_HOME, AT_DESK = "executed", "executed in an empty home", "executed at a desk"

_BLOCK = re.compile(r"^<!-- (?P<mark>.+?) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_TEST = re.compile(r"`(mdlake_tests/[\w/]+\.py)::(test_\w+)`")
_PATH = re.compile(r"`((?:mdlake|mdlake_tests|assets_config|benchmarks|docs)/[\w./-]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block with the comment before it."""

    mark: str
    language: str
    text: str


@dataclass(frozen=True)
class Demo:
    """A small demo: its home, and what it printed."""

    home: Path
    output: str


def blocks(document: Path) -> Iterator[Block]:
    """The marked blocks of a document, in order."""
    for found in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        yield Block(found["mark"], found["language"], found["text"])


def environment(home: Path, config: Path) -> dict[str, str]:
    """A shell in which `mdlake` is the one of this environment and the terminal is wide enough for a table."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MDLAKE_", "DAGSTER_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "MDLAKE_HOME": str(home), "MDLAKE_CONFIG": str(config), "COLUMNS": "110"}


def shown(text: str) -> list[str]:
    """The lines of an output without what differs from run to run: numbers, hashes, spacing, rulers, warnings."""
    text = re.sub(r"SHA256:\S+|\b[0-9a-f]{12,}\b", "N", text.replace("(warned)", ""))
    text = re.sub(r"(?<![\w])\d[\d,.:T+-]*", "N", text)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line.strip("─ ")]


def run(command: list[str], variables: Mapping[str, str], folder: Path = ROOT) -> str:
    """What a command prints; fails with it when the command does."""
    done = subprocess.run(
        command, cwd=folder, env=dict(variables), capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def run_block(block: Block, variables: Mapping[str, str], folder: Path = ROOT) -> None:
    """Run a block, and hold what it shows against what came out."""
    if block.language == "python":
        run([sys.executable, "-c", block.text], variables, folder)
        return
    assert block.language == "console"
    lines = block.text.splitlines()
    if any(tool in block.text and shutil.which(program) is None for tool, program in PROGRAMS.items()):
        pytest.fail("the examples need ssh-keygen and age (Debian: openssh-client, age)")
    output = "".join(run(["bash", "-c", line.removeprefix("$ ")], variables, folder) for line in lines if line.startswith("$ "))
    came_out = shown(output)
    for line in shown("\n".join(line for line in lines if not line.startswith("$ "))):
        assert line in came_out, f"{line!r} is not in the output:\n{output}"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """`mdlake demo` with few persons; the same seed, so the same story."""
    home = tmp_path_factory.mktemp("documentation") / "demo"
    command = [str(Path(sys.executable).with_name("mdlake")), "demo", "--persons", "1000", "--workplaces", "50"]
    return Demo(home, run(command, environment(home, CONFIG)))


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if any(b.mark.startswith(EXECUTED) for b in blocks(d))], ids=lambda d: d.name
)
def test_the_examples_of_a_document_run_and_show_what_it_says(document: Path, demo: Demo, tmp_path: Path) -> None:
    home, config = tmp_path / "home", tmp_path / "assets_config"
    shutil.copytree(demo.home, home)
    shutil.copytree(CONFIG, config)
    for number, block in enumerate(blocks(document)):
        if block.mark.startswith("file: "):
            path = config / block.mark.removeprefix("file: ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.mark == EXECUTED:
            run_block(block, environment(home, config))
        elif block.mark == AT_DESK:
            desk = home.with_name("desk")
            desk.mkdir(exist_ok=True)
            run_block(block, environment(home, config), desk)
        elif block.mark == IN_EMPTY_HOME:
            run_block(block, environment(tmp_path / f"empty-{number}", config))


def test_no_block_has_a_mark_that_nothing_reads() -> None:
    known = {EXECUTED, IN_EMPTY_HOME, AT_DESK, "descriptor", "output of the demo"}
    marks = {block.mark for document in DOCUMENTS for block in blocks(document) if not block.mark.startswith("file: ")}
    assert marks <= known


def test_the_excerpt_in_the_readme_comes_out_of_the_demo(demo: Demo) -> None:
    (excerpt,) = (block for block in blocks(ROOT / "README.md") if block.mark == "output of the demo")
    came_out = shown(demo.output)
    for line in shown(excerpt.text):
        assert line in came_out, f"{line!r} is not in the output:\n{demo.output}"


def test_ssh_keygen_says_the_same_of_every_signature_of_the_demo(demo: Demo) -> None:
    """Of each as it is, and of each beside a changed decision, in another namespace, in the name of another office."""
    home = Home.from_environment(environment(demo.home, CONFIG))
    register = house_of(home, load_configuration(CONFIG, RULES), "research", lambda: datetime.now(UTC)).register
    seen = 0
    for standing in register.all(datetime.now(UTC)):
        assert standing.decision is not None
        assert standing.accepted is not None
        content, at, own = standing.decision.content, standing.accepted.accepted_at, namespace(standing.decision.file.kind)
        for signature in standing.signatures:
            path, office = register.signature_path(standing.decision_id, signature.office), signature.office
            for text, name, space in (
                (content, office, own),
                (content + b"\n", office, own),
                (content, office, f"{own}-of-another"),
                (content, "statistics_unit@tvto" if office != "statistics_unit@tvto" else "it_centre", own),
            ):
                [checked] = check_signatures(text, {name: path.read_text(encoding="ascii")}, space, register.keys, at, at)
                arguments = ["-Y", "verify", "-f", register.allowed_signers, "-I", name, "-n", space, "-s", path]
                arguments += ["-r", register.revoked_keys, f"-Overify-time={at:%Y%m%d%H%M%S}Z"]
                ran = subprocess.run(["ssh-keygen", *map(str, arguments)], input=text, capture_output=True, check=False)
                assert (checked.fault is None) == (ran.returncode == 0) == ((text, name, space) == (content, office, own))
                seen += 1
    assert seen > 100


def test_every_command_and_target_in_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`mdlake ([a-z]+)", readme)) == set(cli.commands)
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", readme)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    headings = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in _LINK.findall(text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif "://" not in target:
            assert (document.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    made = {f"assets_config/{block.mark.removeprefix('file: ')}" for block in blocks(document) if block.mark.startswith("file: ")}
    named = set(_PATH.findall(text)) - made
    if document.name != "circular.md":
        named = {path for path in named if path.endswith((".py", ".yaml", ".md", "/"))}
    missing = sorted(path for path in named if not (ROOT / path).exists())
    assert not missing


def test_every_article_and_note_of_the_circular_has_its_row() -> None:
    rows = re.findall(r"^\| ([^|]*?) \|", (ROOT / "docs/circular.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {str(number) for number in range(1, 16)} <= {row.split()[0].rstrip(",") for row in rows if row}
    assert {"1 and note", "5, note", "6, note", "7, note", "13 and note"} <= set(rows)


def test_the_descriptor_of_the_producer_is_accepted_by_the_intake(secure: House, tmp_path: Path) -> None:
    (example,) = (block for block in blocks(ROOT / "docs/producer.md") if block.mark == "descriptor")
    descriptor = json.loads(example.text)
    said, resource = descriptor["mdlake"], descriptor["resources"][0]
    key = f"{said['organization']}/{said['dataset']}"
    written = Ministry(persons=1000, workplaces=50, seed=7).deliver(key, said["period"], tmp_path / "written")
    data = written.csv_path.rename(tmp_path / resource["path"])
    resource |= {"bytes": data.stat().st_size, "hash": f"sha256:{hashlib.sha256(data.read_bytes()).hexdigest()}"}
    said["declared_rows"] = written.rows
    described = tmp_path / f"{descriptor['name']}.json"
    described.write_text(json.dumps(descriptor), encoding="utf-8")
    received = sent(secure, described)
    assert received.refusal is None
    assert received.delivery.state == "accepted"


def refusal_codes() -> set[str]:
    """The reason codes that the code gives: of deliveries, of identifiers, of other values."""
    codes = set(IDENTIFIER_FAULTS)
    for path in (ROOT / "mdlake").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DeliveryRefused" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    codes.add(str(first.value))
            elif path.name == "standardized.py" and isinstance(node, ast.Constant) and isinstance(node.value, str):
                codes |= set(re.findall(r"^(?:not_a_\w+|unknown_code|code_not_\w+)$", node.value))
    return codes


def test_every_reason_of_a_refusal_has_its_fix_in_both_languages() -> None:
    english, persian = (ROOT / "docs/producer.md").read_text(encoding="utf-8").split("## فارسی")
    for part in (english, persian):
        rows = "\n".join(line.split("|")[1] for line in part.splitlines() if line.startswith("| "))
        assert not sorted(code for code in refusal_codes() if f"`{code}`" not in rows)


def test_the_tables_of_reasons_say_what_the_check_of_a_file_says() -> None:
    english, persian = (ROOT / "docs/producer.md").read_text(encoding="utf-8").split("## فارسی")
    for code, fault in FAULTS.items():
        assert f"| `{code}` | {fault.title.en} | {fault.fix.en} |\n" in english
        assert f"| `{code}` | {fault.title.fa} | {fault.fix.fa} |\n" in persian
    for code, fix in FIXES_FA.items():
        assert re.search(rf"^\| `{code}` \| [^|]+ \| {re.escape(fix)} \|$", persian, re.MULTILINE), code


def test_the_page_on_security_has_every_reason_of_the_intake_with_a_test_that_exists() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    section = page.partition("## What the intake refuses\n")[2].partition("\n## ")[0]
    codes: set[str] = set()
    above, *tables = section.split("| attack | reason code |\n|---|---|\n")
    for table in tables:
        assert _TEST.fullmatch(above.strip().rpartition("\n")[2]), "the test stands above its table"
        rows, _, above = table.partition("\n\n")
        for row in rows.splitlines():
            attack, reasons = row.strip("|").split("|")
            named = re.findall(r"`(\w+)`", reasons)
            assert named, attack
            codes.update(named)
    assert codes == set(REASONS)
    for path, name in _TEST.findall(section):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_written_from_the_configuration_is_up_to_date(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), "run: .venv/bin/python mdlake_tests/integration/written_pages.py"
