"""What models need and whether they fit: by a daemon on simulated GPUs, by the command line with and without
one; and the account of cached models."""

import json
import signal
import subprocess
from urllib.parse import quote

import pytest
from levee_sim import SimMachine, gpu_where, wait_for_gpus
from levee_testing import MIB, binary, clean_environment, wait_until

# Capability 7.0, then 8.9; nothing of their memory is the driver's.
MACHINE = ('clock step\n'
           'gpu 0 name="Sim Old" mem=40960MiB reserved=0 ctx=0 cc=7.0\n'
           'gpu 1 name="Sim New" mem=8192MiB reserved=0 ctx=0 cc=8.9\n')


@pytest.fixture(scope="module")
def bench():
    with SimMachine(MACHINE) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        yield machine, levee


def alone(*arguments, env=None):
    """`levee …` where no daemon is."""
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30,
                          env=env or clean_environment(LEVEE_SOCKET="/nonexistent/levee.sock"))


def register(levee, model, **fields):
    return levee.request("PUT", f"/api/v1/models?model={quote(model, safe='')}", fields)


def remove(levee, model):
    return levee.request("DELETE", f"/api/v1/models?model={quote(model, safe='')}")


def validate(levee, model, **more):
    return levee.request("POST", "/api/v1/models/validate", {"model": model} | more)


def cache(levee):
    return levee.get("/api/v1/models")[1]["cache"]


@pytest.mark.parametrize("model, cpu, gpu, compute, batch", [
    ("facebook/musicgen-small", 3.0, 6.0, 6.0, 2),
    ("facebook/musicgen-medium", 6.0, 12.0, 7.0, 1),
    ("facebook/musicgen-large", 12.0, 24.0, 8.0, 1),
    ("small", 2.0, 4.0, 6.0, 4),
    ("medium", 4.0, 8.0, 7.0, 2),
    ("large", 8.0, 16.0, 7.5, 1),
])
def test_the_documented_requirements(bench, model, cpu, gpu, compute, batch):
    row = next(row for row in bench[1].get("/api/v1/models")[1]["models"] if row["model"] == model)
    assert row == {"model": model, "cpu_memory_gb": cpu, "gpu_memory_gb": gpu, "min_gpu_compute": compute,
                   "recommended_batch_size": batch, "notes": "", "origin": "built-in"}
    text = bench[1].command("validate", model).stdout
    assert text.startswith(f"Required: CPU {cpu}GB, GPU {gpu}GB\n")


def test_a_model_is_judged_on_the_gpu_that_suits_it_best():
    with SimMachine(MACHINE) as machine, machine.levee() as levee:
        wait_for_gpus(levee, 2)
        status, body = validate(levee, "small")
        assert status == 200 and body["gpu"]["name"] == "Sim New", body
        assert body["gpu"]["left_gb"] == 4.0
        machine.set("gpu 1 foreign pid=4242 mem=6144MiB")
        gpu_where(levee, 1, lambda gpu: gpu["memory_free_bytes"] == 2048 * MIB, "2 GiB free")
        status, body = validate(levee, "small")
        assert status == 200 and body["gpu"]["name"] == "Sim Old", body
        status, body = validate(levee, "small", gpu_id=1)
        assert status == 409 and body["help"][0]["kind"] == "other_gpu", body


def test_what_is_promised_is_not_free_and_may_be_waited_for(tmp_path):
    def waits(verdict):
        return [each for each in verdict["help"] if each["kind"] == "wait"]

    with SimMachine(MACHINE) as machine:
        with machine.levee() as levee:
            wait_for_gpus(levee, 2)
            wait_until(lambda: len(levee.get("/api/v1/leases")[1]["gpus"]) == 2, 5, "the ledger, knowing the GPUs")
            assert validate(levee, "medium")[0] == 200
            for gpu, more in (("0", {}), ("1", {"ttl_seconds": 600})):
                status, body = levee.request("POST", "/api/v1/leases",
                                             {"id": f"job-{gpu}", "gpus": [gpu], "gpu_memory": "7GB"} | more)
                assert status == 201, body
            status, body = validate(levee, "medium", gpu_id=1)  # 8 GiB, where 1 is promised to nobody.
            assert status == 409 and body["gpu"]["free_gb"] == 1.0, body
            assert "job-1 is over: in " in waits(body)[0]["detail"] and 0 < waits(body)[0]["wait_seconds"] <= 600
            assert "help: it fits once job-1 is over" in levee.command("validate", "medium", "--gpu", "1").stdout
            assert levee.request("DELETE", "/api/v1/leases?id=job-1")[0] == 200
            assert validate(levee, "medium", gpu_id=1)[0] == 200
        # Without a daemon it is the user's own ledger that counts.
        env = machine.environment(LEVEE_SOCKET="/nonexistent/levee.sock", LEVEE_STATE_DIR=str(tmp_path / "state"))
        assert alone("validate", "medium", "--gpu", "1", env=env).returncode == 0
        assert alone("lease", "grant", "--id", "own", "--gpu", "1", "--gpu-mem", "7GB", env=env).returncode == 0
        done = alone("validate", "medium", "--gpu", "1", env=env)
        assert done.returncode == 1 and "it fits once own is over: nobody knows when" in done.stdout, done


