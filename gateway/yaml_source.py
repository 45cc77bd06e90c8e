"""YAML files with the line of every key; aliases, tags and repeated keys are errors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml
from yaml.reader import ReaderError

from gateway import limits
from gateway.errors import FileError

Path = tuple[str | int, ...]
_MAP: Final = "tag:yaml.org,2002:map"
_SEQ: Final = "tag:yaml.org,2002:seq"
_SCALARS: Final = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass
class YamlSource:
    """Values of a file, and the line of each; errors are of the `error_type` of that file."""

    file: str
    error_type: type[FileError]
    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def error(self, path: Path, problem: str) -> FileError:
        """Return an error at this key."""
        # What is wrong is repeated, and one problem is one line.
        key, problem = (" ".join(text.splitlines()) for text in (dotted(path), problem))
        return self.error_type(self.file, self.line(path), key or None, problem)

    def warning(self, path: Path, problem: str) -> str:
        """Return one line for people about this key, at which nothing is refused."""
        return f"{self.file}:{self.line(path)}: {dotted(path)}: {problem}"

    def line(self, path: Path) -> int:
        """Return the line of a key, or of the nearest key above it in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path) -> str:
    """Return a path with dots, entries of lists counted from 1: `agents.reception.tools.1`."""
    return ".".join(str(part + 1 if isinstance(part, int) else part) for part in path)


def parse(text: str, file: str, error_type: type[FileError]) -> YamlSource:
    """Read one YAML document of plain values.

    Raises `error_type` for what is not YAML, a key that stands twice, aliases (they can blow
    up a file without end), tags, a key that is no text, and nesting without end.
    """
    document = YamlSource(file, error_type)
    try:
        loader = _Loader(text, document)
        node = loader.get_single_node()
    except ReaderError as error:
        raise _unreadable(document, text.count("\n", 0, error.position), error.reason) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _unreadable(document, mark.line if mark else 0, error.problem) from None
    except (ValueError, OverflowError):  # an escape like "\\UFFFFFFFF", at which it does not look
        raise _unreadable(document, loader.line, "no such character") from None
    document.values = None if node is None else loader.plain(node, ())
    return document


def _unreadable(document: YamlSource, lines_above: int, reason: str | None) -> FileError:
    problem = f"is not YAML that can be read: {reason}"
    return document.error_type(document.file, lines_above + 1, None, problem)


class _Loader(yaml.SafeLoader):
    # A bare 2026-01-20 stays text: no agent has a use for a date, and JSON has none.
    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class's name and type
        first: [(tag, form) for tag, form in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str, document: YamlSource) -> None:
        super().__init__(text)
        self.document = document
        self.depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, "aliases are not allowed: write the values out")
        if self.depth >= limits.agents.AGENTS_FILE_MAX_DEPTH:
            self._refuse(event, "is nested too deeply")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def plain(self, node: yaml.Node, path: Path) -> Any:
        """Return the value of a node, and store the line of each path in it."""
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return [self.plain(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag not in _SCALARS:
            raise self.document.error(path, f"the tag {node.tag} is not allowed here")
        try:
            value = self.construct_object(node)
        except (ValueError, LookupError):
            raise self.document.error(path, "does not fit its tag") from None
        if isinstance(value, str) and _SURROGATE.search(value):
            raise self.document.error(path, "has half a character, which nobody can be sent")
        return value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str):
                self._refuse(key_node, "a key must be plain text")
            here = (*path, key)
            if key in values:
                first = self.document.lines[here]
                self.document.lines[here] = key_node.start_mark.line + 1
                raise self.document.error(here, f"stands here twice, first on line {first}")
            self.document.lines[here] = key_node.start_mark.line + 1
            values[key] = self.plain(value_node, here)
        return values

    def _refuse(self, place: yaml.Event | yaml.Node, problem: str) -> NoReturn:
        line = place.start_mark.line + 1 if place.start_mark else None
        raise self.document.error_type(self.document.file, line, None, problem)
