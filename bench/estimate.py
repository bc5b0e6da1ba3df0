#!/usr/bin/env python3
"""How near estimates come to published measurements: every row of bench/data/memory-truth.csv that a model's shape
is known for goes through `levee fit --json`. Constants were fitted on the groups named in FITTED; everything else is
reported as unseen. Every measurement outside its interval has a reason in bench/data/estimate-misses.csv, or this
fails.

    bench/estimate.py BUILD_FOLDER [REPORT.md]
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import estimate_report
from estimate_report import Result, Verdict

HERE = Path(__file__).resolve().parent
GIB = 2.0**30

# The groups that constants were fitted on; a group is one run, or one file, and is never split.
FITTED = [r"^quantize-", r"^vllm-CodeLlama-7b", r"^vllm-gemma-2-2b", r"^vllm-granite-3\.1",
          r"^vllm-Llama-3\.1-8B-Instruct-tp1-pp1-float16", r"^vllm-Llama-3\.1-8B-Instruct-tp2", r"^er-0\.15",
          r"^qw-Qwen2\.5-7B-Instruct-none", r"^qw-Qwen3-4B-none", r"^lit-phi-1\.5-none-LoRA-1",
          r"^lit-Llama-2-7B-none-LoRA-1", r"^ik503", r"^ik103", r"^bert-anat", r"^tune3b-1", r"^tune3b-3", r"^ttw-", r"^ik237",
          r"^lit-Llama-2-7B-bnb-nf4-dq-inference"]

MODELS = {  # Rows without an architecture of their own.
    "google/gemma-3-4b-it": "gemma-3-4b", "ibm-granite/granite-3.1-8b-instruct": "granite-3.1-8b",
    "ibm-granite/granite-3.3-8b-instruct": "granite-3.1-8b", "Qwen/Qwen1.5-MoE-A2.7B": "qwen1.5-moe-a2.7b",
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503": "mistral-small-3.1-24b", "moonshotai/Kimi-Dev-72B": "qwen2.5-72b",
    "RedHatAI/Mistral-Small-3.1-24B-Instruct-2503-quantized.w8a8": "mistral-small-3.1-24b",
    "bigscience/bloomz-7b1": "bloom-7b1", "StableLM-Alpha-3B": "stablelm-alpha-3b", "BERT-Base": "bert-base-uncased",
    "BERT-Large": "bert-large-uncased", "google-bert/bert-large-uncased": "bert-large-uncased",
    "GLM-Z1-32B-0414": "glm-4-32b", "openai/gpt-oss-20b": "gpt-oss-20b", "openai/gpt-oss-120b": "gpt-oss-120b",
    "bigcode/octocoder": "starcoder", "moonshotai/Kimi-VL-A3B-Instruct": "kimi-vl-a3b", "TriLM 3.9B": "trilm-3.9b",
    "ibm-granite/granite-vision-3.3-2b": "granite-vision-3.3-2b", "bigscience/T0_3B": "t0-3b",
    "bert-base-cased": "bert-base-cased", "phi-1.5": "phi-1.5",
}

QUANT = {"none": None, "": None, "fp8": "fp8", "gptq-int8": "int8", "awq-int4": "int4", "gptq-int4": "int4",
         "bnb-nf4": "nf4", "bnb-nf4-dq": "nf4-dq", "nf4": "nf4", "bnb-int8": "int8", "int8": "int8",
         "compressed-tensors": "int8", "bnb-int4": "nf4", "mxfp4": "mxfp4"}

#: Which term, or sum of terms, a quantity is.
TERMS = {
    "weights_bytes": ["weights"], "kv_cache_bytes": ["kv_cache"], "compute_buffer_bytes": ["compute_buffer"],
    "activation_peak_bytes": ["activations"], "runtime_context_bytes": ["context"], "cuda_graph_bytes": ["graphs"],
    "non_torch_increase_bytes": ["slack"], "peak_allocated_bytes": ["weights", "kv_cache", "activations"],
    "total_device_bytes": ["weights", "kv_cache", "activations", "compute_buffer", "context"],
    "training_peak_allocated_bytes": ["weights", "gradients", "optimizer", "activations", "logits"],
    "training_peak_active_bytes": ["weights", "gradients", "optimizer", "activations", "logits"],
    "training_peak_reserved_bytes": ["weights", "gradients", "optimizer", "activations", "logits", "slack"],
    "host_ram_bytes": ["host"],
    "training_total_bytes": ["weights", "gradients", "optimizer", "activations", "logits", "slack", "context"],
}


#: Framework, model and quantisation of rows that no estimate is for.
NOT_MODELLED = {r"^faster-whisper|^whisper\.cpp|^openai/whisper": "Whisper's own servers are not modelled",
                r"stable-diffusion": "diffusion models are not modelled",
                r"\(none: ": "no model is loaded, only a tensor of one value",
                r"_L$": "a mix of types made by hand: only its tensor list tells"}

#: GiB that drivers report of one GPU.
CAPACITY = {"A100-40GB": 39.4, "A100-80GB": 79.1, "H100-80GB": 79.19, "H100 96GB": 93.6, "H20-96GB": 95.6,
            "RTX 4090": 23.6, "Titan X 12GB": 11.9}


class NotModelled(Exception):
    """A row that nothing is estimated for, and why."""


def number(pattern: str, text: str, otherwise: str | None = None) -> str | None:
    found = re.search(pattern, text)
    return found.group(1) if found else otherwise


def framework_of(row: dict) -> tuple[str, str | None]:
    name = row["framework"]
    version = number(r"(\d+\.\d+)", name)
    if name.startswith("vLLM"):
        return "vllm", version
    return ("llama.cpp" if "llama.cpp" in name else "transformers"), version


def gpus_summed(row: dict) -> int:
    """How many GPUs' peaks the measurement adds up, each with a peak of its own."""
    return int(row["num_gpus"]) if row["scope"] == "sum over GPUs" else 1


