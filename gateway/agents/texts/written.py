"""Texts that a caller reads: in messages to their phone, and on the page behind a texted link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.agents.texts.lookup import in_language


@dataclass(frozen=True)
class WrittenTexts:
    """Sentences in one language; `tag` and `direction` are of HTML."""

    tag: str
    direction: str
    no_call: str
    """Answers a text that belongs to no call."""
    link: str
    """Goes before the address of the page."""
    title: str
    lead: str
    take: str
    choose: str
    show: str
    showing: str
    holds: str
    sending: str
    sent: str
    camera_on: str
    camera_off: str
    no_camera: str
    not_a_picture: str
    too_large: str
    too_often: str
    busy: str
    enough: str
    failed: str
    over_title: str
    over: str
    no_script: str


_WRITTEN: Final = {
    "en": WrittenTexts(
        tag="en",
        direction="ltr",
        no_call="Thank you for your message. Nobody is on the phone with you right now, so it "
        "could not be shown to anyone. Please call this number, and send it again while you talk.",
        link="Here you can show us a photo or your camera during this call:",
        title="Show a photo",
        lead="You are on the phone with us. What you send here is seen in this call; "
        "we do not keep it.",
        take="Take a photo",
        choose="Choose a photo",
        show="Hold to show the camera",
        showing="Let go to stop",
        holds="Press and hold. By keyboard: hold the space bar.",
        sending="Sending…",
        sent="The photo has arrived. You can talk about it now.",
        camera_on="The camera is being seen.",
        camera_off="The camera is off.",
        no_camera="The camera cannot be used. You can send a photo instead.",
        not_a_picture="This is not a picture that can be seen. Please choose another one.",
        too_large="This picture is too large. Please choose another one.",
        too_often="That was very quick. Please wait a moment, and try again.",
        busy="Many photos are arriving at this moment. Please try again in a few seconds.",
        enough="That is all that can be shown in one call. Please go on by telephone.",
        failed="It did not arrive. Please try again.",
        over_title="The call is over",
        over="This link was for one call, and that call is over. Thank you for calling.",
        no_script="This page needs JavaScript. You can also send the photo to us by text message.",
    ),
    "fr": WrittenTexts(
        tag="fr",
        direction="ltr",
        # In texts only letters of GSM 03.38: with "ê" or a hard space a text has 70 characters.
        no_call="Merci pour votre message. Aucun appel n'est en cours avec vous : personne n'a pu "
        "le voir. Veuillez appeler ce numéro et le renvoyer pendant l'appel.",
        link="Pendant cet appel, vous pouvez nous montrer une photo ou activer votre caméra ici :",
        title="Montrer une photo",
        lead="Vous êtes en ligne avec nous. Ce que vous envoyez ici est vu pendant cet appel. "
        "Nous ne le conservons pas.",
        take="Prendre une photo",
        choose="Choisir une photo",
        show="Maintenir appuyé pour montrer en direct",
        showing="Relâchez pour arrêter",
        holds="Appuyez sans relâcher. Au clavier, gardez la barre d'espace enfoncée.",
        sending="Envoi en cours…",
        sent="La photo est arrivée. Vous pouvez en parler maintenant.",
        camera_on="L'image de votre caméra est visible.",
        camera_off="La caméra est éteinte.",
        no_camera="La caméra ne peut pas être utilisée. Vous pouvez envoyer une photo à la place.",
        not_a_picture="Cette image ne peut pas être lue. Veuillez en choisir une autre.",
        too_large="Cette image est trop lourde. Veuillez en choisir une autre.",
        too_often="Les envois se suivent de trop près. Veuillez patienter un instant et réessayer.",
        busy="Beaucoup de photos arrivent en ce moment. Veuillez réessayer dans quelques secondes.",
        enough="Rien de plus ne peut être montré dans cet appel. Veuillez continuer par téléphone.",
        failed="L'envoi n'a pas abouti. Veuillez réessayer.",
        over_title="L'appel est terminé",
        over="Ce lien était valable pour un seul appel, qui est terminé. Merci de votre appel.",
        no_script="Cette page nécessite JavaScript. Vous pouvez aussi nous envoyer la photo "
        "par message.",
    ),
    "ar": WrittenTexts(
        tag="ar",
        direction="rtl",
        no_call="شكرًا على رسالتكم. لا توجد مكالمة جارية معكم الآن، لذلك لم يرها أحد. نرجو الاتصال "
        "بهذا الرقم وإعادة إرسالها أثناء المكالمة.",
        link="من هنا يمكنكم إرسال صورة إلينا أو تشغيل الكاميرا أثناء هذه المكالمة:",
        title="عرض صورة",
        lead="أنتم في مكالمة معنا. ما ترسلونه هنا يظهر لنا أثناء هذه المكالمة ولا نحتفظ به.",
        take="التقاط صورة",
        choose="اختيار صورة",
        show="اضغطوا مع الاستمرار للعرض بالكاميرا",
        showing="اتركوا الزر للتوقف",
        holds="اضغطوا مع الاستمرار. من لوحة المفاتيح: اضغطوا مع الاستمرار على مفتاح المسافة.",
        sending="جارٍ الإرسال…",
        sent="وصلت الصورة. يمكنكم التحدث عنها الآن.",
        camera_on="صورة الكاميرا تظهر لنا الآن.",
        camera_off="الكاميرا متوقفة.",
        no_camera="لا يمكن استخدام الكاميرا. يمكنكم إرسال صورة بدلًا من ذلك.",
        not_a_picture="تعذّر فتح هذه الصورة. نرجو اختيار صورة أخرى.",
        too_large="حجم هذه الصورة كبير جدًا. نرجو اختيار صورة أخرى.",
        too_often="الإرسال متقارب جدًا. نرجو الانتظار لحظة ثم المحاولة مرة أخرى.",
        busy="تصل صور كثيرة في هذه اللحظة. نرجو المحاولة مرة أخرى بعد بضع ثوانٍ.",
        enough="هذا كل ما يمكن عرضه في مكالمة واحدة. نرجو متابعة الحديث بالهاتف.",
        failed="تعذّر الإرسال. نرجو المحاولة مرة أخرى.",
        over_title="انتهت المكالمة",
        over="كان هذا الرابط لمكالمة واحدة، وقد انتهت. شكرًا لاتصالكم.",
        no_script="تحتاج هذه الصفحة إلى JavaScript. يمكنكم أيضًا إرسال الصورة إلينا في رسالة.",
    ),
}


def written_texts(language: str) -> WrittenTexts:
    """The sentences for a language; English where there are none."""
    return in_language(_WRITTEN, language)
