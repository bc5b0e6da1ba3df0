"""`levee forecast`: a recorded series answered by the daemon's own rules; and the daemon's forecast of a GPU."""

import json
import math
import subprocess
from pathlib import Path

import pytest
from levee_sim import SimMachine, gpu_where, wait_for_gpus
from levee_testing import GIB, MIB, Events, binary, clean_environment
from simulated_gpu import simgpu_folder


def forecast(*arguments, text: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), "forecast", *map(str, arguments)], input=text, capture_output=True, text=True,
                          timeout=60, env=clean_environment(LEVEE_SOCKET="/nonexistent/levee.sock"))


def answer(*arguments, text: str | None = None) -> dict:
    done = forecast(*arguments, "--json", text=text)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def csv(count: int, gigabytes, every: float = 1, head: bool = True) -> str:
    lines = [f"{i * every},{int(gigabytes(i * every) * GIB)}" for i in range(count)]
    return "\n".join((["seconds,bytes"] if head else []) + lines) + "\n"


def ramp(t: float) -> float:
    return 4 + t / 60


def test_a_ramp_is_told_with_its_time_and_its_interval(tmp_path: Path):
    file = tmp_path / "use.csv"
    file.write_text(csv(200, ramp))
    body = answer(file, "--limit", "24GB")
    left = (24 - ramp(199)) * 60
    assert body["pattern"] == "rising" and body["no_estimate"] is None
    assert abs(body["full_in_seconds"] - left) < 0.03 * left
    assert body["full_soonest_seconds"] <= left <= body["full_latest_seconds"]
    assert abs(body["projected"]["percent"] - 100 * ramp(259) / 24) < 0.5
    done = forecast(file, "--limit", "24GB")
    assert done.returncode == 0 and "full      in ~17 min (from" in done.stdout and "+1.00 GiB/min" in done.stdout


def test_standard_input_and_a_file_without_names_are_the_same(tmp_path: Path):
    file = tmp_path / "use.csv"
    file.write_text(csv(200, ramp, head=False))
    assert answer("-", "--limit", "24GB", text=csv(200, ramp)) == answer(file, "--limit", "24GB")


def test_no_estimate_comes_with_its_reason():
    tooth = csv(300, lambda t: 4 + 12 * math.fmod(t, 40) / 40)
    assert answer("-", "--limit", "24GB", text=tooth)["no_estimate"] == "saw_tooth"
    assert "its peaks do not rise" in forecast("-", "--limit", "24GB", text=tooth).stdout
    assert answer("-", text=csv(200, ramp))["no_estimate"] == "no_limit"
    assert answer("-", "--limit", "24GB", text=csv(4, ramp))["no_estimate"] == "too_few_samples"
    sparse = csv(60, lambda t: 4 + t / 3600, every=120)
    assert answer("-", "--limit", "24GB", text=sparse)["no_estimate"] == "too_few_samples"
    assert answer("-", "--limit", "24GB", "--window", "2h", text=sparse)["full_in_seconds"] > 3600


def test_further_ahead_is_further():
    near = answer("-", "--limit", "24GB", "--ahead", "60s", text=csv(200, ramp))["projected"]
    far = answer("-", "--limit", "24GB", "--ahead", "5m", text=csv(200, ramp))["projected"]
    assert far["ahead_seconds"] == 300 and far["bytes"] > near["bytes"]


@pytest.mark.parametrize("line, complaint", [
    ("12;100", 'line 3: "12;100" is not two values'),
    ("12,100,5", 'line 3: "12,100,5" is not two values'),
    ("12,-5", 'line 3: "-5" is no number of bytes'),
    ("12,8GB", 'line 3: "8GB" is no number of bytes'),
    ("nan,5", 'line 3: "nan" is no number of seconds'),
    ("noon,5", 'line 3: "noon" is no number of seconds'),
])
def test_a_bad_row_is_refused_with_its_line_its_value_and_the_form(line: str, complaint: str):
    done = forecast("-", "--limit", "24GB", text=f"seconds,bytes\n0,100\n{line}\n13,100\n")
    assert done.returncode == 2 and not done.stdout
    assert complaint in done.stderr and "SECONDS,BYTES" in done.stderr


@pytest.mark.parametrize("arguments", [
    ("-", "--limit", "lots"), ("-", "--limit", "50%"), ("-", "--ahead", "-5s"), ("-", "--ahead", "soon"),
    ("-", "--window", "0"), ("-", "--colour"), (),
])
def test_wrong_use_exits_with_2(arguments):
    assert forecast(*arguments, text="0,1\n").returncode == 2


