"""One bound for all pictures that are in memory before they are decoded."""

from __future__ import annotations

import pytest

from gateway.errors import PeerError
from gateway.imaging.upload_budget import UploadBudget


def test_beyond_the_bound_a_picture_is_refused_and_counted() -> None:
    refusals: list[None] = []
    budget = UploadBudget(lambda: refusals.append(None), 100)
    with budget.upload() as first:
        first.add(60)
        with budget.upload() as second:
            second.add(40)
            with pytest.raises(PeerError, match="overloaded"):
                second.add(1)
        assert (budget.held_bytes, len(refusals)) == (60, 1)
    assert budget.held_bytes == 0


def test_what_a_failed_upload_held_is_given_back() -> None:
    budget = UploadBudget(lambda: None, 100)
    with pytest.raises(ValueError, match="cut off"), budget.upload() as upload:  # noqa: PT012
        upload.add(100)
        raise ValueError("cut off")
    with budget.upload() as upload:
        upload.add(100)
