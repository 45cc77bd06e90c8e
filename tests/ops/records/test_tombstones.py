"""Names that are barred, for how long, and for which calls."""

from __future__ import annotations

from pathlib import Path

from database_end import CALLER, open_database

from gateway.ops.records.tombstones import Tombstones

US = 1_000_000


async def test_a_call_is_barred_for_good_and_a_caller_for_what_has_begun(
    tmp_path: Path, database_url: str | None
) -> None:
    async with open_database(tmp_path, database_url) as end:
        now = 1_000.0
        stones = Tombstones(end.database, end.callers, lambda: now)
        who = await end.history.hash_of(CALLER)
        assert not await stones.bar(["CA1"], who, 900.0)
        assert await stones.add(["CA1", "", "rtc_1"], who) == 3
        assert await stones.bar(["CA1", "CA9"], "", 2_000.0)
        assert await stones.bar(["CA2"], who, 1_000.0)
        assert not await stones.bar(["CA2"], who, 1_000.5)
        assert not await stones.bar(["CA2"], "", 0.0)
        now = 3_000.0
        assert await stones.add([], who) == 1
        assert await stones.bar(["CA2"], who, 2_000.0), "forgotten again, later"


async def test_a_number_is_not_a_call(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        await end.tombstones.add([CALLER])
        assert not await end.tombstones.bar(["CA1"], await end.history.hash_of(CALLER), 0.0)


async def test_tombstones_expire(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        stones = Tombstones(end.database, end.callers, lambda: 1_000.0)
        await stones.add(["CA1"])
        await stones.expire(1_000 * US)
        assert await stones.bar(["CA1"], "", 0.0)
        await stones.expire(1_000 * US + 1)
        assert not await stones.bar(["CA1"], "", 0.0)


async def test_what_is_dropped_for_its_caller_is_barred_by_its_names(tmp_path: Path) -> None:
    """What comes later of the call, such as its recording, has only these."""
    async with open_database(tmp_path) as end:
        dropped: list[list[str]] = []
        end.tombstones.subscribe(lambda names: dropped.append(list(names)))
        await end.database.write(lambda c: end.tombstones.drop(c, ["rtc_1", "CA1"]))
        assert dropped == [["rtc_1", "CA1"]]
        assert await end.tombstones.bar(["CA1"], "", 2e9)
        assert not await end.database.read(lambda c: end.tombstones.keeps_nothing(c, ["CA1"]))
