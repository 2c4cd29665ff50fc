"""What is wrong with the settings, all of it at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One key: where it is, what is allowed, what came."""

    file: str
    path: str
    allowed: str
    received: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path}: {self.allowed}; received {self.received}"


class SettingsError(ValueError):
    """Carries every problem; the text has one line for each."""

    def __init__(self, problems: list[SettingProblem]) -> None:
        self.problems = tuple(problems)
        count = len(problems)
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{count} setting{'s' if count > 1 else ''} to mend:\n{lines}")
