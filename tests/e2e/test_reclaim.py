"""Processes that can give memory back: what they say, against what is measured; those that lie, hang, die or
break the protocol; levee reclaim."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, MIB, Events, Levee, binary, clean_environment, memory_of, wait_until

# Beside the program under test: build/…/levee, build/…/tests/reclaim_client.
BUILD = Path(binary()).resolve().parent
CLIENT = str(BUILD / "tests" / "reclaim_client")
EXAMPLE = str(BUILD / "tests" / "reclaim_example")
LIBRARY = str(BUILD / "liblevee-reclaim.so.1")
ONE_GPU = 'gpu 0 name="Sim A100" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n'


class Process:
    """A reclaim_client, or the example in C, that has said how it stands with the daemon."""

    def __init__(self, socket_path, *options, command=CLIENT, env=None):
        self.process = subprocess.Popen([command, *options], env=(env or clean_environment()) | {"LEVEE_SOCKET": str(socket_path)},
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().strip()

    @property
    def pid(self):
        return self.process.pid

    def status(self):
        self.process.stdin.write("status\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def ask(levee, client, *more, size="256MB"):
    """What `levee reclaim ask` says, and its exit status."""
    done = levee.command("reclaim", "ask", client, "--strategy", "clear-cache", "--bytes", size, "--json", *more)
    return (json.loads(done.stdout) if done.stdout else done.stderr), done.returncode


def clients(levee):
    status, body = levee.get("/api/v1/reclaim/clients")
    assert status == 200, body
    return body["clients"]


def near(figure, expected, tolerance=24 * MIB):
    return abs(figure - expected) <= tolerance


# --- what is freed


def test_an_honest_process_frees_what_it_says_and_that_is_measured(levee):
    with Process(levee.socket, "--bytes", str(512 * MIB), "--name", "trainer", "--priority", "-3") as process:
        shown = clients(levee)[0]
        assert (shown["id"], shown["pid"], shown["name"], shown["priority"]) == (process.said, process.pid, "trainer", -3)
        assert shown["offers"] == [{"strategy": "clear_cache", "device": "host", "gpu_id": None, "estimate_bytes": 512 * MIB}]
        before = memory_of(process.pid)["VmRSS"] * 1024
        answer, code = ask(levee, process.said)
        after = memory_of(process.pid)["VmRSS"] * 1024
        assert code == 0
        assert (answer["result"], answer["said_bytes"], answer["verdict"]) == ("done", 256 * MIB, "honest")
        assert near(answer["process"]["fell_by_bytes"], 256 * MIB) and near(before - after, 256 * MIB)
        assert near(answer["process"]["before_bytes"], before) and near(answer["process"]["after_bytes"], after)
        assert answer["device_used"]["before_bytes"] is not None
        record = clients(levee)[0]["record"]
        assert (record["asked"], record["done"], record["lied"]) == (1, 1, 0)
        assert near(record["freed_bytes"], 256 * MIB)
        assert process.end() == 0
        wait_until(lambda: clients(levee) == [], 5, "it said goodbye")


def test_gpu_memory_is_measured_on_its_device():
    with SimMachine(ONE_GPU) as machine, machine.levee() as levee:
        uuid = wait_for_gpus(levee, 1)[0]["uuid"]
        with Process(levee.socket, "--device", uuid, "--bytes", str(4 * GIB), env=machine.environment()) as honest, \
                Process(levee.socket, "--device", uuid, "--bytes", str(1 * GIB), "--behave", "lie",
                        env=machine.environment()) as liar:
            used = machine.gpu(0)["memory"]["used_bytes"]
            answer, code = ask(levee, honest.said, "--device", "0", size="1GB")
            assert code == 0, answer
            assert answer["device"] == uuid and answer["gpu_id"] == 0
            assert answer["process"] == {"before_bytes": 4 * GIB + 512 * MIB, "after_bytes": 3 * GIB + 512 * MIB,
                                         "fell_by_bytes": 1 * GIB}
            assert answer["device_used"]["fell_by_bytes"] == 1 * GIB
            assert answer["verdict"] == "honest"
            assert machine.gpu(0)["memory"]["used_bytes"] == used - 1 * GIB
            answer, code = ask(levee, liar.said, size="1GB")
            assert code == 1
            assert answer["process"]["fell_by_bytes"] == 0 and answer["verdict"] == "lied"


def test_the_measurement_takes_no_longer_than_a_moment(levee):
    with Process(levee.socket, "--bytes", str(64 * MIB)) as process:
        began = time.monotonic()
        answer, code = ask(levee, process.said, size="64MB")
        assert code == 0 and time.monotonic() - began < 0.9, "it does not wait for the next tick"
        assert answer["took_ms"] < 500


# --- who cannot be believed


def test_a_liar_is_found_out_reported_and_passed_over(levee):
    events = Events(levee)
    with Process(levee.socket, "--bytes", str(256 * MIB), "--behave", "lie", "--name", "pinocchio") as process:
        answer, code = ask(levee, process.said)
        assert code == 1
        assert answer["said_bytes"] == 256 * MIB and near(answer["process"]["fell_by_bytes"], 0)
        assert answer["verdict"] == "lied" and 55 <= answer["passed_over_seconds"] <= 60
        assert clients(levee)[0]["state"] == "passed_over"
        _, event = events.wait_for(lambda e: e["kind"] == "reclaim_asked", 5, "the lie is reported")
        assert event["severity"] == "warning" and "pinocchio" in event["message"], event
        assert ask(levee, process.said)[0]["passed_over_seconds"] > 110, "a person may ask again; it takes longer then"
        wait_until(lambda: 'levee_reclaim_requests_total{outcome="lied"} 2' in levee.get("/metrics")[1], 5, "it is counted")
        text = levee.command("reclaim", "list").stdout
        assert "pinocchio" in text and "passed over for" in text and "lied 2" in text
    events.close()


def test_who_comes_back_is_remembered(levee):
    with Process(levee.socket, "--bytes", str(256 * MIB), "--behave", "lie") as process:
        ask(levee, process.said)
        # The connection is cut, not the process: it registers again.
        first = process.said
        cut_connection_of(process.pid)
        again = wait_until(lambda: [c for c in clients(levee) if c["id"] != first], 10, "it is back")[0]
        assert again["pid"] == process.pid and again["state"] == "passed_over"


def cut_connection_of(pid):
    """Shuts the client's socket down from outside."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(entry).startswith("socket:"):
            own = ctypes.CDLL(None, use_errno=True)
            pidfd = os.pidfd_open(pid)
            copy = own.syscall(438, pidfd, int(entry.name), 0)  # pidfd_getfd
            os.close(pidfd)
            if copy < 0:
                pytest.skip("this kernel does not let a test reach into its child")
            with socket.socket(fileno=copy) as shared:
                shared.shutdown(socket.SHUT_RDWR)


