"""Alerts of earlier runs of the daemon are still there: after a restart, and after a SIGKILL."""

import json
import sqlite3
import subprocess

from levee_testing import Levee, binary, clean_environment, wait_until

# Every machine uses more than a hundredth of its memory: the alert is on from the first tick.
ALWAYS_ON = ("--set", "cpu_memory_warning=1", "--set", "monitoring_interval=0.1")
DAY = "/api/v1/monitoring/alerts?window_seconds=86400"


def alerts(levee, target=DAY):
    status, answer = levee.get(target)
    assert status == 200
    return [a for a in answer["alerts"] if a["type"] == "cpu_memory"]


def stored_events(state_dir, kind):
    try:
        with sqlite3.connect(f"file:{state_dir}/history.db?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM event WHERE kind=?", (kind,)).fetchone()[0]
    except sqlite3.Error:
        return 0


def test_an_alert_that_ended_before_a_restart_is_still_told(tmp_path):
    with Levee(*ALWAYS_ON, folder=tmp_path) as first:
        [fired] = wait_until(lambda: alerts(first), 5, "the alert")
        assert fired["lasts"] is True
        first.request("PUT", "/api/v1/config", {"cpu_memory_warning": 80})
        wait_until(lambda: not alerts(first)[0]["lasts"], 5, "its end")
        [ended] = alerts(first)

    with Levee("--set", "monitoring_interval=0.1", folder=tmp_path) as second:
        [found] = wait_until(lambda: alerts(second), 5, "the alert of the first run")
        assert (found["id"], found["timestamp"]) == (fired["id"], fired["timestamp"])
        assert found["resolved_at"] == ended["resolved_at"] and found["lasts"] is False
        assert not alerts(second, "/api/v1/monitoring/alerts"), "without a window: this run only"

        text = second.command("alerts", check=True).stdout
        assert "cpu_memory" in text and "lasts" not in text and "end unknown" not in text
        shown = json.loads(second.command("alerts", "--since", "1h", "--json", check=True).stdout)
        assert [a["timestamp"] for a in shown["alerts"]] == [fired["timestamp"]]


def test_an_alert_that_lasted_at_a_sigkill_is_told_without_claiming_that_it_lasts(tmp_path):
    first = Levee(*ALWAYS_ON, folder=tmp_path).ready()
    [fired] = wait_until(lambda: alerts(first), 5, "the alert")
    wait_until(lambda: stored_events(first.state_dir, "alert"), 5, "the alert in history.db")
    first.process.kill()
    first.process.wait()

    with Levee("--set", "monitoring_interval=0.1", folder=tmp_path) as second:
        [found] = wait_until(lambda: alerts(second), 5, "the alert of the first run")
        assert found["timestamp"] == fired["timestamp"]
        assert found["resolved_at"] is None and found["lasts"] is None and found["last_seen"]
        text = second.command("alerts", check=True).stdout
        assert "end unknown" in text and "lasts" not in text

        # The same alert now in this run: two rows, and only the new one lasts.
        second.request("PUT", "/api/v1/config", {"cpu_memory_warning": 1})
        both = wait_until(lambda: (a := alerts(second)) and len(a) == 2 and a, 5, "both alerts")
        assert [a["lasts"] for a in both] == [True, None]


def test_without_a_store_the_alerts_of_this_run_are_told_and_a_note(tmp_path):
    with Levee(*ALWAYS_ON, "--set", "store.enabled=false", folder=tmp_path) as levee:
        wait_until(lambda: alerts(levee), 5, "the alert")
        assert "no history is kept" in levee.get(DAY)[1]["note"]
        result = levee.command("alerts", check=True)
        assert "lasts" in result.stdout and "note: alerts of earlier runs" in result.stdout


def test_a_time_that_is_none_is_refused():
    result = subprocess.run([binary(), "alerts", "--since", "yesterday"], capture_output=True, text=True,
                            env=clean_environment())
    assert result.returncode == 2 and "--since" in result.stderr
