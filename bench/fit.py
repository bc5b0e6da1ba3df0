"""How long `levee fit PATH --json` takes from its start to its end, for models of several sizes: headers as the formats
write them, in sparse files, so that terabytes take no room. Usage: bench/fit.py BUILD_FOLDER [RUNS]"""

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LEVEE = Path(sys.argv[1]).resolve() / "levee"
RUNS = int(sys.argv[2]) if len(sys.argv) > 2 else 50
ROWS, COLUMNS = 8192, 4096  # 64 MiB a tensor in 16 bits.
Q4_K_BYTES = ROWS * COLUMNS // 256 * 144
CONFIG = {"model_type": "llama", "num_hidden_layers": 80, "hidden_size": 8192, "num_attention_heads": 64,
          "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 128256, "torch_dtype": "bfloat16"}


def tensor_name(index: int) -> str:
    return f"model.layers.{index}.self_attn.q_proj.weight"


def write_sparse(file: Path, header: bytes, data_bytes: int) -> None:
    with file.open("wb") as out:
        out.write(header)
        out.truncate(len(header) + data_bytes)


def safetensors(file: Path, first: int, count: int) -> None:
    size = 2 * ROWS * COLUMNS
    header = {tensor_name(first + i): {"dtype": "BF16", "shape": [ROWS, COLUMNS], "data_offsets": [i * size, (i + 1) * size]}
              for i in range(count)}
    text = json.dumps(header).encode()
    write_sparse(file, struct.pack("<Q", len(text)) + text, count * size)


def one_file(folder: Path, tensors: int) -> Path:
    safetensors(folder / "model.safetensors", 0, tensors)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def shards(folder: Path, files: int, tensors: int) -> Path:
    names = {}
    for file in range(files):
        shard = f"model-{file + 1:05}-of-{files:05}.safetensors"
        safetensors(folder / shard, file * tensors, tensors)
        names |= {tensor_name(file * tensors + i): shard for i in range(tensors)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def gguf(folder: Path, tensors: int, vocabulary: int) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def number(key: str, value: int) -> bytes:
        return text(key) + struct.pack("<II", 4, value)

    metadata = [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
                number("llama.block_count", 80), number("llama.embedding_length", 8192),
                number("llama.attention.head_count", 64), number("llama.attention.head_count_kv", 8),
                number("llama.feed_forward_length", 28672), number("llama.context_length", 8192),
                text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, vocabulary) +
                b"".join(text(f"token{i}") for i in range(vocabulary))]
    infos = [text(tensor_name(i)) + struct.pack("<IQQIQ", 2, COLUMNS, ROWS, 12, i * Q4_K_BYTES) for i in range(tensors)]
    header = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(metadata)) + b"".join(metadata) + b"".join(infos)
    write_sparse(folder / "model.gguf", header + b"\0" * (-len(header) % 32), tensors * Q4_K_BYTES)
    return folder / "model.gguf"


def report(what: str, arguments: list[str]) -> None:
    times = []
    for _ in range(RUNS + 1):
        began = time.perf_counter()
        done = subprocess.run([LEVEE, *arguments], capture_output=True, text=True, check=False)
        times.append((time.perf_counter() - began) * 1000)
        assert done.returncode in (0, 1) and not done.stderr, done.stderr
    times = sorted(times[1:])  # The first one reads the files into the cache.
    p99 = times[min(len(times) - 1, int(0.99 * len(times)))]
    print(f"{what:<52} median {statistics.median(times):6.1f} ms, p99 {p99:6.1f} ms")


os.environ.pop("LEVEE_CONFIG", None)
with tempfile.TemporaryDirectory() as scratch:
    def folder(name: str) -> Path:
        (Path(scratch) / name).mkdir()
        return Path(scratch) / name

    models = {"by name": Path("llama-3-70b"),
              "one file of 100 tensors": one_file(folder("small"), 100),
              "one file of 10,000 tensors": one_file(folder("large"), 10_000),
              "30 files of 30 tensors": shards(folder("sharded"), 30, 30),
              "GGUF of 723 tensors and 128,256 words": gguf(folder("gguf"), 723, 128_256)}
    report("start and end of the program alone (--version)", ["--version"])
    for name, path in models.items():
        report(f"levee fit, {name}", ["fit", str(path), "--json", "--gpu-mem", "80GB"])
