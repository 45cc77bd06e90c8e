"""Texts for the model, in English: it speaks the caller's language anyway."""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.agents.texts.lookup import same_language

NOT_ENDED: Final = "The call was not ended: the caller went on speaking. Listen to them."
NOT_TRANSFERRED: Final = "Not transferred: the caller went on speaking. Listen to them."
TRANSFER_FAILED: Final = (
    "The transfer did not work: nobody took the call. Tell the caller, and go on helping them."
)
CONNECTING: Final = (
    "Tell the caller in one short sentence, in the language of the conversation, that you are "
    "connecting them now. Nothing else."
)
TYPE_NOW: Final = (
    "Tell the caller in one short sentence, in the language of the conversation, that they can "
    "type it now, and that a star brings them back to you. Nothing else."
)
NOT_TYPED: Final = "Not done: the caller went on speaking. Listen to them."
NOT_COLLECTED: Final = (
    "Not done: nothing can be typed in secret on this line. Never ask for it aloud; find another "
    "way, or say that it does not work on this line."
)
NOTHING_TO_TYPE: Final = "Not done: there is no such thing to ask for."
TYPED_ENOUGH: Final = "Not done: the caller has typed often enough in this call."
CONFIRM: Final = (
    "Not done yet: it needs the caller's yes. Tell them in one sentence what you are about to "
    "do and ask whether you may. If they say yes, call this again with the same arguments."
)
CANCELLED: Final = "Cancelled: the caller interrupted. Listen to them."
NOT_KNOWN: Final = (
    "Whether this was done is not known: the line broke meanwhile. Ask the caller before you do "
    "it again."
)
TYPED_UNKNOWN: Final = (
    "What came of it is not known: the line broke. Ask the caller before you do it again."
)
HAND_OVER_FAILED: Final = (
    "Not handed over: the colleague cannot be had at the moment. Go on helping the caller yourself."
)
OF_PENDING_CALLS: Final = {
    "transfer": TRANSFER_FAILED,
    "end_call": NOT_ENDED,
    "hand_over": HAND_OVER_FAILED,
    "collect_digits": TYPED_UNKNOWN,
    "take_payment": TYPED_UNKNOWN,
}
"""Outputs for function calls that the session before did not see answered."""
TOO_MANY: Final = "Not done: too many things are being done at once. Wait for the others."
FILLER: Final = (
    "Say in a few words, in the language of the conversation, that you are looking into it. "
    "Nothing else, and no result yet."
)
ASKING: Final = (
    "Say in a few words, in the language of the conversation, that a colleague has to allow this "
    "first and that it takes a moment. Nothing else, and no result yet."
)
MCP_LOST: Final = (
    "It is not known whether this was done: the connection broke meanwhile. Say so where it "
    "matters, and do it again only if the caller wants it."
)
LEFT_BEHIND: Final = "Not done: the call was handed over before it was allowed."
HANDING_OVER: Final = "Not done: a hand-over is on its way already. Say nothing more."
HAND_OVER_ENDING: Final = "Not handed over: the call is ending."
ENOUGH_HAND_OVERS: Final = (
    "Not handed over: there were enough hand-overs in this call. Help the caller yourself, as far "
    "as you can."
)
NO_LANGUAGE: Final = 'Not changed: give a language tag, like "fr" or "ar-TN".'
APPROVED: Final = "Allowed."
NO_SUCH_TOOL: Final = "There is no such tool. Go on without it."
COME_TO_AN_END: Final = (
    "This call must come to its end soon. Tell the caller, finish what matters most and say "
    "goodbye."
)
FAREWELL: Final = (
    "The call ends now. Say goodbye in one short sentence, in the language of the conversation. "
    "Do not ask anything."
)

RECALLED: Final = (
    "What follows was said earlier in this very telephone call. You know all of it. Go on from "
    "there: do not greet the caller again, and do not mention a new session."
)
RESUMED: Final = (
    "The line broke for a moment, and the caller is back. Apologise in one short sentence, in the "
    'language of the conversation, like "Sorry, we were cut off for a second", then go on where '
    "you were."
)
FORGOTTEN: Final = (
    "The line broke, and nothing is known any more of what was said before. Tell the caller so in "
    "one short sentence, apologise, and ask how you can help."
)

