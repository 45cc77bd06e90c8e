"""A caller who sends a photo, over real processes and sockets, on both paths."""

from __future__ import annotations

from pathlib import Path

from rehearsal import as_expected


async def test_photos_and_words_by_message(tmp_path: Path) -> None:
    await as_expected("photo-message", ("media", "sip"), tmp_path)


async def test_a_photo_by_the_page_of_a_texted_link(tmp_path: Path) -> None:
    await as_expected("photo-page", ("media", "sip"), tmp_path)
