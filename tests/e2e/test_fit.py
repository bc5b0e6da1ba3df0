"""How much memory a model takes and what would fit: `levee fit` alone and beside a daemon, and the API."""

import json
import subprocess
from pathlib import Path

import pytest
from levee_sim import SimMachine, wait_for_gpus
from levee_testing import GIB, binary, clean_environment, wait_until

CONFIG = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 8,
          "vocab_size": 100, "intermediate_size": 128}


def fit(*arguments, env=None) -> subprocess.CompletedProcess:
    return subprocess.run([binary(), "fit", *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          env=env or clean_environment(LEVEE_SOCKET="/nonexistent/levee.sock"))


def answer(*arguments) -> dict:
    done = fit(*arguments, "--json")
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_a_person_sees_at_a_glance_what_it_takes_and_whether_it_fits():
    done = fit("meta-llama/Llama-3.1-8B", "--framework", "vllm", "--framework-version", "0.19", "--gpu-mem", "24GB")
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0] == "meta-llama/Llama-3.1-8B: 8.03 billion parameters (built-in table), bf16"
    assert "weights      15.0 GiB" in done.stdout and "total" in done.stdout
    assert "fits into 24.0 GiB, also at its worst" in done.stdout and "at most: a context of" in done.stdout


def test_what_does_not_fit_exits_with_1_and_names_what_would():
    done = fit("llama-3-8b", "--framework", "llama.cpp", "--gpu-mem", "8GB", "--explain")
    assert done.returncode == 1
    assert "does not fit into 8.00 GiB" in done.stdout and "would fit: weights in" in done.stdout
    quant = answer("llama-3-8b", "--framework", "llama.cpp", "--gpu-mem", "8GB")["nearest"]["quant"]
    assert fit("llama-3-8b", "--framework", "llama.cpp", "--gpu-mem", "8GB", "--quant", quant).returncode == 0


def test_the_limits_it_names_are_the_limits():
    base = ("mistral-7b", "--gpu-mem", "24GB", "--framework", "transformers", "--framework-version", "4.46")
    most = answer(*base)["nearest"]["max_context"]
    assert answer(*base, "--context", most)["verdict"] == "fits"
    assert answer(*base, "--context", most + 1)["verdict"] != "fits"


def test_files_are_read_by_their_headers(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert answer(tmp_path)["facts"]["origin"] == "configuration"
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1 << 20, 1 << 15], "data_offsets": [0, 1 << 36]}}).encode()
    with (tmp_path / "model.safetensors").open("wb") as file:  # 64 GiB, of which the disk holds a line.
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + (1 << 36))
    body = answer(tmp_path)
    assert body["facts"]["origin"] == "weight files"
    assert next(t for t in body["terms"] if t["name"] == "weights")["expected_bytes"] == 1 << 36
    assert answer("any-name", "--facts", tmp_path / "config.json")["facts"]["layers"] == 2


def test_it_judges_by_what_the_ledger_has_left():
    with SimMachine("gpu 0 mem=24GiB reserved=0 ctx=0\ngpu 1 mem=8GiB reserved=0 ctx=0\n") as machine:
        with machine.levee() as levee:
            wait_for_gpus(levee, 2)
            wait_until(lambda: len(levee.get("/api/v1/leases")[1]["gpus"]) == 2, 5, "the ledger, knowing the GPUs")
            done = levee.command("fit", "mistral-7b", "--json")
            assert json.loads(done.stdout)["free_bytes"] == 24 * GIB - 512 * 1024**2
            done = levee.command("fit", "mistral-7b", "--gpu", "1")
            assert done.returncode == 1 and "does not fit into 7.50 GiB" in done.stdout, done
            levee.request("POST", "/api/v1/leases", {"gpus": ["0"], "gpu_memory": "20GB"})
            assert levee.command("fit", "mistral-7b", "--gpu", "0").returncode == 1
            status, body = levee.request("POST", "/api/v1/estimate", {"model": "mistral-7b", "gpu": 0})
            assert status == 200 and body["verdict"] == "does_not_fit" and body["free_bytes"] < 4 * GIB
            status, body = levee.get("/api/v1/models/mistralai/Mistral-7B-v0.1/requirements")
            assert status == 200 and body["estimate"]["facts"]["parameters"] == 7241732096


@pytest.mark.parametrize("arguments, complaint", [
    ([], "model"), (["whale"], 'nothing is known of "whale"'), (["gpt2", "--context", "0"], "context"),
    (["gpt2", "--context", "-1"], "context"), (["gpt2", "--context", "many"], "many"),
    (["gpt2", "--framework", "caffe"], "caffe"), (["gpt2", "--quant", "q4"], "q4"),
    (["gpt2", "--kv-dtype", "tiny"], "tiny"), (["gpt2", "--zero", "3"], "training"),
    (["gpt2", "--gpu-mem", "lots"], "lots"), (["gpt2", "--gpu", "9"], "9"),
    (["gpt2", "--facts", "/nonexistent.json"], "/nonexistent.json"), (["/dev/zero"], "/dev/zero"),
    (["gpt2", "--batch", "1", "--batch", "2"], "batch"), (["", "--json"], "no model"), (["gpt2", "--record", "--forget"], "--record"),
])
def test_wrong_use_exits_with_2(arguments, complaint):
    done = fit(*arguments)
    assert done.returncode == 2 and not done.stdout, done
    assert done.stderr.startswith("levee: ") and complaint in done.stderr


def test_lying_and_broken_files_are_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    weights = tmp_path / "model.safetensors"
    for content in (b"", b"\xff" * 8, (1 << 63).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{]"):
        weights.write_bytes(content)
        done = fit(weights)
        assert done.returncode in (1, 2) and str(weights) in done.stderr, (content, done)
    (tmp_path / "x.gguf").write_bytes(b"GGUF\x03\0\0\0" + (1 << 62).to_bytes(8, "little") * 2)
    done = fit(tmp_path / "x.gguf")
    assert done.returncode in (1, 2) and "x.gguf" in done.stderr
