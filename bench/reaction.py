"""How soon a hog is seen: from the first sample at or below the brake line (an independent 1 ms
sampler of /proc/meminfo) to the arrival of the emergency alert on the event stream and at a webhook.
The line lies near present use. Usage: bench/reaction.py BUILD_FOLDER [TRIALS]"""

import os
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from levee_testing import GIB, MIB, Events, Hog, Levee, Webhook, host_available, wait_until  # noqa: E402

os.environ["LEVEE_BINARY"] = str(Path(sys.argv[1]).resolve() / "levee")
trials = int(sys.argv[2]) if len(sys.argv) > 2 else 10


def crossing(line: int, found: list, stop: threading.Event) -> None:
    fd = os.open("/proc/meminfo", os.O_RDONLY)
    while not stop.is_set():
        text = os.pread(fd, 256, 0)
        value = int(text.split(b"MemAvailable:")[1].split()[0]) * 1024
        if value < line:
            found.append(time.monotonic())
            break
        time.sleep(0.001)
    os.close(fd)


def emergency(event) -> bool:
    return event["kind"] == "alert" and event["alert"]["severity"] == "emergency"


for rate_gib in (1, 4):
    stream_ms, webhook_ms, named = [], [], 0
    for _ in range(trials):
        line = host_available() // MIB * MIB - 512 * MIB
        webhook = Webhook()
        with Levee("--set", f"host_available_emergency={line // MIB}MB", "--set", f"host_available_warning={line // MIB + 1}MB",
                   "--set", f'webhook.urls=["{webhook.url}"]') as levee:
            events = Events(levee)
            found, stop = [], threading.Event()
            sampler = threading.Thread(target=crossing, args=(line, found, stop), daemon=True)
            sampler.start()
            with Hog(2 * GIB, rate_gib * GIB) as hog:
                arrival, event = events.wait_for(emergency, 10, "the emergency alert")
                posted, _ = webhook.wait_for(emergency, 10)
                wait_until(lambda: found, 5, "the crossing")
                named += event["alert"]["culprit"]["pid"] == hog.pid
            stop.set()
            sampler.join()
            stream_ms.append((arrival - found[0]) * 1000)
            webhook_ms.append((posted - found[0]) * 1000)
            events.close()
        webhook.close()
    for name, values in (("event stream", stream_ms), ("webhook", webhook_ms)):
        print(f"hog at {rate_gib} GiB/s, {trials} trials, crossing to {name}: median {statistics.median(values):.1f} ms, "
              f"min {min(values):.1f}, max {max(values):.1f} (below 0: seen before the line, by look-ahead)")
    print(f"hog at {rate_gib} GiB/s: the right process named in {named} of {trials}")
