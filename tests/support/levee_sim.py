"""Simulated machines with GPUs, and programs that hold their memory, for end-to-end tests and
benchmarks. Standard library only; docs/simulator.md is the reference of scenarios and actions."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

from levee_testing import Levee, binary, clean_environment, wait_until


def tool(name: str) -> str:
    """A program of the simulator that was built beside the levee under test."""
    return str(Path(binary()).parent / "simgpu" / name)


class SimMachine:
    """A simulated machine, from the text of a scenario (without its first line)."""

    def __init__(self, scenario: str):
        created = subprocess.run([tool("levee-simctl"), "create", "--scenario", "-"], text=True, check=True,
                                 input="levee-sim 1\n" + scenario, capture_output=True)
        self.env = dict(word.split("=", 1) for word in shlex.split(created.stdout) if word != "export")
        self._hogs: list[SimHog] = []

    def __enter__(self) -> SimMachine:
        return self

    def __exit__(self, *_) -> None:
        self.destroy()

    def _control(self, *words: str) -> str:
        done = subprocess.run([tool("levee-simctl"), *words], text=True, capture_output=True,
                              env=clean_environment(**self.env))
        assert done.returncode == 0, f"levee-simctl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def advance(self, duration: str) -> None:
        self._control("advance", duration)

    def set(self, action: str) -> None:
        """Lets something happen now, such as "gpu 0 temp 80 util 95"."""
        self._control("set", *shlex.split(action))

    def fault(self, action: str) -> None:
        """Lets something fail, such as "gpu 0 hang nvmlDeviceGetMemoryInfo_v2"."""
        self._control("fault", *shlex.split(action))

    def dump(self) -> dict:
        """Everything the machine knows: what a test compares Levee's answers with."""
        return json.loads(self._control("dump", "--json"))

    def levee(self, *arguments: str, **more) -> Levee:
        """A daemon on this machine; a context manager. It looks often, so that nobody waits."""
        return Levee("--set", "monitoring_interval=0.1", *arguments, env=clean_environment(**self.env), **more)

    def hog(self, *arguments: str) -> SimHog:
        """A program of this user that takes GPU memory: hog("--gpu", "1", "--mem", "2GiB")."""
        hog = SimHog(self, *arguments)
        self._hogs.append(hog)
        return hog

    def destroy(self) -> None:
        for hog in self._hogs:
            hog.end()
        self._hogs.clear()
        if Path(self.env["LEVEE_SIM"]).exists():
            self._control("destroy")


class SimHog:
    """A running simhog."""

    def __init__(self, machine: SimMachine, *arguments: str):
        self.process = subprocess.Popen([tool("simhog"), *arguments], text=True, stdout=subprocess.PIPE,
                                        env=clean_environment(**machine.env))

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_holding(self) -> int:
        """Waits until it has its memory; returns how many bytes."""
        line = self.process.stdout.readline()
        match = re.fullmatch(r"holding pid=\d+ gpu=\d+ held_bytes=(\d+)\n", line)
        assert match, f"simhog said {line!r}"
        return int(match.group(1))

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> SimHog:
        return self

    def __exit__(self, *_) -> None:
        self.end()


def gpus(levee: Levee) -> list[dict]:
    """The GPUs as GET /api/v1/gpus shows them."""
    status, body = levee.get("/api/v1/gpus")
    assert status == 200, body
    return body["gpus"]


def wait_for_gpus(levee: Levee, count: int) -> list[dict]:
    """Waits until so many GPUs, MIG instances included, are watched."""
    return wait_until(lambda: (found := gpus(levee)) and len(found) == count and found, 10, f"{count} GPUs")


def gpu_where(levee: Levee, index: int, condition, what: str, seconds: float = 5) -> dict:
    """Waits until the GPU at this place of the list is as `condition` says, and returns it."""
    def fitting():
        found = gpus(levee)
        return found[index] if len(found) > index and condition(found[index]) else None

    return wait_until(fitting, seconds, what)
