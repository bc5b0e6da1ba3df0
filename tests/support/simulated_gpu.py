"""A simulated machine with GPUs for end-to-end tests: made from a scenario, driven through
levee-simctl, gone at the end. Standard library only."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from levee_testing import clean_environment


def simgpu_folder() -> Path:
    """Where levee-simctl and the driver libraries were built: $LEVEE_SIMGPU, else the release build."""
    default = Path(__file__).resolve().parents[2] / "build" / "release" / "simgpu"
    return Path(os.environ.get("LEVEE_SIMGPU", default))


class SimulatedMachine:
    """`scenario` is without its first line, which is always the same."""

    def __init__(self, scenario: str):
        self._folder = tempfile.TemporaryDirectory(prefix="levee-sim-")
        self.path = Path(self._folder.name) / "machine"
        made = subprocess.run([simgpu_folder() / "levee-simctl", "create", "--scenario", "-", "--segment", self.path],
                              input="levee-sim 1\n" + scenario, capture_output=True, text=True, timeout=10)
        assert made.returncode == 0, made.stderr
        lines = [shlex.split(line)[1] for line in made.stdout.splitlines()]
        self.variables = dict(line.split("=", 1) for line in lines)
        self._hogs: list[subprocess.Popen] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hog in self._hogs:
            hog.kill()
            hog.wait()
            hog.stdout.close()
        self.control("destroy")
        self._folder.cleanup()

    def environment(self, **extra: str) -> dict[str, str]:
        """For processes that are to meet this machine's GPUs."""
        return clean_environment(**(self.variables | extra))

    def control(self, *words: str) -> str:
        """levee-simctl with these words; it must succeed."""
        done = self.run([simgpu_folder() / "levee-simctl", *words])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def advance(self, duration: str) -> None:
        self.control("advance", duration)

    def set(self, action: str) -> None:
        """"gpu 0 temp 80": happens now."""
        self.control("set", *shlex.split(action))

    def fault(self, action: str) -> None:
        self.control("fault", *shlex.split(action))

    def dump(self) -> dict:
        return json.loads(self.control("dump", "--json"))

    def gpu(self, index: int) -> dict:
        return self.dump()["gpus"][index]

    def run(self, command, timeout: float = 30, **extra: str) -> subprocess.CompletedProcess:
        """A program that meets this machine."""
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=self.environment(**extra))

    def hog(self, *options: str) -> subprocess.Popen:
        """simhog with these options, once it holds its memory; of a race, once one racer has it or is refused."""
        hog = subprocess.Popen([simgpu_folder() / "simhog", *options], env=self.environment(), text=True,
                               stdout=subprocess.PIPE)
        self._hogs.append(hog)
        line = hog.stdout.readline()
        assert line.startswith("holding ") or ("--race" in options and "OUT_OF_MEMORY" in line), line
        return hog
