"""What is told of GPUs: alerts with their culprit, events, the speed file, and both pages of metrics."""

import subprocess
from pathlib import Path

import pytest
from levee_sim import SimMachine, gpu_where, gpus, wait_for_gpus
from levee_testing import GIB, MIB, Events, wait_until

GPU = 'clock step\ngpu 0 name="Sim GPU" mem=10000MiB reserved=0 ctx=100MiB slowdown-temp=95\n'


def is_alert(kind, of_type, severity):
    def fits(event):
        alert = event.get("alert") or {}
        return event["kind"] == kind and alert.get("type") == of_type and alert.get("severity") == severity

    return fits


@pytest.fixture
def watched():
    """A machine, a daemon on it, and the daemon's events."""
    with SimMachine(GPU) as machine, machine.levee("--set", "throttle_cooldown_seconds=1") as levee:
        wait_for_gpus(levee, 1)
        events = Events(levee)
        yield machine, levee, events
        events.close()


def test_memory_alerts_name_the_process_and_are_resolved_when_it_ends(watched):
    machine, levee, events = watched
    with machine.holding("--mem", "8000MiB") as first:
        # 8000 MiB and the context are 81 %.
        _, event = events.wait_for(is_alert("alert", "gpu_memory", "warning"), 5, "the warning")
        alert = event["alert"]
        assert (alert["gpu_id"], alert["gpu_uuid"]) == (0, gpus(levee)[0]["uuid"])
        assert (alert["value"], alert["threshold"], alert["unit"]) == (81.0, 80.0, "percent")
        assert alert["pid"] == first.pid and alert["culprit"]["comm"] == "simhog"
        assert alert["culprit"]["gpu_memory_bytes"] == 8100 * MIB
        with machine.holding("--mem", "1000MiB") as second:
            _, event = events.wait_for(is_alert("alert", "gpu_memory", "critical"), 5, "92 %")
            assert any("cache" in advice for advice in event["alert"]["recommendations"])
            with machine.holding("--mem", "400MiB") as third:
                _, event = events.wait_for(is_alert("alert", "gpu_memory", "emergency"), 5, "97 %")
                assert event["alert"]["threshold"] == 95.0
                shown = levee.get("/api/v1/monitoring/alerts?severity=emergency")[1]["alerts"]
                assert [a["type"] for a in shown] == ["gpu_memory"]
                assert "gpu_memory" in levee.command("status").stdout
                assert levee.command("check").returncode == 2
    _, event = events.wait_for(lambda e: e["kind"] == "resolved" and e["alert"]["type"] == "gpu_memory", 5, "resolved")
    assert event["alert"]["id"] == alert["id"] and event["alert"]["resolved_at"]
    assert levee.get("/api/v1/monitoring/status")[1]["alerts"]["active"] == []


def test_heat_is_told_by_its_degrees_and_by_what_work_should_do(watched):
    machine, _, events = watched

    def named(name):
        return lambda e: e["kind"] == "state_change" and e["details"]["event"] == name and e["details"]["gpu"] == "0"

    machine.set("gpu 0 temp 80")
    events.wait_for(is_alert("alert", "throttle_state", "warning"), 5, "throttle_state, a warning")
    machine.set("gpu 0 temp 86")
    _, event = events.wait_for(is_alert("alert", "gpu_temperature", "warning"), 5, "a temperature warning")
    assert (event["alert"]["value"], event["alert"]["threshold"], event["alert"]["unit"]) == (86.0, 85.0, "celsius")
    machine.set("gpu 0 temp 91")
    events.wait_for(is_alert("alert", "gpu_temperature", "critical"), 5, "a critical temperature")
    machine.set("gpu 0 temp 95")
    events.wait_for(is_alert("alert", "gpu_temperature", "emergency"), 5, "the GPU's own slowdown temperature")
    machine.set("gpu 0 temp 40")
    events.wait_for(lambda e: e["kind"] == "resolved", 5, "resolved")


