"""Gates on the form of the product, which `make check` runs.

Each gate is a function that yields one sentence for each place that breaks its rule. A rule that
the tree does not meet yet has its present figure in `ratchet.json`; the figure may only fall.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RATCHET = Path(__file__).with_name("ratchet.json")

DEPTH_MAX = 2
METHODS_MAX = 40
MODULES_MAX = 22
SUBJECT_MAX_CHARS = 72

PRONOUNS = {
    *("he", "she", "it", "they", "we", "you", "i", "his", "her", "its", "their", "our", "your"),
    *("him", "them", "us", "this", "that", "these", "those", "who", "whose", "whom", "what"),
    *("which", "whoever", "whatever", "somebody", "nobody"),
}
OLD_WORDS = re.compile(
    r"(?<![^\W_])(mind|minds|hands|rung|rungs|ladder|turnstile|darkroom|orphans?|switchboard|"
    r"manners|keeper|furniture|stackable|doors?|desks?|rooms?|houses?|storey)(?![^\W_])",
    re.IGNORECASE,
)
# The words in their ordinary sense: what an operator names, hosts of examples, vendors' terms.
ORDINARY = re.compile(
    r"front[ _]desk|service desk|help ?desk|never mind|in mind|next door|"
    r"(?:hotel|double|conference) rooms?|\ba room\b|rooms? (?:service|number|\d)|"
    r"hands?[ _](?:over|it|the|a|out|in|on)(?![^\W_])|both hands|shake_hands|hands-free|"
    r"\bdesk[:@\"'|]|\bdesk\b(?=[,}\])])|to: desk|house (?:number|style)",
    re.IGNORECASE,
)
VOCABULARY_PAGES = {"CONTRIBUTING.md", "CHANGELOG.md"}
"""Pages that say which word took the place of which."""
PEOPLE_WORDS = re.compile(r"\b(he|him|his|himself|she|hers|herself)\b", re.IGNORECASE)


@dataclass
class ClassFacts:
    """One class of the product, as its source says."""

    name: str
    file: Path
    line: int
    bases: list[str]
    methods: int
    docstring: str


@dataclass
class Findings:
    """Sentences of one gate, and the figure that the ratchet allows."""

    name: str
    sentences: list[str] = field(default_factory=list)
    allowed: int = 0

    @property
    def broken(self) -> bool:
        return len(self.sentences) > self.allowed


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    """Return every module of the product with its syntax tree."""
    files = sorted((ROOT / "gateway").rglob("*.py"))
    return [(file, ast.parse(file.read_text("utf-8"))) for file in files]


@cache
def classes() -> list[ClassFacts]:
    """Return every class of the product."""
    found = []
    for file, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
                methods = sum(
                    isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) for n in node.body
                )
                docstring = ast.get_docstring(node) or ""
                found.append(ClassFacts(node.name, file, node.lineno, bases, methods, docstring))
    return found


def place(file: Path, line: int) -> str:
    """Return `file:line` as an editor understands it."""
    return f"{file.relative_to(ROOT)}:{line}"


def too_deep() -> Iterator[str]:
    """Classes more than two of our own deep, without a stated reason.

    An exception is a kind of another one, and nothing else tells what it is: none is counted.
    """
    by_name = {c.name: c for c in classes()}

    def is_exception(name: str) -> bool:
        known = by_name.get(name)
        return name.endswith("Exception") or (
            known is not None and any(is_exception(base) for base in known.bases)
        )

    def depth(name: str, seen: frozenset[str] = frozenset()) -> int:
        known = by_name.get(name)
        if known is None or name in seen:
            return 0
        return 1 + max((depth(base, seen | {name}) for base in known.bases), default=0)

    for c in classes():
        if is_exception(c.name) or "inherits" in c.docstring.lower():
            continue
        if (deep := depth(c.name)) > DEPTH_MAX:
            yield f"{place(c.file, c.line)}: {c.name} is {deep} classes of ours deep; compose it."


def too_many_methods() -> Iterator[str]:
    """Classes with more methods than a reader keeps apart."""
    for c in classes():
        if c.methods > METHODS_MAX:
            where = place(c.file, c.line)
            yield f"{where}: {c.name} has {c.methods} methods; {METHODS_MAX} are enough."


def too_many_modules() -> Iterator[str]:
    """Folders with more modules than one screen shows."""
    counts = Counter(file.parent for file, _ in modules() if file.name != "__init__.py")
    for folder, count in sorted(counts.items()):
        if count > MODULES_MAX:
            yield f"{folder.relative_to(ROOT)}: {count} modules; {MODULES_MAX} are enough."


def repeated_names() -> Iterator[str]:
    """Public class names that stand for two things."""
    places = defaultdict(list)
    for c in classes():
        if not c.name.startswith("_"):
            places[c.name].append(place(c.file, c.line))
    for name, where in sorted(places.items()):
        if len(where) > 1:
            yield f"{name} is defined {len(where)} times: {', '.join(where)}."


def pronouns_first() -> Iterator[str]:
    """Docstrings whose first word is a pronoun: a tooltip does not show what it stands for."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)
    for file, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                first = re.split(r"\W", text.strip(), maxsplit=1)[0].lower()
                if first in PRONOUNS:
                    line = getattr(node, "lineno", 1)
                    yield f"{place(file, line)}: a docstring begins with “{text.split()[0]}”."


