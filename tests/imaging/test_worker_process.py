"""A worker process decodes, is ended when a picture costs too much, and is replaced."""

from __future__ import annotations

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_pictures import large_webp, many_scans
from pictures import HEIC, PDF, bomb, opened, photo
from PIL import Image, ImageCms

from gateway.errors import PeerError
from gateway.imaging.worker_process import (
    CAMERA_BOUNDS,
    PHOTO_BOUNDS,
    ImageWorker,
    WorkerBounds,
    worker_command,
)

SOON = replace(PHOTO_BOUNDS, pause_s=0.0)


@asynccontextmanager
async def worker(
    bounds: WorkerBounds = SOON, command: list[str] | None = None
) -> AsyncIterator[tuple[ImageWorker, list[str]]]:
    ended: list[str] = []
    running = ImageWorker(bounds, ended.append, command)
    try:
        yield running, ended
    finally:
        await running.close()


def program(source: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        f"import sys, os, time\nsys.stdout.write('ready\\n')\nsys.stdout.flush()\n{source}",
    ]


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: photo(4_032, 3_024),
        lambda: photo(4_032, 3_024, "PNG"),
        lambda: photo(4_032, 3_024, "WEBP"),
        lambda: saved(
            Image.new("RGB", (4_032, 3_024), "teal"), "JPEG", progressive=True, subsampling=0
        ),
        lambda: saved(Image.new("CMYK", (4_032, 3_024)), "JPEG", progressive=True),
        lambda: saved(Image.new("RGBA", (4_032, 3_024), "teal"), "PNG"),
        lambda: saved(Image.new("RGBA", (4_032, 3_024), (0, 99, 99, 99)), "WEBP", lossless=True),
        lambda: saved(Image.new("P", (4_032, 3_024)), "PNG", transparency=0),
        lambda: saved(Image.new("I;16", (4_032, 3_024)), "PNG"),
        lambda: photo(8_160, 6_120),
        lambda: saved(Image.new("RGB", (900, 600)), "JPEG", icc_profile=profile(), xmp=XMP),
        lambda: saved(Image.new("RGB", (900, 600)), "PNG", icc_profile=profile()),
        lambda: saved(
            Image.new("RGB", (900, 600)),
            "MPO",
            save_all=True,
            append_images=[Image.new("RGB", (900, 600))],
        ),
    ],
)
async def test_ordinary_photos_pass(drawn: Callable[[], bytes]) -> None:
    """Drawn here and not at collection, which each worker of pytest does."""
    async with worker() as (images, ended):
        picture = opened(await images.shrink(drawn(), 1_024))
        assert 600 <= max(picture.size) <= 1_024
        assert not ended


@pytest.mark.parametrize(
    ("drawn", "kind"),
    [
        (lambda: PDF, "pdf"),
        (lambda: HEIC, "heic"),
        (lambda: b"<html>", "not_an_image"),
        (lambda: b"", "not_an_image"),
        (lambda: photo()[:300], "not_an_image"),
        (bomb, "too_many_pixels"),
        (large_webp, "too_many_pixels"),
        (lambda: many_scans(3_000), "too_many_scans"),
    ],
)
async def test_a_refusal_costs_no_worker(drawn: Callable[[], bytes], kind: str) -> None:
    async with worker() as (images, ended):
        with pytest.raises(PeerError, match=kind):
            await images.shrink(drawn(), 1_024)
        before = images.pid
        await images.shrink(photo(), 1_024)
        assert images.pid == before
        assert not ended


async def test_a_picture_beyond_the_memory_is_refused_and_the_next_one_decoded() -> None:
    small = replace(SOON, memory_bytes=48 << 20)
    async with worker(small) as (images, _):
        with pytest.raises(PeerError, match=r"unreadable|not_an_image"):
            await images.shrink(photo(4_000, 3_000, "PNG"), 1_024)
        opened(await images.shrink(photo(), 1_024))


async def test_the_kernel_ends_a_worker_out_of_processor_time_and_the_next_one_decodes() -> None:
    spinning = program(
        "import resource\nsys.stdin.buffer.read(6)\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (1, -1))\n"
        "while True: pass"
    )
    async with worker(command=spinning) as (images, ended):
        with pytest.raises(PeerError, match="took_too_long"):
            await images.shrink(photo(), 1_024)
        assert ended == ["took_too_long"]


