"""GPU memory that is held: levee reserve and balloon, and /api/v1/balloons, over the simulated driver."""

import json
import os
import signal
import subprocess

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, MIB, binary, wait_until
from simulated_gpu import simgpu_folder

TWO_GPUS = ('gpu 0 name="Sim A100" mem=80GiB reserved=500MiB ctx=400MiB\n'
            'gpu 1 name="Sim A10" mem=24GiB reserved=500MiB ctx=400MiB\n')


@pytest.fixture(scope="module")
def machine():
    with SimMachine(TWO_GPUS) as made:
        yield made


@pytest.fixture
def levee(machine):
    with machine.levee() as daemon:
        wait_for_gpus(daemon, 2)
        wait_until(lambda: len(daemon.get("/api/v1/leases")[1]["gpus"]) == 2, 5, "the ledger, knowing the GPUs")
        yield daemon


def free(machine, gpu=0) -> int:
    return machine.gpu(gpu)["memory"]["free_bytes"]


def held(levee, name) -> list[int]:
    """What is held for a balloon, by GPU."""
    status, balloon = levee.get(f"/api/v1/balloons?id={name}")
    return [each["held_bytes"] for each in balloon["holdings"]] if status == 200 else []


def holder(levee, name) -> int:
    return levee.get(f"/api/v1/balloons?id={name}")[1]["holdings"][0]["pid"]


def wait_held(levee, name, size) -> None:
    wait_until(lambda: held(levee, name) == [size], 10, f"{size} bytes held for {name}")


def test_memory_is_held_until_it_is_released(machine, levee):
    before = free(machine)
    done = levee.command("reserve", "4GB", "--gpu", "0", "--id", "mine")
    assert done.returncode == 0 and done.stdout == "mine\n", done
    assert "holding 4.00 GiB on GPU 0" in done.stderr
    assert free(machine) == before - 4 * GIB, "exactly what was asked for"
    _, lease = levee.get("/api/v1/leases?id=mine")
    assert lease["kind"] == "balloon" and lease["state"] == "granted"
    shown = levee.command("balloon").stdout
    assert "mine" in shown and "held" in shown
    assert levee.command("balloon", "release", "mine").stdout == "mine let go\n"
    wait_until(lambda: free(machine) == before, 5, "the memory, free again")
    assert levee.get("/api/v1/balloons?id=mine")[0] == 404
    assert levee.command("balloon", "release", "mine").returncode == 1


def test_what_is_held_counts_once_and_keeps_others_from_it(machine, levee):
    assert levee.command("reserve", "60GB", "--gpu", "0", "--id", "large").returncode == 0
    wait_until(lambda: levee.get("/api/v1/leases?id=large")[1]["used"]["gpus"], 5, "its use, seen")
    gpu = levee.get("/api/v1/leases")[1]["gpus"][0]
    assert gpu["promised_bytes"] == gpu["committed_bytes"] == 60 * GIB and gpu["unaccounted_bytes"] == 0
    refused = levee.command("run", "--gpu-mem", "30GB", "--gpu", "0", "--", "true")
    assert refused.returncode == 125 and "large" in refused.stderr, refused
    hog = machine.run([simgpu_folder() / "simhog", "--mem", "30GiB", "--hold", "0"])
    assert hog.returncode == 3, "nor does the driver have so much"
    levee.command("balloon", "release", "large", check=True)


def test_a_balloon_is_no_pressure(machine, levee):
    assert levee.command("reserve", "78GB", "--gpu", "0", "--id", "large").returncode == 0
    shown = lambda: levee.get("/api/v1/gpus")[1]["gpus"][0]
    wait_until(lambda: shown()["memory_balloon_bytes"] == 78 * GIB, 5, "the balloon, shown apart")
    gpu = shown()
    assert gpu["memory_percent"] > 97 and not gpu["memory_pressure"]
    assert gpu["state"] == "optimal" and gpu["speed_multiplier"] == 1.0
    assert not [a for a in levee.get("/api/v1/monitoring/alerts")[1]["alerts"] if a["type"] == "gpu_memory"]
    assert "levee_gpu_memory_balloon_bytes{" in levee.get("/metrics")[1]
    levee.command("balloon", "release", "large", check=True)


def test_shares_are_of_what_is_free_on_each_gpu(machine, levee):
    before = [free(machine, gpu) for gpu in (0, 1)]
    assert levee.command("reserve", "50%", "--gpu", "all", "--id", "half").returncode == 0
    for gpu, size in enumerate(held(levee, "half")):
        assert size == pytest.approx(before[gpu] / 2, abs=2 * MIB)
        assert free(machine, gpu) == before[gpu] - size
    levee.command("balloon", "release", "half", check=True)


