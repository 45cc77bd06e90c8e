"""Process that decodes pictures: `python -m gateway.imaging.worker`, one request after the other.

A request is the number of bytes (4), the longest side in pixels (2) and the picture; the answer is
a status (1), the number of bytes (4) and the data URI of a JPEG, or the kind of a PeerError. The
process ends when its standard input does, so that none outlives the gateway.
"""

from __future__ import annotations

import argparse
import os
import sys
from base64 import b64encode
from contextlib import suppress
from math import ceil
from pathlib import Path
from struct import Struct
from time import process_time
from typing import BinaryIO, Final

from gateway import limits
from gateway.errors import PeerError
from gateway.imaging.decoder import shrink, warm_up

if sys.platform != "win32":
    import resource

REQUEST: Final = Struct(">IH")
ANSWER: Final = Struct(">BI")
READY: Final = b"ready\n"
SHRUNK, REFUSED = 0, 1


def main() -> None:
    """Serve requests from standard input until it ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--cpu-s", type=int, required=True)
    parser.add_argument("--pixels", type=int, required=True)
    given = parser.parse_args()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    warm_up()
    _confine(given.memory_bytes)
    answers.write(READY)
    answers.flush()
    while (request := _read(requests, REQUEST.size)) is not None:
        size, side_px = REQUEST.unpack(request)
        data = _read(requests, size)
        if data is None:
            return
        _allow_cpu(given.cpu_s)
        status, content = _answer(data, side_px, given.pixels)
        del data
        answers.write(ANSWER.pack(status, len(content)) + content)
        answers.flush()


def _answer(data: bytes, side_px: int, pixels_max: int) -> tuple[int, bytes]:
    try:
        jpeg = shrink(data, side_px, pixels_max)
    except PeerError as error:
        return REFUSED, error.kind.encode()
    return SHRUNK, b"data:image/jpeg;base64," + b64encode(jpeg)


def _read(stream: BinaryIO, size: int) -> bytes | None:
    """Return exactly `size` bytes, or None at the end of the stream."""
    data = stream.read(size)
    return data if len(data) == size else None


def _confine(memory_bytes: int) -> None:
    """Bound memory, and take away what a decoder that was taken over could use."""
    # The calls of the gateway come first: for the scheduler, and when the container is full.
    with suppress(OSError, AttributeError):
        os.nice(limits.images.WORKER_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "win32":
        return
    # RLIMIT_DATA counts what is really allocated; RLIMIT_AS also the libraries' files.
    _limit(resource.RLIMIT_DATA, memory_bytes)
    _limit(resource.RLIMIT_AS, memory_bytes + limits.images.WORKER_FILES_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    # No file and no socket is opened from here on: the modules are loaded.
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(what: int, most: int) -> None:
    with suppress(OSError, ValueError):  # not every system knows each of them
        resource.setrlimit(what, (most, most))


def _allow_cpu(cpu_s: int) -> None:
    """Let this picture have its seconds; the kernel ends the process after them."""
    if sys.platform != "win32":
        most = ceil(process_time()) + cpu_s
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
