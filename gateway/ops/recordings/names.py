"""Names of recordings: of files in the spool and of objects in the store."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def recording_name(call: str) -> str:
    """Return a call's id as part of a file's name: a hash of what is not plain."""
    return call if _PLAIN.fullmatch(call) else sha256(call.encode("utf-8", "replace")).hexdigest()
