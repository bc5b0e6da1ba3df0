"""Balloons that give way to their owner: levee run --hold, levee reserve --for, and what is left when
anybody dies."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, MIB, binary, wait_until
from simulated_gpu import simgpu_folder

ONE_GPU = 'gpu 0 name="Sim A100" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n'
TWO_GPUS = ONE_GPU + 'gpu 1 name="Sim A100" mem=17GiB reserved=1GiB ctx=512MiB cc=8.0\n'
HOG = str(simgpu_folder() / "simhog")
CONTEXT = 512 * MIB


class Place:
    """Where commands run: a simulated machine, and the ledger of a daemon or of this folder."""

    def __init__(self, machine, folder: Path, levee=None):
        self.machine, self.levee = machine, levee
        self.environment = machine.environment(
            LEVEE_STATE_DIR=str(folder / "state"), LEVEE_MONITORING_INTERVAL="0.1",
            LEVEE_GPU_MANAGER_MEMORY_RESERVE="0", LEVEE_SOCKET=str(levee.socket if levee else folder / "none.sock"))

    def start(self, *command) -> subprocess.Popen:
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, *command, timeout=60) -> subprocess.CompletedProcess:
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)

    def balloons(self) -> list[dict]:
        done = self.run(binary(), "balloon", "list", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["balloons"]

    def leases(self) -> list[dict]:
        return json.loads(self.run(binary(), "lease", "list", "--json").stdout)["leases"]

    def used(self, gpu=0) -> int:
        return self.machine.gpu(gpu)["memory"]["used_bytes"]

    def free(self, gpu=0) -> int:
        return self.machine.gpu(gpu)["memory"]["free_bytes"]


@pytest.fixture
def machine():
    with SimMachine(ONE_GPU) as made:
        yield made


@pytest.fixture
def with_daemon(machine, tmp_path):
    with machine.levee() as levee:
        wait_for_gpus(levee, 1)
        yield Place(machine, tmp_path, levee)


@pytest.fixture(params=["daemon", "alone"])
def place(request, machine, tmp_path):
    if request.param == "daemon":
        yield request.getfixturevalue("with_daemon")
    else:
        yield Place(machine, tmp_path)


def fill(place, leave: int):
    """A neighbour that takes what is free, but for `leave`."""
    return place.machine.hog("--mem", f"{(place.free() - leave - CONTEXT) // MIB}MiB")


def test_a_held_job_gets_all_it_was_promised_on_a_gpu_that_is_full_otherwise(place):
    job = place.start(binary(), "run", "--gpu-mem", "12GB", "--id", "mine", "--hold", "--step", "1GB", "--", "sh", "-c",
                      f'echo "$LEVEE_BALLOON"; read go; exec {HOG} --mem 11GiB --step 256MiB --every 0.03 --hold 30')
    assert job.stdout.readline() == "mine.balloon\n"
    assert place.used() == 11 * GIB, "one step is open when the command starts"
    fill(place, leave=1 * GIB)
    assert place.free() == 1 * GIB
    job.stdin.write("go\n")
    job.stdin.flush()
    assert job.stdout.readline().startswith("holding ")
    wait_until(lambda: place.free() == 512 * MIB, 5, "all but the rest of the promise is in use")
    job.send_signal(signal.SIGTERM)
    job.wait(20)
    wait_until(lambda: place.used() == 16 * GIB - 12 * GIB, 5, "the job's memory is free")
    assert place.leases() == []


def test_a_job_whose_memory_cannot_be_held_is_not_started(place):
    place.machine.fault("gpu 0 return 2 from cuMemCreate after 20 calls")
    done = place.run(binary(), "run", "--gpu-mem", "12GB", "--hold", "--", "echo", "started")
    assert done.returncode == 125 and done.stdout == ""
    assert "CUDA out of memory" in done.stderr and "nothing is held" in done.stderr
    assert place.leases() == [] and place.used() == 0


def test_an_owner_that_is_loaded_lets_its_balloon_go(place):
    job = place.start(binary(), "run", "--gpu-mem", "12GB", "--hold", "--", "sh", "-c",
                      f'{binary()} balloon release "$LEVEE_BALLOON"; read go; exit 5')
    assert job.stdout.readline().endswith(" let go\n")
    wait_until(lambda: place.used() == 0, 5, "nothing is held")
    assert [lease["kind"] for lease in place.leases()] == ["booking"]
    _, said = job.communicate("go\n", timeout=20)
    assert job.returncode == 5, said


@pytest.mark.parametrize("arguments, complaint", [
    (["--host-mem", "1GB", "--hold", "--", "true"], "--gpu-mem"),
    (["--gpu-mem", "1GB", "--step", "1GB", "--", "true"], "--hold"),
    (["--gpu-mem", "1GB", "--hold", "--step", "nothing", "--", "true"], "nothing"),
])
def test_wrong_use_of_hold_is_told(with_daemon, arguments, complaint):
    done = with_daemon.run(binary(), "run", *arguments)
    assert done.returncode == 2 and complaint in done.stderr
    assert with_daemon.leases() == []


def reserve_for(place, pid: int, size="8GB", *more) -> str:
    done = place.run(binary(), "reserve", size, "--for", str(pid), *more)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def holding(place, balloon: str) -> dict:
    return next(each for each in place.balloons() if each["id"] == balloon)["holdings"][0]


def test_memory_reserved_for_a_process_follows_it(with_daemon):
    place = with_daemon
    owner = place.start(HOG, "--mem", "8GiB", "--step", "256MiB", "--every", "0.03", "--after", "1.5")
    wait_until(lambda: place.used() == CONTEXT, 5, "the owner is there")
    balloon = reserve_for(place, owner.pid)
    assert holding(place, balloon)["passed_on_bytes"] == 1 * GIB, "what it used before is no part of it"
    fill(place, leave=1 * GIB)
    assert owner.stdout.readline().startswith("holding ")
    wait_until(lambda: holding(place, balloon)["state"] == "passed", 5, "all is passed on")
    last = holding(place, balloon)
    assert (last["passed_on_bytes"], last["held_bytes"], last["lost_bytes"]) == (8 * GIB, 0, 0)
    owner.kill()
    owner.wait()
    wait_until(lambda: place.balloons() == [], 5, "it ends with its owner")


def test_an_owner_that_asks_gets_it_in_one_piece(with_daemon):
    place = with_daemon
    owner = place.start("sleep", "60")
    balloon = reserve_for(place, owner.pid)
    free = place.free()
    done = place.run(binary(), "balloon", "pass-on", balloon, "5GB")
    assert done.returncode == 0 and done.stdout == f"{balloon} passed on 5.00 GiB\n", done.stderr
    assert place.free() == free + 4 * GIB, "and one was open before"
    owner.kill()
    owner.wait()


def test_what_neighbours_take_is_told(with_daemon):
    place = with_daemon
    owner = place.start("sleep", "60")
    balloon = reserve_for(place, owner.pid)
    fill(place, leave=256 * MIB)
    lost = wait_until(lambda: holding(place, balloon)["lost_bytes"], 5, "a loss")
    assert lost == 768 * MIB
    wait_until(lambda: place.free() == 1 * GIB, 5, "it is made good")
    owner.kill()
    owner.wait()


@pytest.mark.parametrize("body, complaint", [
    ({"size": "4GB", "baton": True}, "nobody to hand the memory to"),
    ({"size": "4GB", "step": "1GB"}, "follows nobody"),
    ({"size": "4GB", "baton": True, "owner_pid": os.getpid(), "step": "much"}, "step"),
    ({"size": "4GB", "baton": "yes", "owner_pid": os.getpid()}, "baton"),
])
def test_bad_requests_are_refused(with_daemon, body, complaint):
    status, answer = with_daemon.levee.request("POST", "/api/v1/balloons", body)
    assert status == 400 and complaint in json.dumps(answer)


def test_for_needs_a_daemon(machine, tmp_path):
    done = Place(machine, tmp_path).run(binary(), "reserve", "1GB", "--for", str(os.getpid()))
    assert done.returncode == 1 and "no daemon is running" in done.stderr


# --- deaths at any moment

SEEDS = range(4)


def grower(place) -> subprocess.Popen:
    return place.start(HOG, "--mem", "7GiB", "--step", "128MiB", "--every", "0.02")


def end(owner) -> None:
    owner.kill()
    owner.wait()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_death_of_an_owner_frees_everything(with_daemon, seed):
    place, owner = with_daemon, grower(with_daemon)
    reserve_for(place, owner.pid)
    time.sleep(random.Random(seed).random())
    end(owner)
    wait_until(lambda: place.used() == 0 and place.leases() == [], 2, "nothing is held or promised")


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_death_of_a_holder_another_one_goes_on(with_daemon, seed):
    place = with_daemon
    # It grows only once the balloon is there: what it used before would not count.
    owner = place.start("sh", "-c", f"read go; exec {HOG} --mem 7GiB --step 128MiB --every 0.02")
    balloon = reserve_for(place, owner.pid, "8GB", "--step", "512MB")
    pid = holding(place, balloon)["pid"]
    owner.stdin.write("go\n")
    owner.stdin.flush()
    time.sleep(random.Random(seed).random() / 2)
    os.kill(pid, signal.SIGKILL)
    owner.stdout.readline()
    now = wait_until(lambda: (h := holding(place, balloon))["state"] in ("held", "passed") and h["pid"] != pid and h, 10,
                     "another holder")
    assert now["promised_bytes"] == 8 * GIB
    wait_until(lambda: place.used() <= 8 * GIB, 5, "no more than what was promised")
    end(owner)
    wait_until(lambda: place.used() == 0 and place.leases() == [], 5, "nothing is held or promised")


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_death_of_the_daemon_nothing_is_held_and_the_next_one_goes_on(machine, tmp_path, seed):
    levee = machine.levee(folder=tmp_path).ready()
    wait_for_gpus(levee, 1)
    place, owner = Place(machine, tmp_path, levee), None
    try:
        owner = grower(place)
        balloon = reserve_for(place, owner.pid)
        time.sleep(random.Random(seed).random() / 2)
        levee.process.kill()
        levee.process.wait()
        owner.stdout.readline()
        wait_until(lambda: place.used() == 7 * GIB + CONTEXT, 5, "only the owner's own use is left")
        levee = machine.levee(folder=tmp_path).ready()
        wait_for_gpus(levee, 1)
        wait_until(lambda: [b["id"] for b in place.balloons()] == [balloon], 5, "it is known again")
        wait_until(lambda: holding(place, balloon)["state"] in ("held", "passed"), 5, "and held again")
        end(owner)
        wait_until(lambda: place.used() == 0 and place.leases() == [], 5, "nothing is held or promised")
    finally:
        if owner is not None:
            end(owner)
        levee.stop()


# --- ranks

def test_ranks_that_balloon_the_same_gpus_are_refused_or_bounded_and_never_wait_for_each_other(tmp_path):
    with SimMachine(TWO_GPUS) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        place = Place(machine, tmp_path, levee)
        for _ in range(5):
            ranks = [place.start(binary(), "reserve", "60%", "--gpu", "all", "--until-exit", str(os.getpid()))
                     for _ in range(4)]
            codes = [rank.wait(30) for rank in ranks]
            assert codes.count(0) >= 1 and set(codes) <= {0, 1}, codes
            held = [place.used(gpu) for gpu in (0, 1)]
            promised = sum(b["gpus"][0]["bytes"] for b in place.balloons())
            assert max(held) <= 16 * GIB and promised <= 16 * GIB
            for balloon in place.balloons():
                assert [h["state"] for h in balloon["holdings"]] == ["held", "held"]
                assert place.run(binary(), "balloon", "release", balloon["id"]).returncode == 0
            wait_until(lambda: place.used(0) == place.used(1) == 0, 5, "all is free")