def test_who_hangs_is_passed_over_and_stays_busy(levee):
    with Process(levee.socket, "--bytes", str(64 * MIB), "--behave", "hang") as process:
        began = time.monotonic()
        answer, code = ask(levee, process.said, "--deadline", "300ms")
        assert code == 1 and answer["result"] == "timed_out" and answer["verdict"] is None
        assert 0.3 <= time.monotonic() - began < 2
        assert clients(levee)[0]["state"] == "busy"
        said, code = ask(levee, process.said)
        assert code == 1 and "has not answered" in said
        assert levee.get("/healthz")[0] == 200, "nobody waits for it"


def test_a_late_answer_is_noted_and_harms_nobody(levee):
    with Process(levee.socket, "--bytes", str(64 * MIB), "--behave", "late") as process:
        answer, _ = ask(levee, process.said, "--deadline", "200ms")
        assert answer["result"] == "timed_out"
        shown = wait_until(lambda: (c := clients(levee)[0])["record"]["late"] == 1 and c, 5, "the late answer")
        assert shown["state"] == "passed_over"
        assert process.status() == process.said, "it is still connected"


@pytest.mark.parametrize("behave, result", [("refuse", "refused"), ("throw", "failed")])
def test_who_cannot_is_told_from_who_lies(levee, behave, result):
    with Process(levee.socket, "--bytes", str(64 * MIB), "--behave", behave) as process:
        answer, code = ask(levee, process.said)
        assert code == 1 and answer["result"] == result and answer["message"]
        assert clients(levee)[0]["state"] == "ready"


def test_who_dies_when_asked_is_gone_and_reported(levee):
    events = Events(levee)
    with Process(levee.socket, "--bytes", str(64 * MIB), "--behave", "die") as process:
        answer, code = ask(levee, process.said)
        assert code == 1 and answer["result"] == "gone"
        assert clients(levee) == []
    events.wait_for(lambda e: e["kind"] == "reclaim_left", 5, "it left")
    events.close()


def test_a_child_does_not_keep_a_dead_process_on_the_list(levee):
    with Process(levee.socket, "--bytes", str(16 * MIB), "--behave", "fork") as process:
        child = int(process.process.stdout.readline())
        try:
            assert len(clients(levee)) == 1
            process.process.kill()
            process.process.wait()
            wait_until(lambda: clients(levee) == [], 5, "its parent is dead")
        finally:
            os.kill(child, signal.SIGKILL)


# --- the daemon comes and goes


