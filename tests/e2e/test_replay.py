"""A recorded day is lived through again: exactly as it was, or under other settings."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from levee_sim import SimMachine, gpu_where, wait_for_gpus
from levee_testing import Events, Levee, binary, clean_environment, wait_until

GPUS = ('clock step\n'
        'gpu 0 name="Sim GPU" mem=10000MiB reserved=0 ctx=100MiB slowdown-temp=95\n'
        'gpu 1 name="Sim GPU" mem=10000MiB reserved=0 ctx=100MiB slowdown-temp=95\n')


def replay(*arguments, code: int = 0) -> dict:
    done = subprocess.run([binary(), "replay", *map(str, arguments), "--json"], capture_output=True, text=True,
                          env=clean_environment(), timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else {"stderr": done.stderr}


@pytest.fixture(scope="module")
def day(tmp_path_factory) -> Path:
    """A recording with alerts, throttling, settings changed in the middle, leases and a lost GPU."""
    file = tmp_path_factory.mktemp("day") / "day.levee"
    with SimMachine(GPUS) as machine, machine.levee("--record", str(file), "--set", "throttle_cooldown_seconds=1") as levee:
        wait_for_gpus(levee, 2)
        events = Events(levee)

        def wait_for(kind, **details):
            events.wait_for(lambda e: e["kind"] == kind and details.items() <= {**e, **e["details"]}.items(), 10, kind)

        with machine.holding("--gpu", "0", "--mem", "8300MiB"):
            wait_for("alert", severity="warning")
            levee.command("lease", "grant", "--id", "job-1", "--gpu-mem", "1GB", "--gpu", "1", check=True)
            levee.command("config", "set", "gpu_memory_warning=70", "temp_optimal=50", "temp_normal=60", check=True)
            wait_for("config_changed")
            levee.request("POST", "/api/v1/models/cache", {"model": "llama", "size_gb": 4})
            with machine.holding("--gpu", "0", "--mem", "1200MiB"):
                wait_for("alert", severity="emergency")
        wait_for("resolved")
        machine.set("gpu 1 temp 88")
        gpu_where(levee, 1, lambda gpu: gpu["state"] == "critical", "heat")
        machine.set("gpu 1 lost")
        wait_for("gpu_lost")
        levee.process.send_signal(signal.SIGHUP)
        levee.command("lease", "release", "job-1", check=True)
        wait_for("lease_released")
        levee.request("PUT", "/api/v1/config", {"memory_optimal": 500})
        events.close()
    return file


def test_the_same_settings_give_exactly_what_was(day):
    outcome = replay(day)
    assert outcome["exact"] and outcome["from_start"] and outcome["gaps"] == 0 and outcome["damage"] is None
    assert outcome["ticks"] > 10
    kinds = set(outcome["counts"])
    assert {"daemon_started", "alert", "resolved", "state_change", "config_changed", "gpu_lost", "lease_granted",
            "lease_released", "daemon_stopping"} <= kinds
    assert all(event["before"] and event["after"] for event in outcome["events"])


def test_the_page_says_so(day):
    done = subprocess.run([binary(), "replay", str(day)], capture_output=True, text=True, env=clean_environment())
    assert done.returncode == 0 and "replayed exactly as it was recorded" in done.stdout


def test_other_settings_are_told_beside_what_was(day, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("gpu_memory_warning = 97\ngpu_memory_critical = 98\ngpu_memory_emergency = 99\n")
    outcome = replay(day, "--config", other)
    assert outcome["has_other_settings"]
    assert outcome["counts"]["alert"]["after"] < outcome["counts"]["alert"]["before"]
    assert outcome["summary"].startswith("with these settings: ")
    # --set goes before the file.
    assert replay(day, "--config", other, "--set", "gpu_memory_warning=60")["summary"] != outcome["summary"]
    page = subprocess.run([binary(), "replay", str(day), "--config", str(other)], capture_output=True, text=True,
                          env=clean_environment()).stdout
    assert "\n- " in page and outcome["summary"] in page


def test_a_cut_recording_is_replayed_up_to_the_cut(day, tmp_path):
    whole = day.read_bytes()
    damages = []
    for length in (len(whole) // 2, len(whole) - 5, len(whole) - 4):
        cut = tmp_path / "cut.levee"
        cut.write_bytes(whole[:length])
        outcome = replay(cut)
        assert outcome["exact"]
        damages.append(outcome["damage"])
    assert all("left out" in damage for damage in damages[1:])


def test_what_is_no_recording_is_refused(tmp_path):
    for content in (b"", b"levee", b"levee-recording 2\n", b"\x7fELF", b"levee-recording 1\n"):
        file = tmp_path / "file"
        file.write_bytes(content)
        assert "levee: " in replay(file, code=2)["stderr"]
    assert "levee: " in replay(tmp_path / "none", code=2)["stderr"]
    assert "levee: " in replay(tmp_path, code=2)["stderr"]


def test_wrong_settings_are_refused(day, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("gpu_memory_warning = \n")
    assert "bad.toml" in replay(day, "--config", bad, code=2)["stderr"]
    assert "did you mean" in replay(day, "--set", "gpu_memory_warnin=5", code=2)["stderr"]
    assert "--set" in replay(day, "--set", "nonsense", code=2)["stderr"]
    assert "gpu_memory_warning" in replay(day, "--set", "gpu_memory_warning=99", code=2)["stderr"]


def test_a_bundle_can_be_replayed_too():
    with SimMachine(GPUS) as machine, machine.levee("--set", "recorder.aftermath_seconds=1") as levee:
        wait_for_gpus(levee, 2)
        incident = levee.command("incidents", "record", check=True).stdout.strip()
        outcome = replay(levee.state_dir / "incidents" / f"{incident}.levee")
        assert outcome["exact"] and outcome["ticks"] > 3


def test_a_daemon_that_is_killed_leaves_a_recording_that_can_be_read(tmp_path):
    file = tmp_path / "day.levee"
    with Levee("--record", str(file), "--set", "monitoring_interval=0.1") as levee:
        levee.wait_ticks(10)
        levee.process.kill()
        levee.process.wait()
    assert replay(file)["exact"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_ends_the_recording_with_one_word_and_nothing_else(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets no test mount a small disk")
    try:
        with Levee("--record", str(disk / "day.levee"), "--set", "monitoring_interval=0.1") as levee:
            wait_until(lambda: "Recording has stopped" in levee.log.read_text(), 60, "the word")
            levee.wait_ticks(10)
            assert levee.log.read_text().count("Recording has stopped") == 1
            assert levee.get("/healthz")[0] == 200
        assert replay(disk / "day.levee")["exact"]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
