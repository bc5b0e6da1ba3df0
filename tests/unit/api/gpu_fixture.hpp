// GPUs in a View: the documented example (68.0 °C, 3072 of 8192 MiB), and one that tells nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "unit/api/fixture.hpp"

namespace levee::api {

inline std::shared_ptr<const GpuIdentity> example_identity(int index) {
  GpuIdentity who;
  who.uuid = "GPU-0000000" + std::to_string(index) + "-aaaa";
  who.index = index;
  who.name = "NVIDIA GeForce RTX 4060";
  who.pci_bus_id = "00000000:1B:00.0";
  who.driver_version = "550.54.15";
  who.minor = index;
  who.compute_capability = ComputeCapability{8, 9};
  return std::make_shared<const GpuIdentity>(std::move(who));
}

inline GpuProcess example_gpu_process() {
  auto who = std::make_shared<ProcessIdentity>();
  who->id = ProcessId{.boot = {}, .pid = 5204, .start_ticks = 77};
  who->user = "alice";
  who->comm = "python";
  who->command = "python train.py";
  GpuProcess process;
  process.pid = 5204;
  process.memory = gib(2);
  process.compute = true;
  process.sm_percent = 40;
  process.growth_per_second = 3'670'016.0;
  process.identity = std::move(who);
  process.rss = gib(5);
  return process;
}

/// GPU `index` with every figure, read half a second ago.
inline GpuReading example_gpu(int index = 0) {
  GpuReading gpu;
  gpu.identity = example_identity(index);
  gpu.memory = GpuMemory{.total = mib(8192), .used = mib(3072), .free = mib(5120), .reserved = {}};
  gpu.temperature_celsius = 68;
  gpu.memory_temperature_celsius = 74;
  gpu.slowdown_celsius = 89;
  gpu.shutdown_celsius = 92;
  gpu.utilization_percent = 45.2;
  gpu.memory_utilization_percent = 12;
  gpu.encoder_percent = 1;
  gpu.decoder_percent = 2;
  gpu.power_watts = 91.25;
  gpu.power_limit_watts = 115;
  gpu.fan_percent = 38;
  gpu.core_clock_mhz = 1920;
  gpu.max_core_clock_mhz = 2490;
  gpu.memory_clock_mhz = 8501;
  gpu.max_memory_clock_mhz = 8501;
  gpu.pcie_tx_bytes_per_second = 1'048'576;
  gpu.pcie_rx_bytes_per_second = 2'097'152;
  gpu.nvlink_tx_bytes = 7;
  gpu.nvlink_rx_bytes = 9;
  gpu.slowdown_reasons = {"sw_power_cap"};
  gpu.compute_mode = "default";
  gpu.mig_enabled = false;
  gpu.health = {.ecc_enabled = true,
                .ecc_corrected = 3,
                .ecc_uncorrected = 1,
                .remapped_corrected = 2,
                .remapped_uncorrected = 4,
                .remap_pending = false,
                .remap_failed = false};
  gpu.processes = {example_gpu_process()};
  gpu.read_at = example_now().mono - std::chrono::milliseconds{500};
  return gpu;
}

/// GPU `index` of which nothing but its name is known.
inline GpuReading bare_gpu(int index = 0) {
  GpuIdentity who;
  who.uuid = "GPU-bare";
  who.index = index;
  who.name = "GPU";
  GpuReading gpu;
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  gpu.read_at = example_now().mono;
  return gpu;
}

/// An instance of GPU 0.
inline GpuReading example_instance() {
  GpuIdentity who = *example_identity(0);
  who.parent_uuid = who.uuid;
  who.uuid = "MIG-1234";
  who.mig_profile = "3g.40gb";
  who.gpu_instance = 1;
  who.compute_instance = 0;
  GpuReading gpu;
  gpu.identity = std::make_shared<const GpuIdentity>(std::move(who));
  gpu.memory = GpuMemory{.total = mib(4096), .used = mib(1024), .free = mib(3072), .reserved = {}};
  gpu.processes.emplace();
  gpu.read_at = example_now().mono;
  return gpu;
}

inline GpuReading lost(GpuReading gpu) {
  gpu.condition = GpuCondition::lost;
  gpu.condition_detail = "nvmlDeviceGetMemoryInfo_v2: GPU is lost";
  return gpu;
}

/// The example View with these GPUs, judged as the engine would.
inline std::shared_ptr<View> view_with(std::vector<GpuReading> gpus) {
  auto view = example_view();
  auto snapshot = std::make_shared<Snapshot>(*view->snapshot);
  snapshot->gpus = std::move(gpus);
  const policy::Thresholds& thresholds = view->settings->config().thresholds;
  for (const GpuReading& gpu : snapshot->gpus) {
    GpuView one;
    one.reading = &gpu;
    one.levels = policy::gpu_levels(gpu, {}, thresholds, snapshot->at.mono);
    control::Throttle throttle;
    one.advice =
        control::step(throttle, one.levels.device, std::chrono::seconds{30}, snapshot->at.mono);
    one.fresh = policy::is_judged(gpu, thresholds, snapshot->at.mono);
    view->gpus.push_back(std::move(one));
  }
  view->snapshot = std::move(snapshot);
  return view;
}

/// Gives GPU `place` of `view` a past: one sample a second, oldest first, the last one now.
inline void remember(View& view, std::size_t place, const std::vector<double>& celsius) {
  auto back = static_cast<int>(celsius.size());
  for (const double each : celsius) {
    GpuReading reading = *view.gpus.at(place).reading;
    reading.temperature_celsius = each;
    const Now at = later(view.snapshot->at, -std::chrono::seconds{--back});
    view.gpus.at(place).past.append(history::gpu_sample(reading, at), std::chrono::hours{1});
  }
}

}  // namespace levee::api
