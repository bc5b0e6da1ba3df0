"""What an owner gets of what was promised to it while a neighbour takes whatever comes free: how often
the owner fails, and the most that was ever free to the neighbour. On a simulated GPU that is full:
12 GB are held for the owner, the neighbour has the rest. Usage: bench/thief.py BUILD_FOLDER [RUNS]"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
build = Path(sys.argv[1]).resolve()
os.environ["LEVEE_SIMGPU"] = str(build / "simgpu")
from simulated_gpu import SimulatedMachine  # noqa: E402

GIB = 1024**3
runs = int(sys.argv[2]) if len(sys.argv) > 2 else 200
words = sys.argv[3:]  # Only rows that contain all of these.

SPIN = ("a thief that never rests", ["--thief"])
SLOW = ("one that looks every 300 ms", ["--thief", "--every", "0.3"])
ONCE = ("one that takes 2 GB and stops", ["--thief", "--once"])
QUIET = ("a full GPU, nobody takes more", None)

FOLLOW = ["follow", "--levee", str(build / "levee"), "--step", "1GB"]
ASK = ["ask", *FOLLOW[1:]]
PIECES = ["--piece", "512MB", "--pause", "20"]

# What it is, how the owner grows, beside whom.
ROWS = [
    ("(a) take()", ["take"], SPIN),
    ("(b) yield_to_owner(), then allocate, retry", ["yield", "--retry", "200"], SPIN),
    ("(b) the same, 128 MB at a time", ["yield", "--retry", "200", "--piece", "128MB"], SPIN),
    ("(b) asks the holder, then allocates, retry", [*ASK, "--retry", "200"], SPIN),
    ("(c) does not ask, 512 MB pieces", [*FOLLOW, *PIECES], SPIN),
    ("(c) the same, retries", [*FOLLOW, *PIECES, "--retry", "200"], SPIN),
    ("(c) the same, looks every 1 ms", [*FOLLOW, *PIECES, "--retry", "200", "--look", "1"], SPIN),
    ("(c) the same, 3 GB made good", [*FOLLOW, *PIECES, "--retry", "200", "--spare", "3GB"], SPIN),
    *[(f"(d) {size} GB at once, does not ask", [*FOLLOW, "--target", f"{size}GB", "--piece", f"{size}GB"], SPIN)
      for size in (1, 2, 4, 8)],
    *[(f"(d) {size} GB at once, asks the holder", [*ASK, "--target", f"{size}GB", "--piece", f"{size}GB"], SPIN)
      for size in (1, 2, 4, 8)],
    *[(f"no balloon: 12 GB freed, then {size} GB allocated at once", ["release", "--target", f"{size}GB", "--piece", f"{size}GB"],
       SPIN) for size in (1, 2, 4, 8)],
    ("no balloon: freed, then allocated", ["release"], SPIN),
    ("(c) does not ask, retries, needs 12 of 12 GB", [*FOLLOW, *PIECES, "--retry", "200"], SLOW),
    ("(c) does not ask, retries, needs 9 of 12, nothing made good", [*FOLLOW, *PIECES, "--retry", "200", "--target", "9GB"], SLOW),
    ("(c) the same, 3 GB made good", [*FOLLOW, *PIECES, "--retry", "200", "--target", "9GB", "--spare", "3GB"], SLOW),
    ("no balloon: freed, then allocated", ["release", "--piece", "512MB", "--pause", "20"], SLOW),
    ("(c) does not ask, retries, needs 9 of 12, nothing made good", [*FOLLOW, *PIECES, "--retry", "200", "--target", "9GB"], ONCE),
    ("(c) the same, 3 GB made good", [*FOLLOW, *PIECES, "--retry", "200", "--target", "9GB", "--spare", "3GB"], ONCE),
    ("no balloon: freed, then allocated", ["release", "--target", "9GB", "--piece", "512MB", "--pause", "20"], ONCE),
    ("(c) does not ask, 512 MB pieces", [*FOLLOW, *PIECES], QUIET),
    ("(c) the same, without a pause between them", [*FOLLOW, "--piece", "512MB"], QUIET),
    *[(f"(d) {size} GB at once, does not ask", [*FOLLOW, "--target", f"{size}GB", "--piece", f"{size}GB"], QUIET)
      for size in (1, 2, 4, 8)],
]


def room(machine):
    """What is free beside another context, in MiB."""
    return machine.gpu(0)["memory"]["free_bytes"] // 2**20 - 512


def one_run(machine, owner_arguments, neighbour):
    """(bytes the owner got, bytes the neighbour took of the balloon, most it saw free)"""
    owner = subprocess.Popen([build / "bench" / "bench_thief_owner", *owner_arguments], env=machine.environment(),
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    other = None
    try:
        assert owner.stdout.readline() == "held\n"
        if neighbour is None:
            other = machine.hog("--mem", f"{room(machine)}MiB")
        elif "--once" in neighbour:
            other = machine.hog("--thief", "--mem", f"{room(machine) + 2048}MiB")
        else:
            other = machine.hog(*neighbour)
        owner.stdin.write("go\n")
        owner.stdin.flush()
        got = int(owner.stdout.readline().split()[1])
        other.terminate()
        said = other.stdout.readline()
        numbers = dict(word.split("=") for word in said.split()[1:]) if said.startswith("stole") else {}
        return got, int(numbers.get("stolen_bytes", 0)), int(numbers.get("largest_free_bytes", 0))
    finally:
        owner.kill()
        owner.wait()
        if other is not None:
            other.kill()
            other.wait()
            other.stdout.close()
            machine._hogs.remove(other)


def gb(count):
    return f"{count / GIB:.1f}"


print(f"{runs} runs of each; amounts in GB")
print(f"{'the owner':<62}{'the neighbour':<32}{'fails':>9}{'it gets':>9}{'stolen':>8}{'most free':>11}")
began = time.monotonic()
for name, arguments, (who, neighbour) in ROWS:
    if not all(word in f"{name} {who}" for word in words):
        continue
    target = int(arguments[arguments.index("--target") + 1].removesuffix("GB")) * GIB if "--target" in arguments else 12 * GIB
    with SimulatedMachine("gpu 0 mem=17GiB reserved=1GiB ctx=512MiB") as machine:
        results = [one_run(machine, arguments, neighbour) for _ in range(runs)]
    fails = sum(got < target for got, _, _ in results)
    print(f"{name:<62}{who:<32}{fails:>5}/{runs:<3}{gb(statistics.mean(r[0] for r in results)):>8}"
          f"{gb(statistics.mean(r[1] for r in results)):>8}{gb(max(r[2] for r in results)):>11}", flush=True)
print(f"took {time.monotonic() - began:.0f} s")
