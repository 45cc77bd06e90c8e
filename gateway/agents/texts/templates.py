"""Reads the TwiML templates: the shipped folder, or the operator's in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from gateway import limits
from gateway.errors import TemplateError
from gateway.protocols.twiml import PLACEHOLDERS, Template, parse_template
from gateway.text_file import read_text

DEFAULT_TWIML_DIR: Final = Path(str(files("gateway") / "_twiml"))


@dataclass(frozen=True)
class Templates:
    """Every template that the gateway needs, by the name of its file."""

    by_name: Mapping[str, Template]

    def render(self, name: str, **values: str) -> str:
        """The document of that name, like `connect.xml`, with these values."""
        return self.by_name[name].render(values)


def load_templates(directory: Path | None) -> Templates:
    """All templates of a folder, None being the shipped one.

    Raises TemplateError for a file that is missing, not needed, or wrong inside.
    """
    folder = directory or DEFAULT_TWIML_DIR
    try:
        present = {path.name: path for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise TemplateError(folder, None, None, f"cannot be read: {error.strerror}") from None
    if missing := [name for name in PLACEHOLDERS if name not in present]:
        raise TemplateError(folder, None, None, f"{', '.join(missing)} must be in this folder too")
    return Templates(
        {name: parse_template(_read(path), str(path)) for name, path in sorted(present.items())}
    )


def _read(path: Path) -> str:
    # An editor of the operator's may have put a mark in front.
    return read_text(path, limits.agents.TEMPLATE_MAX_BYTES, TemplateError, byte_order_mark=True)
