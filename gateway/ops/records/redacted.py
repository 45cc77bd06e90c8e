"""Redaction of words that a record has already, where stricter switches come to hold for it."""

from __future__ import annotations

import msgspec

from gateway.call.privacy.call_privacy import ordered
from gateway.call.privacy.redaction import Redactor
from gateway.ops.records.record import CallRecord


def redact_words(record: CallRecord) -> None:
    """Redact all words of a record by its switches, in the order in which they were spoken.

    What was redacted before stays as it is: nothing in it is a number any more.
    """
    privacy = record.privacy
    if privacy is None or not privacy.redact:
        return
    redactor = Redactor(ordered(privacy.redact))
    replace = msgspec.structs.replace
    record.transcript = [
        replace(line, text=redactor.turn(line.who, line.text)) for line in record.transcript
    ]
    record.messages = [
        replace(
            one,
            text=redactor.text(one.text),
            name=redactor.text(one.name),
            callback=redactor.text(one.callback),
        )
        for one in record.messages
    ]
    record.approvals = [
        replace(one, arguments=redactor.text(one.arguments)) for one in record.approvals
    ]
    if record.result is not None:
        record.result = replace(
            record.result,
            fields=redactor.value(record.result.fields),
            evidence={
                name: [replace(one, quote=redactor.text(one.quote)) for one in quotes]
                for name, quotes in record.result.evidence.items()
            },
        )