def test_a_file_that_is_not_there_or_empty_is_told(tmp_path: Path):
    done = forecast(tmp_path / "none.csv")
    assert done.returncode == 1 and "none.csv" in done.stderr
    empty = forecast("-", text="seconds,bytes\n")
    assert empty.returncode == 2 and "no sample" in empty.stderr


def test_a_leak_is_told_with_its_rate_and_the_time_left():
    leaking = csv(1440, lambda t: 1 + 0.2 * t / 3600 + 0.05 * math.fmod(t, 300) / 300, every=10)
    body = answer("-", "--limit", "8GB", "--leak", text=leaking)["leak"]
    assert body["verdict"] == "leaking"
    assert abs(body["bytes_per_hour"] - 0.2 * GIB) < 0.02 * GIB
    assert body["seconds_to_limit"] > 3600
    assert "memory leak detected: 20" in forecast("-", "--leak", text=leaking).stdout
    healthy = csv(1440, lambda t: 1 + 0.05 * math.fmod(t, 300) / 300, every=10)
    assert answer("-", "--leak", text=healthy)["leak"]["verdict"] == "none"
    assert answer("-", "--leak", text=csv(60, ramp))["leak"]["verdict"] == "unknown"
    assert "leak" not in answer("-", text=csv(60, ramp))


GPU = 'clock step\ngpu 0 name="Sim GPU" mem=10000MiB reserved=0 ctx=100MiB\n'


def test_a_gpu_that_fills_is_told_ahead_with_who_fills_it():
    with SimMachine(GPU) as machine, machine.levee("--set", "monitoring_interval=0.5") as levee:
        wait_for_gpus(levee, 1)
        events = Events(levee)
        # 50 MiB a fifth of a second: full in 40 s. It does not wait until the hog holds it all.
        hog = subprocess.Popen([simgpu_folder() / "simhog", "--mem", "9800MiB", "--step", "50MiB", "--every", "0.2"],
                               env=machine.environment(), stdout=subprocess.DEVNULL)
        try:
            gpu = gpu_where(levee, 0, lambda g: g["memory_forecast"]["full_in_seconds"] and g["memory_forecast"]["growers"]
                            ["processes"], "an estimate with who grows", 30)
            forecast = gpu["memory_forecast"]
            assert forecast["full_soonest_seconds"] <= forecast["full_in_seconds"] < 60
            assert forecast["limit_bytes"] == 10000 * MIB and forecast["no_estimate"] is None
            grower = forecast["growers"]["processes"][0]
            assert (grower["pid"], grower["comm"], grower["share"]) == (hog.pid, "simhog", 1.0)
            assert forecast["growers"]["users"][0]["processes"] == 1
            shown = levee.command("status").stdout
            assert "full in ~" in shown and f"/simhog {hog.pid} +" in shown
            page = levee.get("/metrics")[1]
            assert 'levee_gpu_seconds_to_full{gpu="0"' in page and 'levee_gpu_memory_projected_ratio{gpu="0"' in page
            _, event = events.wait_for(lambda e: (e.get("alert") or {}).get("type") == "gpu_projection", 30, "the alert")
            alert = event["alert"]
            assert alert["value"] > 90 and alert["threshold"] in (90.0, 95.0) and alert["unit"] == "percent"
            assert alert["message"] == f"Projected to reach {alert['value']:.1f}% memory usage in 60 seconds"
            assert alert["culprit"]["pid"] == hog.pid
        finally:
            hog.kill()
            hog.wait()
        events.wait_for(lambda e: e["kind"] == "resolved" and e["alert"]["type"] == "gpu_projection", 60, "its end")
        events.close()


def test_a_gpu_at_rest_says_why_there_is_no_estimate():
    with SimMachine(GPU) as machine, machine.levee() as levee:
        gpu = gpu_where(levee, 0, lambda g: g["memory_forecast"]["no_estimate"] == "not_growing", "at rest", 10)
        assert gpu["memory_forecast"]["projected"]["percent"] is not None
        assert "full in" not in next(line for line in levee.command("status").stdout.splitlines() if "Sim GPU" in line)
        assert levee.get("/api/v1/monitoring/status")[1]["host_forecast"]["samples"] > 0
