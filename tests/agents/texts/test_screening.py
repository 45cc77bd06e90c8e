"""Words of a telephone's assistant, and words of people."""

from __future__ import annotations

import pytest

from gateway.agents.texts.screening import asks_who_calls, has_one_wait

ASKS = [
    "Hi, if you record your name and reason for calling, I'll see if this person is available.",
    "Hi, the person you're calling is using a screening service from Google, and will get a copy "
    "of this conversation. Go ahead and say your name, and why you're calling.",
    "Please state your name and the purpose of your call.",
    "Please tell me who you are and why you're calling.",
    "Go ahead and say who is calling, and what it is about.",
    "Hi. Before I try to connect you, can I ask what you're calling about?",
    "Hello, I'm a virtual assistant answering for Mark.",
    "Bonjour, je suis l'assistant vocal de Leïla.",
    "مرحبًا، أنا المساعد الافتراضي لليلى.",
    "Bonjour, dites votre nom et la raison de votre appel.",
    "Veuillez indiquer votre nom et pourquoi vous appelez.",
    "مرحبا، اذكر اسمك وسبب الاتصال من فضلك.",
    "من فضلك قل اسمك ولماذا تتصل.",
    "إذا سجّلتَ اسمَكَ وسببَ الاتصال، فسأتحقق ممّا إذا كان هذا الشخص متاحًا.",
    "يُرجى ذكر سبب اتصالك وإسمك.",
    "من فضلك عرّف بنفسك واذكر سبب المكالمة.",
    "هذا الشخص يستخدم خدمة فلترة المكالمات.",
    "Bonjour. Si vous enregistrez votre nom et la raison de votre appel, je verrai si cette "
    "personne est disponible.",
    "Merci de préciser le motif de votre appel et votre nom.",
    "Présentez-vous et dites pourquoi vous appelez.",
    "La personne que vous appelez utilise un service de filtrage des appels.",
]
WAITS = [
    "Thank you. Please stay on the line.",
    "One moment please, I'll see if they are available.",
    "Merci, ne quittez pas.",
    "Veuillez patienter un instant.",
    "شكرا، انتظر لحظة من فضلك.",
    "الرجاء الانتظار.",
    "شكرًا. ابقَ على الخط من فضلك.",
    "خليك معي على الخط.",
    "ما تقطعش، نشوف إذا كان موجود.",
    "Merci. Restez en ligne.",
    "Un petit moment, s'il vous plaît.",
    "Je vais voir si cette personne est disponible.",
]
PEOPLE = [
    "Hello?",
    "Hello, this is Mrs Ellis.",
    "Is this an automated assistant?",
    "Oh, this is a virtual assistant again.",
    "Vous êtes un assistant vocal ?",
    "هل أنت مساعد افتراضي؟",
    "Tell me again, who is calling?",
    "Who is calling, please?",
    "Yes, what is it about?",
    "Allô, oui, c'est moi.",
    "C'est de la part de qui ?",
    "ألو، من معي؟",
    "نعم، تفضل.",
    "ألو، شكون معايا؟",
    "نعم، كنت انتظر اتصالكم.",
    "هلا، منو معي؟",
    "إي نعم، وش بغيت؟",
    "ما عرفتك، شنوة اسمك؟",
    "Oui, c'est à quel sujet ?",
    "Bonjour, qui est à l'appareil ?",
]


@pytest.mark.parametrize("words", ASKS)
def test_an_assistant_asks_who_is_calling_and_why(words: str) -> None:
    assert asks_who_calls(words)
    assert has_one_wait(words)


@pytest.mark.parametrize("words", WAITS)
def test_an_assistant_has_one_wait(words: str) -> None:
    assert has_one_wait(words)
    assert not asks_who_calls(words)


@pytest.mark.parametrize("words", PEOPLE)
def test_people_are_people(words: str) -> None:
    assert not asks_who_calls(words)
    assert not has_one_wait(words)