PICTURE: Final = {
    "message": "The caller sent this picture by text message, during the call.",
    "page": "The caller took or chose this picture on their telephone just now, during the call.",
}
"""Descriptions of a picture, by the way on which it came."""
CAMERA: Final = "What the caller's camera shows at this moment. They hold it there for you to see."
PICTURE_WAS_SENT: Final = "(Here the caller sent a picture. It can no longer be seen.)"
CAMERA_WAS_SHOWN: Final = "(Here the caller showed their camera. It can no longer be seen.)"


def no_colleague(known: str) -> str:
    return f"Not handed over: there is no such colleague. There are: {known}."


def just_handed_over(by: str) -> str:
    """Return the output of a hand-over to an agent that had the call a moment ago."""
    return (
        f"Not handed over: {by} has just handed this caller on. Ask the caller what they need, and "
        f"help them; if it is something for {by} after all, hand over later."
    )


def secret_outcome(outcome: str, say: str, token: str) -> str:
    """Return the output of a secret input: what the operator's function answered, or why not."""
    told = [_SECRET_OUTCOMES[outcome]]
    told += [f'The service says: "{say}"'] if say else []
    if token:
        told.append(f'Its token, to be used as an argument: "{token}"')
    return " ".join([*told, "The caller is back and hears you: go on at once."])


_SECRET_OUTCOMES: Final = {
    "done": "Typed, and accepted.",
    "refused": "Typed, and not accepted.",
    "mistyped": "Not done: what the caller typed was incomplete, each time.",
    "timeout": "Not done: the caller typed nothing.",
    "cancelled": "Not done: the caller pressed the star to speak with you first. Ask what it is.",
    "error": "Not done: the service that looks at it does not work at the moment.",
}


def took_over(agent: str, before: str, about: str) -> str:
    """Return the output of a hand-over, which the next agent reads as its own beginning."""
    known = f' It said of it: "{about}"' if about else ""
    return (
        f"Done. From here on you are {agent}, not {before} any more, and follow your own "
        f"instructions only. {before} has handed this call over to you.{known} The caller has "
        "heard that a colleague takes over, and hears you now. Say in one short sentence who you "
        "are, and go on at once with what they want: do not ask again what they have said already."
    )


def language_set(language: str) -> str:
    return f"Noted: {language}. Speak it from here on."


def as_text(text: str) -> str:
    """Return a caller's written words, marked as such."""
    return f'The caller wrote this in a text message, during the call: "{text}"'


def picture_unusable(reason: str) -> str:
    """Return the text for a picture that could not be used; `reason` has no full stop."""
    return (
        f"The caller sent a picture that nobody can see: {reason}. Tell them so in one short "
        "sentence, and ask them for another one."
    )


def tools_late(labels: str) -> str:
    return (
        f"The tools of {labels} are not there yet. Do not offer what needs them, and do not "
        "promise it, until you are told that they are there."
    )


def tools_there(label: str) -> str:
    return f"The tools of {label} are there now."


def tools_gone(label: str) -> str:
    return (
        f"The tools of {label} are not to be had in this call. Do not offer what needs them; if "
        "the caller asks for it, tell them that it does not work at the moment."
    )


def took_too_long(tool: str) -> str:
    return f"{tool} took too long and was given up. Tell the caller, and go on without it."


def denied(outcome: str) -> str:
    """Return why a tool may not be used, for the model."""
    return _DENIED.get(outcome, _DENIED["denied"])


_DENIED: Final = {
    "denied": "Not allowed: a colleague has said no. Do not try it again in this call.",
    "timeout": "Not allowed: nobody was there to allow it in time.",
    "not_offered": "Not allowed: this tool is not for this agent. Go on without it.",
    "too_many": "Not allowed: too many requests wait already.",
}


