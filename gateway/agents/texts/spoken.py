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
        apology="Nous sommes désolés, un problème est survenu de notre côté. "
        "Merci de rappeler dans quelques instants.",
        unavailable="Nous sommes désolés, personne ne peut prendre votre appel pour le moment. "
        "Merci de rappeler plus tard.",
        leave_message="Nous sommes désolés, personne ne peut prendre votre appel pour le moment. "
        "Merci de laisser un message après le signal sonore.",
        handover="Un appel vous est transféré.",
        press_key="Pour le prendre, appuyez sur la touche un.",
        type_now="Tapez maintenant sur les touches de votre téléphone, et terminez par dièse. "
        "Personne n'entend ni ne voit ce que vous tapez. "
        "Pour reprendre la conversation, tapez étoile puis dièse.",
        type_again="Cela n'a pas fonctionné.",
    ),
    "ar": SpokenPhrases(
        language="ar-XA",
        apology="نعتذر، حدث خلل من جانبنا. نرجو معاودة الاتصال بعد قليل.",
        unavailable="نعتذر، لا يوجد من يرد على مكالمتكم الآن. نرجو معاودة الاتصال لاحقًا.",
        leave_message="نعتذر، لا يوجد من يرد على مكالمتكم الآن. نرجو ترك رسالة بعد الصافرة.",
        handover="هناك مكالمة محوّلة إليكم.",
        press_key="للرد عليها اضغطوا على الرقم واحد.",
        type_now="نرجو الإدخال الآن من لوحة مفاتيح الهاتف، ثم الضغط على مفتاح المربع. "
        "لا أحد يسمع ما تدخلونه أو يراه. "
        "للعودة إلى المحادثة اضغطوا على مفتاح النجمة ثم مفتاح المربع.",
        type_again="لم تنجح المحاولة.",
    ),
}


def spoken_phrases(language: str) -> SpokenPhrases:
    """The phrases for a language; English where there are none."""
    return in_language(_PHRASES, language)
