"""A screenplay that stops in mid-scene is no test: what the call did last must be expected too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from call.play import Book


@pytest.fixture(autouse=True)
def _every_book_is_finished() -> Iterator[None]:
    Book.opened.clear()
    yield
    for book in Book.opened:
        book.finish()
