"""Reading YAML with positions: the text of one file to plain data, and where each field stands. Not here: what a field means.

YAML 1.1 surprises are off: ``01`` stays the code ``01``, ``no`` stays a word, a date stays text, and a key written twice
is an error instead of a silent overwrite.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Problem", "YamlSource", "read_yaml", "written_yaml"]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in the configuration: where, what, and the fix."""

    file: str
    line: int
    field: str
    message: str
    fix: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        named = f" {self.field}:" if self.field else ""
        return f"{place}:{named} {self.message}. {self.fix}"


class _Loader(yaml.CSafeLoader):
    """YAML 1.2 core scalars only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", list("tf")),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:0|[1-9][0-9]*)\.[0-9]+$", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


_DEEPEST = 100
"""No file of the configuration nests deeper than ten."""

_WRITE_OUT = "Write out what an alias repeats."


@dataclass
class YamlSource:
    """A file's data (None when it could not be read), the line of every field, and what is wrong with its form."""

    file: str
    data: Any = None
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: Sequence[str | int], message: str, fix: str) -> Problem:
        """A problem at a field, on the line of the nearest field that the file has."""
        near = tuple(path)
        while near and near not in self.lines:
            near = near[:-1]
        return Problem(self.file, self.lines.get(near, 1), ".".join(str(part) for part in path), message, fix)

    def unknown(self, path: Sequence[str | int], kind: str, name: str | None, known: Collection[str]) -> Iterator[Problem]:
        """A problem where a name at a field is given and nothing has it."""
        if name is not None and name not in known:
            yield self.problem(path, f"there is no {kind} called {name!r}", f"Known: {', '.join(sorted(known))}.")

    def _note(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                self.lines[(*path, name)] = key.start_mark.line + 1
                if name in seen:
                    self.problems.append(self.problem((*path, name), "the key is written twice", "Keep one of them."))
                seen.add(name)
                self._note(value, (*path, name))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._note(item, (*path, number))


def _trap(text: str, name: str) -> Problem | None:
    """What would bring the composer down, which calls itself in C and makes of a few aliases a thousand million fields."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            return Problem(name, line, "", f"an alias (*{event.anchor}) is not read", _WRITE_OUT)
        if depth > _DEEPEST:
            return Problem(name, line, "", f"nested deeper than {_DEEPEST} levels", "Take levels away: no field lies so deep.")
    return None


def read_yaml(content: bytes, name: str) -> YamlSource:
    """Read the content of a file; a broken one comes back with a problem and without data."""
    source = YamlSource(name)
    try:
        text = content.decode("utf-8")
        trap = _trap(text, name)
        if trap is not None:
            source.problems.append(trap)
            return source
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            source.problems.append(Problem(name, 1, "", "the file is empty", "Write it, or remove the file."))
            return source
        source._note(node, ())
        source.data = loader.construct_document(node)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        source.problems.append(Problem(name, line, "", "the file is not UTF-8", "Save it as UTF-8."))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        source.problems.append(Problem(name, line, "", "a character that is no text", "Remove it."))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        reason = getattr(error, "problem", None) or "not valid YAML"
        source.problems.append(
            Problem(
                name,
                mark.line + 1 if mark else 1,
                "",
                f"broken YAML: {reason}",
                "Correct the line or the one above it.",
            )
        )
    return source


def written_yaml(data: Any) -> str:
    """Plain data as a file that `read_yaml` reads back, Persian as it is."""
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=120)
