"""A caller who sends a photo, over real processes and sockets."""

from __future__ import annotations

from pathlib import Path

from rehearsal import as_expected, on


@on("sip", "media")
async def test_photos_and_words_by_message(path: str, tmp_path: Path) -> None:
    await as_expected("photo-message", path, tmp_path)


@on("media", "sip")
async def test_a_photo_by_the_page_of_a_texted_link(path: str, tmp_path: Path) -> None:
    await as_expected("photo-page", path, tmp_path)