def test_a_refusal_names_everything_and_what_would_help(bench):
    _, levee = bench
    status, body = validate(levee, "facebook/musicgen-large", gpu_id="1")
    assert status == 409
    assert body["verdict"] == "refused" and body["code"] == "insufficient_resources"
    short = {each["resource"]: each for each in body["shortfalls"]}
    assert short["gpu_memory"]["need_gb"] == 24.0 and short["gpu_memory"]["missing_gb"] == 16.0
    assert "16.0 GiB missing" in body["detail"]
    assert "facebook/musicgen-small" in [model for each in body["help"] for model in each["models"]]
    # 40 GiB are free on the other one, but it is too old.
    status, body = validate(levee, "facebook/musicgen-large", gpu_id="0")
    assert status == 409
    assert {"resource": "compute_capability", "have": "7.0", "need": "8.0"}.items() <= body["shortfalls"][-1].items()


def test_the_command_line_tells_the_same_and_exits_accordingly(bench):
    _, levee = bench
    done = levee.command("validate", "facebook/musicgen-small")
    assert done.returncode == 0
    assert "facebook/musicgen-small fits: " in done.stdout and "Resource warning" not in done.stdout

    done = levee.command("validate", "meta/llama", "--gpu", "0")
    assert done.returncode == 0, done.stdout
    assert 'Resource warning: "meta/llama" is not known; it is taken for a medium model' in done.stdout

    done = levee.command("validate", "facebook/musicgen-large", "--gpu", "1")
    assert done.returncode == 1
    assert "does not fit" in done.stdout and "help: " in done.stdout

    done = levee.command("validate", "large", "--gpu", "0", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["shortfalls"][0]["resource"] == "compute_capability"


@pytest.mark.parametrize("arguments", [[], [""], ["x" * 10240], ["a\nb"], ["small", "--gpu", "7"],
                                       ["small", "--gpu", ""], ["small", "large"], ["small", "--gpus", "1"]])
def test_wrong_use_exits_with_2(bench, arguments):
    done = bench[1].command("validate", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("levee: ")


def test_custom_models_are_registered_and_removed(bench):
    _, levee = bench
    status, body = register(levee, "my/model 1.5?&=", cpu_memory_gb=0.5, gpu_memory_gb=7.0, notes="ours")
    assert status == 200, body
    status, body = validate(levee, "my/model 1.5?&=")
    assert status == 200 and body["match"] == "exact" and body["origin"] == "api"
    done = levee.command("validate", "my/model 1.5?&=", "--gpu", "1")
    assert done.returncode == 0
    assert "Resource warning: memory of GPU 1 (Sim New): only 1.00 GiB of 8.00 GiB (12.5 %)" in done.stdout
    assert "ours" in levee.command("models").stdout

    assert remove(levee, "my/model 1.5?&=") == (200, {"removed": "my/model 1.5?&="})
    assert remove(levee, "my/model 1.5?&=")[0] == 404
    assert remove(levee, "small")[0] == 400
    assert register(levee, "x", gpu_memory_gb=-1)[0] == 400
    assert register(levee, "x", gpu_memory=1)[0] == 400
    assert levee.get("/api/v1/models")[1]["count"] == 6


def test_cached_models_are_counted_and_the_oldest_proposed_for_eviction():
    with SimMachine(MACHINE) as machine, machine.levee("--set", "model_cache_size=2") as levee:
        wait_for_gpus(levee, 2)

        def tell(model, **more):
            status, body = levee.request("POST", "/api/v1/models/cache", {"model": model} | more)
            assert status == 200, body
            return body

        assert tell("a")["hit"] is False
        for model, size in (("a", 3.0), ("b", 4.5), ("c", 1.0)):
            assert tell(model, size_gb=size)["hit"] is False
        answer = tell("a")
        assert answer["hit"] is True
        assert answer["cache"]["hit_rate"] == 0.25
        assert answer["cache"]["proposed_evictions"] == ["b"]
        report = levee.get("/api/v1/monitoring/report")[1]["cached_models"]
        assert {model: entry[0] for model, entry in report.items()} == {"a": 3.0, "b": 4.5, "c": 1.0}
        assert all(entry[1].endswith("Z") for entry in report.values())

        # 8 GiB where 12 are needed: b's 4.5 are enough.
        status, body = validate(levee, "facebook/musicgen-medium", gpu_id=1)
        assert status == 409
        eviction = next(each for each in body["help"] if each["kind"] == "evict_models")
        assert eviction["models"] == ["b"]

        text = levee.command("models").stdout
        assert "cached: 3 of 2, hit rate 25 %" in text and "too many: b could be evicted" in text
        assert levee.request("DELETE", "/api/v1/models/cache?model=b")[0] == 200
        assert levee.request("DELETE", "/api/v1/models/cache?model=b")[0] == 404
        assert cache(levee)["proposed_evictions"] == []
        assert levee.request("POST", "/api/v1/models/cache", {"model": "d", "size_gb": 0})[0] == 400
        assert cache(levee)["count"] == 2


def test_models_of_the_file_follow_a_reload(tmp_path):
    file = tmp_path / "levee.toml"
    file.write_text('[models."my/model"]\ncpu_memory_gb = 0.5\n')
    with SimMachine(MACHINE) as machine, machine.levee("--config", str(file)) as levee:
        def mine():
            return next((row for row in levee.get("/api/v1/models")[1]["models"] if row["model"] == "my/model"), None)

        assert mine()["origin"] == "config" and mine()["cpu_memory_gb"] == 0.5
        file.write_text('[models."my/model"]\ncpu_memory_gb = -1\n')
        levee.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "cpu_memory_gb: -1" in levee.log.read_text(), 5, "the refusal")
        assert f'{file}:2: models."my/model"' in levee.log.read_text()
        assert mine()["cpu_memory_gb"] == 0.5
        file.write_text('model_cache_size = 1\n[models."my/model"]\ncpu_memory_gb = 0.75\n')
        levee.process.send_signal(signal.SIGHUP)
        wait_until(lambda: mine()["cpu_memory_gb"] == 0.75, 5, "the new requirement")
        assert cache(levee)["size"] == 1


def test_without_a_daemon_it_looks_itself(tmp_path):
    file = tmp_path / "levee.toml"
    file.write_text('[models."my/model"]\ncpu_memory_gb = 0.25\ngpu_memory_gb = 4.0\n')
    with SimMachine(MACHINE) as machine:
        env = machine.environment(LEVEE_SOCKET="/nonexistent/levee.sock")
        done = alone("validate", "my/model", "--config", str(file), env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.startswith("Required: CPU 0.25GB, GPU 4.0GB\n")
        assert "of GPU 1 (Sim New)" in done.stdout
        done = alone("validate", "facebook/musicgen-large", "--json", env=env)
        assert done.returncode == 1 and json.loads(done.stdout)["verdict"] == "refused"
        done = alone("models", "--config", str(file), env=env)
        assert done.returncode == 0
        assert "my/model" in done.stdout and "no daemon: which models are loaded is not known" in done.stdout
    file.write_text('[models."my/model"]\ncpu_memory = 0.25\n')
    done = alone("validate", "my/model", "--config", str(file))
    assert done.returncode == 2 and "did you mean cpu_memory_gb?" in done.stderr


def test_compatibility_names_set_the_cache():
    with SimMachine(MACHINE) as machine:
        machine.variables |= {"LEVEE_COMPAT": "1", "MUSICGEN_MODEL_CACHE_SIZE": "3",
                              "MUSICGEN_MODEL_CACHE_DIR": "/srv/models"}
        with machine.levee() as levee:
            assert (cache(levee)["size"], cache(levee)["dir"]) == (3, "/srv/models")
