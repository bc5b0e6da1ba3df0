"""GPUs judged and shown: states, throttling, trends and every documented answer, by the running
daemon over a simulated driver."""

import json
import time

import pytest
from levee_sim import SimMachine, gpu_where, wait_for_gpus
from levee_testing import GIB, MIB, wait_until

# So large that one MiB is a hundredth of a percent; nothing of it is the driver's.
ROUND = 'clock step\ngpu 0 name="Sim Round" mem=10000MiB reserved=0 ctx=0\n'
EXAMPLE = ('clock step\ngpu 0 name="Sim RTX 4060" mem=8192MiB reserved=0\ngpu 0 temp 68 util 45\n'
           "gpu 0 foreign pid=4242 mem=3072MiB\n")


def status_of(levee, gpu="0"):
    code, body = levee.get(f"/api/gpu/status?gpu_id={gpu}")
    assert code == 200 and body["success"] is True, body
    return body["data"]


def steer(machine, levee, celsius, mib):
    """Brings GPU 0 to this temperature and this memory in use, and returns its status then."""
    machine.set(f"gpu 0 temp {celsius} foreign pid=4242 mem={mib}MiB")

    def arrived():
        data = status_of(levee)
        return data["temperature_celsius"] == celsius and data["memory"]["used_mb"] == mib and data

    return wait_until(arrived, 5, f"{celsius} °C and {mib} MiB")


@pytest.fixture(scope="module")
def bench():
    """A machine with one GPU, and a daemon without a cooldown on it."""
    with SimMachine(ROUND) as machine, machine.levee("--set", "throttle_cooldown_seconds=0") as levee:
        wait_for_gpus(levee, 1)
        yield machine, levee


@pytest.mark.parametrize("celsius, mib, state, multiplier", [
    (40, 1000, "optimal", 1.0),
    (64, 6999, "optimal", 1.0),
    (65, 1000, "normal", 0.8),
    (74, 1000, "normal", 0.8),
    (75, 1000, "throttled", 0.5),
    (85, 1000, "throttled", 0.5),
    (86, 1000, "critical", 0.0),
    (40, 7000, "normal", 0.8),
    (40, 8499, "normal", 0.8),
    (40, 8500, "throttled", 0.5),
    (40, 9500, "throttled", 0.5),
    (40, 9501, "critical", 0.0),
    # The worse of the two.
    (65, 9501, "critical", 0.0),
    (86, 7000, "critical", 0.0),
    (75, 7000, "throttled", 0.5),
    (65, 8500, "throttled", 0.5),
])
def test_each_boundary_of_the_table_of_states(bench, celsius, mib, state, multiplier):
    data = steer(*bench, celsius, mib)
    is_throttled = state in ("throttled", "critical")
    assert data["state"] == state
    assert data["throttling"] == {"is_throttled": is_throttled, "should_throttle": is_throttled,
                                  "speed_multiplier": multiplier}


@pytest.mark.parametrize("celsius, state, color", [
    (40, "optimal", "green"), (70, "normal", "blue"), (80, "throttled", "orange"), (99, "critical", "red")])
def test_the_status_widget_gets_its_data(bench, celsius, state, color):
    machine, levee = bench
    steer(machine, levee, celsius, 1000)
    data = levee.get("/api/gpu/dashboard")[1]["data"]
    assert data == {"available": True, "gpu_id": 0, "name": "Sim Round", "temperature": celsius,
                    "temp_trend": data["temp_trend"], "memory_percent": 10.0, "state": state, "state_color": color,
                    "throttling": status_of(levee)["throttling"]}
    assert data["temp_trend"] in ("rising", "falling", "stable", "unknown")


def test_the_documented_example():
    with SimMachine(EXAMPLE) as machine, machine.levee() as levee:
        uuid = wait_for_gpus(levee, 1)[0]["uuid"]
        assert levee.get("/api/gpu/status?gpu_id=0")[1] == {"success": True, "data": {
            "available": True, "gpu_id": 0, "name": "Sim RTX 4060", "state": "normal", "temperature_celsius": 68.0,
            "load_percent": 45.0,
            "memory": {"used_mb": 3072, "total_mb": 8192, "free_mb": 5120, "percent": 37.5,
                       "allocation_stats": {"allocations": {}}},
            "throttling": {"is_throttled": False, "should_throttle": False, "speed_multiplier": 0.8},
            "uuid": uuid}}


