"""A share of a cohort that one of several processes does, on any machine."""

import re
from dataclasses import dataclass

from bundle.errors import UsageError
from bundle.files.hashes import sha256_of

_FORM = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class Shard:
    """One of several shares that have no case in common, and all cases together.

    Which share a case is in follows from its name alone: a case more or less moves no other one.

    Attributes:
        number: of this share, from 1.
        of: how many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``3/10``.

        Raises:
            UsageError: E_USAGE, it has another form.
        """
        found = _FORM.fullmatch(text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise UsageError(
                "E_USAGE",
                f"A shard must be I/N with I from 1 to N, such as 3/10; got {text!r}. Correct it.",
            )
        return cls(number, of)

    @property
    def name(self) -> str:
        """For names of files."""
        return f"{self.number}-of-{self.of}"

    def has(self, case_id: str) -> bool:
        """Whether a case is in this share."""
        digest = sha256_of(case_id.encode("utf-8", "surrogatepass"))
        return int(digest, 16) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
