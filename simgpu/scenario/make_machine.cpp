#include <fmt/format.h>

#include <unistd.h>

#include "simgpu/machine/text.hpp"
#include "simgpu/machine/timeline.hpp"
#include "simgpu/scenario/scenario.hpp"

namespace levee::simgpu {
namespace {

/// Steele and others' SplitMix64: a well mixed number for each n.
std::uint64_t mixed(std::uint64_t n) noexcept {
  n += 0x9E3779B97F4A7C15;
  n = (n ^ (n >> 30U)) * 0xBF58476D1CE4E5B9;
  n = (n ^ (n >> 27U)) * 0x94D049BB133111EB;
  return n ^ (n >> 31U);
}

std::string make_uuid(std::string_view prefix, std::uint64_t seed, std::uint64_t item) {
  const std::uint64_t high = mixed(seed * 1000 + item);
  const std::uint64_t low = mixed(high);
  return fmt::format("{}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", prefix, high >> 32U,
                     (high >> 16U) & 0xFFFF, high & 0xFFFF, low >> 48U, low & 0xFFFFFFFFFFFF);
}

void fill_instances(Gpu& gpu, const GpuSpec& spec, std::uint64_t seed) {
  gpu.instances = static_cast<std::uint32_t>(spec.instances.size());
  for (std::size_t i = 0; i < spec.instances.size(); ++i) {
    Instance& instance = gpu.instance.at(i);
    instance.bytes = spec.instances[i].bytes;
    instance.slices = spec.instances[i].slices;
    put(instance.profile, spec.instances[i].profile);
    put(instance.uuid,
        make_uuid("MIG", seed, 100 + static_cast<std::uint64_t>(spec.index) * 10 + i));
  }
}

void fill_values(Gpu& gpu, const GpuSpec& spec) {
  const auto set = [&](Key key, std::int64_t value) {
    gpu.values.at(static_cast<std::size_t>(key)) = Value{value, value, 0, 0, kForever, value};
  };
  for (const KeyInfo& key : keys()) {
    set(key.key, key.first);
  }
  // Before Ampere bad pages were retired; since then bad rows are remapped.
  if (constexpr int kAmpere = 8; spec.cc_major < kAmpere) {
    for (const Key key : {Key::retired_single, Key::retired_double, Key::retired_pending}) {
      set(key, 0);
    }
    for (const Key key : {Key::remapped_corrected, Key::remapped_uncorrected, Key::remapped_pending,
                          Key::remapped_failed}) {
      set(key, kNotSupported);
    }
  }
  for (const auto& [key, value] : spec.values) {
    set(key, value);
  }
}

void fill_gpu(Gpu& gpu, const GpuSpec& spec, std::uint64_t seed) {
  gpu.is_defined = 1;
  gpu.is_present = 1;
  gpu.generation = 1;
  gpu.total_bytes = spec.total_bytes;
  gpu.reserved_bytes = spec.reserved_bytes;
  gpu.context_bytes = spec.context_bytes;
  gpu.cc_major = spec.cc_major;
  gpu.cc_minor = spec.cc_minor;
  gpu.pci_bus = spec.pci_bus;
  put(gpu.name, spec.name);
  put(gpu.uuid, spec.uuid.empty() ? make_uuid("GPU", seed, static_cast<std::uint64_t>(spec.index))
                                  : spec.uuid);
  fill_instances(gpu, spec, seed);
  fill_values(gpu, spec);
}

}  // namespace

Result<Segment> make_machine(const std::filesystem::path& path, const Scenario& scenario) {
  auto segment = Segment::create(path);
  if (!segment) {
    return segment;
  }
  Machine& machine = segment->machine();
  machine.clock = scenario.clock;
  machine.profile = static_cast<std::uint32_t>(scenario.profile);
  machine.seed = scenario.seed;
  for (const GpuSpec& spec : scenario.gpus) {
    fill_gpu(machine.gpu.at(static_cast<std::size_t>(spec.index)), spec, scenario.seed);
  }
  machine.steps = scenario.steps.size();
  std::ranges::copy(scenario.steps, machine.step.begin());
  run_timeline(machine, 0);
  return segment;
}

}  // namespace levee::simgpu
