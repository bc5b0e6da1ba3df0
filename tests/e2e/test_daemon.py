"""The daemon as its users meet it: start, stop, reload, a second one, broken places, bad input."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from levee_testing import GIB, Hog, Levee, binary, clean_environment, host_available, host_total, wait_until


def serve(*arguments, env=None, timeout=10):
    """Runs `levee serve` that is expected to refuse."""
    return subprocess.run([binary(), "serve", *arguments], capture_output=True, text=True, timeout=timeout,
                          env=env or clean_environment())


def test_a_second_daemon_is_refused_and_the_first_is_named(levee, tmp_path):
    same_state = serve("--listen", "off", "--socket", str(tmp_path / "other.sock"), "--state-dir", str(levee.state_dir))
    assert same_state.returncode == 1
    assert str(levee.process.pid) in same_state.stderr and "hint:" in same_state.stderr

    same_socket = serve("--listen", "off", "--socket", str(levee.socket), "--state-dir", str(tmp_path / "state"))
    assert same_socket.returncode == 1
    assert str(levee.process.pid) in same_socket.stderr

    same_port = serve("--listen", f"127.0.0.1:{levee.port}", "--socket", str(tmp_path / "third.sock"),
                      "--state-dir", str(tmp_path / "state3"))
    assert same_port.returncode == 1
    assert f"{levee.port}" in same_port.stderr and str(levee.process.pid) in same_port.stderr
    assert levee.get("/healthz")[0] == 200


@pytest.mark.parametrize("arguments, complaint", [
    (["--listen", "0.0.0.0:8000"], "loopback"),
    (["--listen", "127.0.0.1:99999"], "99999"),
    (["--listen", "nonsense"], "nonsense"),
    (["--set", "memory_optimal=high"], "memory_optimal"),
    (["--set", "memory_optimal=90"], "memory_normal"),
    (["--set", "memory_optimel=60"], "memory_optimal"),
    (["--set", "memory_pressure_threshold=85"], "0.85"),
    (["--set", "nothing"], "nothing"),
    (["--frobnicate"], "frobnicate"),
    (["--config", "/nonexistent/levee.toml"], "/nonexistent/levee.toml"),
])
def test_bad_input_is_refused_with_exit_code_2_and_a_reason(arguments, complaint, tmp_path):
    result = serve("--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "d"), *arguments)
    assert result.returncode == 2, result.stderr
    assert complaint in result.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text, complaint", [
    ("memory_optimal = 'high'", "levee.toml:1"),
    ("\nmemory_optimel = 60", "memory_optimal"),
    ("memory_optimal = 90\nmemory_normal = 80", "below"),
    ("memory_optimal = [", "levee.toml:1"),
    ("[server]\nlisten = 8000", "server.listen"),
    ("[webhook]\nurls = ['http://a/1', 'http://a/1']", "addresses 1 and 2 are the same"),
])
def test_a_bad_file_is_refused_with_its_line(text, complaint, tmp_path):
    file = tmp_path / "levee.toml"
    file.write_text(text)
    result = serve("--config", str(file), "--socket", str(tmp_path / "s"), "--state-dir", str(tmp_path / "d"))
    assert result.returncode == 2
    assert complaint in result.stderr, result.stderr


def test_sigterm_ends_it_within_a_second_and_leaves_no_socket(tmp_path):
    levee = Levee(folder=tmp_path).ready()
    idle = socket.create_connection(("127.0.0.1", levee.port))  # A client that says nothing.
    began = time.monotonic()
    levee.process.send_signal(signal.SIGTERM)
    assert levee.process.wait(5) == 0
    assert time.monotonic() - began < 1.0
    assert not levee.socket.exists()
    idle.close()


def test_after_sigkill_the_next_one_starts_at_once_and_history_is_there(tmp_path):
    first = Levee(folder=tmp_path).ready()
    wait_until(lambda: (first.state_dir / "history.db").exists(), 5, "history.db")
    first.process.kill()
    first.process.wait()
    with Levee(folder=tmp_path) as second:
        wait_until(lambda: second.get("/healthz")[1]["store"]["durable"], 5, "a durable store")


def test_sighup_reads_the_file_again_and_keeps_the_old_values_when_it_is_bad(tmp_path):
    file = tmp_path / "levee.toml"
    file.write_text("cpu_memory_warning = 70\n")
    with Levee("--config", str(file)) as levee:
        def value():
            return levee.get("/api/v1/config")[1]["config"]["cpu_memory_warning"]

        assert (value()["value"], value()["origin"]) == (70, "file")
        file.write_text("cpu_memory_warning = 75\n")
        levee.process.send_signal(signal.SIGHUP)
        wait_until(lambda: value()["value"] == 75, 5, "the new value")
        file.write_text("cpu_memory_warning = 'much'\n")
        levee.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not changed" in (levee.state_dir / "logs/main.log").read_text(), 5, "a log line")
        assert value()["value"] == 75


def test_run_time_changes_are_all_or_nothing(levee):
    status, body = levee.request("PUT", "/api/v1/config", {"cpu_memory_warning": 60, "cpu_memory_critical": 50})
    assert status == 400 and "cpu_memory" in body["detail"]
    keys = levee.get("/api/v1/config")[1]["config"]
    assert keys["cpu_memory_warning"]["value"] == 80
    status, body = levee.request("PUT", "/api/v1/config", {"cpu_memory_warning": 60})
    assert status == 200 and body["changed"] == ["cpu_memory_warning"]
    keys = levee.get("/api/v1/config")[1]["config"]
    assert (keys["cpu_memory_warning"]["value"], keys["cpu_memory_warning"]["origin"]) == (60, "run time")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_may_read_but_not_change(levee):
    os.chmod(levee.folder, 0o755)
    script = ("import http.client,sys\n"
              f"c=http.client.HTTPConnection('127.0.0.1',{levee.port})\n"
              "c.request('GET','/api/v1/monitoring/status'); r=c.getresponse(); r.read(); print(r.status)\n"
              "c.request('POST','/api/v1/monitoring/cleanup'); r=c.getresponse(); r.read(); print(r.status)\n")
    result = subprocess.run(["/usr/bin/python3", "-c", script], user=65534, group=65534, extra_groups=[],
                            capture_output=True, text=True, env=clean_environment())
    assert result.stdout.split() == ["200", "403"], result.stderr
    assert levee.request("POST", "/api/v1/monitoring/cleanup")[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_state_directory_without_permission_is_said_and_watched_on(request):
    folder = tempfile.TemporaryDirectory(prefix="levee-")  # pytest's own folders are closed to others
    request.addfinalizer(folder.cleanup)
    os.chmod(folder.name, 0o755)
    closed = Path(folder.name) / "closed"
    closed.mkdir(mode=0o700)
    open_folder = Path(folder.name) / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    process = subprocess.Popen(
        [binary(), "serve", "--listen", "off", "--socket", str(open_folder / "s"), "--state-dir", str(closed / "state")],
        user=65534, group=65534, extra_groups=[], env=clean_environment(HOME=folder.name), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    try:
        wait_until((open_folder / "s").exists, 5, "a socket")
        def healthz():
            answer = subprocess.run(["curl", "-s", "--unix-socket", str(open_folder / "s"), "http://localhost/healthz"],
                                    capture_output=True, text=True)
            return json.loads(answer.stdout) if answer.stdout.startswith("{") else None
        health = wait_until(lambda: (h := healthz()) and h.get("store") and h, 5, "health")
        assert health["store"]["durable"] is False
        assert "closed" in health["store"]["reason"]
    finally:
        process.terminate()
        process.wait(5)


def test_a_damaged_history_is_moved_aside_and_begun_anew(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "history.db").write_bytes(b"this is no database, but it was worth keeping" * 100)
    (state / "notes.txt").write_bytes(b"not touched")
    with Levee(folder=tmp_path) as levee:
        wait_until(lambda: levee.get("/healthz")[1]["store"]["durable"], 5, "a durable store")
        kept = [p for p in state.iterdir() if p.name.startswith("history.db.damaged")]
        assert len(kept) == 1 and kept[0].read_bytes().startswith(b"this is no database")
        assert (state / "notes.txt").read_bytes() == b"not touched"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_survived_and_recovered_from(tmp_path):
    disk = tmp_path / "state"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this machine lets no test mount a tmpfs")
    try:
        (disk / "ballast").write_bytes(b"x" * 1000 * 1024)
        with Levee(folder=tmp_path) as levee:
            wait_until(lambda: levee.get("/healthz")[1]["store"]["durable"] is False, 15, "the store says it is not durable")
            assert levee.get("/healthz")[0] == 200, "watching goes on"
            assert levee.get("/api/v1/monitoring/status")[0] == 200
            (disk / "ballast").unlink()
            wait_until(lambda: levee.get("/healthz")[1]["store"]["durable"], 45, "the store recovers")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("method, path, expected", [
    ("POST", "/api/v1/monitoring/status", 405),
    ("GET", "/api/v1/monitoring/cleanup", 405),
    ("GET", "/api/v1/monitoring/stauts", 404),
    ("GET", "/api/v1/monitoring/history?window_seconds=-1", 400),
    ("GET", "/api/v1/monitoring/history?window_seconds=abc", 400),
    ("GET", "/api/v1/monitoring/alerts?severity=loud", 400),
    ("GET", "/api/v1/monitoring/alerts?colour=red", 400),
    ("GET", "/%ff%zz", 400),
])
def test_bad_requests_get_a_json_error(levee, method, path, expected):
    status, body = levee.request(method, path)
    assert status == expected
    assert body["detail"]


def test_broken_json_huge_headers_and_foreign_origins_are_refused(levee):
    assert levee.request("PUT", "/api/v1/config", body='{"a": ')[0] == 400
    assert levee.request("PUT", "/api/v1/config", body="[]")[0] == 400
    assert levee.request("GET", "/healthz", headers={"X-Long": "x" * 100_000})[0] == 431
    assert levee.request("PUT", "/api/v1/config", body=" " * 3_000_000)[0] == 413
    assert levee.request("GET", "/healthz", headers={"Host": "evil.example"})[0] == 403
    assert levee.request("POST", "/api/v1/monitoring/cleanup", headers={"Origin": "http://evil.example"})[0] == 403
    assert levee.get("/healthz")[0] == 200


def test_a_clock_that_jumps_changes_no_judgement(tmp_path):
    """The wall clock goes back a day and forward two under the running daemon (libfaketime fakes
    CLOCK_REALTIME only): it keeps ticking, ages stay sane, and no alert fires or resolves."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    assert library, "the package faketime is missing; ./dev test installs it"
    offset = tmp_path / "offset"
    offset.write_text("+0")
    held = min(2 * GIB, host_total() // 8)
    used = 100 * (1 - (host_available() - held // 2) / host_total())
    env = clean_environment(LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_NO_CACHE="1",
                            FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
    with Hog(held), Levee("--set", f"cpu_memory_warning={used:.2f}", "--set", "monitoring_interval=0.1", env=env) as levee:
        def status():
            return levee.get("/api/v1/monitoring/status")[1]

        wait_until(lambda: status()["alerts"]["active"], 5, "the alert that is on all the time")
        alert = status()["alerts"]["active"][0]["id"]
        for jump in ("-1d", "+1d", "+0"):
            before = status()["daemon"]["ticks"]
            offset.write_text(jump)
            wait_until(lambda: status()["daemon"]["ticks"] > before + 5, 5, f"ticks after {jump}")
            code, health = levee.get("/healthz")
            assert code == 200 and 0 <= health["sample_age_seconds"] < 5
            assert [a["id"] for a in status()["alerts"]["active"]] == [alert]
            assert levee.get("/api/v1/monitoring/history?window_seconds=60")[1]["history"]


def test_every_documented_monitoring_endpoint_answers(levee):
    for path in ("status", "report", "alerts?severity=critical&limit=10", "alerts?severity=warning",
                 "optimization-suggestions", "history?window_seconds=300", "history?window_seconds=600"):
        status, body = levee.get(f"/api/v1/monitoring/{path}")
        assert status == 200, path
        assert isinstance(body, dict)
    status, body = levee.request("POST", "/api/v1/monitoring/cleanup?force=false")
    assert status == 200 and body["cpu_memory_freed_gb"] == 0


def test_promtool_finds_nothing_to_complain_about(levee):
    page = levee.get("/metrics")[1]
    result = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_a_restart_of_levee_keeps_the_stored_past(tmp_path):
    with Levee("--set", "monitoring_interval=0.1", folder=tmp_path) as first:
        wait_until(lambda: first.get("/api/v1/monitoring/history?window_seconds=300")[1], 5, "history")
    assert (Path(tmp_path) / "state" / "history.db").stat().st_size > 0
    with Levee(folder=tmp_path) as second:
        _, body = wait_until(
            lambda: (a := second.get("/api/v1/monitoring/history?window_seconds=3600"))[0] == 200 and a, 5, "stored history")
        assert body["history"], body