def test_each_change_of_state_has_the_documented_name(watched):
    machine, _, events = watched
    for celsius, name, before, after in ((70, "state_change", "optimal", "normal"), (80, "throttle", "normal", "throttled"),
                                         (88, "critical", "throttled", "critical"), (70, "resume", "critical", "normal"),
                                         (40, "state_change", "normal", "optimal")):
        machine.set(f"gpu 0 temp {celsius}")
        _, event = events.wait_for(lambda e: e["kind"] == "state_change" and "gpu" in e["details"], 5, name)
        details = event["details"]
        assert (details["event"], details["from"], details["to"]) == (name, before, after)
        assert details["gpu"] == "0" and details["uuid"].startswith("GPU-")
    machine.set("gpu 0 temp 91")
    _, event = events.wait_for(lambda e: e["kind"] == "overheat", 5, "overheat")
    assert "91" in event["message"] and "90" in event["message"]


def test_an_error_report_of_the_driver_is_an_event_and_is_remembered(watched):
    machine, levee, events = watched
    machine.set("gpu 0 xid 63")
    _, event = events.wait_for(lambda e: e["kind"] == "xid", 5, "the XID")
    assert event["details"]["xid"] == "63" and event["details"]["uuid"] == gpus(levee)[0]["uuid"]
    assert [x["code"] for x in gpus(levee)[0]["health"]["xids"]] == [63]
    assert "XID 63" in levee.command("status").stdout
    assert 'levee_gpu_last_xid{gpu="0"' in levee.get("/metrics")[1]


def test_a_gpu_that_falls_off_and_comes_back_is_told(watched):
    machine, _, events = watched
    machine.fault("gpu 0 lost")
    _, event = events.wait_for(lambda e: e["kind"] == "gpu_lost", 10, "gpu_lost")
    assert event["details"]["gpu"] == "0"
    machine.fault("gpu 0 recover")
    _, event = events.wait_for(lambda e: e["kind"] == "gpu_found", 15, "gpu_found")
    assert "back" in event["message"]


def test_the_speed_file_follows_the_state_and_goes_with_the_daemon():
    with SimMachine(GPU) as machine:
        levee = machine.levee().ready()
        try:
            uuid = wait_for_gpus(levee, 1)[0]["uuid"]
            file = levee.socket.with_suffix(".speed")
            wait_until(lambda: file.exists() and f"0 1.0 optimal {uuid}\n" in file.read_text(), 5, "full speed")
            assert file.read_text().splitlines()[0].startswith("host ")
            machine.set("gpu 0 temp 80")
            wait_until(lambda: f"0 0.5 throttled {uuid}\n" in file.read_text(), 5, "half speed")
            machine.set("gpu 0 temp 90")
            wait_until(lambda: f"0 0.0 critical {uuid}\n" in file.read_text(), 5, "a pause")
            assert file.stat().st_mode & 0o777 == 0o644
            levee.request("PUT", "/api/v1/config", {"gpu.speed_file": False})
            wait_until(lambda: not file.exists(), 5, "no file")
            levee.request("PUT", "/api/v1/config", {"gpu.speed_file": True})
            wait_until(file.exists, 5, "the file again")
        finally:
            folder = levee.folder
            levee.process.terminate()
            levee.process.wait(10)
        assert not [path for path in Path(folder).iterdir() if "speed" in path.name]
        levee.stop()


WEIRD = ('clock step\n'
         'gpu 0 name="Sim \\"Quoted\\" C:\\\\GPU {x=1}" mem=10000MiB reserved=512MiB ctx=0\n'
         'gpu 1 name="Sim ä€ 2" mem=10000MiB reserved=0 ctx=0\n')


