"""levee demo: its story can be watched from another terminal, and nothing of it is left behind."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
from levee_testing import binary, clean_environment, wait_until


@pytest.fixture
def demo(tmp_path):
    log = tmp_path / "stderr.txt"
    with open(log, "wb") as file:
        process = subprocess.Popen([binary(), "demo"], stderr=file, stdout=file,
                                   env=clean_environment(TMPDIR=str(tmp_path)))
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def jobs_of(pid: int) -> list[int]:
    return [int(text) for task in Path(f"/proc/{pid}/task").iterdir() for text in (task / "children").read_text().split()]


def test_the_story_is_watched_and_ends_without_a_trace(demo, tmp_path):
    process, log = demo
    socket = wait_until(lambda: re.search(r"--socket (\S+)", log.read_text()), 10, "where to look").group(1)

    def gpus():
        answer = subprocess.run([binary(), "status", "--json", "--socket", socket], capture_output=True, text=True,
                                timeout=10, env=clean_environment())
        return answer.returncode == 0 and json.loads(answer.stdout)["gpus"]

    def begun():
        """The training job has its first gigabytes, and the worker leaks."""
        found = gpus()
        return found and len(found) == 2 and all((gpu["memory.used"] or 0) > 2048 for gpu in found) and found
    found = wait_until(begun, 30, "both jobs on their GPUs")
    assert [gpu["name"] for gpu in found] == ["Sim H200", "Sim A100"]
    assert all(gpu["processes"] for gpu in found)

    children = jobs_of(process.pid)
    assert len(children) >= 3  # two jobs and the GPU helper
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10, "the end of all its processes")
    assert [path.name for path in tmp_path.iterdir()] == ["stderr.txt"]


def test_it_says_where_it_looked_for_the_simulator(tmp_path):
    done = subprocess.run([binary(), "demo", "--simulator", str(tmp_path)], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr and "./dev build" in done.stderr