def test_a_balloon_grows_and_shrinks_in_place(machine, levee):
    before = free(machine)
    levee.command("reserve", "4GB", "--gpu", "0", "--id", "b", check=True)
    keeper = holder(levee, "b")
    for size in (6, 1, 3):
        done = levee.command("balloon", "resize", "b", f"{size}GB")
        assert done.returncode == 0 and f"b holds {size}.00 GiB on GPU 0" in done.stdout, done
        assert free(machine) == before - size * GIB
    refused = levee.command("balloon", "resize", "b", "90GB")
    assert refused.returncode == 1 and "at most" in refused.stderr
    assert held(levee, "b") == [3 * GIB] and holder(levee, "b") == keeper
    assert levee.command("balloon", "pass-on", "b", "1GB").stdout == "b passed on 1.00 GiB\n"
    assert free(machine) == before - 2 * GIB and held(levee, "b") == [2 * GIB]
    assert levee.command("balloon", "pass-on", "b", "50GB").stdout == "b passed on 2.00 GiB\n"
    wait_until(lambda: free(machine) == before, 5, "all of it, passed on")
    levee.command("balloon", "release", "b", check=True)


def test_it_ends_with_the_process_or_with_its_time(machine, levee):
    before = free(machine)
    owner = subprocess.Popen(["sleep", "60"])
    levee.command("reserve", "2GB", "--gpu", "0", "--until-exit", str(owner.pid), "--id", "owned", check=True)
    levee.command("reserve", "2GB", "--gpu", "0", "--ttl", "2s", "--id", "brief", check=True)
    assert free(machine) == before - 4 * GIB
    owner.kill()
    owner.wait()
    wait_until(lambda: free(machine) == before, 10, "the memory of both, free")
    assert levee.get("/api/v1/balloons")[1] == {"balloons": []}


def test_a_holder_that_is_killed_is_followed_by_another(machine, levee):
    before = free(machine)
    levee.command("reserve", "4GB", "--gpu", "0", "--id", "b", check=True)
    first = holder(levee, "b")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: levee.get("/api/v1/balloons?id=b")[1]["holdings"][0]["pid"] not in (None, first), 10, "another")
    wait_held(levee, "b", 4 * GIB)
    assert free(machine) == before - 4 * GIB
    levee.command("balloon", "release", "b", check=True)


def test_the_death_of_the_daemon_frees_it_and_the_next_one_holds_it_again(machine, tmp_path):
    before = free(machine)
    with machine.levee(folder=tmp_path) as levee:
        wait_for_gpus(levee, 2)
        wait_until(lambda: levee.command("reserve", "4GB", "--gpu", "0", "--id", "b").returncode == 0, 10, "the balloon")
        levee.process.kill()
        levee.process.wait()
        wait_until(lambda: free(machine) == before, 5, "the memory, free")
    with machine.levee(folder=tmp_path) as levee:
        wait_for_gpus(levee, 2)
        wait_held(levee, "b", 4 * GIB)
        assert free(machine) == before - 4 * GIB
        assert levee.stop() == 0
    wait_until(lambda: free(machine) == before, 5, "the memory, free")


def test_what_cannot_be_held_is_told_and_nothing_stays(machine, levee):
    machine.fault("driver return 2 from cuMemCreate")  # Out of memory, whatever is free.
    before = free(machine)
    done = levee.command("reserve", "4GB", "--gpu", "0", "--id", "b")
    assert done.returncode == 1 and "CUDA out of memory" in done.stderr, done
    assert levee.get("/api/v1/balloons")[1] == {"balloons": []}
    machine.fault("driver clear")
    wait_until(lambda: free(machine) == before, 5, "all of it, free")


def test_a_resize_that_cannot_be_held_leaves_what_was(machine, levee):
    levee.command("reserve", "4GB", "--gpu", "0", "--id", "b", check=True)
    machine.fault("driver return 2 from cuMemCreate")
    done = levee.command("balloon", "resize", "b", "6GB")
    machine.fault("driver clear")
    assert done.returncode == 1 and "as much is held as before" in done.stderr, done
    wait_held(levee, "b", 4 * GIB)
    assert levee.get("/api/v1/leases?id=b")[1]["gpus"][0]["bytes"] == 4 * GIB
    levee.command("balloon", "release", "b", check=True)


def test_who_waits_in_line_leaves_it_when_stopped(machine, levee):
    levee.command("reserve", "70GB", "--gpu", "0", "--id", "large", check=True)
    waiting = subprocess.Popen([binary(), "reserve", "60GB", "--gpu", "0", "--wait", "1h"],
                               env=machine.environment(LEVEE_SOCKET=str(levee.socket)), stderr=subprocess.PIPE, text=True)
    wait_until(lambda: levee.get("/api/v1/queue")[1]["queue"], 5, "the line")
    waiting.send_signal(signal.SIGTERM)
    assert waiting.wait(10) == 128 + signal.SIGTERM
    assert levee.get("/api/v1/queue")[1]["queue"] == []
    levee.command("balloon", "release", "large", check=True)


