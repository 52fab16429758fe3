"""Words, their forms and parts: by hand, by published hash values, and for any text at all."""

import numpy as np
import pytest
import strategies as some
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import crc32, runs_of_three_and_four

from core.tokens import fold, grams, is_chinese, key, tokenize

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # one emoji of three, joined
THUMB = "\U0001f44d\U0001f3fd"  # with a colour of skin
HEART = "\u2764\ufe0f"  # with the selector that asks for a picture


def forms(text):
    return [token.form for token in tokenize(text)]


def words(text):
    return [token.text for token in tokenize(text)]


# For any text


@settings(max_examples=300)
@given(text=some.texts())
@example(text="")
@example(text="\ud800\x00\u202e")
@example(text=FAMILY * 3)
def test_tokens_stand_where_they_say_in_order_and_apart(text):
    tokens = tokenize(text)
    end = 0
    for token in tokens:
        assert token.text == text[token.start : token.end]
        assert end <= token.start < token.end <= len(text)
        assert token.form
        end = token.end


@settings(max_examples=300)
@given(text=some.texts())
def test_no_letter_digit_or_mark_is_left_out(text):
    inside = np.zeros(len(text), bool)
    for token in tokenize(text):
        inside[token.start : token.end] = True
    assert [
        c for c, kept in zip(text, inside, strict=True) if (c.isalnum() or c in "!?！？") and not kept
    ] == []


@settings(max_examples=200)
@given(text=some.texts())
def test_a_space_and_nothing_else_changes_nothing_before_it(text):
    assert tokenize(text + " ") == tokenize(text)
    assert [t.form for t in tokenize("  " + text)] == forms(text)
    assert [t.start for t in tokenize("  " + text)] == [t.start + 2 for t in tokenize(text)]


# By hand


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("Good, BOOK", ["good", "book"], id="case-and-commas"),
        pytest.param("Ｇｏｏｄ ﬁlm", ["good", "film"], id="NFKC"),
        pytest.param("I paid 2,50 in 1984", ["i", "paid", "0", "00", "in", "0000"], id="digits"),
        pytest.param("soooo goood book", ["soo", "good", "book"], id="repeated-letters"),
        pytest.param("hmmm hmm", ["hmm", "hmm"], id="three-and-two"),
        pytest.param("don’t don't rock’n’roll", ["don't", "don't", "rock'n'roll"], id="apostrophes"),
        pytest.param("'tis the dogs'", ["tis", "the", "dogs"], id="apostrophes-outside"),
        pytest.param("see http://a.b/c?d=1 or https://x.y", ["see", "<url>", "or", "<url>"], id="addresses"),
        pytest.param("www.a.org, fine", ["<url>", "fine"], id="www"),
        pytest.param("看https://a.cn/x好", ["看", "<url>", "好"], id="address-in-Chinese"),
        pytest.param("@Ann_1 and @bob", ["<name>", "and", "<name>"], id="names"),
        pytest.param("nice :) :-( ;D =] :'( <3", ["nice", ":)", ":-(", ";D", "=]", ":'(", "<3"], id="faces"),
        pytest.param(":-D ;^) =o] (: ): :3", [":-D", ";^)", "=o]", "(:", "):", ":3"], id="more-faces"),
        pytest.param("XD xDDD xd", ["XD", "xDDD", "xd"], id="laughing"),
        pytest.param("ratio 3:3", ["ratio", "0", "0"], id="no-face-beside-a-digit"),
        pytest.param("why?! really??? yes!!!!!", ["why", "?!", "really", "??", "yes", "!!"], id="marks"),
        pytest.param("好！！！真的？", ["好", "!!", "真", "的", "?"], id="wide-marks"),
        pytest.param("很好good", ["很", "好", "good"], id="CJK-one-by-one"),
        pytest.param(f"{FAMILY}{THUMB}{HEART}", [FAMILY, THUMB, "\u2764"], id="emoji"),
        pytest.param("a_b-c/d", ["a", "b", "c", "d"], id="underline"),
        pytest.param("<script>alert(1)</script>", ["script", "alert", "0", "script"], id="script"),
        pytest.param("good\x00bad\u202eworse\u200bbest", ["good", "bad", "worse", "best"], id="invisible"),
        pytest.param("\ud800good\udfff", ["good"], id="lone-surrogates"),
        pytest.param(" ,.;—…\n\t\u200d\ufe0f", [], id="no-word"),
        pytest.param("Größe ЖИЗНЬ カナ 한국", ["größe", "жизнь", "カナ", "한국"], id="other-scripts"),
    ],
)
def test_forms(text, wanted):
    assert forms(text) == wanted