def test_the_metrics_of_gpus_satisfy_promtool_and_count_few_processes():
    with SimMachine(WEIRD) as machine, machine.levee("--set", "metrics.processes=2") as levee:
        wait_for_gpus(levee, 2)
        hogs = [machine.hog("--mem", f"{size}MiB") for size in (100, 300, 200)]
        gpu_where(levee, 0, lambda g: len(g["processes"]) == 3 and all(p["visible"] for p in g["processes"]), "3 hogs")
        page = levee.get("/metrics")[1]
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        lines = page.splitlines()
        uuid = gpus(levee)[0]["uuid"]
        assert f'levee_gpu_memory_used_bytes{{gpu="0",uuid="{uuid}"}} {600 * MIB}' in lines
        assert f'levee_gpu_memory_reserved_bytes{{gpu="0",uuid="{uuid}"}} {512 * MIB}' in lines
        assert any(line.startswith("levee_gpu_info{") and r'name="Sim \"Quoted\" C:\\GPU {x=1}"' in line for line in lines)
        assert f'levee_gpu_state{{gpu="0",uuid="{uuid}",state="optimal"}} 1' in lines
        rows = [line for line in lines if line.startswith("levee_process_gpu_memory_bytes{")]
        assert [line.split()[-1] for line in rows] == [str(300 * MIB), str(200 * MIB)]
        assert f'pid="{hogs[1].pid}"' in rows[0] and 'comm="simhog"' in rows[0]
        levee.request("PUT", "/api/v1/config", {"metrics.processes": 0})
        assert "levee_process_gpu_memory_bytes{" not in levee.get("/metrics")[1]


def test_the_page_for_dashboards_of_dcgm():
    with SimMachine(WEIRD) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        machine.set("gpu 0 temp 66 util 42 power 123W foreign pid=4242 mem=2GiB")
        gpu_where(levee, 0, lambda g: g["temperature_celsius"] == 66, "66 °C")
        page = levee.get("/metrics?format=dcgm")[1]
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
        # The names are DCGM's own, and promtool dislikes upper case and one missing "_total".
        assert not [line for line in (checked.stdout + checked.stderr).splitlines() if "DCGM_" not in line], checked
        uuid = gpus(levee)[0]["uuid"]
        values = {}
        for line in page.splitlines():
            if line.startswith("DCGM") and 'gpu="0"' in line:
                name, _, rest = line.partition("{")
                values[name] = float(rest.rsplit(" ", 1)[1])
                for label in (f'UUID="{uuid}"', 'device="nvidia0"', 'modelName="Sim \\"Quoted\\"', "Hostname=", "pci_bus_id="):
                    assert label in rest
        assert values["DCGM_FI_DEV_GPU_TEMP"] == 66 and values["DCGM_FI_DEV_GPU_UTIL"] == 42
        assert values["DCGM_FI_DEV_POWER_USAGE"] == 123
        assert values["DCGM_FI_DEV_FB_USED"] == 2048 and values["DCGM_FI_DEV_FB_RESERVED"] == 512
        assert values["DCGM_FI_DEV_FB_FREE"] == 10000 - 512 - 2048
        assert levee.get("/metrics?format=nonsense")[0] == 400


def test_users_and_unattributed_memory():
    with SimMachine(GPU) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 1)
        machine.set("gpu 0 foreign pid=4194000 mem=1GiB unattributed 512MiB")
        with machine.holding("--mem", "2GiB") as hog:
            gpu = gpu_where(levee, 0, lambda g: len(g["processes"]) == 2 and g["users"][0]["user"], "both processes")
            ours, foreign = sorted(gpu["processes"], key=lambda p: not p["visible"])
            assert (ours["pid"], ours["comm"], ours["visible"]) == (hog.pid, "simhog", True)
            assert ours["command"].endswith("--mem 2GiB") and ours["user"]
            assert ours["gpu_memory_bytes"] == 2 * GIB + 100 * MIB and ours["rss_bytes"] > 0
            assert (foreign["pid"], foreign["visible"], foreign["user"]) == (4194000, False, None)
            assert gpu["memory_unattributed_bytes"] == 512 * MIB
            assert [(u["user"], u["gpu_memory_bytes"]) for u in gpu["users"]] == [
                (ours["user"], 2 * GIB + 100 * MIB), (None, GIB)]
            line = levee.command("status").stdout.splitlines()[1]
            assert f"{ours['user']}:simhog/{hog.pid}(2148M)" in line and "512 MiB unattributed" in line
        gpu_where(levee, 0, lambda g: g["memory_used_bytes"] == GIB + 512 * MIB, "its memory back")
