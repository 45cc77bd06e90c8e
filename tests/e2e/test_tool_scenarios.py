"""What a caller can get done, over real processes and sockets."""

from __future__ import annotations

from pathlib import Path

from rehearsal import as_expected, on


@on("media", "sip")
async def test_functions_that_are_slow_or_fail_and_two_in_one_turn(
    path: str, tmp_path: Path
) -> None:
    await as_expected("tools", path, tmp_path)


async def test_a_soft_sound_to_wait_by(tmp_path: Path) -> None:
    await as_expected("hold", "media", tmp_path)


@on("sip", "media")
async def test_a_preamble_before_the_answer_and_a_booking_behind_the_goodbye(
    path: str,
    tmp_path: Path,
) -> None:
    await as_expected("preamble", path, tmp_path)


@on("media", "sip")
async def test_an_agent_hands_over_to_another_one(path: str, tmp_path: Path) -> None:
    await as_expected("hand-over", path, tmp_path)


@on("media", "sip")
async def test_a_pin_is_typed_that_nobody_hears(path: str, tmp_path: Path) -> None:
    await as_expected("secret-digits", path, tmp_path)


@on("sip", "media")
async def test_private_mcp_that_is_killed_and_comes_back(path: str, tmp_path: Path) -> None:
    await as_expected("mcp", path, tmp_path)


@on("sip", "media")
async def test_hosted_mcp_that_an_operator_allows_and_nobody_else(
    path: str, tmp_path: Path
) -> None:
    await as_expected("hosted", path, tmp_path)


@on("sip", "media")
async def test_a_result_when_the_caller_has_hung_up(path: str, tmp_path: Path) -> None:
    await as_expected("result", path, tmp_path)


@on("media", "sip")
async def test_a_card_that_is_read_out_is_redacted_across_a_hand_over(
    path: str, tmp_path: Path
) -> None:
    await as_expected("privacy", path, tmp_path)
