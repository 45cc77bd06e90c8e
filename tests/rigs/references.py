"""Reference results: cases that are always drawn alike, and a digest of each in a text file.

Other tests say what is right, each of one thing. References say what is so, also where no other
test looks. If one differs, print that case in this tree and in the one before, and compare them.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws alike whatever the versions of Python and of libraries."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def one_of(self, *options: T) -> T:
        return options[int(self._random.random() * len(options))]

    def below(self, count: int) -> int:
        return int(self._random.random() * count)

    def seldom(self) -> bool:
        return self._random.random() < 0.1


@dataclass(frozen=True)
class References:
    """Cases of some kinds, named like `media-07`; each yields lines, or longer texts."""

    file: Path
    module: str
    """Name of the module that draws the cases, as `python -m` takes it."""
    kinds: Mapping[str, tuple[int, Callable[[Dice], Iterator[str]]]]
    """By kind: how many cases, and what draws one."""

    def names(self) -> list[str]:
        counts = {kind: count for kind, (count, _) in self.kinds.items()}
        return [f"{kind}-{nth:02}" for kind, count in counts.items() for nth in range(count)]

    def lines(self, name: str) -> list[str]:
        """Return what came of a case."""
        kind, _, _ = name.rpartition("-")
        _, drawn = self.kinds[kind]
        return list(drawn(Dice(name)))

    def digest(self, name: str) -> str:
        return blake2b("\n".join(self.lines(name)).encode(), digest_size=8).hexdigest()

    def written(self) -> dict[str, str]:
        """Return the digest of each case that the file has."""
        lines = self.file.read_text("ascii").splitlines() if self.file.exists() else []
        return dict(line.split() for line in lines)

    def check(self, name: str) -> None:
        """Raise AssertionError where a case comes out otherwise than the file says."""
        assert self.digest(name) == self.written().get(name), (
            f"{name} comes out otherwise; look at it with `{self._command} --show {name}` in this "
            "tree and in the one before; if that was meant, write all anew with --write"
        )

    @property
    def _command(self) -> str:
        return f"PYTHONPATH=tests:tests/rigs python -m {self.module}"

    def main(self) -> int:
        """Print one case, or write the digests of all."""
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}")
        asked = parser.add_mutually_exclusive_group(required=True)
        asked.add_argument("--show", metavar="NAME", choices=self.names())
        asked.add_argument("--write", action="store_true")
        given = parser.parse_args()
        if given.show:
            sys.stdout.write("\n".join(self.lines(given.show)) + "\n")
        else:
            lines = [f"{name} {self.digest(name)}\n" for name in self.names()]
            self.file.write_text("".join(lines), "ascii")
        return 0
