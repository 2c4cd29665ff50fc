"""What a three-class model answers: the names of its classes and the vote of each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreeClasses:
    """`names` in the order of probabilities and labels; `votes` is each class's code in the graph.

    One class has vote 0, the class that does nothing. A tie votes 0.
    """

    names: tuple[str, str, str]
    votes: tuple[int, int, int]

    @property
    def rest(self) -> int:
        """The class that does nothing, and that a tie counts as."""
        return self.votes.index(0)

    @property
    def acting(self) -> tuple[int, int]:
        """The two others, in their order."""
        first, second = (each for each in range(3) if each != self.rest)
        return first, second


SIGNAL = ThreeClasses(("BUY", "SELL", "HOLD"), (1, -1, 0))
POSITION = ThreeClasses(("HOLD", "EXIT", "ADD"), (0, 1, 2))
