"""Tool lists of hosted MCP servers: item and event may come in either order, or not at all."""

from __future__ import annotations

from gateway.call.tools.hosted_lists import LISTS_MAX, HostedList, HostedLists


def test_a_list_that_comes() -> None:
    lists = HostedLists(["crm", "shop"])
    assert lists.on_item("item_1", "crm", 3) is None
    assert lists.on_event("item_1", came=True) == HostedList("crm", "ok", 3, late=False)
    assert not lists.complete
    assert lists.on_item("item_2", "shop", 0) is None
    assert lists.on_event("item_2", came=True) == HostedList("shop", "empty", 0, late=False)
    assert lists.complete


def test_the_event_may_be_faster_than_the_item() -> None:
    lists = HostedLists(["crm", "shop"])
    assert lists.on_event("item_1", came=True) is None
    assert lists.on_event("item_2", came=False) is None
    assert lists.on_item("item_1", "crm", 1) == HostedList("crm", "ok", 1, late=False)
    assert lists.on_item("item_2", "shop", 0) == HostedList("shop", "failed", 0, late=False)
    assert lists.complete


def test_one_that_failed_without_an_item_is_the_only_one_missing() -> None:
    lists = HostedLists(["crm"])
    assert lists.on_event("item_1", came=False) == HostedList("crm", "failed", 0, late=False)
    assert lists.complete


def test_one_that_failed_among_several_waits_for_its_item() -> None:
    lists = HostedLists(["crm", "shop"])
    assert lists.on_event("item_1", came=False) is None
    assert not lists.complete


def test_one_that_came_without_an_item_is_nobodys() -> None:
    lists = HostedLists(["crm"])
    assert lists.on_event("item_1", came=True) is None
    assert not lists.complete


def test_late_lists_are_said_once_and_known_as_late_when_they_come() -> None:
    lists = HostedLists(["shop", "crm"])
    lists.due = 5.0
    assert lists.overdue() == ["crm", "shop"]
    assert lists.due is None
    assert lists.overdue() == []
    lists.on_item("item_1", "crm", 2)
    assert lists.on_event("item_1", came=True) == HostedList("crm", "ok", 2, late=True)
    # The same list again, of the same session, is not late any more.
    assert lists.on_event("item_1", came=True) == HostedList("crm", "ok", 2, late=False)


def test_another_session_lists_again() -> None:
    lists = HostedLists(["crm"])
    lists.due = 5.0
    lists.on_item("item_1", "crm", 2)
    lists.on_event("item_1", came=True)
    lists.relist()
    assert lists.due is None
    assert not lists.complete
    assert lists.on_event("item_1", came=True) is None, "the item was the other session's"


def test_servers_that_nobody_named_are_not_followed() -> None:
    lists = HostedLists(["crm"])
    assert lists.on_item("item_1", "strange", 2) is None
    assert lists.on_event("item_1", came=True) is None


def test_a_server_that_lists_for_ever_is_not_followed() -> None:
    lists = HostedLists(["crm"])
    for nth in range(LISTS_MAX + 1):
        lists.on_item(f"item_{nth}", "crm", 1)
    lists.on_item("one too many", "crm", 1)
    assert lists.on_event("one too many", came=True) is None
    assert lists.on_event(f"item_{LISTS_MAX}", came=True) is not None


def test_events_without_items_are_bounded_by_the_servers() -> None:
    lists = HostedLists(["crm", "shop"])
    for nth in range(5):
        lists.on_event(f"item_{nth}", came=True)
    assert lists.on_item("item_1", "crm", 1) is not None
    assert lists.on_item("item_2", "shop", 1) is None, "its event was not kept"
