"""The times that tests live by."""

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Clock:
    """Seconds since 1970; it starts at the machine's time and stands still until it is told to move."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        """The time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Move on by so many seconds; backwards when negative."""
        self.now += seconds


@dataclass(slots=True)
class ServerClock:
    """The time of a server: the machine's, because other processes read that too, until a test changes it."""

    _ahead: float = 0.0
    _still: float | None = None

    def __call__(self) -> float:
        """The time, in seconds since 1970."""
        return self._ahead + (time.time() if self._still is None else self._still)

    def forward(self, seconds: float) -> None:
        """Move on by so many seconds; backwards when negative. It runs, or stands still, as before."""
        self._ahead += seconds

    def freeze(self, at: float | None = None) -> None:
        """Stand still: at the present time, or at `at` seconds since 1970. `forward` still moves it."""
        self._still, self._ahead = self() if at is None else at, 0.0

    def reset(self) -> None:
        """Show the machine's time, and run."""
        self._still, self._ahead = None, 0.0
