"""The daemon under everything at once for a long time ($LEVEE_SOAK_SECONDS, default an hour): it
must neither grow nor leak descriptors nor miss ticks."""

import os
import random
import socket
import subprocess
import threading
import time
from pathlib import Path

from levee_testing import MIB, Events, Levee

SECONDS = int(os.environ.get("LEVEE_SOAK_SECONDS", "3600"))


def rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_an_hour_of_everything():
    stop = threading.Event()
    failures = []

    def repeat(action):
        def loop():
            while not stop.is_set():
                try:
                    action()
                except OSError:
                    time.sleep(0.1)
                except Exception as error:  # noqa: BLE001 - any failure fails the test below
                    failures.append(repr(error))
                    return
        return threading.Thread(target=loop, daemon=True)

    with Levee("--set", "monitoring_interval=0.1", "--set", "history_seconds=60",
               "--set", "recorder.keep=30s") as levee:
        def ask():
            for path in ("/api/v1/monitoring/status", "/api/v1/monitoring/report", "/metrics", "/healthz",
                         "/api/v1/monitoring/history?window_seconds=86400", "/api/v1/processes"):
                assert levee.get(path)[0] == 200, path
            time.sleep(0.05)

        def change():
            value = random.choice([70, 75, 80])
            assert levee.request("PUT", "/api/v1/config", {"cpu_memory_warning": value})[0] == 200
            time.sleep(0.2)

        def stream():
            events = Events(levee)
            time.sleep(random.random())
            events.close()

        def garbage():
            with socket.create_connection(("127.0.0.1", levee.port), timeout=5) as connection:
                connection.sendall(os.urandom(random.randrange(1, 5000)))
                connection.recv(100)

        def book():
            name = f"soak-{random.randrange(20)}"
            status, _ = levee.request("POST", "/api/v1/leases", {
                "id": name, "host_memory": f"{random.randrange(1, 4000)}MB",
                "wait_seconds": random.randrange(3), "ttl_seconds": 1 + random.randrange(60)})
            assert status in (201, 202, 409), status
            levee.request("DELETE", f"/api/v1/leases?id=soak-{random.randrange(20)}")
            time.sleep(0.02)

        def churn():
            subprocess.run(["true"], check=True)

        threads = [repeat(action) for action in (ask, ask, change, stream, garbage, book, churn)]
        for thread in threads:
            thread.start()
        try:
            pid = levee.process.pid
            time.sleep(min(120, SECONDS / 4))  # History and caches fill first.
            first_rss, first_fds = rss(pid), descriptors(pid)
            first_ticks, began = levee.get("/api/v1/monitoring/status")[1]["daemon"]["ticks"], time.monotonic()
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline and not failures:
                time.sleep(5)
            ticks = levee.get("/api/v1/monitoring/status")[1]["daemon"]["ticks"] - first_ticks
            rate = ticks / (time.monotonic() - began)
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        time.sleep(2)
        last_rss, last_fds = rss(pid), descriptors(pid)
        print(f"RSS {first_rss / MIB:.1f} -> {last_rss / MIB:.1f} MiB, descriptors {first_fds} -> {last_fds}, {rate:.2f} ticks/s")
        assert last_rss < first_rss + 4 * MIB
        assert last_fds <= first_fds + 4
        assert rate > 5
