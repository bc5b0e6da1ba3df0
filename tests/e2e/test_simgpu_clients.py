"""Unmodified clients of NVIDIA's libraries meet the simulated GPUs and print what the machine knows:
nvidia-ml-py, gpustat and nvitop, as tests/requirements.txt pins them."""

import json
import os
import re
from pathlib import Path

import pytest
from levee_testing import GIB, MIB, host_total
from simulated_gpu import SimulatedMachine, simgpu_folder

CLIENTS = Path(os.environ.get("LEVEE_CLIENTS", Path(__file__).resolve().parents[2] / "build" / "venv" / "bin"))

pytestmark = pytest.mark.skipif(not (CLIENTS / "gpustat").exists(),
                                reason="the clients are not installed; ./dev test e2e does that")

TWO_GPUS = """
gpu 0 mem=143771MiB temp=66 util=42 power=321W fan=55 profile={profile}
gpu 1 name="Sim L4" mem=24GiB cc=8.9
gpu 1 foreign pid=4194000 mem=3GiB
"""
PROFILES = ["r535", "r550", "latest"]


@pytest.fixture(params=PROFILES)
def machine(request):
    with SimulatedMachine(TWO_GPUS.format(profile=request.param)) as made:
        yield made


@pytest.fixture
def plain():
    with SimulatedMachine("gpu 0 mem=80GiB temp=66\ngpu 1") as made:
        yield made


def client(machine, name, *options):
    done = machine.run([CLIENTS / name, *options], COLUMNS="120", TERM="dumb")
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def gpustat(machine):
    return json.loads(client(machine, "gpustat", "--json"))["gpus"]


def gpustat_line(machine, index):
    """gpustat's row, without the spaces that only align it."""
    lines = client(machine, "gpustat", "--no-color", "--no-header", "-cp").splitlines()
    return re.sub(r"\s+", " ", lines[index])


def python(machine, script):
    """What a script that has `pynvml` prints as JSON."""
    done = machine.run([CLIENTS / "python", "-c", "import json, pynvml as n\nn.nvmlInit()\n" + script])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def nvitop(machine):
    return client(machine, "nvitop", "--once", "--ascii")


def nvitop_rows(machine):
    """Per GPU, its two lines of the table."""
    lines = nvitop(machine).splitlines()
    return [(lines[i], lines[i + 1]) for i, line in enumerate(lines) if re.match(r"\|\s+\d+  \S", line)
            and re.search(r"\d{8}:[0-9A-F]{2}:|N/A\s+N/A", line)]


def test_pynvml_reads_what_the_machine_knows(machine):
    hog = machine.hog("--mem", "2GiB")
    seen = python(machine, """
rows = []
for i in range(n.nvmlDeviceGetCount()):
    h = n.nvmlDeviceGetHandleByIndex(i)
    v1, v2 = n.nvmlDeviceGetMemoryInfo(h), n.nvmlDeviceGetMemoryInfo(h, version=n.nvmlMemory_v2)
    rows.append(dict(name=n.nvmlDeviceGetName(h), uuid=n.nvmlDeviceGetUUID(h), bus=n.nvmlDeviceGetPciInfo(h).busId,
        total=v2.total, reserved=v2.reserved, used=v2.used, free=v2.free, v1_used=v1.used,
        temp=n.nvmlDeviceGetTemperature(h, n.NVML_TEMPERATURE_GPU), power=n.nvmlDeviceGetPowerUsage(h),
        util=n.nvmlDeviceGetUtilizationRates(h).gpu, fan=n.nvmlDeviceGetFanSpeed(h),
        memory_temp=n.nvmlDeviceGetFieldValues(h, [n.NVML_FI_DEV_MEMORY_TEMP])[0].value.uiVal,
        processes=[(p.pid, p.usedGpuMemory) for p in n.nvmlDeviceGetComputeRunningProcesses(h)]))
print(json.dumps(rows))""")
    known = machine.dump()["gpus"]
    for row, gpu in zip(seen, known, strict=True):
        memory, values = gpu["memory"], gpu["values"]
        assert (row["name"], row["uuid"], row["bus"]) == (gpu["name"], gpu["uuid"], gpu["pci_bus_id"])
        assert row["total"] == memory["total_bytes"] and row["reserved"] == memory["reserved_bytes"]
        assert row["used"] == memory["used_bytes"] and row["free"] == memory["free_bytes"]
        assert row["v1_used"] == memory["used_bytes"] + memory["reserved_bytes"]
        assert row["temp"] == values["temp_celsius"] and row["memory_temp"] == values["mem_temp_celsius"]
        assert row["power"] == 1000 * values["power_watts"]
        assert row["util"] == values["util_percent"] and row["fan"] == values["fan_percent"]
        assert row["processes"] == [[p["pid"], p["used_bytes"]] for p in gpu["processes"]]
    assert seen[0]["processes"] == [[hog.pid, 2 * GIB + 512 * MIB]]


