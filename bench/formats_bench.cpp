// What reading the headers of a model costs. The files are sparse: terabytes that take no room, of
// which only the headers are read.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "formats/weight_files.hpp"
#include "support/temp_dir.hpp"
#include "support/weights.hpp"

namespace {

using namespace levee;

constexpr std::uint64_t kRows = 8192;
constexpr std::uint64_t kColumns = 4096;  // 64 MiB a tensor

std::string name_of(std::int64_t tensor) {
  return "model.layers." + std::to_string(tensor) + ".self_attn.q_proj.weight";
}

/// Reads `path` over and over; it must hold `tensors` tensors each time.
void read(benchmark::State& state, const std::filesystem::path& path, std::int64_t tensors) {
  for (auto _ : state) {
    const auto weights = formats::read_weights(path);
    if (!weights || weights->tensors.tensors.size() != static_cast<std::size_t>(tensors)) {
      state.SkipWithError(weights ? "tensors are missing" : weights.error().message.c_str());
      break;
    }
    state.counters["GiB"] = to_gb(weights->tensors.bytes);
  }
}

/// The argument is the number of tensors.
void OneSafetensors(benchmark::State& state) {
  const test::TempDir dir;
  test::SafetensorsJson json;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    json.add(name_of(i), kRows, kColumns);
  }
  json.write(dir / "model.safetensors");
  read(state, dir.path(), state.range(0));
}
BENCHMARK(OneSafetensors)->Arg(100)->Arg(10'000)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The arguments are the number of files and of tensors in each.
void ShardedSafetensors(benchmark::State& state) {
  const test::TempDir dir;
  std::string map;
  for (std::int64_t file = 0; file < state.range(0); ++file) {
    const std::string shard = "model-" + std::to_string(file) + ".safetensors";
    test::SafetensorsJson json;
    for (std::int64_t i = 0; i < state.range(1); ++i) {
      const std::string name = name_of(file * state.range(1) + i);
      json.add(name, kRows, kColumns);
      map.append(map.empty() ? "" : ",").append("\"" + name + "\":\"" + shard + "\"");
    }
    json.write(dir / shard);
  }
  dir.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  read(state, dir.path(), state.range(0) * state.range(1));
}
BENCHMARK(ShardedSafetensors)->Args({50, 200})->Unit(benchmark::kMillisecond)->UseRealTime();

/// The arguments are the number of tensors and of tokens in the vocabulary.
void OneGguf(benchmark::State& state) {
  constexpr std::uint32_t kQ4K = 12;
  constexpr std::uint64_t kTensorBytes = kRows * kColumns / 256 * 144;
  const test::TempDir dir;
  test::GgufBytes file;
  std::string tokens;
  for (std::int64_t i = 0; i < state.range(1); ++i) {
    tokens += test::GgufBytes::text("token" + std::to_string(i));
  }
  const auto count = static_cast<std::uint64_t>(state.range(1));
  file.array("tokenizer.ggml.tokens", 8, count, tokens);
  file.array("tokenizer.ggml.scores", 6, count, std::string(4 * count, '\0'));
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    file.tensor(name_of(i), {kColumns, kRows}, kQ4K, static_cast<std::uint64_t>(i) * kTensorBytes);
  }
  test::write_sparse(dir / "model.gguf", file.padded(),
                     static_cast<std::uint64_t>(state.range(0)) * kTensorBytes);
  read(state, dir.path(), state.range(0));
}
BENCHMARK(OneGguf)
    ->Args({100, 0})
    ->Args({10'000, 0})
    ->Args({300, 256'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
