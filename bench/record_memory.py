#!/usr/bin/env python3
"""Records memory of real processes, one sample a second, as `seconds,bytes`: how bench/data/recorded/ was made.

    bench/record_memory.py FOLDER [SECONDS]

Four series at once: a Python worker that leaks while it serves, one whose cache is cleared, one that loads a model and
then works (resident memory of each), and the host itself (MemTotal - MemAvailable), whatever else it does meanwhile.
"""

import random
import subprocess
import sys
import time
from pathlib import Path

MB = 1 << 20


def leak() -> None:
    kept = []
    while True:
        kept.append(bytearray(random.randrange(100_000, 500_000)))
        scratch = [bytearray(random.randrange(10_000, 400_000)) for _ in range(random.randrange(60))]
        time.sleep(random.uniform(0.05, 0.4))
        del scratch


def cache() -> None:
    entries: dict[int, bytes] = {}
    most = random.randrange(100, 300)
    while True:
        entries[len(entries)] = random.randbytes(random.randrange(MB // 2, MB * 3 // 2))
        if len(entries) > most:
            entries.clear()
            most = random.randrange(100, 300)
        time.sleep(random.uniform(0.05, 0.3))


def load() -> None:
    time.sleep(60)
    weights = []
    for _ in range(300):
        weights.append(random.randbytes(2 * MB))
        time.sleep(0.05)
    while True:
        batch = [bytearray(random.randrange(100_000, MB)) for _ in range(random.randrange(10, 40))]
        time.sleep(random.uniform(0.1, 0.5))
        del batch


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def host() -> int:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(fields["MemTotal"].split()[0]) - int(fields["MemAvailable"].split()[0])) * 1024


def main(folder: str, seconds: int) -> None:
    names = ["leak", "cache", "load"]
    workers = {name: subprocess.Popen([sys.executable, __file__, "--worker", name]) for name in names}
    files = {name: (Path(folder) / f"{name}.csv").open("w") for name in [*names, "host"]}
    for file in files.values():
        file.write("seconds,bytes\n")
    begin = time.monotonic()
    try:
        while (now := time.monotonic() - begin) < seconds:
            for name, worker in workers.items():
                files[name].write(f"{now:.2f},{resident(worker.pid)}\n")
            files["host"].write(f"{now:.2f},{host()}\n")
            time.sleep(1 - (time.monotonic() - begin) % 1)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        {"leak": leak, "cache": cache, "load": load}[sys.argv[2]]()
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1200)
