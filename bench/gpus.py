"""What GPUs cost: `levee status` from its start to its last line on a machine with 8 simulated GPUs
and 16 programs on them, beside gpustat and nvitop on the same machine where build/venv has them; and
the CPU of the daemon and its helper while nothing happens. Usage: bench/gpus.py BUILD_FOLDER [SECONDS]"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from levee_sim import SimMachine, wait_for_gpus  # noqa: E402
from levee_testing import Levee, binary, cpu_nanoseconds, memory_of, wait_until  # noqa: E402

build = Path(sys.argv[1]).resolve()
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
os.environ["LEVEE_BINARY"] = str(build / "levee")
os.environ["LEVEE_SIMGPU"] = str(build / "simgpu")
clients = build.parent / "venv" / "bin"

GPUS = 8
MACHINE = "".join(f'gpu {i} name="Sim H200" mem=143771MiB reserved=600MiB temp={50 + i} util={10 * i} power=400W\n'
                  for i in range(GPUS))
RUNS = 30


def report(what: str, command: list, environment: dict[str, str]) -> None:
    """Runs the command often enough to know what it takes, and prints that."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        times.append((time.perf_counter() - began) * 1000)
        assert done.returncode == 0 and done.stdout.count("Sim H200") + done.stdout.count("H200") >= GPUS, done
    print(f"{what:<34} median {statistics.median(times):7.1f} ms, "
          f"worst of {RUNS} {max(times):7.1f} ms")


def helper_of(levee: Levee) -> int:
    found = subprocess.run(["pgrep", "-P", str(levee.process.pid), "-f", "gpu-helper"], capture_output=True, text=True)
    return int(found.stdout)


with SimMachine(MACHINE) as machine:
    for i in range(2 * GPUS):
        machine.hog("--gpu", str(i % GPUS), "--mem", "2GiB")
    alone = machine.environment(LEVEE_SOCKET="/nonexistent/levee.sock")
    with Levee(env=machine.environment()) as levee:
        wait_for_gpus(levee, GPUS)
        with_daemon = machine.environment(LEVEE_SOCKET=str(levee.socket))
        report("levee status, from the daemon", [binary(), "status"], with_daemon)
        report("levee status --json", [binary(), "status", "--json"], with_daemon)
        report("levee status, without a daemon", [binary(), "status"], alone)
        for name, *options in (("gpustat", "--no-color"), ("nvitop", "--once")):
            if (clients / name).exists():
                report(name, [clients / name, *options], machine.environment(TERM="dumb", COLUMNS="120"))
            else:
                print(f"{name:<34} is not installed in {clients}")

        pids = {"daemon": levee.process.pid, "helper": wait_until(lambda: helper_of(levee), 5, "the helper")}
        time.sleep(5)
        before = {name: cpu_nanoseconds(pid) for name, pid in pids.items()}
        began = time.monotonic()
        time.sleep(seconds)
        minutes = (time.monotonic() - began) / 60
        for name, pid in pids.items():
            used = (cpu_nanoseconds(pid) - before[name]) / 1e6 / minutes
            figures = memory_of(pid)
            print(f"{name} at rest with {GPUS} GPUs, over {seconds} s: {used:.0f} ms of CPU per minute, "
                  f"RSS {figures['VmRSS'] / 1024:.1f} MiB (anonymous {figures['RssAnon'] / 1024:.1f} MiB), "
                  f"{figures['Threads']} threads")