def test_gpustat_prints_what_the_machine_knows(machine):
    hog = machine.hog("--mem", "2GiB", "--vmm")
    rows, known = gpustat(machine), machine.dump()["gpus"]
    for row, gpu in zip(rows, known, strict=True):
        assert row["uuid"] == gpu["uuid"] and row["name"] == gpu["name"]
        assert row["memory.total"] == gpu["memory"]["total_bytes"] // MIB
        assert row["memory.used"] == gpu["memory"]["used_bytes"] // MIB
        assert row["temperature.gpu"] == gpu["values"]["temp_celsius"]
        assert row["power.draw"] == gpu["values"]["power_watts"]
        assert row["utilization.gpu"] == gpu["values"]["util_percent"]
    assert [(p["pid"], p["gpu_memory_usage"]) for p in rows[0]["processes"]] == [(hog.pid, 2560)]


def test_nvitop_prints_what_the_machine_knows(machine):
    hog = machine.hog("--mem", "2GiB")
    rows, known = nvitop_rows(machine), machine.dump()["gpus"]
    assert len(rows) == len(known)
    for (first, second), gpu in zip(rows, known):
        assert gpu["name"] in first and gpu["pci_bus_id"] in first
        values = gpu["values"]
        assert f"{values['temp_celsius']}C" in second and f"{values['power_watts']:.0f}W" in second
        assert f"{values['util_percent']}%" in second
        assert f"{gpu['memory']['used_bytes'] // MIB}MiB" in second
    assert re.search(rf"\|\s+0\s+{hog.pid} C .*2560MiB", nvitop(machine))


def test_values_follow_the_clock(machine):
    machine.set("gpu 1 foreign pid=4194000 mem=5GiB")
    machine.fault("for 10s gpu 0 temp 90")
    assert gpustat(machine)[0]["temperature.gpu"] == 90
    assert gpustat(machine)[1]["memory.used"] == 5 * 1024
    machine.advance("10s")
    assert gpustat(machine)[0]["temperature.gpu"] == 66


@pytest.mark.parametrize("how", ["lost", "lost lookup"])
def test_a_lost_gpu_is_shown_as_lost_and_the_other_as_it_is(machine, how):
    machine.fault(f"gpu 0 {how}")
    assert "((GPU is lost))" in gpustat_line(machine, 0)
    assert "Sim L4" in gpustat_line(machine, 1) and "3072 / 24576 MB" in gpustat_line(machine, 1)
    text = nvitop(machine)
    assert "GPU is Lost" in text or re.search(r"\|\s+0  N/A", text), text
    assert "Sim L4" in text
    code = python(machine, """
try:
    n.nvmlDeviceGetPowerUsage(n.nvmlDeviceGetHandleByIndex(0)); print(0)
except n.NVMLError_GpuIsLost as lost: print(lost.value)""")
    assert code == 15


def test_memory_of_processes_may_be_unknown(machine):
    hog = machine.hog("--mem", "2GiB")
    machine.set("gpu 0 process-memory unknown")
    assert f"simhog/{hog.pid}(?M)" in gpustat_line(machine, 0)
    assert gpustat(machine)[0]["processes"][0]["gpu_memory_usage"] is None
    assert re.search(rf"\|\s+0\s+{hog.pid} C\s+\S+\s+N/A", nvitop(machine))


def test_unified_memory_is_shown_as_unknown_or_as_the_hosts(machine):
    machine.set("gpu 0 memory not-supported")
    assert "?? / ?? MB" in gpustat_line(machine, 0)
    total = f"{host_total() / GIB:.1f}"
    assert re.search(rf"/ {re.escape(total)}\d*GiB", nvitop_rows(machine)[0][1]), "nvitop takes the host's memory"
    machine.set("gpu 0 memory zero-total")
    assert gpustat(machine)[0]["memory.total"] == 0
    assert re.search(rf"/ {re.escape(total)}\d*GiB", nvitop_rows(machine)[0][1])


def test_mig_instances_are_shown_each_with_its_memory():
    with SimulatedMachine("gpu 0 mem=80GiB mig=3g.40gb,2g.20gb\ngpu 0 foreign pid=4194000 mem=3GiB mig=1") as machine:
        instances = machine.gpu(0)["mig"]
        text = nvitop(machine)
        for instance in instances:
            used, total = instance["memory"]["used_bytes"], instance["memory"]["total_bytes"]
            shown = f"{used // MIB}MiB" if used else "0B"
            assert re.search(rf"{re.escape(instance['profile'])} .*{shown} / {total // GIB}.00GiB", text), text
        seen = python(machine, """
h = n.nvmlDeviceGetHandleByIndex(0)
migs = [n.nvmlDeviceGetMigDeviceHandleByIndex(h, i) for i in range(2)]
print(json.dumps([(n.nvmlDeviceGetUUID(m), n.nvmlDeviceGetMemoryInfo(m).total) for m in migs]))""")
        assert seen == [[i["uuid"], i["memory"]["total_bytes"]] for i in instances]
        assert gpustat(machine)[0]["utilization.gpu"] is None