async def test_a_worker_that_does_not_answer_is_ended_by_the_clock() -> None:
    hanging = program("time.sleep(600)")
    async with worker(replace(SOON, clock_s=0.2), hanging) as (images, ended):
        for _ in range(2):
            with pytest.raises(PeerError, match="took_too_long"):
                await images.shrink(b"x" * (4 << 20), 1_024)
        assert ended == ["took_too_long"] * 2
        assert images.pid is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("sys.exit(1)", "crashed"),
        ("sys.stdin.buffer.read(7)\nos.abort()", "crashed"),
        ("sys.stdout.buffer.write(b'\\0' + b'\\xff' * 4 + b'x' * (1 << 20))", "misbehaved"),
        ("sys.stdout.buffer.write(b'\\0\\0\\0\\0\\x05https')", "misbehaved"),
        ("sys.stdout.buffer.write(b'\\x01\\0\\0\\0\\x05words')", "misbehaved"),
        ("sys.stdout.buffer.write(b'\\x01\\0\\0\\0\\x02\\xff\\xff')", "misbehaved"),
    ],
)
async def test_a_worker_that_was_taken_over_gets_no_word_through(source: str, reason: str) -> None:
    # It takes the picture too: one that ends before that has crashed, whatever it said.
    source += "\nsys.stdout.flush()\nsys.stdin.buffer.read()"
    async with worker(command=program(source)) as (images, ended):
        with pytest.raises(PeerError, match="unreadable"):
            await images.shrink(photo(), 1_024)
        assert ended == [reason]


async def test_a_worker_that_cannot_start_refuses_pictures(tmp_path: Path) -> None:
    async with worker(command=[str(tmp_path / "missing")]) as (images, ended):
        with pytest.raises(PeerError, match="unreadable"):
            await images.shrink(photo(), 1_024)
        assert ended == ["not_started"]


async def test_nobody_gets_the_answer_to_a_picture_that_was_given_up() -> None:
    async with worker() as (images, ended):
        given_up = asyncio.create_task(images.shrink(photo(4_000, 3_000), 64))
        while images.pid is None:  # noqa: ASYNC110 - a process id tells nobody
            await asyncio.sleep(0.001)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert max(opened(await images.shrink(photo(), 200)).size) == 200
        assert ended == ["abandoned"]


async def test_more_pictures_than_may_wait_are_refused() -> None:
    hanging = program("time.sleep(600)")
    async with worker(replace(SOON, waiting=2, wait_s=600.0), hanging) as (images, _):
        waiting = [asyncio.create_task(images.shrink(b"x", 64)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(PeerError, match="overloaded"):
            await images.shrink(b"x", 64)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_waits_too_long_is_refused() -> None:
    hanging = program("time.sleep(600)")
    async with worker(replace(SOON, wait_s=0.05), hanging) as (images, _):
        first = asyncio.create_task(images.shrink(b"x", 64))
        await asyncio.sleep(0)
        with pytest.raises(PeerError, match="overloaded"):
            await images.shrink(b"x", 64)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_closing_ends_a_worker_in_the_middle_of_a_picture() -> None:
    hanging = program("time.sleep(600)")
    async with worker(command=hanging) as (images, ended):
        task = asyncio.create_task(images.shrink(b"x", 64))
        while images.pid is None:  # noqa: ASYNC110 - a process id tells nobody
            await asyncio.sleep(0.001)
        pid = images.pid
        await images.close()
        with pytest.raises(PeerError, match="unreadable"):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert not ended


async def test_a_worker_has_no_secret_and_opens_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with worker() as (images, _):
        await images.shrink(photo(), 64)
        process = Path(f"/proc/{images.pid}")
        names = {line.partition("=")[0] for line in (process / "environ").read_text().split("\0")}
        no_secret = {"PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX"}
        assert names - {""} <= no_secret
        bounds = (process / "limits").read_text()
        assert "Max open files            0                    0 " in bounds
        assert f"Max data size             {PHOTO_BOUNDS.memory_bytes}" in bounds
        assert os.getsid(images.pid or 0) == images.pid
        assert os.getpriority(os.PRIO_PROCESS, images.pid or 0) == min(
            19, os.getpriority(os.PRIO_PROCESS, 0) + 10
        )


def test_a_worker_ends_with_its_standard_input() -> None:
    done = subprocess.run(
        worker_command(CAMERA_BOUNDS),
        input=b"\0\0\0\x09\0\x40cut",
        capture_output=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
    )
    assert done.stdout == b"ready\n"


def test_a_gateway_without_pictures_has_no_decoder() -> None:
    source = "import sys, gateway.app, gateway.cli.serve; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
