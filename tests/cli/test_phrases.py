"""Code phrases: what is made, and what is read."""

from __future__ import annotations

import random

import pytest

from trio_rtc.cli.sharing.phrases import NUMBERS, make_phrase, read_phrase, word_list
from trio_rtc.cli.sharing.statuses import status_of
from trio_rtc.errors import CallError


def test_the_words_are_short_plain_and_all_different() -> None:
    words = word_list()
    assert len(words) == len(set(words)) == 512
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert max(map(len, words)) <= 11


def test_a_phrase_is_one_of_many() -> None:
    chance = random.Random(1)
    made = [make_phrase(chance.randrange) for _ in range(1000)]
    assert len({phrase.text for phrase in made}) == 1000
    assert all(1 <= phrase.number <= NUMBERS for phrase in made)
    assert all(read_phrase(phrase.text) == phrase for phrase in made)


@pytest.mark.parametrize(
    "typed",
    ["7-guitarist-paperweight", "7 guitarist paperweight", " 07 Guitarist-PAPERWEIGHT\n"],
)
def test_a_phrase_as_people_type_it(typed: str) -> None:
    phrase = read_phrase(typed)
    assert (phrase.text, phrase.room) == ("7-guitarist-paperweight", "code-7")


@pytest.mark.parametrize("typed", ["", "7", "guitarist-paperweight", "7--", "77777-a", "7-"])
def test_what_is_no_phrase(typed: str) -> None:
    with pytest.raises(CallError) as caught:
        read_phrase(typed)
    assert status_of(caught.value.code) == 2
