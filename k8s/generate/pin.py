"""Write the digests of images beside their tags: `make k8s-pin OVERLAY=mine`.

A tag can be moved, a digest cannot. Each registry is asked through `docker buildx imagetools`, so
this needs Docker and the network; it is run once for each release, and its changes are committed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
_DIGEST: Final = r"sha256:[0-9a-f]{64}"
_BASE: Final = re.compile(rf"^ARG PYTHON=(?P<tag>[^@\s]+)(@{_DIGEST})?$", re.MULTILINE)
_IMAGE: Final = re.compile(
    r"^  - name: (?P<name>\S+)\n"
    r"(    newName: (?P<new>\S+)\n)?"
    r"    newTag: (?P<tag>\S+)\n"
    rf"(    digest: {_DIGEST}\n)?",
    re.MULTILINE,
)


class PinError(Exception):
    """Reason for which a digest cannot be had."""


def digest_of(image: str) -> str:
    """Return the digest that the registry has for an image and tag. Raises PinError."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{json .Manifest}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise PinError(f"docker cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        raise PinError(f"{image}: {done.stderr.strip() or 'docker failed'}")
    try:
        digest = json.loads(done.stdout)["digest"]
    except (ValueError, KeyError, TypeError):
        raise PinError(f"{image}: docker's answer has no digest") from None
    if not isinstance(digest, str) or not re.fullmatch(_DIGEST, digest):
        raise PinError(f"{image}: docker's answer has no digest")
    return digest


def _pinned_base(found: re.Match[str]) -> str:
    return f"ARG PYTHON={found['tag']}@{digest_of('python:' + found['tag'])}"


def _pinned_image(found: re.Match[str]) -> str:
    digest = digest_of(f"{found['new'] or found['name']}:{found['tag']}")
    renamed = f"    newName: {found['new']}\n" if found["new"] else ""
    return f"  - name: {found['name']}\n{renamed}    newTag: {found['tag']}\n    digest: {digest}\n"


def pin(root: Path, overlay: str) -> None:
    """Pin the base of the Dockerfile, and the images of an overlay. Raises PinError."""
    files = {
        root / "Dockerfile": (_BASE, _pinned_base),
        root / f"k8s/overlays/{overlay}/kustomization.yaml": (_IMAGE, _pinned_image),
    }
    written = {}
    for file, (pattern, replace) in files.items():
        if not file.exists():
            raise PinError(f"{file.relative_to(root)} does not exist")
        written[file], count = pattern.subn(replace, file.read_text("utf-8"))
        if not count:
            raise PinError(f"{file.relative_to(root)} names no image with a tag")
    for file, text in written.items():
        file.write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    """Pin the images of the overlay that is named; a second argument is the root folder."""
    root = Path(arguments[1]) if len(arguments) > 1 else ROOT
    try:
        pin(root, arguments[0] if arguments else "example")
    except PinError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
