"""What is done about memory pressure: each step, who is asked and who is not, who is passed over, and what is
told; over real processes on simulated GPUs."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, MIB, Levee, binary, clean_environment, wait_until

CLIENT = str(Path(binary()).resolve().parent / "tests" / "reclaim_client")
# Of 17 GiB one is the driver's: 14.45 GiB in use, the reserve included, are 85 %.
TWO_GPUS = ('gpu 0 name="Sim A100" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n'
            'gpu 1 name="Sim A10" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n')
QUICK = ("--set", "recovery.deadline_seconds=0.5", "--set", "throttle_cooldown_seconds=1")
STEPS = ["clear_cache", "deflate_balloon", "reduce_batch", "offload"]
STRATEGY = {"deflate_balloon": "yield_balloon"}


class Place:
    """A machine with two GPUs, a daemon, and processes that use them."""

    def __init__(self, machine, levee):
        self.machine, self.levee, self.started = machine, levee, []
        self.uuids = [gpu["uuid"] for gpu in wait_for_gpus(levee, 2)]

    def client(self, gib: float, step: str, gpu=0, *more: str) -> subprocess.Popen:
        """A process that has so much and can give it back; ready when this returns."""
        process = subprocess.Popen(
            [CLIENT, "--device", self.uuids[gpu], "--bytes", str(int(gib * GIB)), "--strategy", STRATEGY.get(step, step),
             "--name", step, *more],
            env=self.machine.environment() | {"LEVEE_SOCKET": str(self.levee.socket)}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        assert process.stdout.readline().startswith("r")
        return process

    def hog(self, gib: float, gpu=0) -> subprocess.Popen:
        hog = self.machine.hog("--gpu", str(gpu), "--mem", f"{int(gib * 1024)}MiB", "--hold", "1000")
        self.started.append(hog)
        return hog

    def recovery(self) -> dict:
        return self.levee.get("/api/v1/recovery")[1]

    def device(self, gpu=0) -> dict:
        """Of the recovery; none while the GPU has not been judged."""
        found = [each for each in self.recovery()["devices"] if each["device"] == self.uuids[gpu]]
        return found[0] if found else {}

    def steps(self, gpu=0) -> list[tuple[str, str]]:
        """What was done about a GPU, beside telling it."""
        return [(step["step"], step["result"]) for step in self.recovery()["recent"]
                if step["device"] == self.uuids[gpu] and step["step"] != "notify"]

    def is_calm(self, gpu=0) -> bool:
        return self.device(gpu).get("pressure", "?") is None

    def percent(self, gpu=0) -> float:
        return self.levee.get("/api/v1/gpus")[1]["gpus"][gpu]["memory_percent"]

    def end(self) -> None:
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def place(*settings: str):
    with SimMachine(TWO_GPUS) as machine, machine.levee(*QUICK, *settings) as levee:
        made = Place(machine, levee)
        try:
            yield made
        finally:
            made.end()


@pytest.mark.parametrize("step", STEPS)
def test_pressure_is_resolved_by_the_first_step_that_helps_and_no_later_one_is_taken(step):
    with place() as at:
        later = STEPS[STEPS.index(step) + 1:]
        for other in later:
            at.client(0.25, other)
        at.client(14.5 - len(later) * 0.75, step)
        wait_until(lambda: at.steps() == [(step, "done")] and at.is_calm(), 15, f"calm after {step}")
        assert at.percent() <= 85
        done = at.recovery()["recent"][-1]
        assert done["freed_bytes"] >= done["wanted_bytes"] > 0
        assert done["before_bytes"] - done["after_bytes"] == done["freed_bytes"]
        assert step in done["who"] and str(os.getpid()) not in done["who"]


def test_a_pause_stands_until_it_has_been_calm():
    with place() as at:
        hog = at.hog(15.4)
        wait_until(lambda: at.steps() == [("pause", "done")], 15, "the pause")
        shown = lambda: at.levee.get("/api/v1/gpus")[1]["gpus"][0]
        assert shown()["speed_multiplier"] == 0.0 and shown()["should_throttle"]
        os.kill(hog.pid, signal.SIGKILL)
        wait_until(lambda: at.is_calm(), 5, "no pressure")
        if at.device()["paused"]:
            assert shown()["speed_multiplier"] == 0.0, "for the cooldown"
        wait_until(lambda: not at.device()["paused"], 5, "it may go on")
        wait_until(lambda: shown()["speed_multiplier"] == 1.0, 5, "full speed")
        assert at.steps() == [("pause", "done")]


def test_who_hangs_or_lies_is_passed_over_and_told():
    with place() as at:
        hanging = at.client(3, "clear_cache", 0, "--behave", "hang", "--priority", "-9")
        at.client(3, "clear_cache", 0, "--behave", "lie", "--priority", "-5")
        at.client(7, "clear_cache", 0, "--priority", "0")
        wait_until(lambda: [s for s, _ in at.steps()].count("clear_cache") == 3 and at.is_calm(), 20, "calm in the end")
        assert at.steps() == [("clear_cache", "silent"), ("clear_cache", "done"), ("clear_cache", "done")]
        freed = [step["freed_bytes"] for step in at.recovery()["recent"] if step["step"] != "notify"]
        assert freed[0] == freed[1] == 0 and freed[2] > 0
        verdicts = {c["priority"]: c for c in at.levee.get("/api/v1/reclaim/clients")[1]["clients"]}
        assert verdicts[-9]["record"]["timed_out"] == 1 and verdicts[-5]["record"]["lied"] == 1
        assert hanging.poll() is None


def test_whoever_has_the_lower_priority_gives_first():
    with place() as at:
        at.client(7, "clear_cache", 0, "--name", "dear", "--priority", "5")
        at.client(7, "clear_cache", 0, "--name", "cheap", "--priority", "-5")
        wait_until(lambda: at.steps() and at.is_calm(), 15, "calm")
        assert len(at.steps()) == 1 and "cheap" in at.recovery()["recent"][-1]["who"]


def test_two_gpus_are_looked_after_at_once():
    with place() as at:
        for gpu in (0, 1):
            at.client(14.5, "clear_cache", gpu)
        wait_until(lambda: all(at.steps(gpu) and at.is_calm(gpu) for gpu in (0, 1)), 15, "both calm")
        assert at.steps(0) == at.steps(1) == [("clear_cache", "done")]


def test_a_dry_run_decides_the_same_and_does_nothing():
    with place("--set", "recovery.mode=dry-run") as at:
        at.client(14.5, "clear_cache")
        at.client(0.25, "reduce_batch")
        wait_until(lambda: len(at.steps()) >= 2, 15, "its steps")
        assert at.steps()[:2] == [("clear_cache", "done"), ("reduce_batch", "done")]
        assert all(step["dry_run"] and step["freed_bytes"] == 0 for step in at.recovery()["recent"])
        assert at.percent() > 85 and not at.is_calm()
        assert [c["record"]["asked"] for c in at.levee.get("/api/v1/reclaim/clients")[1]["clients"]] == [0, 0]


def test_what_is_off_does_nothing_but_by_hand():
    with place("--set", "recovery.mode=off") as at:
        at.client(14.5, "clear_cache")
        wait_until(lambda: at.percent() > 85, 5, "the memory, seen")
        wait_until(lambda: at.levee.get("/api/v1/monitoring/alerts")[1]["alerts"], 5, "an alert")
        assert at.steps() == []
        done = at.levee.command("cleanup")
        assert done.returncode == 0 and "GPU: 14.5GB freed" in done.stdout, done


def test_an_inference_server_that_rests_near_full_is_no_emergency():
    with place() as at:
        server = at.hog(14.7)
        wait_until(lambda: at.device().get("pressure") == "critical", 5, "pressure")
        wait_until(lambda: at.recovery()["recent"], 5, "it is told")
        assert [s["step"] for s in at.recovery()["recent"]] == ["notify"] and server.poll() is None


def test_without_pressure_nobody_is_asked():
    with place() as at:
        at.client(10, "clear_cache")
        wait_until(lambda: at.percent() > 50, 5, "the memory, seen")
        assert at.recovery()["recent"] == [] and at.is_calm()


# --- allocations that failed

def test_a_balloon_gives_way_to_an_allocation_that_failed():
    with place() as at:
        held = at.levee.command("reserve", "12GB", "--gpu", "0", "--id", "idle", "--yieldable")
        assert held.returncode == 0, held
        free = at.machine.gpu(0)["memory"]["free_bytes"]
        assert free < 8 * GIB
        wait_until(at.is_calm, 5, "a balloon, which is no pressure")
        status, body = at.levee.request("POST", "/api/v1/allocation-failures", {"gpu": 0, "memory": "8GB", "pid": os.getpid()})
        assert status == 200, body
        wait_until(lambda: at.machine.gpu(0)["memory"]["free_bytes"] >= 8 * GIB, 10, "room for it")
        wait_until(lambda: at.steps() == [("deflate_balloon", "done")], 5, "told")
        left = at.levee.get("/api/v1/balloons?id=idle")[1]
        assert left["gpus"][0]["bytes"] > 7 * GIB, "no more than was wanted"


@pytest.mark.parametrize("body, status, complaint", [
    ({"memory": "8GB", "pid": 1}, 400, "where the allocation failed"),
    ({"gpu": 0, "device": "host", "memory": "8GB"}, 400, "where the allocation failed"),
    ({"gpu": 0, "pid": 1}, 400, "how much memory"),
    ({"gpu": 9, "memory": "1GB", "pid": 1}, 404, "9"),
    ({"gpu": 0, "memory": "-1GB", "pid": 1}, 400, "-1GB"),
    ({"gpu": 0, "memory": "1GB"}, 400, "whose allocation"),
    ({"gpu": 0, "memory": "1GB", "pid": 2 ** 22}, 404, "no process"),
    ({"gpu": 0, "memory": "1GB", "pid": 1, "bananas": 2}, 400, "bananas"),
    ([], 400, "object"),
])
def test_a_bad_report_is_refused(shared, body, status, complaint):
    got, answer = shared.levee.request("POST", "/api/v1/allocation-failures", body)
    assert got == status and complaint in str(answer), answer


@pytest.fixture(scope="module")
def shared():
    with place() as at:
        yield at


# --- by hand

def test_a_cleanup_asks_for_what_harms_nobody_and_with_force_for_more():
    with place() as at:
        at.client(2, "clear_cache")
        at.client(1, "deflate_balloon", 1)
        at.client(3, "reduce_batch")
        wait_until(lambda: len(at.device().get("remedies", [])) == 3, 5, "what could be done")
        shown = at.levee.command("cleanup", "--dry-run").stdout
        assert "2 steps" in shown and "clear_cache" in shown and "reduce_batch" not in shown, shown
        assert at.steps() == []
        status, body = at.levee.request("POST", "/api/v1/monitoring/cleanup?force=false", None)
        assert status == 200 and body == {"success": True, "cpu_memory_freed_gb": 0.0, "gpu_memory_freed_gb": 3.0,
                                          "message": "Cleanup completed. CPU: 0.0GB freed, GPU: 3.0GB freed"}, body
        forced = at.levee.command("cleanup", "--force")
        assert forced.returncode == 0 and "GPU: 3.0GB freed" in forced.stdout, forced
        assert ("reduce_batch", "done") in at.steps()
        assert "reduce_batch" in at.levee.command("recovery").stdout


def test_a_cleanup_of_nothing_says_so(shared):
    done = shared.levee.command("cleanup")
    assert done.returncode == 0 and "Nothing was freed" in done.stdout
    assert shared.levee.command("cleanup", "--bananas").returncode == 2
    assert shared.levee.request("POST", "/api/v1/monitoring/cleanup?force=perhaps", None)[0] == 400


# --- trouble

def test_the_next_daemon_goes_on_where_one_was_killed_in_the_middle(tmp_path):
    with SimMachine(TWO_GPUS) as machine:
        first = machine.levee(*QUICK, folder=tmp_path).ready()
        at = Place(machine, first)
        try:
            client = at.client(14.5, "clear_cache", 0, "--behave", "late")
            wait_until(lambda: at.device().get("under_way"), 10, "a step under way")
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            assert client.poll() is None
            with machine.levee(*QUICK, "--set", "recovery.deadline_seconds=5", folder=tmp_path) as second:
                at.levee = second
                at.client(0.25, "clear_cache")
                wait_until(lambda: at.levee.get("/api/v1/recovery")[1]["recent"], 15, "its own steps")
        finally:
            at.end()
