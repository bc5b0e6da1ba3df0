"""A daemon on a simulated machine, and what it says of the GPUs, for end-to-end tests and benchmarks.
Standard library only."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator

from levee_testing import Levee, wait_until
from simulated_gpu import SimulatedMachine


class SimMachine(SimulatedMachine):
    """A simulated machine that a daemon runs on."""

    def levee(self, *arguments: str, **more) -> Levee:
        """A daemon here; a context manager. It looks often, so that nobody waits."""
        return Levee("--set", "monitoring_interval=0.1", *arguments, env=self.environment(), **more)

    @contextlib.contextmanager
    def holding(self, *options: str) -> Iterator[subprocess.Popen]:
        """A simhog of this user, from when it holds its memory to the end of the block."""
        hog = self.hog(*options)
        try:
            yield hog
        finally:
            hog.kill()
            hog.wait()


def gpus(levee: Levee) -> list[dict]:
    """The GPUs as GET /api/v1/gpus shows them."""
    status, body = levee.get("/api/v1/gpus")
    assert status == 200, body
    return body["gpus"]


def wait_for_gpus(levee: Levee, count: int) -> list[dict]:
    """Waits until so many GPUs, MIG instances included, are watched."""
    return wait_until(lambda: (found := gpus(levee)) and len(found) == count and found, 10, f"{count} GPUs")


def gpu_where(levee: Levee, place: int, condition: Callable[[dict], object], what: str, seconds: float = 5) -> dict:
    """Waits until the GPU at this place of the list is as `condition` says, and returns it."""
    def fitting():
        found = gpus(levee)
        return found[place] if len(found) > place and condition(found[place]) else None

    return wait_until(fitting, seconds, what)