@pytest.mark.parametrize("result, error", [(9, "DriverNotLoaded"), (17, "OperatingSystem"), (18, "LibRmVersionMismatch"),
                                           (999, "Unknown")])
def test_a_driver_that_does_not_start_says_why(result, error):
    with SimulatedMachine(f"gpu 0\ndriver init {result}") as machine:
        done = machine.run([CLIENTS / "python", "-c", "import pynvml as n\nn.nvmlInit()"])
        assert done.returncode == 1 and f"NVMLError_{error}" in done.stderr
        assert machine.run([CLIENTS / "gpustat"]).returncode != 0


def test_an_xid_reaches_a_client_that_waits():
    with SimulatedMachine("gpu 0\nat 5s gpu 0 xid 79 lost") as machine:
        machine.advance("4s")
        machine.control("set", "gpu", "0", "xid", "31")  # Before anybody waits: not seen.
        seen = python(machine, f"""
import subprocess
h = n.nvmlDeviceGetHandleByIndex(0)
events = n.nvmlEventSetCreate()
n.nvmlDeviceRegisterEvents(h, n.nvmlEventTypeXidCriticalError, events)
subprocess.run([{str(simgpu_folder() / "levee-simctl")!r}, "advance", "1s"], check=True)
print(n.nvmlEventSetWait_v2(events, 5000).eventData)""")
        assert seen == 79


def test_without_a_machine_there_is_no_driver(plain):
    done = plain.run([CLIENTS / "python", "-c", "import pynvml as n\nn.nvmlInit()"], LEVEE_SIM="")
    assert "NVMLError_DriverNotLoaded" in done.stderr


def test_the_query_tool_answers_the_twelve_fields_that_libraries_parse(plain):
    fields = ("index,uuid,utilization.gpu,memory.total,memory.used,memory.free,driver_version,name,gpu_serial,"
              "display_active,display_mode,temperature.gpu")
    text = plain.run([simgpu_folder() / "levee-sim-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]).stdout
    known = plain.dump()
    for line, gpu in zip(text.splitlines(), known["gpus"], strict=True):
        cells = line.split(", ")
        memory = gpu["memory"]
        assert cells[:8] == [str(gpu["index"]), gpu["uuid"], str(gpu["values"]["util_percent"]),
                             str(memory["total_bytes"] // MIB), str(memory["used_bytes"] // MIB),
                             str(memory["free_bytes"] // MIB), known["driver_version"], gpu["name"]]
        assert cells[11] == str(gpu["values"]["temp_celsius"])


@pytest.mark.parametrize("words, complaint", [
    (["set", "gpu", "0", "tmep", "80"], "tmep"),
    (["set", "gpu", "7", "temp", "80"], "7"),
    (["advance", "5"], '"5"'),
    (["fault"], "expected"),
    (["frobnicate"], "hint"),
    ([], "hint"),
])
def test_wrong_use_of_simctl_ends_with_2_and_a_hint(plain, words, complaint):
    done = plain.run([simgpu_folder() / "levee-simctl", *words])
    assert done.returncode == 2
    assert complaint in done.stderr and "hint: " in done.stderr


def test_simctl_refuses_a_bad_scenario_with_its_line(tmp_path):
    file = tmp_path / "bad.sim"
    file.write_text("levee-sim 1\ngpu 0 mem=lots\n")
    with SimulatedMachine("gpu 0") as machine:
        done = machine.run([simgpu_folder() / "levee-simctl", "create", "--scenario", file])
        assert done.returncode == 2 and "line 2" in done.stderr and "mem=lots" in done.stderr


def test_simhog_says_when_it_gets_too_little_and_dies_as_told():
    with SimulatedMachine("gpu 0 mem=4GiB reserved=0 ctx=256MiB") as machine:
        greedy = machine.run([simgpu_folder() / "simhog", "--mem", "8GiB", "--step", "1GiB"])
        assert greedy.returncode == 3
        assert f"held_bytes={3 * GIB}" in greedy.stdout and "OUT_OF_MEMORY" in greedy.stdout
        killed = machine.run([simgpu_folder() / "simhog", "--mem", "1GiB", "--hold", "0", "--die-by", "KILL"])
        assert killed.returncode == -9
        assert machine.gpu(0)["memory"]["used_bytes"] == 0
        wrong = machine.run([simgpu_folder() / "simhog", "--mem", "much"])
        assert wrong.returncode == 2 and "much" in wrong.stderr
