"""levee ps with a real process that holds memory: with a daemon, without one, by another user."""

import getpass
import json
import os
import subprocess

import pytest
from levee_testing import MIB, Hog, Levee, binary, clean_environment, wait_until


def ps(*arguments, env=None, **more):
    """`levee ps` where no daemon is."""
    return subprocess.run([binary(), "ps", *arguments], capture_output=True, text=True, timeout=30,
                          env=env or clean_environment(LEVEE_SOCKET="/nonexistent/levee.sock"), **more)


def row_of(answer, pid):
    return next((p for p in answer["processes"] if p["pid"] == pid), None)


def test_a_growing_process_is_found_by_growth_and_by_user():
    with Levee("--set", "monitoring_interval=0.2") as levee, Hog(300 * MIB, rate=100 * MIB) as hog:
        def grows():
            answer = json.loads(levee.command("ps", "--sort", "growth", "--json", check=True).stdout)
            row = row_of(answer, hog.pid)
            return row and (row["growth_bytes_per_second"] or 0) > 10 * MIB
        wait_until(grows, 10, "the hog, growing")
        text = levee.command("ps", "--sort", "growth", "--limit", "3", check=True).stdout
        line = next(line for line in text.splitlines() if line.startswith(f"{hog.pid} "))
        assert getpass.getuser() in line and "iB/min" in line
        assert "3 of " in text

        mine = json.loads(levee.command("ps", "--user", str(os.getuid()), "--limit", "1000", "--json").stdout)
        assert row_of(mine, hog.pid) and {p["uid"] for p in mine["processes"]} == {os.getuid()}
        assert levee.command("ps", "--user", "nobody-of-that-name").stdout == "no processes to show\n"


def test_without_a_daemon_it_takes_a_look_and_reads_pss_itself():
    with Hog(200 * MIB) as hog:
        hog.wait_full()
        answer = json.loads(ps("--limit", "1000", "--pss", "--json").stdout)
        row = row_of(answer, hog.pid)
        assert row["rss_bytes"] > 200 * MIB
        assert 200 * MIB < row["pss_bytes"] <= row["rss_bytes"] + MIB
        assert row["growth_bytes_per_second"] is None
        result = ps("--pss")
        assert result.returncode == 0 and "one look" in result.stdout and " PSS " in result.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_pss_gains_nobody_permissions(levee):
    """The daemon is root and could read it; who asks cannot."""
    with Hog(100 * MIB) as hog:
        hog.wait_full()
        levee.folder.chmod(0o755)
        env = clean_environment(LEVEE_SOCKET=str(levee.socket))
        def seen():
            result = ps("--limit", "1000", "--pss", "--json", env=env, user=65534, group=65534, extra_groups=[])
            assert result.returncode == 0, result.stderr
            return row_of(json.loads(result.stdout), hog.pid)
        row = wait_until(seen, 10, "the hog")
        assert row["rss_bytes"] > 50 * MIB and row["pss_bytes"] is None


@pytest.mark.parametrize("arguments, complaint", [
    (["--sort", "grwth"], "did you mean growth?"),
    (["--limit", "0"], "--limit"),
    (["--frobnicate"], "--frobnicate"),
    (["extra"], "extra"),
])
def test_bad_input_is_refused_with_exit_code_2_and_a_reason(arguments, complaint):
    result = ps(*arguments)
    assert result.returncode == 2 and complaint in result.stderr
