"""Settings while what is not given is being filled in."""

from dataclasses import dataclass
from typing import Any

CHOSEN = "chosen for this data and machine"


@dataclass(frozen=True)
class Filling:
    """The tree's plain values while they are being filled, and where each came from."""

    values: dict[str, dict[str, Any]]
    origins: dict[str, str]

    def get(self, key: str) -> Any:
        """The value as it is now; None where there is none."""
        section, _, name = key.partition(".")
        return self.values[section].get(name)

    def given(self) -> set[str]:
        """The keys that a user, a recipe or a file has set."""
        return {key for key, origin in self.origins.items() if origin != CHOSEN}

    def put(self, key: str, value: Any) -> None:
        """Give a value that takes the place of another one, such as a name that means it."""
        section, _, name = key.partition(".")
        if self.values[section].get(name) != value:
            self.origins.setdefault(key, CHOSEN)
            self.values[section][name] = value

    def fill(self, key: str, value: Any) -> None:
        """Give a value where there is `auto` or none."""
        if self.get(key) in ("auto", None):
            self.origins.pop(key, None)
            self.put(key, value)