def test_should_throttle_outlasts_the_heat_by_the_cooldown():
    with SimMachine(ROUND) as machine, machine.levee("--set", "throttle_cooldown_seconds=2") as levee:
        wait_for_gpus(levee, 1)
        assert steer(machine, levee, 80, 1000)["throttling"]["should_throttle"] is True
        cooled = steer(machine, levee, 40, 1000)
        began = time.monotonic()
        assert (cooled["state"], cooled["throttling"]) == (
            "optimal", {"is_throttled": False, "should_throttle": True, "speed_multiplier": 1.0})
        wait_until(lambda: not status_of(levee)["throttling"]["should_throttle"], 5, "the end of the cooldown")
        assert 1.5 < time.monotonic() - began < 2.7


def test_trends_are_told_apart():
    scenario = "clock step\n" + "".join(f'gpu {i} name="Sim {i}" mem=8GiB\n' for i in range(4))
    scenario += "at 0s gpu 3 temp not-supported\n"
    with SimMachine(scenario) as machine, machine.levee() as levee:
        for step in range(12):
            machine.set(f"gpu 0 temp {40 + step}")
            machine.set(f"gpu 1 temp {80 - step}")
            gpu_where(levee, 0, lambda g: g["temperature_celsius"] == 40 + step, f"{40 + step} °C")
        trends = [levee.get(f"/api/gpu/temperature/trend?gpu_id={i}&duration=5")[1]["data"] for i in range(4)]
        assert [t["trend"] for t in trends] == ["rising", "falling", "stable", "unknown"]
        rising, falling, stable, unknown = trends
        assert rising["current_temp"] == 51 and 40 < rising["avg_temp"] < 51 and rising["celsius_per_minute"] > 0
        assert falling["current_temp"] in (69, 70) and falling["celsius_per_minute"] < 0
        assert (stable["current_temp"], stable["avg_temp"]) == (35, 35)
        assert unknown["current_temp"] is None and unknown["avg_temp"] is None
        assert rising["duration_minutes"] == 5


def test_the_routes_of_the_gpu_manager(bench):
    machine, levee = bench
    steer(machine, levee, 40, 5000)
    uuid = status_of(levee)["uuid"]
    assert status_of(levee, uuid) == status_of(levee, uuid[:12]) == status_of(levee)
    assert levee.get("/api/gpu/status/all")[1] == {"success": True, "data": [status_of(levee)]}
    for path in ("start", "stop"):
        code, body = levee.request("POST", f"/api/gpu/monitoring/{path}")
        assert code == 200 and body["success"] is True and body["data"]["monitoring"] is True
    available = levee.get("/api/gpu/memory/available?gpu_id=0")[1]["data"]
    # Free less the reserve would be 4488; three quarters of the GPU less what is used is less.
    assert available == {"gpu_id": 0, "available_mb": 2500, "free_mb": 5000, "limit_mb": 7500, "reserve_mb": 512}
    metrics = levee.get("/api/gpu/metrics")[1]["data"]
    assert (metrics["memory_used_mb"], metrics["memory_percent"], metrics["temperature_celsius"]) == (5000, 50.0, 40)


def test_the_metrics_history_has_its_rows_in_their_rhythm():
    with SimMachine(ROUND) as machine, machine.levee("--set", "history_size=4", "--set", "monitor_interval=0.5") as levee:
        wait_for_gpus(levee, 1)

        def full():
            rows = levee.get("/api/gpu/metrics/history")[1]["data"]
            assert len(rows) <= 4
            return len(rows) == 4 and rows

        rows = wait_until(full, 10, "four rows")
        assert [r["timestamp"] for r in rows] == sorted(r["timestamp"] for r in rows)
        assert {r["memory_total_mb"] for r in rows} == {10000}


def test_load_slows_work_down_only_when_told_to(bench):
    machine, levee = bench
    machine.set("gpu 0 util 95")
    steer(machine, levee, 40, 1000)
    wait_until(lambda: status_of(levee)["load_percent"] == 95, 5, "the load")
    assert status_of(levee)["throttling"]["speed_multiplier"] == 1.0
    levee.request("PUT", "/api/gpu/config", {"load_throttle_percent": 90})
    capped = status_of(levee)
    levee.request("PUT", "/api/gpu/config", {"load_throttle_percent": "off"})
    assert (capped["state"], capped["throttling"]["speed_multiplier"]) == ("optimal", 0.5)
    assert capped["throttling"]["is_throttled"] is False
    assert status_of(levee)["throttling"]["speed_multiplier"] == 1.0


