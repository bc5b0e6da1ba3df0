"""A process that really eats memory is seen, named and told everywhere; and it is over when it ends.

The thresholds are set near what the machine uses now, never near exhaustion."""

import json
import time

import pytest
from levee_testing import GIB, MIB, Events, Hog, Levee, MemoryCgroup, Webhook, host_available, host_total, wait_until

# Large enough that what else the machine does meanwhile changes no outcome.
EATEN = min(2 * GIB, host_total() // 8)
MARGIN = EATEN // 2
# A promise of a second or two is for the benchmarks; a slow machine may take this long to hand out the memory.
PATIENCE = 30


def steady_available() -> int:
    """What is available once it has stopped moving: a hog's memory comes back a moment after its end."""
    before, now = -GIB, host_available()
    while abs(now - before) > 16 * MIB:
        time.sleep(0.2)
        before, now = now, host_available()
    return now


def percent_a_hog_will_pass() -> float:
    return 100 * (1 - (steady_available() - MARGIN) / host_total())


def is_alert(kind, of_type):
    return lambda event: event["kind"] == kind and (event.get("alert") or {}).get("type") == of_type


@pytest.mark.skipif(host_total() < 16 * GIB, reason="under 16 GiB the emergency line is capped, so it cannot be set near present use")
def test_a_hog_beyond_the_brake_line_is_named_everywhere_and_resolved():
    webhook = Webhook()
    line = (steady_available() - MARGIN) // MIB
    with Levee("--set", f"host_available_emergency={line}MB", "--set", f"host_available_warning={line + 1}MB",
               "--set", f'webhook.urls=["{webhook.url}"]') as levee:
        events = Events(levee)
        with Hog(EATEN) as hog:
            _, event = events.wait_for(
                lambda e: is_alert("alert", "host_available")(e) and e["alert"]["severity"] == "emergency",
                PATIENCE, "the emergency alert")
            assert event["alert"]["culprit"]["pid"] == hog.pid
            assert event["alert"]["culprit"]["growth_bytes_per_second"] > 0

            _, alerts = levee.get("/api/v1/monitoring/alerts?severity=emergency")
            assert alerts["alerts"][0]["culprit"]["pid"] == hog.pid
            _, posted = webhook.wait_for(lambda b: b["kind"] == "alert" and b["alert"]["severity"] == "emergency", PATIENCE)
            assert posted["alert"]["pid"] == hog.pid
            log = levee.state_dir / "logs" / "main.log"
            wait_until(lambda: f"{hog.pid}" in log.read_text() and "EMERGENCY" in log.read_text(), PATIENCE, "the log line")
            assert levee.command("check").returncode == 2

        events.wait_for(is_alert("resolved", "host_available"), PATIENCE, "resolved")
        webhook.wait_for(lambda b: b["kind"] == "resolved", PATIENCE)
        _, status = levee.get("/api/v1/monitoring/status")
        assert not [a for a in status["alerts"]["active"] if a["type"] == "host_available"]
        events.close()
    webhook.close()


def test_a_hog_beyond_a_percent_threshold_is_named_and_resolved():
    threshold = percent_a_hog_will_pass()
    with Levee("--set", f"cpu_memory_warning={threshold:.3f}", "--set", "monitoring_interval=0.2") as levee:
        events = Events(levee)
        with Hog(EATEN) as hog:
            _, event = events.wait_for(is_alert("alert", "cpu_memory"), PATIENCE, "the alert")
            assert event["alert"]["message"] == "High CPU memory usage"
            assert event["alert"]["value"] >= event["alert"]["threshold"] == pytest.approx(threshold, abs=0.06)
            assert event["alert"]["culprit"]["pid"] == hog.pid
        events.wait_for(is_alert("resolved", "cpu_memory"), PATIENCE, "resolved")
        events.close()


def test_inside_a_memory_cgroup_the_limit_of_the_cgroup_counts():
    cgroup, why_not = MemoryCgroup.make(GIB)
    if cgroup is None:
        pytest.skip(f"this machine lets no test make a memory cgroup ({why_not}); recorded trees are tested in unit.sources")
    try:
        with Levee("--set", "cpu_memory_warning=40", "--set", "cpu_memory_critical=90",
                   "--set", "monitoring_interval=0.2", into_cgroup=cgroup.path) as levee:
            _, status = levee.get("/api/v1/monitoring/status")
            assert status["host"]["total_bytes"] == GIB
            assert status["host"]["ceiling"]["limit_bytes"] == GIB
            assert status["lines"]["capped"] is True
            events = Events(levee)
            with Hog(600 * MIB, into_cgroup=cgroup.path) as hog:
                _, event = events.wait_for(is_alert("alert", "cpu_memory"), PATIENCE, "the alert")
                assert event["alert"]["culprit"]["pid"] == hog.pid
                hog.wait_full()
                assert host_available() > GIB, "the machine itself is far from short"
            events.wait_for(is_alert("resolved", "cpu_memory"), PATIENCE, "resolved")
            events.close()
    finally:
        cgroup.remove()


def test_the_hook_command_gets_the_alert_on_its_standard_input(tmp_path):
    seen = tmp_path / "seen.json"
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >> {seen}\n")
    hook.chmod(0o755)
    threshold = percent_a_hog_will_pass()
    with Levee("--set", f"cpu_memory_warning={threshold:.3f}", "--set", "monitoring_interval=0.2",
               "--set", f'hook.command=["{hook}"]'):
        with Hog(EATEN) as hog:
            wait_until(lambda: seen.exists() and "\n" in seen.read_text(), PATIENCE, "the hook's input")
            alert = json.loads(seen.read_text().splitlines()[0])
            assert alert["alert"]["pid"] == hog.pid


def test_a_dead_webhook_delays_nothing():
    threshold = percent_a_hog_will_pass()
    with Levee("--set", f"cpu_memory_warning={threshold:.3f}", "--set", "monitoring_interval=0.2",
               "--set", 'webhook.urls=["http://127.0.0.1:1/nobody"]') as levee:
        events = Events(levee)
        with Hog(EATEN):
            events.wait_for(is_alert("alert", "cpu_memory"), PATIENCE, "the alert")
        began = time.monotonic()
        levee.process.terminate()
        levee.process.wait(5)
        assert time.monotonic() - began < 3, "a webhook that retries must not hold up the end"