def test_a_process_needs_no_daemon_and_finds_it_again(tmp_path):
    socket_path = tmp_path / "levee.sock"
    with Process(socket_path, "--bytes", str(64 * MIB)) as process:
        assert "no daemon is running" in process.said
        for _ in range(2):
            with Levee(folder=tmp_path) as levee:
                wait_until(lambda: process.status() != "waiting", 15, "it has found the daemon")
                answer, _ = ask(levee, process.status(), size="16MB")
                assert answer["result"] == "done"
            wait_until(lambda: process.status() == "waiting", 5, "it notices that the daemon is gone")
        assert process.end() == 0


# --- who may


def test_quotas_hold_and_what_is_beyond_is_told(tmp_path):
    with Levee("--set", "reclaim.user_clients=2", folder=tmp_path) as levee:
        with Process(levee.socket) as first, Process(levee.socket) as second, Process(levee.socket) as third:
            assert {first.said, second.said} == {"r1", "r2"} or len(clients(levee)) == 2
            assert "2 processes of user" in third.said
            first.end()
            wait_until(lambda: third.status() != "waiting", 15, "there is a place for it now")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_others_processes_are_not_to_be_asked(levee):
    os.chmod(levee.folder, 0o755)
    with Process(levee.socket, "--bytes", str(64 * MIB)) as process:
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", binary(), "reclaim", "ask", process.said,
                               "--strategy", "clear-cache", "--bytes", "1MB", "--socket", str(levee.socket)],
                              capture_output=True, text=True, env=clean_environment(), timeout=30)
        assert done.returncode == 1 and "may not act on what belongs to user 0" in done.stderr
        assert clients(levee)[0]["record"]["asked"] == 0


# --- the protocol by hand, as docs/reclaim-protocol.md has it


