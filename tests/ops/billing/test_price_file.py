"""The price list file: what is wrong with it is said with its file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import limits
from gateway.errors import PriceFileError
from gateway.ops.billing.price_file import DEFAULT_PRICES, load_prices, shipped_prices

GOOD = "as_of: 2026-11-01\nmodels: {}\n"


def test_the_list_in_the_package_is_read_once() -> None:
    assert shipped_prices() is shipped_prices()
    assert shipped_prices() == load_prices(DEFAULT_PRICES)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"models: {}\n", "as_of: field required"),
        (GOOD.encode() + b"#" * limits.settings.PRICE_FILE_MAX_BYTES, "is larger than"),
        (
            b"as_of: 2026-11-01\nmodels: {gpt: {text: {in: -1}}}\n",
            r":2: models\.gpt\.text\.in: must be ",
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_bytes(content)
    with pytest.raises(PriceFileError, match=problem) as refused:
        load_prices(file)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(("usd", "taken"), [("0", True), ("1000000", True), ("1000001", False)])
def test_what_a_million_tokens_may_cost(tmp_path: Path, usd: str, taken: bool) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(f"as_of: 2026-11-01\nmodels: {{gpt: {{audio: {{}}, text: {{in: {usd}}}}}}}\n")
    if taken:
        assert load_prices(file).models["gpt"].text.in_ == int(usd)
    else:
        with pytest.raises(PriceFileError, match=r":2: models\.gpt\.text\.in: "):
            load_prices(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match="cannot be read: No such file or directory"):
        load_prices(tmp_path / "prices.yaml")


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(GOOD + "#" * (limits.settings.PRICE_FILE_MAX_BYTES - len(GOOD)))
    assert load_prices(file).models == {}