def training(row: dict) -> list[str]:
    config = row["config"].lower()
    arguments = ["--train", "adam"]
    pure = "torchtune" in row["framework"] or "litgpt" in row["framework"] or "peft" in row["framework"].lower()
    arguments += ["--precision", "fp32" if "fp32;" in config + ";" and "full" in config
                  else "bf16-pure" if pure else "fp32" if row["weight_dtype"] == "float32" else "bf16"]
    if trainable := number(r"trainable=(\d+)", config):
        arguments += ["--trainable", trainable]
    elif "lora" in config:
        arguments += ["--lora-rank", number(r"rank (\d+)", config, "8")]
    if "selective ac" in config:
        arguments += ["--recompute", "selective"]
    elif re.search(r"\bac\b|checkpointing|full ac", config) and "no checkpointing" not in config:
        arguments += ["--recompute", "full"]
    if ranks := number(r"fsdp=(\d+)", config):
        arguments += ["--zero", "3", "--ranks", ranks]
    elif "fsdp" in config:
        arguments += ["--zero", "3", "--ranks", row["num_gpus"]]
    for option, name in (("--tp", "tp"), ("--pp", "pp")):
        if value := number(rf"\b{name}=(\d+)", config):
            arguments += [option, value]
    if "chunked ce" in config:
        arguments += ["--chunked-loss"]
    if "compile" in config:
        arguments += ["--compiled"]
    if "full fine-tune" in config and row["framework"] == "PEFT":
        raise NotModelled("the precision of training is not stated")
    if row["group"].startswith("tune-"):  # The recipes' defaults: recomputation, a chunked loss.
        if "full" in config:
            raise NotModelled("the recipe's optimiser is not stated")
        arguments += ["--recompute", "full", "--chunked-loss"]
    if "eager" in config or row["framework"].startswith("TensorFlow 1."):  # Which had no other.
        arguments += ["--no-flash-attention"]
    for unknown in ("offload", "optimizer in backward", "cp=", "deepspeed"):
        if unknown in config and "cp=1;" not in config:
            raise NotModelled(f"{unknown.strip('=')} is not modelled")
    return arguments