class ByHand:
    def __init__(self, levee, protocol="levee-reclaim/1"):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(15)
        self.socket.connect(str(levee.socket))
        self.send(f"GET /api/v1/reclaim HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
        self.file = self.socket.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            byte = self.file.read(1)
            assert byte, self.head
            self.head += byte

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def say(self, **message):
        self.send(json.dumps(message) + "\n")

    def hear(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def close(self):
        self.file.close()
        self.socket.close()


def test_the_documented_conversation_works(levee):
    peer = ByHand(levee)
    assert peer.head.startswith(b"HTTP/1.1 101 ")
    peer.say(type="register", name="by hand", priority=-10,
             offers=[{"strategy": "clear_cache", "device": "host", "estimate_bytes": 1 * GIB}])
    assert peer.hear() == {"type": "welcome", "client": "r1"}
    peer.say(type="update", offers=[{"strategy": "reduce_batch", "device": "host"}])
    wait_until(lambda: clients(levee)[0]["offers"][0]["strategy"] == "reduce_batch", 5, "the update")
    asking = subprocess.Popen([binary(), "reclaim", "ask", "r1", "--strategy", "REDUCE_BATCH", "--bytes", "1GB", "--reason", "full"],
                              env=clean_environment(LEVEE_SOCKET=str(levee.socket)), stdout=subprocess.PIPE, text=True)
    request = peer.hear()
    assert request == {"type": "request", "id": request["id"], "strategy": "reduce_batch", "device": "host",
                       "bytes": 1 * GIB, "deadline_ms": 5000, "reason": "full"}
    peer.say(type="answer", id=request["id"], result="refused", message="not now")
    said, _ = asking.communicate(timeout=10)
    assert asking.returncode == 1 and "refused" in said and "not now" in said
    peer.say(type="goodbye")
    assert peer.hear() is None
    peer.close()


@pytest.mark.parametrize("lines, complaint", [
    ("garbage\n", "no JSON object"),
    ('{"type":"answer","id":1,"result":"done"}\n', "not register"),
    ("x" * 70_000, "longer than 65536"),
    ('{"type":"register","offers":[{"strategy":"pray","device":"host"}]}\n', "clear_cache"),
    (b"\xff\xfe\x00\n", "no JSON object"),
])
def test_who_breaks_the_protocol_is_told_why_and_hung_up_on(levee, lines, complaint):
    peer = ByHand(levee)
    peer.send(lines)
    error = peer.hear()
    assert error["type"] == "error" and complaint in error["message"] + error["hint"], error
    try:
        assert peer.hear() is None
    except ConnectionResetError:
        pass  # Of what it sent, the daemon did not read all.
    peer.close()
    assert clients(levee) == [] and levee.get("/healthz")[0] == 200


def test_an_unknown_version_is_refused_with_the_one_that_is_known(levee):
    peer = ByHand(levee, "levee-reclaim/99")
    assert peer.head.startswith(b"HTTP/1.1 426 ") and b"Upgrade: levee-reclaim/1\r\n" in peer.head
    peer.close()
    assert levee.request("GET", "/api/v1/reclaim", headers={"Connection": "Upgrade", "Upgrade": "levee-reclaim/1"})[0] == 403


def sockets_of(pid: int) -> int:
    """Others come and go with the processes of the machine, of which the daemon keeps the largest at hand."""
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(descriptor))
    return sum(link.startswith("socket:") for link in links)


def test_many_processes_that_come_and_go_leave_nothing_behind(levee):
    sockets = sockets_of(levee.process.pid)
    for _ in range(200):
        peer = ByHand(levee)
        peer.say(type="register", offers=[])
        peer.hear()
        peer.close()
        wait_until(lambda: clients(levee) == [], 5, "it left")
    wait_until(lambda: sockets_of(levee.process.pid) <= sockets + 2, 5, "no socket is lost")


# --- wrong use, and without a daemon


@pytest.mark.parametrize("arguments, complaint", [
    (["ask", "r1", "--strategy", "pray", "--bytes", "1GB"], "clear_cache, yield_balloon"),
    (["ask", "r1", "--strategy", "offload", "--bytes", "lots"], "lots"),
    (["ask", "r1", "--strategy", "offload", "--bytes", "1GB", "--deadline", "1h"], "--deadline"),
    (["ask", "r1", "--bytes", "1GB"], "--strategy"),
    (["ask"], "client"),
    ([], "one of: list, ask"),
])
def test_wrong_use_is_told(levee, arguments, complaint):
    done = levee.command("reclaim", *arguments)
    assert done.returncode == 2 and complaint in done.stderr, done.stderr


def test_asking_nobody_and_asking_without_a_daemon(levee, tmp_path):
    said, code = ask(levee, "r9")
    assert code == 1 and "r9" in said
    assert "no process has said" in levee.command("reclaim", "list").stdout
    alone = subprocess.run([binary(), "reclaim", "list"], capture_output=True, text=True, timeout=30,
                           env=clean_environment(LEVEE_SOCKET=str(tmp_path / "none.sock")))
    assert alone.returncode == 1 and "levee serve" in alone.stderr


# --- C, and other languages


def test_the_example_in_c_gives_its_cache_back(levee):
    with Process(levee.socket, command=EXAMPLE) as example:
        assert example.said == "registered"
        answer, code = ask(levee, clients(levee)[0]["id"])
        assert code == 0 and answer["said_bytes"] == 64 * MIB and answer["verdict"] == "honest"
        assert ask(levee, clients(levee)[0]["id"])[0]["message"] == "the cache is empty"
        assert example.end() == 0


def test_the_example_in_c_says_that_there_is_no_daemon(tmp_path):
    with Process(tmp_path / "none.sock", command=EXAMPLE) as example:
        assert example.said.startswith("waiting for a daemon: no daemon is running")
        assert example.end() == 0


def test_the_library_serves_a_program_in_another_language(levee):
    class Request(ctypes.Structure):
        _fields_ = [("id", ctypes.c_uint64), ("strategy", ctypes.c_int), ("device", ctypes.c_char_p),
                    ("bytes", ctypes.c_uint64), ("seconds", ctypes.c_double), ("reason", ctypes.c_char_p)]

    class Answer(ctypes.Structure):
        _fields_ = [("result", ctypes.c_int), ("freed_bytes", ctypes.c_uint64), ("message", ctypes.c_char * 256)]

    callback_type = ctypes.CFUNCTYPE(None, ctypes.POINTER(Request), ctypes.POINTER(Answer), ctypes.c_void_p)
    library = ctypes.CDLL(LIBRARY)
    library.levee_reclaim_new.restype = ctypes.c_void_p
    library.levee_reclaim_last_error.restype = ctypes.c_char_p
    heard = []

    @callback_type
    def give_way(request, answer, _):
        heard.append((request.contents.device, request.contents.bytes, 0 < request.contents.seconds <= 5))
        answer.contents.result = 1
        answer.contents.message = b"from Python"

    client = ctypes.c_void_p(library.levee_reclaim_new(b"python", 0))
    try:
        assert library.levee_reclaim_on(client, 0, None, give_way, None, ctypes.c_uint64(7)) == 0
        assert library.levee_reclaim_start(client, str(levee.socket).encode()) == 0, library.levee_reclaim_last_error()
        answer, _ = ask(levee, clients(levee)[0]["id"])
        assert answer["result"] == "refused" and answer["message"] == "from Python"
        assert heard == [(b"host", 256 * MIB, True)]
    finally:
        library.levee_reclaim_free(client)
    wait_until(lambda: clients(levee) == [], 5, "it said goodbye")


# --- leases


def test_a_client_that_runs_under_a_lease_shows_it(levee):
    environment = clean_environment(LEVEE_SOCKET=str(levee.socket))
    job = subprocess.Popen([binary(), "run", "--host-mem", "100MB", "--id", "mine", "--", CLIENT, "--name", "job"],
                           env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        job.stdout.readline()
        wait_until(lambda: (c := clients(levee)) and c[0]["lease"] == "mine", 10, "its lease is known")
    finally:
        job.stdin.close()
        job.wait(20)
