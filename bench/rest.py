"""What the daemon costs while nothing happens: CPU and RSS with 300 processes on the machine.
Usage: bench/rest.py BUILD_FOLDER [SECONDS]"""

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from levee_testing import Levee, cpu_nanoseconds, memory_of  # noqa: E402

build = Path(sys.argv[1]).resolve()
seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 120
os.environ["LEVEE_BINARY"] = str(build / "levee")


def processes() -> int:
    return sum(entry.isdigit() for entry in os.listdir("/proc"))


sleepers = [subprocess.Popen(["sleep", "100000"]) for _ in range(max(0, 300 - processes()))]
try:
    with Levee() as levee:
        pid = levee.process.pid
        time.sleep(10)
        before, began = cpu_nanoseconds(pid), time.monotonic()
        time.sleep(seconds)
        used = (cpu_nanoseconds(pid) - before) / 1e6 / (time.monotonic() - began) * 60
        after = memory_of(pid)
        print(f"at rest, {processes()} processes, over {seconds} s: {used:.0f} ms of CPU per minute, "
              f"RSS {after['VmRSS'] / 1024:.1f} MiB (anonymous {after['RssAnon'] / 1024:.1f} MiB), {after['Threads']} threads")
finally:
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()
