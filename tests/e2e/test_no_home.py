"""A user whose home cannot be written: the daemon goes on in memory, and its clients find it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from levee_testing import binary, clean_environment, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")

UID = 64_999  # Nobody's, so that nothing of anybody lies in the way.
SPARE = Path(f"/tmp/levee-{UID}")


@pytest.fixture
def environment():
    """As the user sees it; the spare directory is gone before and after."""
    shutil.rmtree(SPARE, ignore_errors=True)
    kept = {k: v for k, v in clean_environment(HOME="/nonexistent").items() if not k.startswith("XDG_")}
    yield kept
    shutil.rmtree(SPARE, ignore_errors=True)


def as_user(*arguments, env):
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=10, env=env,
                          user=UID, group=UID, extra_groups=[])


def test_it_serves_from_a_private_directory_where_its_clients_look(environment):
    daemon = subprocess.Popen([binary(), "serve", "--listen", "off"], env=environment, user=UID, group=UID,
                              extra_groups=[], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until((SPARE / "levee.sock").exists, 5, "a socket")
        assert SPARE.stat().st_mode & 0o777 == 0o700
        def status():
            result = as_user("status", "--json", env=environment)
            overview = json.loads(result.stdout) if result.returncode == 0 else {}
            return overview.get("daemon") and overview
        overview = wait_until(status, 5, "the daemon's answer")
        assert overview["daemon"]["pid"] == daemon.pid
        assert overview["store"]["durable"] is False and "/nonexistent" in overview["store"]["reason"]
        leases = json.loads(as_user("lease", "list", "--json", env=environment).stdout)
        assert leases["durable"] is False and "in memory only" in leases["trouble"]
    finally:
        daemon.terminate()
        assert daemon.wait(5) == 0
    assert not (SPARE / "levee.sock").exists()


@pytest.mark.parametrize("owner, mode", [(0, 0o700), (UID, 0o777), (UID, 0o750)])
def test_a_directory_that_is_not_private_is_refused(environment, owner, mode):
    SPARE.mkdir()
    os.chown(SPARE, owner, owner)
    SPARE.chmod(mode)
    result = as_user("serve", "--listen", "off", env=environment)
    assert result.returncode == 1
    assert str(SPARE) in result.stderr and "--socket" in result.stderr
    assert not list(SPARE.iterdir())


def test_a_link_is_refused_also_as_the_state_directory_of_a_user_without_home(environment, tmp_path):
    SPARE.symlink_to(tmp_path)
    try:
        without_home = {k: v for k, v in environment.items() if k != "HOME"}
        for env in (environment, without_home):
            result = as_user("serve", "--listen", "off", env=env)
            assert result.returncode == 1 and "--state-dir" in result.stderr, result.stderr
        assert not list(tmp_path.iterdir())
    finally:
        SPARE.unlink()
