"""Pictures, and the links by which callers send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_links_and_pictures_share_their_mailbox(wired: Callable[..., Any]) -> None:
    texts = wired().texts
    assert texts.links._relay is texts.pictures.mailbox
