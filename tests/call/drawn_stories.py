"""What may happen to a drawn call on either path, as stories told in order.

A hosted server that is asked for one thing after another, as a server asks; and functions by the
dozen. The calls that tell them keep no rules: see `wide_calls.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from call import vendor_events
from call.hosted_events import arguments, call_item, completed, output, request, runs
from gateway.call import inputs
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

OneOf = Callable[..., Any]


class DrawnStories:
    """Stories of one call; `begins` reports a response that began, and returns its id."""

    def __init__(self, call: Any, one_of: OneOf, begins: Callable[[], str]) -> None:
        self._call, self._one_of, self._begins = call, one_of, begins

    def all(self) -> list[Callable[[], object]]:
        """Return them, the more important ones more often."""
        return [
            *[self.hosted_call] * 4,
            *[self.list_comes] * 2,
            self.many_functions,
            *[self.function_is_approved] * 2,
            self.many_messages,
            self.wishes,
            self.many_wishes,
            self.more_or_less_is_counted,
            self.caller_sends,
        ]

    def _happens(self, *happened: object) -> None:
        for one in happened:
            self._call.happens(one)

    # --- Hosted servers ---

    def list_comes(self) -> None:
        one_of, item_id = self._one_of, f"mcpl_{self._call.next_call()}"
        item = model.Item("mcp_list_tools", item_id, server_label=one_of("crm", "crm", "nobody"))
        item.tools = one_of([], [mcp.ListedTool("find")], None)
        self._happens(mcp.McpListInProgress(item_id=item_id), model.ItemAdded(item=item))
        self._call.goes_by(one_of(0.1, 1.2))
        ended = one_of(mcp.McpListCompleted, mcp.McpListCompleted, mcp.McpListFailed)
        both = (ended(item_id=item_id), model.ItemDone(item=item))
        self._happens(*one_of(both, both[::-1]))

    def hosted_call(self) -> None:
        """From its name to its output, or to whatever comes in place of one."""
        one_of, item_id = self._one_of, f"mcp_{self._call.next_call()}"
        response_id, name = self._begins(), one_of("find", "find", "drop")
        item = call_item(item_id, name)
        item.server_label = one_of("crm", "crm", "crm", "nobody")
        added = model.OutputItemAdded(response_id=response_id, item=item)
        self._happens(one_of(added, model.ItemAdded(item=item)), arguments(item_id))
        if one_of(True, False):
            self._is_asked_for(item_id.replace("mcp", "mcpr"), name, item.server_label)
        if one_of(True, True, False):
            self._happens(runs(item_id))
        self._call.goes_by(one_of(0.05, 0.5, 2.3))
        self._comes_to_something(item_id, name)
        done = vendor_events.response_done(response_id, one_of("completed", "cancelled"))
        done.response.output = one_of(
            [item], [item, model.Item("message", f"said_{item_id}", role="assistant")]
        )
        self._happens(done)
        self._call.goes_by(one_of(0.1, 0.5))

    def _is_asked_for(self, approval_id: str, name: str, label: str) -> None:
        one_of = self._one_of
        self._happens(request(approval_id, name, label))
        self._call.goes_by(one_of(0.1, 3.3))
        if one_of(True, True, False):
            self._happens(inputs.ApprovalAnswered(approval_id, one_of(True, True, False)))
        if one_of(True, False):
            self._happens(request(approval_id, name, label))

    def _comes_to_something(self, item_id: str, name: str) -> None:
        kind = self._one_of("http_error", "tool_execution_error", "another_error")
        broke = call_item(item_id, name, error=mcp.McpFailure(kind, 500, "No."))
        failed = mcp.McpCallFailed(item_id=item_id)
        told = model.OutputItemDone(
            response_id="resp_1", item=call_item(item_id, name, output="Smith, 42")
        )
        self._happens(
            *self._one_of(
                (completed(item_id), output(item_id)),
                (output(item_id), completed(item_id)),
                (told, output(item_id, "Jones")),
                (completed(item_id),),
                (failed, model.ItemDone(item=broke)),
                (model.ItemDone(item=broke), failed),
                (failed,),
                (),
                (inputs.ModelLost("closed_1006"),),
            )
        )

    # --- Functions ---

    def many_functions(self) -> None:
        """As many as run at once, and more."""
        one_of = self._one_of
        ids = [self._call.next_call() for _ in range(one_of(2, 10))]
        name = one_of("stock", "stock", "shop_reserve", "shop_look_up")
        self._calls(name, ids)
        for call_id in ids[:: one_of(1, 2)]:
            self._call.goes_by(one_of(0.05, 0.2))
            self._happens(inputs.ToolFinished(call_id, "three left", one_of("ok", "error")))

    def function_is_approved(self) -> None:
        """Or denied, late, or while the caller has gone on speaking."""
        one_of, call_id = self._one_of, self._call.next_call()
        self._calls(one_of("shop_reserve", "shop_find"), [call_id])
        if one_of(True, False):
            self._happens(vendor_events.speech_started(0), vendor_events.speech_stopped(900))
        if asked := self._call.accounts.asked:
            self._happens(inputs.ApprovalAnswered(asked[-1], one_of(True, True, False)))
        self._call.goes_by(one_of(0.1, 0.5))
        self._happens(inputs.ToolFinished(call_id, "done", one_of("ok", "error")))

    def many_messages(self) -> None:
        self._calls("take_message", [self._call.next_call() for _ in range(11)])

    def _calls(self, name: str, ids: list[str]) -> None:
        calls = tuple((name, call_id) for call_id in ids)
        done = vendor_events.response_done(self._begins(), calls=calls)
        for item in done.response.output or ():
            item.arguments = '{"message":"Call me."}'
        self._happens(done)
        self._call.goes_by(self._one_of(0.1, 0.5))

    # --- Others ---

    def wishes(self) -> None:
        self._happens(
            self._one_of(
                inputs.SayRequested("Mind the gap."),
                inputs.ShowImageRequested("data:image/png;base64,AAAA", "a meter"),
            )
        )

    def many_wishes(self) -> None:
        """More than wait for their turn."""
        self._begins()
        self._happens(*[inputs.SayRequested(f"{n} of ten.") for n in range(10)])

    def more_or_less_is_counted(self) -> None:
        one_of = self._one_of
        usage = one_of(
            model.TranscriptionUsage("tokens", input_tokens=20, output_tokens=5),
            model.TranscriptionUsage("duration", seconds=1.5),
        )
        self._happens(
            model.CallerTranscriptDone(item_id="turn_9", transcript="Yes.", usage=usage),
            model.RateLimitsUpdated(rate_limits=[model.RateLimit("tokens", 1000, 10, 0.5)]),
        )

    def caller_sends(self) -> None:
        one_of = self._one_of
        pictures = ("data:image/jpeg;base64,AQ==",) * one_of(0, 1, 3)
        sent = inputs.CallerMessageReceived(one_of("message", "page"), pictures, one_of("", "Look"))
        self._happens(sent)