def arguments_for(row: dict) -> list[str]:
    quantity, config = row["quantity"], row["config"]
    for pattern, why in NOT_MODELLED.items():
        if re.search(pattern, f"{row['framework']} {row['model']} {row['quantization']}"):
            raise NotModelled(why)
    model = row["arch_id"] or MODELS.get(row["model"])
    if not model:
        raise NotModelled("the model's shape is not known")
    framework, version = framework_of(row)
    arguments = [model, "--framework", framework]
    if version:
        arguments += ["--framework-version", version]
    quantization = row["quantization"]
    if framework == "llama.cpp":
        if " mix" in quantization or quantization.endswith("_L"):
            quantization = "" if quantity != "weights_bytes" else quantization
        if quantity == "weights_bytes" or (quantization and quantity == "total_device_bytes"):
            if " mix" in quantization:
                raise NotModelled("a mix of types made by hand: only its tensor list tells")
            arguments += ["--quant", quantization]
    else:
        if quantization not in QUANT:
            raise NotModelled(f"weights in {quantization} are not modelled")
        if framework == "vllm" and "fp8-dynamic" in row["group"] or "bfloat16-fp8-" in row["group"] or quantization == "fp8":
            arguments += ["--quant", "fp8"]
        elif QUANT[quantization]:
            arguments += ["--quant", QUANT[quantization]]
        elif row["weight_dtype"] == "float32":
            arguments += ["--quant", "fp32"]
        else:
            arguments += ["--quant", "bf16"]
    if quantity == "host_ram_bytes":
        return arguments + training(row)
    if quantity.startswith("training"):
        arguments += training(row)
        if not row["context_tokens"] or not row["batch_size"]:
            raise NotModelled("sequence length or batch size is not stated")
    if row["context_tokens"]:
        arguments += ["--context", row["context_tokens"]]
    elif quantity == "peak_allocated_bytes":
        arguments += ["--context", "100"]
    if row["batch_size"] and row["batch_size"] != "0":
        arguments += ["--batch", row["batch_size"]]
    if row["kv_dtype"] and framework == "llama.cpp":
        types = re.findall(r"(q\w+|f16|iq4_nl)", row["kv_dtype"])
        arguments += ["--kv-dtype", "/".join(types)]
    elif row["kv_dtype"] == "fp8" or (framework == "vllm" and row["group"].endswith("-fp8")):
        arguments += ["--kv-dtype", "fp8"]
    if framework == "llama.cpp":
        arguments += ["--ubatch", number(r"n_ubatch=(\d+)", config, "512")]
        if "flash_attn=0" in config:
            arguments += ["--no-flash-attention"]
        if "mla_attn=0" in config and quantity == "kv_cache_bytes":
            raise NotModelled("latent attention with an expanded cache")
    if gpus_summed(row) > 1:  # device_map=auto: layers one after another.
        arguments += ["--pp", row["num_gpus"]]
    if config.startswith("long prompt"):
        raise NotModelled("the prompt's length is not stated")
    if not quantity.startswith("training"):
        for option, name in (("--tp", "tp"), ("--pp", "pp")):
            if value := number(rf"\b{name}=(\d+)", config):
                arguments += [option, value]
    if block := number(r"block_size=(\d+)", config):
        arguments += ["--block", block]
    if quantity == "kv_cache_tokens":
        pool = number(r"kv_pool_gib=([\d.]+)", config)
        if not pool:
            raise NotModelled("the pool is not stated")
        arguments += ["--pool", f"{int(float(pool) * 1024)}MiB"]
    return arguments


def estimated(row: dict, levee: str) -> tuple[float, float, float]:
    """Low, expected and high, in the row's unit of value_bytes (or tokens)."""
    quantity = row["quantity"]
    if quantity in ("fits", "max_batch"):
        raise NotModelled("a verdict: see above")
    if quantity not in TERMS and quantity not in ("kv_cache_tokens", "available_kv_bytes"):
        raise NotModelled(f"{quantity} is not estimated here")
    done = subprocess.run([levee, "fit", *arguments_for(row), "--gpu-mem", "1TB", "--json"], capture_output=True,
                          text=True, check=False)
    if not done.stdout:
        raise NotModelled(done.stderr.splitlines()[0].removeprefix("levee: "))
    answer = json.loads(done.stdout)
    terms = {term["name"]: term for term in answer["terms"]}
    if quantity == "kv_cache_tokens":
        tokens = answer["pool"]["tokens"]
        return tokens * 0.999, tokens, tokens * 1.001
    if quantity == "available_kv_bytes":
        total = float(number(r"total_gpu_gib=([\d.]+)", row["config"], "0") or 0) or CAPACITY.get(
            row["hardware"].split(" (")[0], 0)
        total *= GIB
        share = float(number(r"utilization=([\d.]+)", row["config"], "0"))
        if not total:
            raise NotModelled("the GPU's memory is not stated")
        used = [terms[name] for name in ("weights", "activations", "slack")]
        return tuple(total * share - sum(term[f"{bound}_bytes"] for term in used)
                     for bound in ("high", "expected", "low"))
    return tuple(float(sum(terms[name][f"{bound}_bytes"] for name in TERMS[quantity] if name in terms)) * gpus_summed(row)
                 for bound in ("low", "expected", "high"))