def _texts() -> Iterator[tuple[Path, int, str]]:
    """Lines of product, documents and tests that people read."""
    listed = subprocess.run(
        ["git", "ls-files", "gateway", "docs", "twiml", "k8s", "*.md", "Makefile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in listed:
        file = ROOT / name
        if file.is_symlink() or not file.is_file():
            continue
        if file.suffix in {".py", ".md", ".yaml", ".xml", ".js", ".html", ".css", ""}:
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                yield file, number, line


OF_A_HOTEL = ("concierge.yaml", "concierge-upset.yaml", "hotel.py")
"""Texts of which rooms are the subject."""


def old_words() -> Iterator[str]:
    """Words of the earlier vocabulary."""
    for file, number, line in _texts():
        if file.name in VOCABULARY_PAGES or file.name in OF_A_HOTEL:
            continue
        for found in OLD_WORDS.finditer(ORDINARY.sub("", line)):
            yield f"{place(file, number)}: “{found.group(0)}” is a word of the old vocabulary."


def gendered_words() -> Iterator[str]:
    """People named by he, him or his; in Python and YAML that a model may read as well."""
    for file, number, line in _texts():
        if "simulator/scenarios" in str(file) or "examples" in str(file):
            continue  # spoken lines of callers and of their languages
        if file.name in VOCABULARY_PAGES:
            continue
        for found in PEOPLE_WORDS.finditer(line):
            yield f"{place(file, number)}: “{found.group(0)}”; people are they, or the caller."


def format_skips() -> Iterator[str]:
    """Lines that the formatter is told to leave alone."""
    for folder in ("gateway", "tests"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            if file == Path(__file__):
                continue
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                if re.search(r"# fmt: (skip|off)", line):
                    yield f"{place(file, number)}: the formatter is switched off."


def long_subjects() -> Iterator[str]:
    """Commits since the rule was made whose subject is longer than a log line."""
    rule = _ratchet().get("commit_rule_since", "")
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{rule}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if not rule or known.returncode:
        return  # a shallow clone has no history to look at
    log = subprocess.run(
        ["git", "log", "--no-merges", "--format=%h %s", f"{rule}..HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for entry in log:
        commit, _, subject = entry.partition(" ")
        if len(subject) > SUBJECT_MAX_CHARS:
            yield f"{commit}: the subject has {len(subject)} characters; shorten it."


def untested_modules() -> Iterator[str]:
    """Modules of the product without a test file of their name in the mirrored folder."""
    untested = set()
    tests = {str(file.relative_to(ROOT / "tests")) for file in (ROOT / "tests").rglob("test_*.py")}
    for file, _ in modules():
        relative = file.relative_to(ROOT / "gateway")
        if file.name == "__init__.py" or str(relative.parent).startswith("limits"):
            continue
        mirrored = str(relative.parent / f"test_{file.name}")
        if mirrored not in tests and not any(
            test.startswith(mirrored.removesuffix(".py") + "_") for test in tests
        ):
            untested.add(str(file.relative_to(ROOT)))
    listed = _ratchet().get("untested", [])
    assert isinstance(listed, list)
    for name in sorted(untested - set(listed)):
        relative_name = Path(name).relative_to("gateway")
        yield f"{name} has no tests/{relative_name.parent / ('test_' + relative_name.name)}."
    for name in sorted(set(listed) - untested):
        yield f"{name} has tests now, or is gone: take it off the list in ratchet.json."


def patched_product() -> Iterator[str]:
    """Tests that patch the product, or read what a class of it keeps to itself.

    What a test varies is a constructor argument, or a field of `gateway/tuning.py`.
    """
    for file in sorted((ROOT / "tests").rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        ours = _names_of_the_product(tree)
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(attr="setattr"), args=[target, *_]):
                    if _root(target) in ours or _is_path_of_the_product(target):
                        where = place(file, node.lineno)
                        yield f"{where}: {ast.unparse(target)} is patched; pass it what it needs."
                case ast.Attribute(value=ast.Attribute() as owner, attr=name):
                    if name.startswith("_") and re.search(r"\bgateway\b", ast.unparse(owner)):
                        where = place(file, node.lineno)
                        yield f"{where}: {ast.unparse(node)} is private to the product."


def _names_of_the_product(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gateway":
            names |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {
                a.asname or "gateway" for a in node.names if a.name.split(".")[0] == "gateway"
            }
    return names


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_path_of_the_product(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("gateway.")
    )


GATES = (
    too_deep,
    too_many_methods,
    too_many_modules,
    repeated_names,
    pronouns_first,
    old_words,
    gendered_words,
    format_skips,
    long_subjects,
    untested_modules,
    patched_product,
)


def _ratchet() -> dict[str, object]:
    loaded: dict[str, object] = json.loads(RATCHET.read_text("utf-8"))
    return loaded


def findings() -> list[Findings]:
    """Return what each gate found, beside the figure that is allowed."""
    allowed = _ratchet()["allowed"]
    assert isinstance(allowed, dict)
    return [Findings(gate.__name__, list(gate()), allowed.get(gate.__name__, 0)) for gate in GATES]


def main(arguments: list[str]) -> int:
    """Print what is broken; with `--lower`, write lower figures into the ratchet file."""
    found = findings()
    if "--lower" in arguments:
        ratchet = _ratchet()
        ratchet["allowed"] = {
            f.name: min(len(f.sentences), f.allowed)
            for f in found
            if min(len(f.sentences), f.allowed)
        }
        RATCHET.write_text(json.dumps(ratchet, indent=2) + "\n", "utf-8")
    broken = [f for f in found if f.broken]
    for f in broken if "--all" not in arguments else found:
        print(f"{f.name}: {len(f.sentences)} found, {f.allowed} allowed")
        for sentence in f.sentences:
            print(f"  {sentence}")
    for f in found:
        if len(f.sentences) < f.allowed:
            print(f"{f.name}: {len(f.sentences)} found, {f.allowed} allowed; lower it by --lower")
            broken.append(f)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
