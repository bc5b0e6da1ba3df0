"""When memory ran out, what happened before is saved, and the verdict names the right one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import MIB, Hog, Levee, MemoryCgroup, binary, clean_environment, wait_until

SOON = ("--set", "monitoring_interval=0.2", "--set", "recorder.aftermath_seconds=1")
PATIENCE = 30
GPU = 'clock step\ngpu 0 name="Sim GPU" mem=10000MiB reserved=0 ctx=100MiB slowdown-temp=95\n'


def incidents(levee: Levee) -> list[dict]:
    status, body = levee.get("/api/v1/incidents")
    assert status == 200, body
    return body["incidents"]


def incident_of(levee: Levee, kind: str) -> dict:
    return wait_until(lambda: next((i for i in incidents(levee) if i["kind"] == kind), None), PATIENCE, f"an incident of kind {kind}")


def verdict_on(levee: Levee, incident: dict) -> dict:
    status, body = levee.get(f"/api/v1/incidents?id={incident['id']}")
    assert status == 200, body
    return body


def reads_the_kernels_log() -> bool:
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not reads_the_kernels_log(), reason="the kernel's log, which names victims, cannot be read here")
def test_a_real_oom_kill_in_a_cgroup_names_limit_and_culprit():
    limit = 192 * MIB
    cgroup, why_not = MemoryCgroup.make(limit)
    if cgroup is None:
        pytest.skip(f"this machine lets no test make a memory cgroup ({why_not}); unit.sources: OomWatchTest has recorded logs")
    try:
        with Levee(*SOON) as levee:
            # Slow enough to be seen on its way.
            with Hog(2 * limit, rate=64 * MIB, into_cgroup=cgroup.path) as hog:
                assert hog.process.wait(PATIENCE) == -signal.SIGKILL
                incident = incident_of(levee, "oom_kill")
                assert incident["victims"][0]["pid"] == hog.pid
                assert incident["victims"][0]["limit_bytes"] == limit
                verdict = verdict_on(levee, incident)
            filled = verdict["filled"][0]
            assert filled["kind"] == "cgroup" and filled["key"].endswith(cgroup.path.name)
            assert filled["total_bytes"] == limit and filled["peak_bytes"] >= limit
            culprit = verdict["growers"][0]
            assert culprit["pid"] == hog.pid and culprit["killed"] and culprit["ended"]
            assert culprit["grown_bytes"] > limit // 2
            assert "mmap" in culprit["command"], "it was seen alive"
            assert any("the limit of cgroup" in help for help in verdict["would_have_helped"])
            page = levee.command("incidents", "show", incident["id"], check=True).stdout
            assert "killed by the kernel" in page and str(hog.pid) in page
            assert len(page.splitlines()) < 60
    finally:
        cgroup.remove()


def test_an_xid_is_saved_with_the_gpu_it_is_about():
    with SimMachine(GPU) as machine, machine.levee(*SOON) as levee:
        gpu = wait_for_gpus(levee, 1)[0]
        machine.set("gpu 0 xid 79")
        incident = incident_of(levee, "xid")
        assert incident["gpus"] == [gpu["uuid"]]
        assert "XID 79" in incident["reasons"][0]


def test_a_job_of_levee_run_that_is_killed_is_saved():
    with Levee(*SOON) as levee:
        job = subprocess.Popen([binary(), "run", "--host-mem", "64MB", "-q", "--", sys.executable, "-c",
                                "import os,signal; os.kill(os.getpid(), signal.SIGKILL)"],
                               env=clean_environment(LEVEE_SOCKET=str(levee.socket)))
        assert job.wait(PATIENCE) in (137, -signal.SIGKILL)
        incident = incident_of(levee, "job_killed")
        assert "signal 9" in incident["reasons"][0] and sys.executable in incident["reasons"][0]
        assert len(incident["leases"]) == 1


def test_a_job_that_fails_or_ends_well_is_no_incident():
    with Levee(*SOON) as levee:
        for code in (0, 1, 136):
            levee.command("run", "--host-mem", "64MB", "-q", "--", "sh", "-c", f"exit {code}")
        levee.command("incidents", "record", "--note", "so that something is there", check=True)
        assert [i["kind"] for i in incidents(levee)] == ["on_demand"]


def test_somebody_may_ask_and_is_told_when_it_is_saved():
    with Levee(*SOON) as levee:
        done = levee.command("incidents", "record", "--note", "loss went to nan", check=True)
        incident = incidents(levee)[0]
        assert done.stdout.strip() == incident["id"]
        assert incident["note"] == "loss went to nan"
        again = levee.command("incidents", "record")
        assert again.returncode == 1 and "less than a minute ago" in again.stderr
        listed = levee.command("incidents", "list", check=True).stdout
        assert incident["id"] in listed and "1 more came too soon" in listed
        bundle = levee.state_dir / "incidents" / f"{incident['id']}.levee"
        assert bundle.stat().st_mode & 0o007 == 0
        # Without the daemon, too.
        shown = levee.command("incidents", "show", str(bundle), "--json", check=True)
        assert json.loads(shown.stdout)["incident"]["id"] == incident["id"]
        assert levee.command("incidents", "remove", incident["id"]).returncode == 0
        assert incidents(levee) == []


def test_wrong_asks_are_refused():
    with Levee(*SOON) as levee:
        for body in ({"note": 7}, {"wish": 1}, {"signal": 15}, {"exit_code": 1}, {"lease": "x"}, {"note": "x" * 2000}, []):
            assert levee.request("POST", "/api/v1/incidents", body)[0] == 400, body
        assert levee.get("/api/v1/incidents?id=../../x")[0] == 404
        assert levee.request("DELETE", "/api/v1/incidents")[0] == 400
        assert levee.command("incidents").returncode == 2
        assert levee.command("incidents", "show", "nonsense").returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_may_ask_and_look_but_not_remove():
    with Levee(*SOON) as levee:
        def as_nobody(*arguments):
            return levee.command(*arguments, user=65534)

        os.chmod(levee.folder, 0o755)
        assert as_nobody("incidents", "record").returncode == 0
        incident = incidents(levee)[0]
        assert "uid 65534" in incident["reasons"][0]
        assert as_nobody("incidents", "show", incident["id"]).returncode == 0
        refused = as_nobody("incidents", "remove", incident["id"])
        assert refused.returncode == 1 and "may not" in refused.stderr


def test_a_daemon_that_is_killed_leaves_no_half_bundle(tmp_path):
    with Levee("--set", "monitoring_interval=0.2", "--set", "recorder.aftermath_seconds=0", folder=tmp_path) as levee:
        for _ in range(5):
            levee.request("POST", "/api/v1/incidents", {"note": "now"})
            time.sleep(0.05)
        levee.process.kill()
        levee.process.wait()
    folder = tmp_path / "state" / "incidents"
    (folder / "20260101T000000Z-xid.levee.unfinished").parent.mkdir(parents=True, exist_ok=True)
    (folder / "20260101T000000Z-xid.levee.unfinished").write_bytes(b"levee-recording 1\nO")
    with Levee(*SOON, folder=tmp_path) as levee:
        for incident in incidents(levee):
            verdict_on(levee, incident)
        assert not list(folder.glob("*.unfinished"))


def test_a_full_disk_loses_the_bundle_and_says_so(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)], check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        with Levee(*SOON, folder=tmp_path) as levee:
            ballast = state / "ballast"
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            refused = levee.command("incidents", "record")
            assert refused.returncode == 1 and "disk" in refused.stderr
            assert incidents(levee) == []
            assert levee.get("/healthz")[0] in (200, 503)
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def test_an_emergency_alert_is_saved_with_what_grew():
    with SimMachine(GPU) as machine, machine.levee(*SOON) as levee:
        gpu = wait_for_gpus(levee, 1)[0]
        levee.wait_ticks(10)  # What was before.
        with machine.holding("--mem", "9600MiB") as hog:
            incident = incident_of(levee, "emergency")
            assert incident["gpus"] == [gpu["uuid"]]
            verdict = verdict_on(levee, incident)
        assert verdict["filled"][0]["key"] == gpu["uuid"]
        assert verdict["growers"][0]["pid"] == hog.pid
        assert any(event["kind"] == "alert" and event["severity"] == "emergency" for event in verdict["events"])
        assert any(f"process {hog.pid} held no promise" in help for help in verdict["would_have_helped"])
