"""`levee gpu-holder`: the process that holds GPU memory for its parent, spoken to over its socket."""

import socket
import struct
import subprocess

from levee_testing import MIB, binary, wait_until
from simulated_gpu import SimulatedMachine

HEADER = struct.Struct("<IHHI")  # mark, version, kind, length
MARK, VERSION = 0x484C564C, 2
HOLD, GROWING, DONE, FAILED = 0, 3, 4, 5
ONE = "gpu 0 mem=11GiB reserved=1GiB ctx=512MiB"


class Holder:
    def __init__(self, machine, gpu="0"):
        self.line, theirs = socket.socketpair()
        self.line.settimeout(10)
        self.process = subprocess.Popen([binary(), "gpu-holder", gpu], stdin=theirs, env=machine.environment())
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.line.close()

    def hold(self, number, size):
        body = struct.pack("<QQQQ", number, size, 100 * MIB, 10_000)
        self.line.sendall(HEADER.pack(MARK, VERSION, HOLD, len(body)) + body)

    def answer(self):
        """The next message that is no progress: its kind and numbers."""
        while True:
            mark, version, kind, length = HEADER.unpack(self.read(HEADER.size))
            assert (mark, version) == (MARK, VERSION)
            body = self.read(length)
            if kind != GROWING:
                return kind, struct.unpack_from("<6Q", body), body

    def read(self, count):
        text = b""
        while len(text) < count:
            part = self.line.recv(count - len(text))
            assert part, "the holder closed its line"
            text += part
        return text


def used(machine):
    return machine.gpu(0)["memory"]["used_bytes"]


def test_it_holds_what_it_is_told_and_ends_with_its_line():
    with SimulatedMachine(ONE) as machine, Holder(machine) as holder:
        kind, numbers, _ = holder.answer()
        assert (kind, numbers[:4]) == (DONE, (0, 0, 0, 0))
        holder.hold(1, 2000 * MIB)
        kind, numbers, _ = holder.answer()
        assert (kind, numbers[:4]) == (DONE, (1, 2000 * MIB, 2000 * MIB, 20))
        assert used(machine) == 2000 * MIB
        holder.hold(2, 20_000 * MIB)
        kind, numbers, body = holder.answer()
        assert (kind, numbers[:3]) == (FAILED, (2, 2000 * MIB, 2000 * MIB))
        assert b"CUDA out of memory" in body
        holder.line.close()
        assert holder.process.wait(10) == 0
        wait_until(lambda: used(machine) == 0, 5, "the memory is free")


def test_it_ends_at_a_word_it_does_not_understand():
    with SimulatedMachine(ONE) as machine, Holder(machine) as holder:
        holder.answer()
        holder.line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert holder.process.wait(10) == 1


def test_it_says_why_it_cannot_begin():
    with SimulatedMachine(ONE) as machine, Holder(machine, "7") as holder:
        kind, _, body = holder.answer()
        assert kind == FAILED and b'there is no GPU "7"' in body
        assert holder.process.wait(10) == 1


def test_it_is_no_command_for_people():
    with SimulatedMachine(ONE) as machine:
        done = machine.run([binary(), "gpu-holder", "0"])
        assert done.returncode == 2 and "started by the daemon" in done.stderr
