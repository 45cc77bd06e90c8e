"""Tasks beside the calls: kept until done, their failures logged, their end waited for."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.bridge.calls.tasks import Tasks


async def test_a_task_is_counted_until_it_is_done() -> None:
    tasks, go_on = Tasks(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()

    task = tasks.start(work(), "work")
    assert (len(tasks), task.get_name()) == (1, "work")
    go_on.set()
    await task
    await asyncio.sleep(0)
    assert len(tasks) == 0


async def test_a_failure_is_logged_by_name_and_a_cancellation_is_not() -> None:
    async def fails() -> None:
        raise ValueError("no")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def works() -> None:
        pass

    tasks = Tasks()
    with capture_logs() as logs:
        await tasks.start(works(), "works")
        failing, hanging = tasks.start(fails(), "fails"), tasks.start(hangs(), "hangs")
        await asyncio.wait([failing])
        hanging.cancel()
        await asyncio.wait([hanging])
        await asyncio.sleep(0)
    assert [(line["event"], line["task"]) for line in logs] == [("task_failed", "fails")]
    assert len(tasks) == 0


async def test_the_last_tasks_are_waited_for_and_the_others_are_cancelled() -> None:
    done: list[str] = []
    began = asyncio.Event()

    async def two_steps(name: str) -> None:
        began.set()
        for _ in range(5):
            await asyncio.sleep(0)
        done.append(name)

    async def hangs() -> None:
        await asyncio.Event().wait()

    tasks = Tasks()
    tasks.start(two_steps("last"), "last", last=True)
    tasks.wait_for(tasks.start(two_steps("became last"), "became last"))
    other = tasks.start(hangs(), "other")
    await began.wait()
    await tasks.stop()
    assert sorted(done) == ["became last", "last"]
    assert other.cancelled()
    assert len(tasks) == 0


async def test_one_that_is_over_is_not_waited_for() -> None:
    async def nothing() -> None:
        pass

    tasks = Tasks()
    task = tasks.start(nothing(), "nothing", last=True)
    await task
    await asyncio.sleep(0)
    tasks.wait_for(task)
    await tasks.stop()
