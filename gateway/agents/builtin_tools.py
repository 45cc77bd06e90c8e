"""Definitions of the built-in tools, as the model gets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.recording import PAUSES_RECORDING
from gateway.agents.config.secret_input import COLLECTS_DIGITS, TAKES_PAYMENT, SecretInputBase
from gateway.agents.config.tool_names import BUILT_IN_TOOLS

END_CALL: Final[dict[str, Any]] = {
    "type": "function",
    "name": "end_call",
    "description": (
        "Hang up. First say goodbye aloud, in one short sentence and in the caller's "
        "language; call this right after it, in the same answer, and say nothing more. "
        "Use it when the caller says goodbye, asks to end the call or needs nothing else."
    ),
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}

SEND_TEXT: Final[dict[str, Any]] = {
    "type": "function",
    "name": "send_text",
    "description": (
        "Send a text message to the caller's own telephone: an address, a number, a summary. "
        "Only when they want it. It cannot be sent to anybody else."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "text": {
                "type": "string",
                "minLength": 1,
                "maxLength": limits.messages.TEXT_OUT_MAX_CHARS,
            }
        },
        "required": ["text"],
        "additionalProperties": False,
    },
}
REQUEST_PHOTO: Final[dict[str, Any]] = {
    "type": "function",
    "name": "request_photo",
    "description": (
        "Text the caller a link to a page where they can take a photo or show their camera "
        "during this call. Use it when seeing what they talk about would help, and they agree. "
        "What they send appears in the conversation as a picture."
    ),
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}


_SUMMARY: Final = {
    "type": "string",
    "maxLength": limits.call.SUMMARY_MAX_CHARS,
    "description": (
        "For the person who takes the call, who hears it before the caller: who calls, what "
        "they want and what is known already, in one or two sentences, in the language of the "
        "conversation: a voice of that language reads it out."
    ),
}


def definitions(agent: Agent) -> list[dict[str, Any]]:
    """Return the definitions of the agent's built-in tools, in the order of its file."""
    return [_DEFINED[name](agent) for name in agent.tools if name in BUILT_IN_TOOLS]


def _transfer(agent: Agent) -> dict[str, Any]:
    people = "; ".join(
        f"{name}: {one.description}" for name, one in agent.transfers.items() if one.description
    )
    warm = any(one.warm for one in agent.transfers.values())
    summary = {"summary": _SUMMARY} if warm else {}
    return {
        "type": "function",
        "name": "transfer",
        "description": (
            "Connect the caller with a person. First say aloud, in one short sentence, that you "
            "are connecting them; call this right after it, in the same answer."
        )
        + (f" {people}." if people else ""),
        "parameters": {
            "type": "object",
            "properties": {"target": {"type": "string", "enum": list(agent.transfers)}} | summary,
            "required": ["target", *summary],
            "additionalProperties": False,
        },
    }


TAKE_MESSAGE: Final[dict[str, Any]] = {
    "type": "function",
    "name": "take_message",
    "description": (
        "Note a message that the caller wants to leave. Read it back to them first. Call it once "
        "for each message, when it is complete."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "message": {
                "type": "string",
                "minLength": 1,
                "maxLength": limits.call.MESSAGE_MAX_CHARS,
            },
            "name": {"type": "string", "description": "Who leaves it, if they said so."},
            "callback": {"type": "string", "description": "Where to reach them, if they said so."},
        },
        "required": ["message"],
        "additionalProperties": False,
    },
}
SEND_DIGITS: Final[dict[str, Any]] = {
    "type": "function",
    "name": "send_digits",
    "description": (
        "Press keys of the telephone, for a menu or an extension at the other end. Say nothing "
        "while they sound. You are told when they were sent."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "digits": {
                "type": "string",
                "pattern": "^[0-9*#A-DwW]+$",
                "maxLength": limits.call.DIGITS_SENT_MAX,
                "description": "0-9, *, #, A-D; w waits half a second, W a whole one.",
            }
        },
        "required": ["digits"],
        "additionalProperties": False,
    },
}

