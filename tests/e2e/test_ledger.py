"""The ledger through a daemon: leases, the line, owners that end, trouble with its file."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, MIB, Levee, SocketClient, binary, clean_environment, wait_until

TWO_GPUS = "".join(f'gpu {i} name="Sim A100" mem=81920MiB reserved=500MiB ctx=400MiB cc=8.0\n' for i in range(2))
CAPACITY = (81920 - 500 - 512) * MIB  # without the driver's and the system's reserve


@pytest.fixture(scope="module")
def machine():
    with SimMachine(TWO_GPUS) as made:
        yield made


@pytest.fixture
def levee(machine):
    with machine.levee() as daemon:
        wait_for_gpus(daemon, 2)
        wait_until(lambda: len(ledger(daemon)["gpus"]) == 2, 5, "the ledger, knowing the GPUs")
        yield daemon


def ledger(levee) -> dict:
    status, body = levee.get("/api/v1/leases")
    assert status == 200, body
    return body


def ask(levee, **body) -> tuple[int, dict]:
    return levee.request("POST", "/api/v1/leases", body)


def release(levee, name) -> tuple[int, dict]:
    return levee.request("DELETE", f"/api/v1/leases?id={name}")


def ids(levee) -> set[str]:
    return {lease["id"] for lease in ledger(levee)["leases"]}


def gpu(levee, index) -> dict:
    return ledger(levee)["gpus"][index]


def sleeper() -> subprocess.Popen:
    return subprocess.Popen(["sleep", "1000"])


def test_a_lease_is_granted_shown_and_given_back(levee):
    status, lease = ask(levee, id="train", name="train.py", gpu_memory="12GB", host_memory="1GB")
    assert status == 201 and lease["state"] == "granted"
    assert lease["gpus"][0]["bytes"] == 12 * GIB and lease["host_bytes"] == GIB
    index = lease["gpus"][0]["gpu_id"]
    assert gpu(levee, index)["available_bytes"] == CAPACITY - 12 * GIB
    shown = levee.command("lease", "list", check=True).stdout
    assert "train.py" in shown and "12.0 GiB on GPU" in shown
    wait_until(lambda: "train" in levee.get("/api/v1/monitoring/report")[1]["allocated_resources"], 5, "the report")
    assert release(levee, "train")[0] == 200
    assert gpu(levee, index)["available_bytes"] == CAPACITY
    assert release(levee, "train")[0] == 404


def test_what_does_not_fit_is_refused_with_what_would_help(levee):
    assert ask(levee, id="big", gpus=2, gpu_memory="70GB")[0] == 201
    status, body = ask(levee, id="more", gpu_memory="20GB")
    assert status == 409 and body["code"] == "resource_exhausted"
    assert {s["label"] for s in body["shortfalls"]} == {"GPU 0 (Sim A100)", "GPU 1 (Sim A100)"}
    assert body["shortfalls"][0]["missing_bytes"] == 20 * GIB - (CAPACITY - 70 * GIB)
    assert body["holders"][0]["id"] == "big" and "wait" in body["hint"]
    status, body = ask(levee, id="huge", gpu_memory="90GB", wait_seconds=60)
    assert status == 409 and "waiting does not help" in body["hint"]


def test_real_use_counts_whether_it_was_promised_or_not(machine, levee):
    with machine.holding("--gpu", "0", "--mem", "60GiB"):
        wait_until(lambda: gpu(levee, 0)["unaccounted_bytes"] > 60 * GIB, 5, "a job that never asked")
        assert ask(levee, id="a", gpus=["0"], gpu_memory="30GB")[0] == 409
        assert ask(levee, id="b", gpu_memory="30GB")[1]["gpus"][0]["gpu_id"] == 1
    wait_until(lambda: gpu(levee, 0)["unaccounted_bytes"] == 0, 5, "its memory back")
    assert ask(levee, id="a", gpus=["0"], gpu_memory="30GB")[0] == 201


def test_a_job_and_its_promise_count_once(machine, levee):
    with machine.holding("--gpu", "0", "--mem", "9GiB") as hog:
        assert ask(levee, id="job", gpus=["0"], gpu_memory="12GB", owner_pid=hog.pid)[0] == 201
        def used():
            return next(lease for lease in ledger(levee)["leases"] if lease["id"] == "job")["used"]["gpus"]
        wait_until(lambda: used() and used()[0]["bytes"] > 9 * GIB, 5, "the job's use on its account")
        assert gpu(levee, 0)["available_bytes"] == CAPACITY - 12 * GIB
        assert gpu(levee, 0)["unaccounted_bytes"] == 0
    wait_until(lambda: "job" not in ids(levee), 5, "the end of its lease")


def test_waiters_are_served_in_order_and_at_once(levee):
    assert ask(levee, id="first", gpus=["0"], gpu_memory="70GB")[0] == 201
    for place, name in enumerate(("second", "third"), 1):
        status, lease = ask(levee, id=name, gpus=["0"], gpu_memory="70GB", wait_seconds=60)
        assert status == 202 and lease["place"] == place
    queue = levee.command("queue", check=True).stdout
    assert queue.index("second") < queue.index("third")
    watcher = subprocess.Popen([binary(), "lease", "wait", "second"], stdout=subprocess.PIPE, text=True,
                               env=clean_environment(LEVEE_SOCKET=str(levee.socket)))
    time.sleep(0.2)  # If it were to end too early: a slow machine makes this no stricter and no failure.
    assert watcher.poll() is None
    assert release(levee, "first")[0] == 200
    assert watcher.communicate(timeout=5)[0] == "second has 70.0 GiB on GPU 0\n"
    assert levee.get("/api/v1/leases?id=third")[1]["place"] == 1
    assert levee.command("lease", "release", "third").returncode == 0
    assert levee.get("/api/v1/queue")[1]["queue"] == []


def connections_to(socket: Path) -> int:
    """How many have connected to `socket`, by /proc/net/unix (state 03 is a connection, 01 the listener)."""
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    return sum(line.split()[5] == "03" and line.endswith(f" {socket}") for line in lines[1:])


def test_a_daemon_ends_at_once_though_somebody_waits(machine):
    with machine.levee() as levee:
        wait_for_gpus(levee, 2)
        wait_until(lambda: len(ledger(levee)["gpus"]) == 2, 5, "the ledger, knowing the GPUs")
        assert ask(levee, id="first", gpus=2, gpu_memory="70GB")[0] == 201
        assert ask(levee, id="second", gpu_memory="70GB", wait_seconds=60)[0] == 202
        waiter = subprocess.Popen([binary(), "lease", "wait", "second"], stdout=subprocess.PIPE, text=True,
                                  env=clean_environment(LEVEE_SOCKET=str(levee.socket)))
        wait_until(lambda: connections_to(levee.socket) == 1, 5, "the one who waits")
        began = time.monotonic()
        assert levee.stop() == 0
        assert time.monotonic() - began < 5
        assert waiter.poll() is None  # The daemon may come back.
        waiter.kill()
        waiter.communicate()


def test_a_request_leaves_the_line_at_its_deadline(levee):
    assert ask(levee, id="first", gpus=["0"], gpu_memory="70GB")[0] == 201
    assert ask(levee, id="late", gpus=["0"], gpu_memory="70GB", wait_seconds=1)[0] == 202
    status, body = levee.get("/api/v1/leases?id=late&wait_seconds=9")
    assert status == 410 and body["reason"] == "gave_up"
    done = levee.command("run", "--gpu", "0", "--gpu-mem", "70GB", "--wait", "1s", "--", "echo", "never")
    assert done.returncode == 125 and "never" not in done.stdout and "gave_up" in done.stderr


def test_the_leases_of_a_dead_owner_end_within_a_sample(levee):
    owner = sleeper()
    assert ask(levee, id="job", gpu_memory="12GB", owner_pid=owner.pid)[0] == 201
    assert ask(levee, id="line", gpu_memory="80GB", wait_seconds=60, owner_pid=owner.pid)[0] in (202, 409)
    owner.kill()
    ended = time.monotonic()
    wait_until(lambda: not ids(levee), 5, "the end of its leases")  # It is a zombie still.
    assert time.monotonic() - ended < 1.5
    owner.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to choose the next pid")
def test_a_reused_pid_does_not_inherit_a_lease(levee):
    owner = sleeper()
    assert ask(levee, id="job", gpu_memory="12GB", owner_pid=owner.pid)[0] == 201
    os.kill(levee.process.pid, signal.SIGSTOP)  # It must not see the time in between.
    successor = None
    try:
        owner.kill()
        owner.wait()
        time.sleep(0.02)  # Start times are counted in hundredths of a second.
        for _ in range(200):
            try:
                Path("/proc/sys/kernel/ns_last_pid").write_text(str(owner.pid - 1))
            except OSError as error:
                pytest.skip(f"the next pid cannot be chosen: {error}")
            successor = sleeper()
            if successor.pid == owner.pid:
                break
            successor.kill()
            successor.wait()
            successor = None
        if successor is None:
            pytest.skip("the pid was always taken by somebody else")
    finally:
        os.kill(levee.process.pid, signal.SIGCONT)
    try:
        wait_until(lambda: not ids(levee), 5, "the end of the lease")
    finally:
        successor.kill()
        successor.wait()


def test_leases_survive_a_restart_of_the_daemon(machine, tmp_path):
    owner = sleeper()
    with machine.levee(folder=tmp_path) as levee:
        wait_for_gpus(levee, 2)
        assert ask(levee, id="kept", gpu_memory="12GB", owner_pid=owner.pid)[0] == 201
        assert ask(levee, id="gone", gpu_memory="12GB", owner_pid=owner.pid)[0] == 201
        assert release(levee, "gone")[0] == 200
        levee.process.kill()
        levee.process.wait()
    with machine.levee(folder=tmp_path) as levee:
        wait_for_gpus(levee, 2)
        assert ids(levee) == {"kept"}
        owner.kill()
        owner.wait()
        wait_until(lambda: not ids(levee), 5, "the end of the lease")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_users_touch_only_what_is_theirs(levee):
    levee.folder.chmod(0o755)
    def as_nobody(*arguments):
        return subprocess.run([binary(), "lease", *arguments], capture_output=True, text=True, timeout=30,
                              user=65534, group=65534, extra_groups=[],
                              env=clean_environment(LEVEE_SOCKET=str(levee.socket)))
    assert ask(levee, id="roots", gpu_memory="1GB")[0] == 201
    refused = as_nobody("release", "roots")
    assert refused.returncode == 1 and "belongs to user 0" in refused.stderr and "roots" in ids(levee)
    refused = as_nobody("grant", "--gpu-mem", "1GB", "--priority", "5")
    assert refused.returncode == 1 and "priority 5" in refused.stderr
    refused = as_nobody("grant", "--gpu-mem", "1GB", "--pid", "1")
    assert refused.returncode == 1 and "belongs to user 0" in refused.stderr
    assert as_nobody("grant", "--gpu-mem", "1GB", "--id", "mine").stdout == "mine\n"
    assert as_nobody("release", "mine").returncode == 0
    assert levee.request("PUT", "/api/v1/config", {"ledger.user_leases": 1})[0] == 200
    assert as_nobody("grant", "--gpu-mem", "1GB", "--id", "one").returncode == 0
    refused = as_nobody("grant", "--gpu-mem", "1GB", "--id", "two")
    assert refused.returncode == 1 and "2 leases of yours" in refused.stderr
    assert levee.command("lease", "release", "one").returncode == 0


def test_the_documented_bookings(levee):
    status, body = levee.request("POST", "/api/gpu/memory/allocate",
                                 {"allocation_id": "llm_model", "required_mb": 2048, "gpu_id": 0})
    assert status == 200 and body["success"] is True and body["data"]["allocated"] is True
    available = levee.get("/api/gpu/memory/available?gpu_id=0")[1]["data"]
    assert available["available_mb"] == available["limit_mb"] - 2048 == 81920 * 3 // 4 - 2048
    def shown():
        return levee.get("/api/gpu/status")[1]["data"]["memory"]["allocation_stats"]["allocations"]
    wait_until(lambda: shown() == {"llm_model": 2048}, 5, "the booking in the status")
    for body in ({"allocation_id": "llm_model", "required_mb": 1}, {"allocation_id": "x", "required_mb": 70000}):
        status, answer = levee.request("POST", "/api/gpu/memory/allocate", body)
        assert status == 409 and answer["success"] is False and answer["error"], body
    for body in ({}, {"allocation_id": "", "required_mb": 1}, {"allocation_id": "x"},
                 {"allocation_id": "x", "required_mb": 0}, {"allocation_id": "x", "required_mb": -5},
                 {"allocation_id": "x", "required_mb": "1GB"}, {"allocation_id": "x", "required_mb": 1.5},
                 {"allocation_id": "x", "required_mb": 1, "gpu": 0}):
        status, answer = levee.request("POST", "/api/gpu/memory/allocate", body)
        assert status == 400 and answer["success"] is False and answer["error"], body
    assert levee.request("POST", "/api/gpu/memory/deallocate", {"allocation_id": "llm_model"})[0] == 200
    assert levee.request("POST", "/api/gpu/memory/deallocate", {"allocation_id": "llm_model"})[0] == 404


@pytest.mark.parametrize("body, complaint", [
    ({}, "nothing is asked for"),
    ({"gpu_memory": "0GB"}, "greater than zero"),
    ({"gpu_memory": "-1GB"}, "negative"),
    ({"gpu_memory": "NaN"}, "amount of memory"),
    ({"gpu_memory": 12}, "unit"),
    ({"gpu_memory_bytes": 1.5}, "whole number"),
    ({"gpu_memory_bytes": 10**30}, "whole number"),
    ({"gpu_memory": "1GB", "gpus": 0}, "from 1 to 64"),
    ({"gpu_memory": "1GB", "gpus": []}, "empty"),
    ({"gpu_memory": "1GB", "gpus": ["7"]}, "there is no GPU"),
    ({"gpu_memory": "1GB", "gpus": ["0", "0"]}, "twice"),
    ({"gpus": 1}, "not how much"),
    ({"gpu_memory": "1GB", "id": "x" * 10_000}, "no id"),
    ({"gpu_memory": "1GB", "id": ""}, "empty"),
    ({"gpu_memory": "1GB", "id": "a\nb"}, "no id"),
    ({"gpu_memory": "1GB", "wait": 5}, "wait_seconds"),
    ({"gpu_memory": "1GB", "wait_seconds": -1}, "wait_seconds"),
    ({"gpu_memory": "1GB", "owner_pid": 2**31 - 1}, "no process"),
    ({"gpu_memory": "1GB", "placement": "anywhere"}, "best_fit"),
    ({"gpu_memory": "1GB", "min_compute": "fast"}, "8.0"),
    ({"gpu_memory": "1GB", "within": "nothing"}, "nothing"),
])
def test_bad_requests_are_refused_with_a_reason(levee, body, complaint):
    status, answer = ask(levee, **body)
    assert status in (400, 404), answer
    assert complaint in answer["detail"] + answer["hint"] and answer["hint"], answer
    assert not ids(levee)


def test_more_than_the_machine_is_refused_even_to_who_would_wait(levee):
    assert ask(levee, gpu_memory_bytes=2**63 - 1, wait_seconds=5)[0] == 409
    assert ask(levee, host_memory="8000TB", wait_seconds=5)[0] == 409
    assert ask(levee, gpu_memory="1GB", gpus=3, wait_seconds=5)[0] == 404


def test_a_full_disk_grants_nothing_and_says_so(machine, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs root to mount a small disk")
    try:
        with machine.levee("--set", "store.enabled=false", folder=disk) as levee:
            wait_for_gpus(levee, 2)
            assert ask(levee, id="before", gpu_memory="1GB")[0] == 201
            ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
            with contextlib.suppress(OSError):
                while True:
                    os.write(ballast, b"x" * 4096)
            os.close(ballast)
            def refused():  # The log's last pages still have room.
                status, body = ask(levee, id=f"x{time.monotonic_ns()}", gpu_memory="1MB", name="n" * 200)
                return (status, body) if status != 201 else None
            status, body = wait_until(refused, 20, "a refusal")
            assert status == 503 and "free space" in body["hint"], body
            (disk / "ballast").unlink()
            assert ask(levee, id="after", gpu_memory="1GB")[0] == 201
            assert {"before", "after"} <= ids(levee)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_damaged_file_is_moved_aside_and_told(machine, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger.db").write_bytes(b"no database at all " * 500)
    with machine.levee(folder=tmp_path) as levee:
        wait_for_gpus(levee, 2)
        assert "was damaged" in ledger(levee)["trouble"]
        assert len(list(state.glob("ledger.db.damaged-*"))) == 1
        assert ask(levee, id="a", gpu_memory="1GB")[0] == 201
        (state / "ledger.db").unlink()  # The daemon knows its promises without it.
        assert ask(levee, id="b", gpu_memory="1GB")[0] == 201
        assert ids(levee) == {"a", "b"} and "was deleted" in ledger(levee)["trouble"]


CLIENT = """
import http.client, random, sys
sys.path.insert(0, sys.argv[1])
from levee_testing import SocketClient
client, number, operations, owner = SocketClient(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
random.seed(number)
held = []
def say(kind, name): print(kind, name, flush=True)
i = 0
while i < operations:
    if held and random.random() < 0.5:
        method, name = "DELETE", held.pop(random.randrange(len(held)))
        body, path = None, "/api/v1/leases?id=" + name
    else:
        method, name, path = "POST", f"c{number}-{i}", "/api/v1/leases"
        body = {"id": name, "gpu_memory": f"{random.randrange(1, 9)}GB", "owner_pid": owner}
    try:
        status, answer = client.request(method, path, body)
    except (OSError, http.client.HTTPException):
        say("unsure", name)
        continue
    if status == 503:   # Up, and not yet ready.
        if method == "DELETE": held.append(name)
        continue
    i += 1
    if status == 201:
        held.append(name); say("granted", name)
    elif status == 200:
        say("released", name)
    elif status != 409:
        say("error", f"{method} {name} {status} {answer}")
say("done", number)
"""


class Clients:
    """8 processes that book and give back as fast as they can, and write down what they were answered."""

    def __init__(self, socket: Path, owner: int, folder: Path, operations: int):
        support = str(Path(__file__).resolve().parents[1] / "support")
        self.logs = [open(folder / f"client-{n}", "w+") for n in range(8)]
        self.processes = [subprocess.Popen([sys.executable, "-c", CLIENT, support, str(socket), str(n),
                                            str(operations // 8), str(owner)], stdout=log)
                          for n, log in enumerate(self.logs)]

    def are_busy(self) -> bool:
        return any(process.poll() is None for process in self.processes)

    def answers(self) -> tuple[set[str], set[str], set[str]]:
        """What was granted, given back, and asked without an answer."""
        assert all(process.returncode == 0 for process in self.processes)
        kinds = {"granted": set(), "released": set(), "unsure": set(), "done": set()}
        for log in self.logs:
            log.seek(0)
            for line in log:
                kind, name = line.split(" ", 1)
                assert kind in kinds, line
                kinds[kind].add(name.strip())
        return kinds["granted"], kinds["released"], kinds["unsure"]

    def end(self) -> None:
        for process, log in zip(self.processes, self.logs):
            process.kill()
            process.wait()
            log.close()


def test_what_was_acknowledged_survives_every_crash(machine, tmp_path):
    """8 clients, 10,000 operations, and a daemon that is killed again and again."""
    (tmp_path / "daemon").mkdir()
    owner = sleeper()  # of all leases, so that they outlive the clients
    levee = machine.levee(folder=tmp_path / "daemon")
    clients = None
    try:
        levee.ready()
        clients = Clients(levee.socket, owner.pid, tmp_path, 10_000)
        kills, chance = 0, random.Random(7)
        while clients.are_busy():
            time.sleep(chance.uniform(0.05, 0.8))
            levee.process.kill()
            levee.process.wait()
            kills += 1
            levee = machine.levee(folder=tmp_path / "daemon")
            levee.ready()
        wait_for_gpus(levee, 2)
        wait_until(lambda: len(ledger(levee)["gpus"]) == 2, 5, "the ledger, knowing the GPUs")

        granted, released, unsure = clients.answers()
        there = {lease["id"]: lease for lease in ledger(levee)["leases"]}
        assert kills >= 5 and len(granted) > 100
        assert granted - released - unsure <= there.keys()          # nothing acknowledged is lost
        assert not (released - unsure) & there.keys()               # nothing that was given back is held
        assert there.keys() <= granted | unsure                     # nothing is held that nobody asked for
        for gpu_id in range(2):
            promised = sum(share["bytes"] for lease in there.values() for share in lease["gpus"]
                           if share["gpu_id"] == gpu_id)
            assert promised <= CAPACITY                             # nothing is granted twice
            assert promised == gpu(levee, gpu_id)["promised_bytes"]
        owner.kill()
        owner.wait()
        wait_until(lambda: not ids(levee), 5, "the end of everything")  # nothing is held for ever
    finally:
        owner.kill()
        owner.wait()
        if clients is not None:
            clients.end()
        levee.stop()
