"""The ledger over the daemon's socket: decisions per second from 1 and 16 clients, each of them committed
to ledger.db before it is answered, and the time from a release to the wake-up of who waits for it.
Usage: bench/ledger.py BUILD_FOLDER [SECONDS]"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from levee_sim import SimMachine, wait_for_gpus  # noqa: E402
from levee_testing import Levee  # noqa: E402

build = Path(sys.argv[1]).resolve()
seconds = sys.argv[2] if len(sys.argv) > 2 else "5"
os.environ["LEVEE_BINARY"] = str(build / "levee")
os.environ["LEVEE_SIMGPU"] = str(build / "simgpu")

with SimMachine('gpu 0 name="Sim A100" mem=81920MiB reserved=500MiB\n') as machine:
    with Levee(env=machine.environment()) as levee:
        wait_for_gpus(levee, 1)
        for arguments in (["1", seconds], ["16", seconds], ["wake", "100"]):
            subprocess.run([build / "bench" / "bench_ledger_client", levee.socket, *arguments], check=True)
