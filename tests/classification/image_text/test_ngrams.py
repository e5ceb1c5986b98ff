import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import bundle
from bundle.classification.image_text.ngrams import HashedNgrams, ngrams
from bundle.errors import SetupError

ROOT = Path(bundle.__file__).parents[1]


def test_a_text_is_its_words_and_then_the_three_characters_at_each_place_in_them():
    assert list(ngrams("Red pie")) == ["<red>", "<pie>", "<re", "red", "ed>", "<pi", "pie", "ie>"]


def test_a_word_of_one_letter_is_itself_alone():
    assert list(ngrams("a I")) == ["<a>", "<i>"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Crème BRÛLÉE", "cre\u0300me bru\u0302le\u0301e"),
        ("ﬁsh", "FISH"),
        ("Straße", "STRASSE"),
        ("½ cup", "1⁄2 cup"),
        ("a, b & c!", "a b c"),
    ],
)
def test_what_reads_alike_has_the_same_numbers(one, other):
    numbers = HashedNgrams()
    assert numbers(one).equal(numbers(other))


def test_numbers_are_the_same_on_every_machine_and_in_every_process():
    code = (
        "from bundle.classification.image_text.ngrams import HashedNgrams;"
        "print(HashedNgrams(1000, 5)('Pumpkin pie').tolist())"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
        assert done.stdout.decode().strip() == "[468, 649, 736, 501, 544]"


@pytest.mark.parametrize("n_buckets", [2, 3, 50])
def test_numbers_lie_between_padding_and_the_number_of_buckets(n_buckets):
    found = HashedNgrams(n_buckets, 200)("the quick brown fox jumps over the lazy dog")
    used = found[found != 0]
    assert len(used) == sum(1 for _ in ngrams("the quick brown fox jumps over the lazy dog"))
    assert used.min() >= 1
    assert used.max() < n_buckets
    assert found[len(used) :].sum() == 0


def test_a_long_text_is_cut_and_keeps_its_first_words():
    numbers, short = HashedNgrams(max_tokens=3), HashedNgrams(max_tokens=2)
    found = numbers("one two three four")
    assert found.shape == (3,)
    assert found[:2].equal(short("one two"))


@pytest.mark.parametrize("text", ["", "  ", "!?", "\u2014", "\n"])
def test_a_text_without_a_word_is_all_padding(text):
    found = HashedNgrams()(text)
    assert found.dtype == torch.int64
    assert not found.any()


def test_half_a_character_is_no_reason_to_fail():
    assert HashedNgrams()("a\ud800b").any()


@pytest.mark.parametrize(("n_buckets", "max_tokens"), [(1, 5), (5, 0)])
def test_no_room_for_one_number_is_refused(n_buckets, max_tokens):
    with pytest.raises(SetupError, match="at least 2 and max_tokens of at least 1") as caught:
        HashedNgrams(n_buckets, max_tokens)
    assert caught.value.code == "E_SETTING"
