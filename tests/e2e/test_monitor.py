"""The monitor within a program, without a daemon: examples/monitor.cpp on simulated GPUs."""

import contextlib
import os
import subprocess
from pathlib import Path

from levee_sim import SimMachine
from levee_testing import GIB, binary, wait_until

EXAMPLE = Path(binary()).resolve().parent / "tests" / "monitor_example"
# Of 17 GiB one is the driver's: 14.45 GiB in use, the reserve included, are 85 %.
ONE_GPU = 'gpu 0 name="Sim A100" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n'


class Watched:
    """The example with its cache on the GPU, and what it says."""

    def __init__(self, machine, folder, cache, *settings):
        self.machine, self.said = machine, folder / "said"
        with self.said.open("w") as out:
            self.process = subprocess.Popen(
                [EXAMPLE, cache, "monitoring_interval=0.1", *settings], stdin=subprocess.PIPE, stdout=out,
                stderr=subprocess.STDOUT,
                env=machine.environment() | {"PATH": f"{Path(binary()).resolve().parent}:{os.environ['PATH']}"})

    def lines(self) -> list[str]:
        return self.said.read_text().splitlines()

    def has(self, beginning: str) -> bool:
        return any(line.startswith(beginning) for line in self.lines())

    def free(self) -> int:
        return self.machine.gpu(0)["memory"]["free_bytes"]

    def end(self) -> int:
        self.process.stdin.close()
        return self.process.wait(10)


@contextlib.contextmanager
def watched(folder, cache="6GB", *settings):
    with SimMachine(ONE_GPU) as machine:
        made = Watched(machine, folder, cache, *settings)
        try:
            wait_until(lambda: made.has("watching"), 10, "it to watch")
            yield made
        finally:
            made.process.kill()
            made.process.wait()


def test_the_least_disruptive_strategy_that_helps_is_the_last_one(tmp_path):
    with watched(tmp_path, "6GB") as program, program.machine.holding("--gpu", "0", "--mem", "8GiB", "--hold", "100"):
        wait_until(lambda: program.has("step clear_cache"), 10, "the cache to be emptied")
        assert program.has("alert critical gpu_memory"), program.lines()
        step = next(line for line in program.lines() if line.startswith("step clear_cache"))
        assert program.free() > 6 * GIB
        assert step.startswith("step clear_cache done") and "6.00 GiB freed" in step, step
        assert program.end() == 0
        assert not program.has("the batch is halved"), program.lines()


def test_where_the_cache_is_not_enough_the_batch_is_next(tmp_path):
    with watched(tmp_path, "1GB") as program, program.machine.holding("--gpu", "0", "--mem", "14.5GiB", "--hold", "100"):
        wait_until(lambda: program.has("step reduce_batch"), 15, "the batch to be halved")
        said = program.lines()
        assert said.index("the cache is emptied") < said.index("the batch is halved")
        assert program.end() == 0


def test_while_memory_is_not_short_nothing_is_asked(tmp_path):
    with watched(tmp_path, "6GB") as program:
        free = program.free()
        with program.machine.holding("--gpu", "0", "--mem", "2GiB", "--hold", "100"):
            assert program.free() < free - 2 * GIB
        assert program.end() == 0
        assert program.lines() == ["watching"]


def test_wrong_settings_are_told(tmp_path):
    with SimMachine(ONE_GPU) as machine:
        done = subprocess.run([EXAMPLE, "1GB", "gpu_memory_warnin=70"], env=machine.environment(), capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=20)
        assert done.returncode == 1 and "gpu_memory_warnin" in done.stderr
