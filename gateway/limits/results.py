"""Bounds of the result of a call, which the model fills in when the conversation is over."""

from __future__ import annotations

SCHEMA_MAX_BYTES = 16 << 10
"""Schema of `result:`; it is part of every request for a result."""
FIELDS_MAX = 40
TRANSCRIPTS_MAX_S = 2.0
"""Wait for words of the caller that are still being transcribed when the call ends."""
TRIES = 2
"""Requests for one result: the first, and one more for an answer that cannot be used."""
TRY_MAX_S = 15.0
CONNECT_MAX_S = 5.0
PAUSE_S = 1.0
"""Time between the tries, unless the vendor asks for more."""
PAUSE_MAX_S = 5.0
RESULT_MAX_S = 40.0
"""All of it: nobody waits for it, but a process that stops does."""
OUTPUT_TOKENS = 4_096
ANSWER_MAX_CHARS = 64 << 10
EVIDENCE_MAX = 4
"""Quotes for one field."""
QUOTE_MAX_CHARS = 300

assert RESULT_MAX_S >= TRANSCRIPTS_MAX_S + CONNECT_MAX_S + TRIES * TRY_MAX_S
