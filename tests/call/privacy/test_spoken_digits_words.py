"""Every number word of each language, read by itself: people count here as they are taught to."""

from __future__ import annotations

import pytest

from gateway.call.privacy.spoken_digits import digit_groups


def read(text: str) -> str:
    return " ".join(group.digits for group in digit_groups(text)[0])


@pytest.mark.parametrize(
    ("first", "step", "words"),
    [
        # English and French.
        (0, 1, "zero one two three four five six seven eight nine ten eleven twelve"),
        (13, 1, "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
        (20, 10, "twenty thirty forty fifty sixty seventy eighty ninety"),
        (0, 1, "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize"),
        (14, 1, "quatorze quinze seize"),
        (20, 10, "vingt trente quarante cinquante soixante septante huitante nonante"),
        # Standard Arabic: counted, with a feminine noun, and in both cases of the tens.
        (0, 1, "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة"),
        (1, 1, "واحدة اثنتان ثلاث أربع خمس ست سبع ثماني تسع عشر"),
        (20, 10, "عشرون ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون"),
        (20, 10, "عشرين ثلاثين أربعين خمسين ستين سبعين ثمانين تسعين"),
        (200, 100, "مئتان ثلاثمئة أربعمئة خمسمئة ستمئة سبعمئة ثمانمئة تسعمئة"),
        (200, 100, "مائتين ثلاثمائة أربعمائة خمسمائة ستمائة سبعمائة ثمانمائة تسعمائة"),
        # Tunis.
        (1, 1, "واحد زوز تلاثة أربعة خمسة ستة سبعة ثمنية تسعة عشرة"),
        (11, 1, "حداش ثناش ثلطاش أربعطاش خمسطاش سطاش سبعطاش ثمنطاش تسعطاش"),
        (200, 100, "ميتين ثلاثمية أربعمية خمسمية ستمية سبعمية ثمنمية تسعمية"),
        # Algiers and Rabat.
        (1, 1, "واحد جوج تلاتة ربعة خمسة ستة سبعة تمنية تسعة عشرة"),
        (11, 1, "احداش طناش تلطاش ربعطاش خمستاش ستاش سبعتاش تمنطاش تسعتاش"),
        # Cairo.
        (1, 1, "واحد اتنين تلاتة أربعة خمسة ستة سبعة تمانية تسعة عشرة"),
        (11, 1, "حداشر اتناشر تلتاشر أربعتاشر خمستاشر ستاشر سبعتاشر تمنتاشر تسعتاشر"),
        (20, 10, "عشرين تلاتين أربعين خمسين ستين سبعين تمانين تسعين"),
        (200, 100, "ميتين تلتمية ربعمية خمسمية ستمية سبعمية تمنمية تسعمية"),
        # Beirut and Riyadh.
        (1, 1, "وحدة تنين تلات أربعة خمسة ستة سبعة تمنية تسعة عشرة"),
        (11, 1, "احدعش اتنعش تلتعش أربعتعش خمستعش ستعش سبعتعش تمنتعش تسعتعش"),
        (11, 1, "إحدعش ثنعش ثلطعش أربعطعش خمسطعش سطعش سبعطعش ثمانطعش تسعطعش"),
        # English and French digits in Arabic letters.
        (0, 1, "زيرو ون تو ثري فور فايف سكس سفن ايت ناين"),
        (2, 1, "دو تروا كاتر سانك سيس سات ويت نوف"),
    ],
)
def test_counting_in_every_language(first: int, step: int, words: str) -> None:
    spoken = words.split()
    numbers = [str(first + step * nth) for nth in range(len(spoken))]
    assert [read(word) for word in spoken] == numbers


@pytest.mark.parametrize("zero", ["oh", "o", "nought", "naught", "nil"])
def test_other_words_for_zero(zero: str) -> None:
    assert read(f"{zero} seven") == "0 7"


@pytest.mark.parametrize(
    "plurals",
    [
        "zeros ones twos threes fours fives sixes sevens eights nines",
        "أصفار واحدات ثنينات ثلاثات أربعات خمسات ستات سبعات ثمانيات تسعات",
    ],
)
def test_digits_that_are_counted(plurals: str) -> None:
    spoken = plurals.split()
    assert [read(f"two {word}") for word in spoken] == [f"{n}{n}" for n in range(10)]
    assert [read(word) for word in spoken] == [""] * 10


def test_digits_in_the_arabic_dual() -> None:
    twice = "صفرين ثلاثتين أربعتين خمستين سبعتين ثمانيتين تسعتين"
    assert read(twice) == "00 33 44 55 77 88 99"


@pytest.mark.parametrize(
    ("times", "words"), [(2, "double دبل دوبل"), (3, "triple treble تربل تريبل")]
)
def test_a_digit_that_is_repeated(times: int, words: str) -> None:
    for word in words.split():
        assert read(f"{word} five") == "5" * times
        assert read(f"{word} خمسة") == "5" * times


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("أحد عشر، إحدى عشرة، اثنا عشر، اثني عشر، اثنتا عشرة، اثنتي عشرة", "11 11 12 12 12 12"),
        ("ألفين، ألفان، ألفين وثلاثة", "2000 2000 2003"),
        ("one thousand, nine thousand and one, cinq mille, ثلاثة آلاف", "1000 9001 5000 3000"),
        ("mille un, mille neuf cents", "1001 1900"),
        ("one hundred, nine hundred and one, cent un, deux cents", "100 901 101 200"),
        ("nineteen hundred, ninety-nine hundred, eleven hundred", "1900 9900 1100"),
        ("onze cents, dix-neuf cent un", "1100 1901"),
        ("تسع مية وواحد، تسع مئة", "901 900"),
        # Nobody counts like that: it is a number, and then another.
        ("vingt cent un, احداش مية وواحد", "20 101 11 101"),
    ],
)
def test_hundreds_and_thousands(text: str, digits: str) -> None:
    assert read(text) == digits


def test_french_tens_that_are_sums() -> None:
    sixties = "soixante-dix soixante et onze soixante-douze soixante-dix-sept soixante-dix-neuf"
    assert read(sixties) == "70 71 72 77 79"
    assert read("quatre-vingts, quatre-vingt-un, quatre-vingt-neuf") == "80 81 89"
    assert read("soixante-dix onze, quatre-vingt-dix dix") == "70 11 90 10"
    assert read("quatre-vingt-dix, quatre-vingt-treize, quatre-vingt-dix-huit") == "90 93 98"
    assert read("vingt-neuf, trente et un, vingt et un") == "29 31 21"


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("quatre-vingts quatre-vingt-un", "80 81"),
        ("quatre vingts quatre vingt un", "80 81"),
        ("quatre-vingt quatre-vingt-onze", "80 91"),
        ("soixante quatre-vingt-dix", "60 90"),
        ("trente et quatre-vingts", "30 80"),
        ("quatre-vingt-quatre vingt-six", "84 26"),
        ("trente-quatre vingt-six", "34 26"),
        ("trente quatre vingt", "34 20"),
        ("quatre-vingts quatre", "84"),
        ("quatre\u2011vingt quatre\u2010vingt\u2011un", "80 81"),
    ],
)
def test_eighty_behind_other_tens_is_told_by_its_hyphens(text: str, digits: str) -> None:
    assert read(text) == digits