def explain_denied(outcome: str) -> dict[str, Any]:
    return instructed(
        f"{denied(outcome)} Tell the caller in one or two short sentences, in the language of the "
        "conversation, that it cannot be done now, and ask how else you can help."
    )


MESSAGE_TAKEN: Final = "Noted. Tell the caller so."
NO_MESSAGE: Final = "Not noted: there is no message in it."
MESSAGE_TOO_LONG: Final = "Not noted: it is too long. Put it more briefly, or make two of it."
TOO_MANY_MESSAGES: Final = "Not noted: enough messages were left in this call."
NO_DIGITS: Final = "Not sent: give at least one of 0-9, *, #, A-D, with w or W to wait."
NO_TONES: Final = "Not sent: keys cannot be pressed on this line. Go on without it."
NOT_SENT: Final = "Not sent: the other side spoke before. Listen first, then try again if need be."


RECORDING_PAUSED: Final = "Nothing is recorded now, until you resume it. Tell the caller so."
RECORDING_RESUMED: Final = "The call is recorded again. Tell the caller so."
NOT_RECORDED: Final = "Nothing to do: this call is not recorded."
NO_PAUSE: Final = "Not done: say with `paused` whether the recording is to pause, true or false."


def keys_sent(digits: str) -> str:
    return f"Sent: {digits}"


TYPED_UNSEEN: Final = "(The caller typed something on the telephone keypad that is not kept.)"


def typed(keys: str) -> str:
    return f'(The caller typed on the telephone keypad: "{keys}")'


def not_taken(why: str) -> str:
    """Return how to begin with a caller who comes back; `why` in Twilio's words for a dial."""
    because = _WHY_NOT.get(why, "")
    return (
        f"The caller was to be connected with somebody, but nobody took the call{because}. Say so "
        "in one short sentence, in the caller's language, and ask how else you can help."
    )


_WHY_NOT: Final = {
    "busy": ": the line was busy",
    "no-answer": ": nobody answered",
    "declined": ": whoever answered could not take it",
}


def closed(name: str, until: str) -> str:
    """Return the output of a transfer to somebody who is not there at this hour."""
    return f"Not transferred: {name} is {until}. Tell the caller, and go on helping them."


NO_ANSWER: Final = (
    "You could not answer just now. Say so in one short sentence, in the caller's language, and "
    "ask them to say it again."
)


def explained(greeting: str, about: str) -> dict[str, Any]:
    """Return the response for a telephone's assistant that asks who is calling, and why."""
    why = f"What this call is for: {json.dumps(about, ensure_ascii=False)}. " if about else ""
    who = f"You would begin a call like this: {json.dumps(greeting, ensure_ascii=False)}. "
    return instructed(
        "Not the person but an assistant of their telephone has answered, and asks who is calling "
        f"and why. {why}{who if greeting else ''}In the assistant's language, say in one short "
        "sentence on whose behalf you call and why. Tell it no more than that, ask nothing, and do "
        "not begin the conversation."
    )


PERSON_IS_THERE: Final = (
    "Now the person is on the line; what they said last is theirs. Begin the conversation with "
    "them: say who you are, as they have not heard it."
)


def go_on(heard: str) -> dict[str, Any]:
    """Return the response that gives the rest of an answer that broke off."""
    return instructed(
        f'You were cut off by a fault; the caller heard you say: "{heard}" '
        "Go on from precisely there. Do not repeat what they heard, and do not mention the fault."
    )


def word_for_word(text: str) -> dict[str, Any]:
    """Return a response that says precisely this."""
    return {
        "instructions": f'Say exactly this, word for word, and nothing else: "{text}"',
        "tool_choice": "none",
    }


def in_language(text: str, written_in: str, language: str) -> dict[str, Any]:
    """Return a response that says a text of the agent's in the caller's language."""
    if same_language(written_in, language):
        return word_for_word(text)
    return {
        "instructions": (
            f'Say exactly this, translated into the language of the tag "{language}", and nothing '
            f'else: "{text}"'
        ),
        "tool_choice": "none",
    }


def instructed(instructions: str) -> dict[str, Any]:
    return {"instructions": instructions, "tool_choice": "none"}
