"""levee run: a command that starts when its memory is promised, with a daemon and without one."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import MIB, binary, wait_until
from simulated_gpu import simgpu_folder

CONTEXT_MIB = 400  # What a process takes before it has allocated anything.
ONE_GPU = f'gpu 0 name="Sim A100" mem=81920MiB reserved=500MiB ctx={CONTEXT_MIB}MiB cc=8.0\n'
HOG = str(simgpu_folder() / "simhog")


class Place:
    """Where `levee run` runs: a simulated machine, and the ledger of a daemon or of this folder."""

    def __init__(self, machine, folder: Path, levee=None):
        self.machine, self.levee = machine, levee
        self.environment = machine.environment(LEVEE_STATE_DIR=str(folder / "state"),
                                               LEVEE_SOCKET=str(levee.socket if levee else folder / "none.sock"),
                                               LEVEE_MONITORING_INTERVAL="0.1")

    def start(self, *arguments, **more) -> subprocess.Popen:
        return subprocess.Popen([binary(), "run", *arguments], env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def run(self, *arguments, timeout=60) -> subprocess.CompletedProcess:
        return subprocess.run([binary(), "run", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=timeout)

    def levee_command(self, *arguments) -> dict:
        done = subprocess.run([binary(), *arguments, "--json"], env=self.environment, capture_output=True, text=True,
                              timeout=30)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def leases(self) -> list[dict]:
        return self.levee_command("lease", "list")["leases"]

    def queue(self) -> list[dict]:
        return self.levee_command("queue")["queue"]


@pytest.fixture(scope="module")
def machine():
    with SimMachine(ONE_GPU) as made:
        yield made


@pytest.fixture(params=["daemon", "alone"])
def place(request, machine, tmp_path):
    if request.param == "alone":
        yield Place(machine, tmp_path)
        return
    with machine.levee() as levee:
        wait_for_gpus(levee, 1)
        yield Place(machine, tmp_path, levee)


def test_the_command_runs_with_its_gpu_and_its_exit_code(place):
    uuid = place.machine.gpu(0)["uuid"]
    done = place.run("--gpu-mem", "12GB", "--id", "mine", "--", "sh", "-c",
                     "echo $CUDA_VISIBLE_DEVICES $LEVEE_LEASE; cat; exit 7", timeout=30)
    assert done.returncode == 7 and done.stdout == f"{uuid} mine\n"
    assert "promised 12.0 GiB on GPU 0 (lease mine)" in done.stderr
    assert place.leases() == []
    assert place.run("--host-mem", "10MB", "-q", "--", "sh", "-c", "kill -9 $$").returncode == 137


@pytest.mark.parametrize("arguments, code, complaint", [
    (["--gpu-mem", "1GB", "--", "no-such-command"], 127, "no-such-command"),
    (["--gpu-mem", "1GB", "--", "/etc/passwd"], 126, "/etc/passwd"),
    (["--gpu-mem", "100GB", "--", "true"], 125, "at most"),
    (["--gpu-mem", "1GB", "--gpus", "2", "--", "true"], 125, "Levee sees 1"),
    (["--gpu-mem", "0GB", "--", "true"], 2, "greater than zero"),
    (["--gpu-mem", "1GB", "--gpus", "0", "--", "true"], 2, "--gpus"),
    (["--gpus", "1", "--", "true"], 2, "--gpu-mem"),
    (["--", "true"], 2, "nothing is asked for"),
    (["--gpu-mem", "1GB"], 2, "command"),
    (["--gpu-mem", "1GB", "--wait", "soon", "--", "true"], 2, "--wait"),
])
def test_what_cannot_be_is_refused_and_nothing_is_kept(place, arguments, code, complaint):
    done = place.run(*arguments)
    assert done.returncode == code and complaint in done.stderr, done.stderr
    assert place.leases() == []


def test_it_says_how_request_and_peak_compare(place):
    done = place.run("--gpu-mem", "12GB", "--", HOG, "--mem", "9GiB", "--hold", "2.5")
    assert done.returncode == 0
    assert "asked for 12.0 GiB on GPU 0, used 9.39 GiB at most (78 %)" in done.stderr


def test_the_lease_follows_the_command_when_levee_run_is_killed(place):
    job = place.start("--gpu-mem", "12GB", "--id", "job", "--", "sh", "-c", "echo $$; exec sleep 1000")
    command = int(job.stdout.readline())
    job.kill()
    job.wait()
    time.sleep(1.2)  # A sample has passed.
    assert [lease["owner_pid"] for lease in place.leases()] == [command]
    os.kill(command, signal.SIGKILL)
    wait_until(lambda: not place.leases(), 5, "the end of the lease")


def test_killed_in_line_it_leaves_the_line_and_never_runs(place, tmp_path):
    first = place.start("--gpu-mem", "70GB", "--", "sleep", "1000")
    wait_until(place.leases, 10, "the first job")
    second = place.start("--gpu-mem", "70GB", "--wait", "60s", "--", "touch", str(tmp_path / "ran"))
    wait_until(place.queue, 10, "the second, in line")
    second.kill()
    second.wait()
    wait_until(lambda: not place.queue(), 5, "an empty line")
    first.terminate()
    assert first.wait(10) == 143
    wait_until(lambda: not place.leases(), 5, "the end of the first")
    assert not (tmp_path / "ran").exists()


def test_signals_reach_the_command_once(place):
    script = "trap 'echo term' TERM; trap 'echo usr1; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    job = place.start("--host-mem", "10MB", "-q", "--", "sh", "-c", script)
    assert job.stdout.readline() == "ready\n"
    job.send_signal(signal.SIGTERM)
    assert job.stdout.readline() == "term\n"
    job.send_signal(signal.SIGUSR1)
    assert job.communicate(timeout=10) == ("usr1\n", "") and job.returncode == 3


@pytest.mark.parametrize("rounds", [100])
def test_two_that_fit_only_alone_never_run_together(place, rounds, tmp_path):
    """Each takes the whole GPU and would fail if the other had it."""
    inside = tmp_path / "inside"
    job = f"mkdir {inside} || exit 99; {HOG} --mem 50GiB --hold 0.01 >{tmp_path}/log 2>&1 || exit 98; rmdir {inside}"
    for number in range(rounds):
        both = [place.start("--gpu-mem", "50GB", "--wait", "60s", "-q", "--", "sh", "-c", job) for _ in range(2)]
        ends = [(each.communicate(timeout=60)[1], each.returncode) for each in both]
        assert [code for _, code in ends] == [0, 0], (number, ends)


def test_without_a_daemon_and_a_file_nothing_is_promised(machine, tmp_path):
    (tmp_path / "state").write_text("a file where a directory should be")
    place = Place(machine, tmp_path)
    done = place.run("--gpu-mem", "1GB", "--", "echo", "ran")
    assert done.returncode == 125 and "ran" not in done.stdout and "ledger.db" in done.stderr and "hint:" in done.stderr


# --- what a job is said to take, and what it takes

FIT = "gpt2 --framework transformers --context 1024 --batch 4"


def hold_like_the_model(place, ratio: float) -> dict:
    """A job that takes what is fixed, and `ratio` times what the formulas expect of the rest. Its estimate."""
    told = place.levee_command("fit", *FIT.split())
    factor = (told["correction"] or {"factor": 1})["factor"]
    soft = sum(t["expected_bytes"] for t in told["terms"] if t["name"] in ("activations", "context", "slack"))
    fixed = sum(t["expected_bytes"] for t in told["terms"] if t["name"] in ("weights", "kv_cache"))
    size = round((fixed + ratio * soft / factor) / MIB) - CONTEXT_MIB
    done = place.run("--fit", FIT, "--", HOG, "--mem", f"{size}MiB", "--hold", "1.5")  # That is many samples.
    assert done.returncode == 0 and "gpt2 under transformers" in done.stderr, done
    return told


def test_a_job_asks_for_what_its_model_takes_and_teaches_the_next_estimate(place):
    assert place.levee_command("fit", "--record") == {"jobs": [], "corrections": []}
    first = hold_like_the_model(place, 1.8)
    for _ in range(5):
        last = hold_like_the_model(place, 1.8)
    record = place.levee_command("fit", "--record")
    assert [job["model"] for job in record["jobs"]] == ["gpt2"] * 6
    assert record["jobs"][-1]["expected_bytes"] == first["total"]["expected_bytes"]
    (learned,) = record["corrections"]
    assert learned["jobs"] == 6 and learned["factor"] == pytest.approx(1.8 ** (6 / 8), rel=0.02)
    # What was learned shows in the estimates, and they come nearer.
    errors = [abs(job["peak_bytes"] / job["expected_bytes"] - 1) for job in record["jobs"]]  # the newest first
    assert errors[0] < errors[-1] / 2, errors
    assert last["total"]["expected_bytes"] > first["total"]["expected_bytes"]
    shown = subprocess.run([binary(), "fit", "--record"], env=place.environment, capture_output=True, text=True,
                           timeout=30).stdout
    assert "gpt2" in shown and "what no formula gives is taken times" in shown
    assert place.levee_command("fit", "--forget") == {"success": True}
    assert place.levee_command("fit", "--record")["corrections"] == []
    assert place.levee_command("fit", *FIT.split())["total"] == first["total"]


@pytest.mark.parametrize("fit, complaint", [
    ("", "names no model"), ("whale", "whale"), ("gpt2 --framework caffe", "caffe"), ("gpt2 --bogus 1", "--bogus"),
    ("gpt2 --context", "--context"), ("/nonexistent/model.gguf", "/nonexistent"),
])
def test_a_wrong_question_runs_nothing(place, fit, complaint):
    done = place.run("--fit", fit, "--", "echo", "ran")
    assert done.returncode == 2 and not done.stdout and complaint in done.stderr, done
    assert place.leases() == []
