"""Requests per second and latency of GET /api/v1/monitoring/status over loopback, and the cost of a
scrape. Usage: bench/load.py BUILD_FOLDER"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from levee_testing import Levee  # noqa: E402

build = Path(sys.argv[1]).resolve()
os.environ["LEVEE_BINARY"] = str(build / "levee")
STATUS = "/api/v1/monitoring/status"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paced(levee: Levee, path: str, rate: int, seconds: int) -> str:
    command = [build / "bench" / "bench_paced_client", str(levee.port), path, str(rate), str(seconds)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


with Levee() as levee:
    for _ in range(3):
        wrk = subprocess.run(["wrk", "-t1", "-c32", "-d5s", "--latency", f"http://127.0.0.1:{levee.port}{STATUS}"],
                             capture_output=True, text=True, check=True).stdout
        figures = [line.strip() for line in wrk.splitlines() if "Requests/sec" in line or "99%" in line or "Non-2xx" in line]
        print(f"full load, 32 connections: {'; '.join(figures)}")
    print(paced(levee, STATUS, 1000, 10))
    before = cpu_seconds(levee.process.pid)
    print(paced(levee, "/metrics", 100, 10))
    print(f"one scrape costs the daemon {(cpu_seconds(levee.process.pid) - before) / 1000 * 1e6:.0f} us of CPU "
          "(its own ticks in that time included)")