def test_more_balloons_than_can_be_held_are_refused_one_by_one(machine, levee):
    for number in range(130):
        status, _ = levee.request("POST", "/api/v1/balloons", {"size": "2MB", "gpus": "all", "id": f"b{number}"})
        assert status == 201, number
    holdings = [each for balloon in levee.get("/api/v1/balloons")[1]["balloons"] for each in balloon["holdings"]]
    assert len(holdings) == 260
    refused = [each for each in holdings if "no more can be" in (each["trouble"] or "")]
    assert len(refused) == 4 and all(each["state"] == "failed" for each in refused)
    assert levee.get("/healthz")[0] == 200
    assert levee.stop() == 0


def test_without_a_daemon_the_command_holds_it(machine, tmp_path):
    before = free(machine)
    environment = machine.environment(LEVEE_STATE_DIR=str(tmp_path), LEVEE_SOCKET=str(tmp_path / "none.sock"),
                                      LEVEE_MONITORING_INTERVAL="0.1")
    command = subprocess.Popen([binary(), "reserve", "4GB", "--gpu", "0", "--id", "a&b"], env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert command.stdout.readline() == "a&b\n"
    assert free(machine) == before - 4 * GIB
    listed = subprocess.run([binary(), "lease", "list", "--json"], env=environment, capture_output=True, text=True,
                            timeout=30)
    gpu = json.loads(listed.stdout)["gpus"][0]
    assert gpu["committed_bytes"] == 4 * GIB and gpu["unaccounted_bytes"] == 0, "it counts once, at the first look, too"
    resized = subprocess.run([binary(), "balloon", "resize", "x", "6GB"], env=environment, capture_output=True, text=True,
                             timeout=30)
    assert resized.returncode == 1 and "no daemon" in resized.stderr
    others = subprocess.run([binary(), "run", "--gpu-mem", "78GB", "--gpu", "0", "--", "true"], env=environment,
                            capture_output=True, text=True, timeout=30)
    assert others.returncode == 125, others
    command.send_signal(signal.SIGTERM)
    assert command.wait(10) == 0
    wait_until(lambda: free(machine) == before, 5, "the memory, free")


@pytest.mark.parametrize("arguments, code, complaint", [
    (["reserve"], 2, "size"), (["reserve", "2 bananas"], 2, "bananas"), (["reserve", "0.5"], 2, "ambiguous"),
    (["reserve", "0"], 2, "0"), (["reserve", "-5GB"], 2, "-5GB"), (["reserve", "110%"], 2, "110"),
    (["reserve", "50%"], 2, "--gpu"), (["reserve", "4GB", "--gpu", "7"], 1, "7"),
    (["reserve", "4GB", "--gpu", "0", "--gpu", "all"], 2, "all"), (["reserve", "4GB", "--ttl", "soon"], 2, "soon"),
    (["reserve", "4GB", "--until-exit", "0"], 2, "0"), (["reserve", "4GB", "--until-exit", "99999999"], 2, "99999999"),
    (["reserve", "900GB"], 1, "at most"), (["balloon", "resize", "none", "4GB"], 1, "none"),
    (["balloon", "resize", "none"], 2, "size"), (["balloon", "pass-on", "none", "4GB"], 1, "none"),
    (["balloon", "release", "none"], 1, "none"), (["balloon", "burst"], 2, "burst"),
])
def test_wrong_use_holds_nothing(levee, arguments, code, complaint):
    done = levee.command(*arguments)
    assert done.returncode == code and complaint in done.stderr and not done.stdout, done
    assert levee.get("/api/v1/balloons")[1] == {"balloons": []}


@pytest.mark.parametrize("body, status, detail", [
    ({}, 400, "size"), ({"size": []}, 400, "size"), ({"size": True}, 400, "size"), ({"size": 0}, 400, "0"),
    ({"size": 1.5}, 400, "1.5"), ({"size": "4GB", "gpus": []}, 400, "empty"), ({"size": "4GB", "gpus": ["9"]}, 404, "9"),
    ({"size": "4GB", "gpus": ["0", "0"]}, 400, "twice"), ({"size": "4GB", "gpus": 3}, 404, "3 GPUs"),
    ({"size": "4GB", "kind": "model"}, 400, "kind"), ({"size": "4GB", "within": "nobody"}, 404, "nobody"),
    ({"size": "999GB"}, 409, "at most"), ({"size": "4GB", "owner_pid": 99999999}, 400, "99999999"),
])
def test_a_bad_request_is_refused_with_its_reason(levee, body, status, detail):
    got, answer = levee.request("POST", "/api/v1/balloons", body)
    assert got == status and detail in json.dumps(answer), (got, answer)
    assert levee.get("/api/v1/balloons")[1] == {"balloons": []}
