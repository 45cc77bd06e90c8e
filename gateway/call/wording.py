"""What we ask of the model in words. English: the model speaks the caller's language anyway."""

from __future__ import annotations

from typing import Any, Final

NOT_ENDED: Final = "The call was not ended: the caller went on speaking. Listen to him."
NOT_TRANSFERRED: Final = "Not transferred: the caller went on speaking. Listen to him."
TRANSFER_FAILED: Final = (
    "The transfer did not work: nobody took the call. Tell the caller, and go on helping him."
)
CONNECTING: Final = (
    "Tell the caller in one short sentence, in the language of the conversation, that you are "
    "connecting him now. Nothing else."
)
LOST: Final = "It is not known whether this worked: the line broke meanwhile."
CONFIRM: Final = (
    "Not done yet: it needs the caller's yes. Tell him in one sentence what you are about to do "
    "and ask whether you may. If he says yes, call this again with the same arguments."
)
CANCELLED: Final = "Cancelled: the caller interrupted. Listen to him."
TOO_MANY: Final = "Not done: too many things are being done at once. Wait for the others."
FILLER: Final = (
    "Say in a few words, in the language of the conversation, that you are looking into it. "
    "Nothing else, and no result yet."
)
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
    "page": "The caller took or chose this picture on his telephone just now, during the call.",
}
"""What a picture is, by the way on which it came."""
CAMERA: Final = "What the caller's camera shows at this moment. He holds it there for you to see."
PICTURE_WAS_SENT: Final = "(Here the caller sent a picture. It can no longer be seen.)"
CAMERA_WAS_SHOWN: Final = "(Here the caller showed his camera. It can no longer be seen.)"


def written(text: str) -> str:
    """Words that the caller did not speak."""
    return f'The caller wrote this in a text message, during the call: "{text}"'


def picture_unusable(reason: str) -> str:
    """`reason` goes on after a colon, without a full stop."""
    return (
        f"The caller sent a picture that nobody can see: {reason}. Tell him so in one short "
        "sentence, and ask him for another one."
    )


def came_of(tool: str) -> str:
    """A tool whose outcome was lost with the process, or the stream, that it was called in."""
    return TRANSFER_FAILED if tool == "transfer" else LOST


def not_taken(why: str) -> str:
    """How to begin with a caller who comes back; `why` in Twilio's words for a dial."""
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
    """Nobody is there to whom the caller could be handed."""
    return f"Not transferred: {name} is {until}. Tell the caller, and go on helping him."


def go_on(heard: str) -> dict[str, Any]:
    """The rest of an answer that broke off."""
    return instructed(
        f'You were cut off by a fault; the caller heard you say: "{heard}" '
        "Go on from precisely there. Do not repeat what he heard, and do not mention the fault."
    )


def word_for_word(text: str) -> dict[str, Any]:
    """A response that says precisely this."""
    return {
        "instructions": f'Say exactly this, word for word, and nothing else: "{text}"',
        "tool_choice": "none",
    }


def instructed(instructions: str) -> dict[str, Any]:
    return {"instructions": instructions, "tool_choice": "none"}
