"""Reading of messages in which a field that only refines has a value of another kind."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

_LEFT_OUT_MAX: Final = 16
_PATH: Final = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_INDEX: Final = re.compile(r"\[[^\]]*\]")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def convert_leniently(document: Any, kind: Any) -> tuple[Any, tuple[str, ...]]:
    """Return the document as that type without the fields that do not fit, and their names.

    A field without a default is essential: when it does not fit, what contains it is left out, and
    at the top msgspec.ValidationError is raised. `document` is changed. Names are those of the
    type's own fields, as in `start.tracks`: the other end cannot invent one.
    """
    left_out: list[str] = []
    for _ in range(_LEFT_OUT_MAX):
        try:
            return msgspec.convert(document, kind, strict=False), tuple(left_out)
        except msgspec.ValidationError as error:
            found = _PATH.search(str(error))
            if found is None or not _leave_out(document, _steps(found["path"])):
                raise
            left_out.append(_INDEX.sub("", found["path"]).lstrip("."))
    return msgspec.convert(document, kind, strict=False), tuple(left_out)


def _steps(path: str) -> list[str | int]:
    steps = _STEP.findall(path)
    return [name or (int(index) if index.isdigit() else index) for name, index in steps]


def _leave_out(document: Any, steps: list[str | int]) -> bool:
    """Remove what stands at a path; False if there is nothing that can be removed."""
    if not steps:
        return False
    *outer, last = steps
    try:
        for step in outer:
            document = document[step]
        if last == "...":  # msgspec does not name the key of a mapping; all of ours hold text
            odd = [key for key, value in document.items() if not isinstance(value, str)]
            for key in odd:
                del document[key]
            return bool(odd)
        del document[last]
    except (LookupError, TypeError, AttributeError):
        return False
    return True
