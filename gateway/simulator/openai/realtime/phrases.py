"""Sentences of the simulated model's demo, by language."""

from __future__ import annotations

from typing import Final

PHRASES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "name": "English",
        "greeting": "Hello, this is the practice line. Please say something.",
        "spoke": "You spoke for ${seconds} seconds.",
        "echo": "Here is how you sound on this line:",
        "goodbye": "Thank you for calling. Goodbye.",
        "still_there": "Are you still there?",
        "minute": "We have about one minute left.",
        "wait": "One moment, please.",
        "tool": "Here is what I found: ${output}",
        "text": "I have noted: ${text}",
        "image": "Thank you, I can see the picture.",
        "denied": "I am sorry, that is not possible now. How else can I help you?",
        "not_taken": "I am sorry, nobody could take your call. How else can I help you?",
        "other": "Very well.",
    },
    "fr": {
        "name": "français",
        "greeting": "Bonjour, ici la ligne d'essai. Dites quelque chose, s'il vous plaît.",
        "spoke": "Vous avez parlé pendant ${seconds} secondes.",
        "echo": "Voici comment on vous entend sur cette ligne :",
        "goodbye": "Merci de votre appel. Au revoir.",
        "still_there": "Êtes-vous toujours en ligne ?",
        "minute": "Il nous reste environ une minute.",
        "wait": "Un instant, s'il vous plaît.",
        "tool": "Voici ce que j'ai trouvé : ${output}",
        "text": "J'ai noté : ${text}",
        "image": "Merci, je vois la photo.",
        "denied": "Je regrette, ce n'est pas possible maintenant. Que puis-je faire d'autre ?",
        "not_taken": "Je regrette, personne n'a pu vous répondre. Que puis-je faire d'autre ?",
        "other": "Très bien.",
    },
    "ar": {
        "name": "العربية",
        "greeting": "مرحبًا، هذا خط التجربة. تفضلوا بالكلام.",
        "spoke": "مدة كلامكم ${seconds} ثانية.",
        "echo": "هكذا نسمع صوتكم على هذا الخط:",
        "goodbye": "شكرًا لاتصالكم. مع السلامة.",
        "still_there": "هل ما زلتم على الخط؟",
        "minute": "بقيت لنا دقيقة واحدة تقريبًا.",
        "wait": "لحظة من فضلكم.",
        "tool": "هذا ما وجدته: ${output}",
        "text": "سجّلت: ${text}",
        "image": "شكرًا، أرى الصورة.",
        "denied": "عذرًا، هذا غير ممكن الآن. كيف يمكنني مساعدتكم في أمر آخر؟",
        "not_taken": "عذرًا، لم يتمكن أحد من الرد على مكالمتكم. كيف يمكنني مساعدتكم في أمر آخر؟",
        "other": "حسنًا.",
    },
}


def phrases_for(language: str) -> dict[str, str]:
    return PHRASES.get(language, PHRASES["en"])
