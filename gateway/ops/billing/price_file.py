"""The price list file; every error in it names a file, a line and a key."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from gateway import limits
from gateway.errors import FileError, PriceFileError
from gateway.ops.billing.prices import Prices
from gateway.text_file import read_text
from gateway.yaml_source import YamlSource, parse

DEFAULT_PRICES: Final = Path(str(files("gateway.ops.billing") / "prices.yaml"))
_IN_THE_FILE: Final = {"in_": "in"}


def load_prices(path: Path) -> Prices:
    """Return the price list of a file. Raises PriceFileError for the first error in it."""
    text = read_text(path, limits.settings.PRICE_FILE_MAX_BYTES, PriceFileError)
    document = parse(text, str(path), PriceFileError)
    try:
        return Prices.model_validate(document.values)
    except ValidationError as error:
        raise _wrong(document, error) from None


@cache
def shipped_prices() -> Prices:
    """Return the price list in the package, read once."""
    return load_prices(DEFAULT_PRICES)


def _wrong(document: YamlSource, error: ValidationError) -> FileError:
    first = error.errors()[0]
    key = tuple(_IN_THE_FILE.get(str(part), str(part)) for part in first["loc"])
    problem = first["msg"].replace("Input should", "must")
    return document.error(key, problem[0].lower() + problem[1:])
