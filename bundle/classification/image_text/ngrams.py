"""Words of a text as numbers, without a vocabulary that would have to be learned or kept."""

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from bundle.errors import SetupError

TextTokens = Callable[[str], Tensor]
"""A text to (L,) int64, from the left; 0 is padding, and all 0 a text that says nothing."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class HashedNgrams:
    """Numbers the words of a text, and then their runs of three characters, by their checksums.

    Two may share a number by chance, the fewer the more numbers there are. The same text has the
    same numbers on every machine. Compatible forms of characters and upper and lower case are one
    (Unicode's NFKC and case folding).

    Attributes:
        n_buckets: numbers are 1 to ``n_buckets`` - 1; 0 is padding.
        max_tokens: L; what comes after is cut off.

    Raises:
        SetupError: E_SETTING, there is no room for one number.

    Source: Weinberger et al., Feature hashing for large scale multitask learning, ICML 2009; runs
    of characters within words: Bojanowski et al., Enriching word vectors, TACL 2017.
    """

    n_buckets: int = 2**14
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if self.n_buckets < 2 or self.max_tokens < 1:
            raise SetupError(
                "E_SETTING",
                "Hashed n-grams must have n_buckets of at least 2 and max_tokens of at least 1; got"
                f" {self.n_buckets} and {self.max_tokens}. Correct the settings.",
            )

    def __call__(self, text: str) -> Tensor:
        """Return the numbers of a text: (L,) int64, 0 after the last one."""
        found = list(islice(map(self._number, ngrams(text)), self.max_tokens))
        return padded(found, self.max_tokens)

    def _number(self, ngram: str) -> int:
        return zlib.crc32(ngram.encode(errors="surrogatepass")) % (self.n_buckets - 1) + 1


def ngrams(text: str) -> Iterator[str]:
    """Name the words of a text in their order, then the three characters at each place in them.

    Both ends of a word count as a character, ``<`` and ``>``, which no word holds.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    words = [f"<{word}>" for word in _WORD.findall(folded)]
    yield from words
    for word in words:
        if len(word) > 3:  # else the word itself
            yield from (word[start : start + 3] for start in range(len(word) - 2))


def padded(numbers: list[int], length: int) -> Tensor:
    """Return numbers with 0 after the last one: (``length``,) int64."""
    return torch.tensor(numbers + [0] * (length - len(numbers)), dtype=torch.int64)