def test_a_change_of_the_config_works_at_once(bench):
    machine, levee = bench
    assert steer(machine, levee, 62, 1000)["state"] == "optimal"
    code, body = levee.request("PUT", "/api/gpu/config", {"temp_optimal": 60, "memory_limit_mb": 7168})
    assert code == 200 and body["success"] is True
    assert (body["data"]["temp_optimal"], body["data"]["memory_limit_mb"]) == (60, 7168)
    assert status_of(levee)["state"] == "normal"
    shown = levee.get("/api/gpu/config")[1]
    assert shown["data"]["temp_optimal"] == 60 and shown["origins"]["temp_optimal"] == "run time"
    assert shown["data"]["temp_normal"] == 75 and shown["origins"]["temp_normal"] == "built-in"
    levee.request("PUT", "/api/gpu/config", {"temp_optimal": 65, "memory_limit_mb": "auto"})
    assert status_of(levee)["state"] == "optimal"


@pytest.mark.parametrize("change, complaint", [
    ({"temp_optimal": 60, "temp_normal": 55}, "temp_normal"),
    ({"temp_optimal": 90}, "temp_"),
    ({"temp_throttle": 95}, "temp_critical"),
    ({"memory_optimal": 60, "memory_normal": 99}, "memory_"),
    ({"temp_optimal": 60, "temp_optimall": 61}, "temp_optimal"),
    ({"temp_optimal": 60, "temp_normal": "hot"}, "hot"),
    ({"temp_optimal": 60, "temp_normal": None}, "temp_normal"),
    ({"temp_optimal": 60, "temp_normal": [70]}, "temp_normal"),
    ({"temp_optimal": 60, "memory_limit_mb": -1}, "memory_limit_mb"),
    ({"temp_optimal": 60, "throttle_cooldown_seconds": "for ever"}, "for ever"),
    ([], "object"),
])
def test_a_refused_change_says_why_and_changes_nothing(bench, change, complaint):
    _, levee = bench
    before = levee.get("/api/gpu/config")[1]
    code, body = levee.request("PUT", "/api/gpu/config", change)
    assert code == 400 and body["success"] is False
    assert complaint in body["error"] + body["hint"]
    assert levee.get("/api/gpu/config")[1] == before


@pytest.mark.parametrize("method, path, code", [
    ("GET", "/api/gpu/status?gpu_id=7", 404),
    ("GET", "/api/gpu/status?gpu_id=-1", 404),
    ("GET", "/api/gpu/status?gpu_id=", 404),
    ("GET", "/api/gpu/status?gpu_id=GPU-ffffffff-0000", 404),
    ("GET", "/api/gpu/status?gpu=0", 400),
    ("GET", "/api/gpu/temperature/trend?duration=0", 400),
    ("GET", "/api/gpu/temperature/trend?duration=soon", 400),
    ("GET", "/api/gpu/temperature/trend?gpu_id=1", 404),
    ("GET", "/api/gpu/metrics?gpu_id=1", 404),
    ("GET", "/api/gpu/metrics/history?gpu_id=1", 404),
    ("GET", "/api/gpu/memory/available?gpu_id=1", 404),
    ("GET", "/api/gpu/dashboard?gpu_id=1", 404),
    ("GET", "/api/gpu/nothing", 404),
    ("POST", "/api/gpu/status", 405),
    ("GET", "/api/gpu/monitoring/start", 405),
])
def test_errors_come_in_the_managers_envelope(bench, method, path, code):
    answered, body = bench[1].request(method, path)
    assert (answered, body["success"]) == (code, False)
    assert body["error"] and "data" not in body and "detail" not in body


def test_a_missing_gpu_is_named_with_those_that_are_there(bench):
    code, body = bench[1].get("/api/v1/gpus?gpu_id=9")
    assert code == 404 and '"9"' in body["detail"] and "0" in body["hint"]


def test_the_resource_manager_shows_the_most_pressed_gpu_and_all():
    scenario = ('clock step\ngpu 0 name="Sim A" mem=24GiB reserved=0\ngpu 1 name="Sim B" mem=8GiB reserved=0\n'
                "gpu 0 temp 50 util 10 foreign pid=4242 mem=12GiB\ngpu 1 temp 67 util 23 foreign pid=4243 mem=6GiB\n")
    with SimMachine(scenario) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        status = levee.get("/api/v1/monitoring/status")[1]
        assert status["gpu"] == {"available": True, "memory_used_gb": 6.0, "memory_total_gb": 8.0, "memory_percent": 75.0,
                                 "utilization": 23.0, "temperature": 67.0, "gpu_id": 1}
        assert [(g["gpu_id"], g["memory_used_gb"], g["memory_percent"]) for g in status["gpus"]] == [
            (0, 12.0, 50.0), (1, 6.0, 75.0)]
        report = wait_until(
            lambda: (r := levee.get("/api/v1/monitoring/report")[1])["average_5min"]["gpu_utilization"] and r, 5, "a mean")
        assert report["current"]["gpu"]["gpu_id"] == 1
        assert report["average_5min"]["gpu_memory_percent"] == 75.0
        assert report["average_5min"]["gpu_utilization"] == 23.0
        rows = levee.get("/api/v1/monitoring/history?window_seconds=60")[1]["history"]
        assert (rows[-1]["gpu_memory_percent"], rows[-1]["gpu_utilization"]) == (75.0, 23.0)
        past = levee.get("/api/v1/gpus/history?gpu_id=0&window_seconds=60")[1]
        assert past["count"] == len(past["history"]) > 0
        assert (past["history"][-1]["memory_used_bytes"], past["history"][-1]["temperature_celsius"]) == (12 * GIB, 50)
        # Hotter and fuller, the other one becomes the one to look at.
        machine.set("gpu 0 foreign pid=4242 mem=22GiB")
        wait_until(lambda: levee.get("/api/v1/monitoring/status")[1]["gpu"]["gpu_id"] == 0, 5, "GPU 0")


