"""Numbers in sentences that are drawn alike are read and redacted as they were."""

from __future__ import annotations

import pytest
from call.privacy.reference_texts import REFERENCES


def test_each_reference_text_is_written_down() -> None:
    assert list(REFERENCES.written()) == REFERENCES.names()


@pytest.mark.parametrize("name", REFERENCES.names())
def test_a_reference_text_is_read_as_it_was(name: str) -> None:
    REFERENCES.check(name)