def test_a_text_is_kept_as_it_was_written():
    assert words("Soooo Ｇｏｏｄ don’t 1984!!! ❤️") == ["Soooo", "Ｇｏｏｄ", "don’t", "1984", "!!!", "❤️"]


def test_composed_and_decomposed_letters_give_the_same_words():
    assert forms("cafe\u0301s nai\u0308ve") == forms("cafés naïve") == ["cafés", "naïve"]


@pytest.mark.parametrize("number", ["8", "1984", "10", "1000", "2000", "11111", "83"])
def test_every_digit_of_a_number_is_a_0(number):
    assert forms(f"{number} people") == ["0" * len(number), "people"]


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("", False),
        ("good", False),
        ("很好", True),
        ("很好 good", True),
        ("很 good", False),
        ("很好 very good", False),
        ("，。", False),
        ("カナ 한국", False),
        ("这个房间很不错, 下次 OK!", True),
    ],
)
def test_a_text_is_chinese_where_more_than_half_of_its_words_are(text, chinese):
    assert is_chinese(text) is chinese


# Parts


def test_the_slow_crc_has_the_published_check_value():
    assert crc32(b"123456789") == 0xCBF43926


def test_the_parts_of_no_by_hand():
    wanted = [crc32(part) % 1000 for part in (b"<no", b"no>", b"<no>")]
    assert grams("no", 1000) == wanted
    assert grams("a", 1000) == [crc32(b"<a>") % 1000]
    assert grams("", 1000) == [crc32(b"<>") % 1000]


def test_parts_are_the_same_for_ever():
    assert grams("good", 2048) == [
        crc32(p) % 2048 for p in (b"<go", b"goo", b"ood", b"od>", b"<goo", b"good", b"ood>")
    ]
    assert grams("good", 2**32, lengths=(6,)) == [0x09561568]


@settings(max_examples=100)
@given(form=some.any_characters, buckets=st.integers(1, 5000))
def test_parts_are_those_of_a_slow_hash_and_in_range(form, buckets):
    found = grams(form, buckets)
    assert found == [
        crc32(p.encode("utf-8", "surrogatepass")) % buckets for p in runs_of_three_and_four(form)
    ]
    assert found
    assert all(0 <= bucket < buckets for bucket in found)


# Keys and folds


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  Good,\tBOOK!! ", "good book"),
        ("Ｇｏｏｄ book", "good book"),
        ("don't", "don t"),
        ("不错，good!", "不错 good"),
        ("\uf900", "豈"),
        ("жизнь — ❤️ \x00\ud800", ""),
        ("<b>1</b>", "b 1 b"),
    ],
)
def test_keys(text, wanted):
    assert key(text) == wanted


@pytest.mark.parametrize(
    ("text", "sha1"),
    [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),  # FIPS 180, appendix A
        ("ABC!", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
    ],
)
def test_folds_are_the_last_decimal_of_published_sha1_values(text, sha1):
    assert fold(text) == int(sha1, 16) % 10 == int(str(int(sha1, 16))[-1])


@settings(max_examples=200)
@given(text=some.texts())
def test_any_text_has_a_fold_which_its_key_decides(text):
    assert fold(text) in range(10)
    assert fold(f"  {text.upper()}…") == fold(text) or key(text.upper()) != key(text)
    assert key(key(text)) == key(text)


def test_folds_are_of_one_size():
    counts = np.bincount([fold(f"text {k}") for k in range(5000)], minlength=10)
    assert np.all(np.abs(counts - 500) < 5 * np.sqrt(500 * 0.9))
