"""Sentences that Twilio's own voice says when no agent can speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.agents.texts.lookup import in_language


@dataclass(frozen=True)
class SpokenPhrases:
    """Sentences in one language; `language` is the value of `<Say language>`."""

    language: str
    apology: str
    unavailable: str
    leave_message: str
    handover: str
    """To somebody who takes over a call."""
    press_key: str
    type_now: str
    """What a caller hears who is to type a secret."""
    type_again: str


_PHRASES: Final = {
    "en": SpokenPhrases(
        language="en-US",
        apology="We are sorry, something went wrong on our side. Please call again in a moment.",
        unavailable="We are sorry, nobody can take your call right now. Please try again later.",
        leave_message="We are sorry, nobody can take your call right now. "
        "Please leave a message after the tone.",
        handover="A call is being handed over to you.",
        press_key="Press one to take it.",
        type_now="Please type it on your telephone now, and end with the pound key. Nobody "
        "hears or sees it. Press star and pound to go back.",
        type_again="That did not work.",
    ),
    "fr": SpokenPhrases(
        language="fr-FR",
        apology="Désolés, un problème est survenu de notre côté. "
        "Merci de rappeler dans un instant.",
        unavailable="Désolés, personne ne peut prendre votre appel pour le moment. "
        "Merci de réessayer plus tard.",
        leave_message="Désolés, personne ne peut prendre votre appel pour le moment. "
        "Merci de laisser un message après le signal sonore.",
        handover="Un appel vous est transmis.",
        press_key="Appuyez sur un pour le prendre.",
        type_now="Tapez-le maintenant sur votre téléphone et terminez par dièse. Personne ne "
        "l'entend ni ne le voit. Étoile puis dièse pour revenir en arrière.",
        type_again="Cela n'a pas fonctionné.",
    ),
    "ar": SpokenPhrases(
        language="ar-XA",
        apology="نعتذر، حدث خلل من جانبنا. نرجو معاودة الاتصال بعد قليل.",
        unavailable="نعتذر، لا يمكن لأحد الرد على مكالمتكم الآن. نرجو المحاولة لاحقًا.",
        leave_message="نعتذر، لا يمكن لأحد الرد على مكالمتكم الآن. نرجو ترك رسالة بعد الصافرة.",
        handover="تُحوَّل إليكم مكالمة.",
        press_key="اضغطوا على الرقم واحد لتلقيها.",
        type_now="نرجو كتابته الآن على لوحة الهاتف والضغط على مفتاح المربع في النهاية. "
        "لا أحد يسمعه أو يراه. للعودة اضغطوا على مفتاح النجمة ثم المربع.",
        type_again="لم ينجح ذلك.",
    ),
}


def spoken_phrases(language: str) -> SpokenPhrases:
    """The phrases for a language; English where there are none."""
    return in_language(_PHRASES, language)
