"""A real Levee daemon, real memory hogs and a real webhook receiver, for end-to-end tests and
benchmarks. Standard library only."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

GIB = 1024**3
MIB = 1024**2


def binary() -> str:
    """The levee program under test: $LEVEE_BINARY, else the release build of this checkout."""
    default = Path(__file__).resolve().parents[2] / "build" / "release" / "levee"
    return os.environ.get("LEVEE_BINARY", str(default))


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without any LEVEE_ variable, plus `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LEVEE_")}
    return kept | extra


def host_available() -> int:
    """MemAvailable in bytes, /proc/meminfo."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no MemAvailable")


def host_total() -> int:
    """MemTotal in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def cpu_nanoseconds(pid: int) -> int:
    """Time on a processor of all threads, /proc/PID/task/*/schedstat."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def memory_of(pid: int) -> dict[str, int]:
    """VmRSS and RssAnon in KiB, and Threads, of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {k: int(v.split()[0]) for k, v in (line.split(":", 1) for line in lines) if k in ("VmRSS", "RssAnon", "Threads")}


def wait_until(condition, seconds: float, what: str):
    """Polls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class Levee:
    """A running `levee serve` with its own state directory, socket and port."""

    def __init__(self, *arguments: str, env: dict[str, str] | None = None, into_cgroup: Path | None = None,
                 folder: Path | None = None, listen: str = "127.0.0.1:0"):
        self._temporary = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="levee-")
            folder = Path(self._temporary.name)
        self.folder = folder
        self.state_dir = folder / "state"
        self.socket = folder / "levee.sock"
        self.log = folder / "stderr.txt"
        command = [binary(), "serve", "--listen", listen, "--socket", str(self.socket),
                   "--state-dir", str(self.state_dir), *arguments]

        def enter_cgroup() -> None:
            if into_cgroup is not None:
                (into_cgroup / "cgroup.procs").write_text(str(os.getpid()))

        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env or clean_environment(), preexec_fn=enter_cgroup)
        self.port = None

    def ready(self) -> Levee:
        """Waits until it listens and has seen the machine once."""
        def listening():
            if self.process.poll() is not None:
                raise AssertionError(f"levee ended with {self.process.returncode}: {self.log.read_text()}")
            match = re.search(r"http://127\.0\.0\.1:(\d+)", self.log.read_text())
            return int(match.group(1)) if match else None

        self.port = wait_until(listening, 10, "the line that says where Levee listens")
        wait_until(lambda: self.get("/healthz")[0] == 200, 10, "a healthy daemon")
        return self

    def __enter__(self) -> Levee:
        return self.ready()

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
        return self.process.returncode

    def request(self, method: str, path: str, body=None, headers=None) -> tuple[int, object]:
        """One HTTP request; the body comes back as JSON where it is JSON, else as text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = {"Content-Type": "application/json"} if body is not None else {}
            data = json.dumps(body) if body is not None and not isinstance(body, (bytes, str)) else body
            connection.request(method, path, body=data, headers=sent | (headers or {}))
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.getheader("Content-Type", "").startswith("application/json")
            return answer.status, json.loads(text) if is_json and text else text
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, object]:
        return self.request("GET", path)

    def wait_ticks(self, count: int) -> None:
        """Until the daemon has looked at the machine so many times more."""
        ticks = lambda: self.get("/api/v1/monitoring/status")[1]["daemon"]["ticks"]
        begin = ticks()
        wait_until(lambda: ticks() >= begin + count, 30, f"{count} ticks")

    def command(self, *arguments: str, check: bool = False, **more) -> subprocess.CompletedProcess:
        """Runs `levee …` against this daemon."""
        return subprocess.run([binary(), *arguments], capture_output=True, text=True, check=check,
                              env=clean_environment(LEVEE_SOCKET=str(self.socket)), timeout=30, **more)


class Events:
    """The daemon's event stream, read on a thread; each event with the time of its arrival."""

    def __init__(self, levee: Levee):
        self.queue: queue.Queue = queue.Queue()
        self._socket = socket.create_connection(("127.0.0.1", levee.port), timeout=60)
        self._socket.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self._file = self._socket.makefile("rb")
        while b"connected" not in self._file.readline():
            pass
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._file:
                if line.startswith(b"data: "):
                    self.queue.put((time.monotonic(), json.loads(line[6:])))
        except (OSError, ValueError):
            pass

    def wait_for(self, predicate, seconds: float, what: str) -> tuple[float, dict]:
        """The next event for which `predicate` holds: (arrival, event)."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                arrival, event = self.queue.get(timeout=left)
            except queue.Empty:
                break
            if predicate(event):
                return arrival, event
        raise AssertionError(f"no such event within {seconds} s: {what}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # The reading thread holds it open.
        self._socket.close()


_HOG = """
import mmap, sys, time
size, rate = int(sys.argv[1]), float(sys.argv[2])
memory = mmap.mmap(-1, size)
step = 4 * 1024 * 1024
page = b"x" * step
start = time.monotonic()
for offset in range(0, size - step + 1, step):
    memory.seek(offset)
    memory.write(page)
    ahead = offset / rate - (time.monotonic() - start)
    if ahead > 0:
        time.sleep(ahead)
print("full", flush=True)
sys.stdin.read()
"""


class Hog:
    """A process that really takes `size` bytes of memory, at `rate` bytes per second, and keeps them."""

    def __init__(self, size: int, rate: float = 4 * GIB, into_cgroup: Path | None = None):
        def enter_cgroup() -> None:
            if into_cgroup is not None:
                (into_cgroup / "cgroup.procs").write_text(str(os.getpid()))

        self.process = subprocess.Popen([sys.executable, "-c", _HOG, str(size), str(rate)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=enter_cgroup)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_full(self) -> None:
        assert self.process.stdout.readline() == b"full\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Hog:
        return self

    def __exit__(self, *_) -> None:
        self.end()


class Webhook:
    """A web server that collects what is posted to it, with the time of arrival."""

    def __init__(self):
        self.received: queue.Queue = queue.Queue()
        received = self.received

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put((time.monotonic(), json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, predicate, seconds: float) -> tuple[float, dict]:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            arrival, body = self.received.get(timeout=left)
            if predicate(body):
                return arrival, body
        raise AssertionError("the webhook was not called")

    def close(self) -> None:
        self.server.shutdown()


class MemoryCgroup:
    """A memory cgroup with a limit, made below this process's own (v1 or v2); `make` returns None
    and says why where the machine does not allow it."""

    def __init__(self, path: Path):
        self.path = path

    @staticmethod
    def make(limit: int) -> tuple[MemoryCgroup | None, str]:
        name = f"levee-test-{os.getpid()}-{time.monotonic_ns()}"
        for base, limit_file in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
                                 (Path("/sys/fs/cgroup"), "memory.max")):
            if not (base / "cgroup.procs").exists():
                continue
            path = base / name
            try:
                path.mkdir()
            except OSError as error:
                reason = f"{base}: {error.strerror}"
                continue
            try:
                (path / limit_file).write_text(str(limit))
                return MemoryCgroup(path), ""
            except OSError as error:
                reason = f"{path / limit_file}: {error.strerror}"
                path.rmdir()
        return None, locals().get("reason", "no cgroup hierarchy is mounted")

    def remove(self) -> None:
        wait_until(lambda: not (self.path / "cgroup.procs").read_text(), 5, "an empty cgroup")
        self.path.rmdir()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class SocketClient:
    """A connection to a daemon's Unix socket that is kept between requests."""

    def __init__(self, path: Path, timeout: float = 10):
        self._connection = _UnixConnection(path, timeout)

    def request(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        """One request; OSError or HTTPException when the daemon is away."""
        text = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if text else {}
        try:
            self._connection.request(method, path, body=text, headers=headers)
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()
