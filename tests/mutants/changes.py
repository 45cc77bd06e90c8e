"""Changes that can be made in one place of a module, each as one mutant.

Not drawn is what no test can notice, since it changes nothing that happens:

- log lines, docstrings, annotations, imports;
- how a class is stored: `frozen`, `slots` and their like in decorators and class headers;
- `strict` of `zip`: it asserts that two lists of our own making have one length;
- the edge of a comparison of times (`now < until` or `now <= until`, `off_s < MAX_S`): two readings
  of a clock are never equal, so such a comparison is turned round instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
TURNED_ROUND = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}
CLOCK_READING = re.compile(r"\b(now|monotonic\(\)|\w*clock\(\)|time\(\)|\w+_s)(?!\w)")
STORAGE = {"frozen", "slots", "kw_only", "eq", "order", "repr", "gc", "weakref", "array_like"}
ASSERTS = {"strict"}
LOGGERS = ("log.", "self._log.")


@dataclass(frozen=True)
class Mutant:
    """One changed place: bytes `start` to `end` of `file` become `text`."""

    file: Path
    line: int
    start: int
    end: int
    text: str
    was: str
    lines: range
    """Lines of the statement that it stands in, of a compound one those of its head."""
    in_function: bool
    """Whether it runs when a function runs, and not when the module is imported."""


@dataclass(frozen=True)
class _Place:
    node: ast.AST
    lines: range
    in_function: bool


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield every change that can be made in a module."""
    source = file.read_text("utf-8")
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text.encode()))
    raw = source.encode()
    for place in _places(ast.parse(source)):
        for node, text in _changed(place.node):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
            was = raw[start:end].decode()
            lines, inside = place.lines, place.in_function
            yield Mutant(file, node.lineno, start, end, text, was, lines, inside)


def _changed(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            kinds = COMPARISONS
            if type(operator) in TURNED_ROUND and CLOCK_READING.search(ast.unparse(node)):
                kinds = TURNED_ROUND
            other = ast.Compare(node.left, [kinds[type(operator)]()], node.comparators)
            yield node, f"({ast.unparse(other)})"
        case ast.BoolOp():
            other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(other_op, node.values))})"
        case ast.UnaryOp(op=ast.Not()):
            yield node, f"({ast.unparse(node.operand)})"
        case ast.Constant(value=bool()):
            yield node, str(not node.value)
        case ast.Constant(value=int() | float()):
            yield node, repr(node.value + 1)
        case ast.Expr(value=ast.Call() as call):
            yield call, "None"
        case ast.Expr(value=ast.Await(value=ast.Call()) as waited):
            yield waited, "None"


def _places(tree: ast.Module) -> Iterator[_Place]:
    for child in ast.iter_child_nodes(tree):
        yield from _under(child, range(0), in_function=False)


def _under(node: ast.AST, lines: range, *, in_function: bool) -> Iterator[_Place]:
    """Yield the nodes at and under `node` that decide what happens in a call."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.arguments) or _is_unseen(node):
        return
    if isinstance(node, ast.stmt):
        lines = _head(node)
    yield _Place(node, lines, in_function)
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "type_params", "ctx"}:
            continue
        inside = in_function or (
            field == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _under(child, lines, in_function=inside)


def _is_unseen(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr():
            return ast.unparse(node).startswith(LOGGERS)
        case ast.keyword(arg=str(name)):
            return name in STORAGE | ASSERTS and isinstance(node.value, ast.Constant)
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
    return False


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    last = statement.end_lineno or statement.lineno
    if isinstance(body, list) and body:
        last = max(statement.lineno, body[0].lineno - 1)
    return range(statement.lineno, last + 1)