PAUSE_RECORDING: Final[dict[str, Any]] = {
    "type": "function",
    "name": PAUSES_RECORDING,
    "description": (
        "Pause the recording of this call, or resume it. Pause it when the caller does not want "
        "to be recorded, or before they say something that must not be kept, such as a card "
        "number; resume it afterwards, unless they do not want to be recorded."
    ),
    "parameters": {
        "type": "object",
        "properties": {"paused": {"type": "boolean"}},
        "required": ["paused"],
        "additionalProperties": False,
    },
}


def _hand_over(agent: Agent) -> dict[str, Any]:
    colleagues = "; ".join(f"{name}: {when}" for name, when in agent.hand_over.items())
    return {
        "type": "function",
        "name": "hand_over",
        "description": (
            "Pass the caller on to a colleague: another assistant, who goes on in this same call "
            "and knows all that was said. First say aloud, in one short sentence, that a "
            "colleague takes over; call this right after it, in the same answer, and say nothing "
            f"more. {colleagues}."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "agent": {"type": "string", "enum": list(agent.hand_over)},
                "about": {
                    "type": "string",
                    "maxLength": limits.call.SUMMARY_MAX_CHARS,
                    "description": (
                        "For the colleague: what the caller wants and what is done already, in "
                        "one or two sentences."
                    ),
                },
            },
            "required": ["agent", "about"],
            "additionalProperties": False,
        },
    }


SWITCH_LANGUAGE: Final[dict[str, Any]] = {
    "type": "function",
    "name": "switch_language",
    "description": (
        "Call this once as soon as the caller speaks another language than so far, and speak that "
        "language yourself. What the caller hears and reads beside you (announcements, texts, the "
        "page for photos) is in this language from then on."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "language": {
                "type": "string",
                "maxLength": limits.agents.LANGUAGE_MAX_CHARS,
                "description": 'A language tag, like "fr" or "ar-TN".',
            }
        },
        "required": ["language"],
        "additionalProperties": False,
    },
}


def _collect_digits(agent: Agent) -> dict[str, Any]:
    return _secret_tool(
        COLLECTS_DIGITS,
        "Have the caller type a secret on the telephone keypad: neither you nor anybody else sees "
        "or hears it; you are told what came of it. Never ask the caller to say it aloud.",
        agent.secret_digits,
    )


def _take_payment(agent: Agent) -> dict[str, Any]:
    return _secret_tool(
        TAKES_PAYMENT,
        "Have the caller type a bank card on the telephone keypad: neither you nor anybody else "
        "sees or hears it; you are told what came of it. Never ask for a card number aloud.",
        agent.payments,
    )


def _secret_tool(
    name: str, description: str, inputs: Mapping[str, SecretInputBase]
) -> dict[str, Any]:
    known = "; ".join(f"{key}: {one.description}" for key, one in inputs.items() if one.description)
    return {
        "type": "function",
        "name": name,
        "description": (
            f"{description} First say aloud, in one short sentence, that they can type it now and "
            "that a star brings them back to you; call this right after it, in the same answer, "
            "and say nothing more."
        )
        + (f" {known}." if known else ""),
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string", "enum": list(inputs)}},
            "required": ["what"],
            "additionalProperties": False,
        },
    }


_DEFINED: Final[Mapping[str, Callable[[Agent], dict[str, Any]]]] = {
    "end_call": lambda _: END_CALL,
    "transfer": _transfer,
    "send_text": lambda _: SEND_TEXT,
    "request_photo": lambda _: REQUEST_PHOTO,
    "take_message": lambda _: TAKE_MESSAGE,
    "send_digits": lambda _: SEND_DIGITS,
    "hand_over": _hand_over,
    COLLECTS_DIGITS: _collect_digits,
    TAKES_PAYMENT: _take_payment,
    "switch_language": lambda _: SWITCH_LANGUAGE,
    PAUSES_RECORDING: lambda _: PAUSE_RECORDING,
}