def verdict(row: dict, levee: str, batch: int | None = None) -> str:
    """Of the row's job on its GPU: fits, tight or does_not_fit."""
    gpu = re.sub(r"^\d+x ", "", row["hardware"])
    if gpu not in CAPACITY:
        raise NotModelled("the GPU's memory is not stated")
    learns = row["quantity"].startswith("training") or "LoRA" in row["config"] or "fine-tune" in row["config"]
    asked = dict(row, quantity="training_total_bytes" if learns else "peak_allocated_bytes", context_tokens=row["context_tokens"] or "1",
                 batch_size=str(batch or row["batch_size"] or 1))
    done = subprocess.run([levee, "fit", *arguments_for(asked), "--gpu-mem", f"{int(CAPACITY[gpu] * 1024)}MiB", "--json"],
                          capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["verdict"]


def verdicts(rows: list[dict], levee: str) -> list[Verdict]:
    """What is said of jobs that are known to have run, or to have failed for want of memory."""
    told = []
    for row in rows:
        try:
            if row["quantity"] == "fits":
                told.append(Verdict(row, row["value"] != "0", verdict(row, levee)))
            elif row["quantity"] == "max_batch":
                largest = int(row["value"])
                if largest > 0:
                    told.append(Verdict(row, True, verdict(row, levee, largest)))
                told.append(Verdict(row, False, verdict(row, levee, largest + 1)))
            elif row["quantity"] in TERMS and ("peak" in row["quantity"] or "total" in row["quantity"]):
                told.append(Verdict(row, True, verdict(row, levee)))
        except NotModelled:
            continue
    return told


def measured(row: dict) -> float:
    return float(row["value"]) if row["unit"] == "tokens" else float(row["value_bytes"])


def reasons() -> dict[str, str]:
    with (HERE / "data" / "estimate-misses.csv").open(newline="") as file:
        return {row["row_id"]: row["reason"] for row in csv.DictReader(file)}


def unexplained(results: list[Result], told: list[Verdict], known: dict[str, str]) -> list[str]:
    """What is wrong with the list of reasons: a miss without one, one without a miss."""
    missed = {result.row["row_id"] for result in results if not result.inside}
    missed |= {verdict.row["row_id"] for verdict in told if verdict.is_wrong}
    return ([f"{row} is outside its interval or judged wrongly, and bench/data/estimate-misses.csv does not say why"
             for row in sorted(missed - known.keys())] +
            [f"{row} has a reason in bench/data/estimate-misses.csv, and does not miss (any more)"
             for row in sorted(known.keys() - missed)])


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    levee = str(Path(sys.argv[1]) / "levee")
    with (HERE / "data" / "memory-truth.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file)
                if not row["quantity"].startswith(("formula_reference_", "stated_requirement_"))]
    results, skipped = [], defaultdict(list)
    for row in rows:
        try:
            low, expected, high = estimated(row, levee)
        except NotModelled as why:
            skipped[str(why)].append(row["row_id"])
            continue
        results.append(Result(row, measured(row), low, expected, high,
                              any(re.search(pattern, row["group"]) for pattern in FITTED)))
    known = reasons()
    told = verdicts(rows, levee)
    text = estimate_report.report(results, skipped, told, len(rows), known, FITTED)
    if len(sys.argv) == 3:
        Path(sys.argv[2]).write_text(text)
    print(text)
    if wrong := unexplained(results, told, known):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