def test_status_agrees_with_the_machine_value_by_value():
    scenario = ('clock step\ngpu 0 name="Sim H200" mem=143771MiB reserved=600MiB\n'
                'gpu 1 name="Sim \\"quoted\\" A100" mem=80GiB reserved=512MiB cc=8.0\n'
                "gpu 0 temp 71 util 93 mem-util 40 power 612W fan not-supported clock 1755 sm-clock 1755 mem-clock 2619\n"
                "gpu 1 temp 44 util 7 power 91W fan 35 throttle power-cap,sw-thermal\n"
                "gpu 0 foreign pid=4242 mem=100GiB\ngpu 1 foreign pid=4243 mem=2GiB\n")
    with SimMachine(scenario) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        shown = json.loads(levee.command("status", "--json", check=True).stdout)["gpus"]
        text = levee.command("status", check=True).stdout.splitlines()[1:3]
        for gpu, truth, line in zip(shown, machine.dump()["gpus"], text, strict=True):
            values, memory = truth["values"], truth["memory"]
            assert (gpu["index"], gpu["name"], gpu["uuid"], gpu["pci_bus_id"]) == (
                truth["index"], truth["name"], truth["uuid"], truth["pci_bus_id"])
            for ours, theirs in (("memory_total_bytes", "total_bytes"), ("memory_used_bytes", "used_bytes"),
                                 ("memory_free_bytes", "free_bytes"), ("memory_reserved_bytes", "reserved_bytes")):
                assert gpu[ours] == memory[theirs], ours
            for ours, theirs in (("temperature_celsius", "temp_celsius"), ("utilization_percent", "util_percent"),
                                 ("memory_utilization_percent", "mem_util_percent"), ("power_watts", "power_watts"),
                                 ("power_limit_watts", "power_limit_watts"), ("fan_percent", "fan_percent"),
                                 ("memory_clock_mhz", "mem_clock_mhz"), ("max_memory_clock_mhz", "max_mem_clock_mhz"),
                                 ("slowdown_celsius", "slowdown_temp_celsius"),
                                 ("shutdown_celsius", "shutdown_temp_celsius"),
                                 ("memory_temperature_celsius", "mem_temp_celsius")):
                assert gpu[ours] == values[theirs], ours
            assert gpu["core_clock_mhz"] in (values["clock_mhz"], values["sm_clock_mhz"])
            # gpustat's keys say the same in their own units.
            assert gpu["memory.used"] == memory["used_bytes"] // MIB and gpu["memory.total"] == memory["total_bytes"] // MIB
            assert (gpu["temperature.gpu"], gpu["utilization.gpu"]) == (values["temp_celsius"], values["util_percent"])
            assert (gpu["power.draw"], gpu["fan.speed"]) == (values["power_watts"], values["fan_percent"])
            expected = 100 * (memory["total_bytes"] - memory["free_bytes"]) / memory["total_bytes"]
            assert gpu["memory_percent"] == pytest.approx(expected, abs=0.051)
            assert [(p["pid"], p["gpu_memory_bytes"]) for p in gpu["processes"]] == [
                (p["pid"], p["used_bytes"]) for p in truth["processes"]]
            # The line for people.
            fields = [field.strip() for field in line.split("|")]
            process = truth["processes"][0]
            assert fields[:4] == [
                f"[{truth['index']}] {truth['name']}", f"{values['temp_celsius']:>3}°C, {values['util_percent']:>3} %".strip(),
                f"{memory['used_bytes'] // MIB:>6} / {memory['total_bytes'] // MIB:>6} MiB".strip(),
                f"{process['pid']}({process['used_bytes'] // MIB}M)"]
        assert "throttled" in text[0] or "normal" in text[0]
        assert "slowed by" in text[1] and "power" in text[1]
