// Hand-made GPUs for tests by values.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "core/gpu.hpp"
#include "gpus/wire.hpp"
#include "support/values.hpp"

namespace levee::test {

inline GpuIdentity gpu_named(std::string uuid, int index) {
  GpuIdentity identity;
  identity.uuid = std::move(uuid);
  identity.index = index;
  identity.name = "Test GPU";
  identity.pci_bus_id = "00000000:1B:00.0";
  identity.driver_version = "550.1";
  return identity;
}

inline GpuReading reading_of(GpuIdentity identity, std::chrono::milliseconds read_at = {}) {
  GpuReading reading;
  reading.identity = std::make_shared<const GpuIdentity>(std::move(identity));
  reading.memory = GpuMemory{gib(80), gib(20), gib(59), gib(1)};
  reading.temperature_celsius = 41;
  reading.read_at = at(read_at).mono;
  return reading;
}

/// Everything that a reading can hold.
inline GpuReading full_reading() {
  GpuIdentity identity = gpu_named("GPU-1", 3);
  identity.vendor = GpuVendor::amd;
  identity.minor = 7;
  identity.compute_capability = ComputeCapability{9, 0};
  identity.unified_memory = true;
  identity.parent_uuid = "GPU-0";
  identity.mig_profile = "3g.40gb";
  identity.gpu_instance = 2;
  identity.compute_instance = 0;
  GpuReading reading = reading_of(std::move(identity), std::chrono::milliseconds{1234});
  reading.condition = GpuCondition::reset_required;
  reading.condition_detail = "a \"quoted\" detail\nof two lines";
  reading.memory_temperature_celsius = 77.5;
  reading.slowdown_celsius = 87;
  reading.shutdown_celsius = 92;
  reading.utilization_percent = 12.25;
  reading.memory_utilization_percent = 0;
  reading.encoder_percent = 1;
  reading.decoder_percent = 2;
  reading.power_watts = 312.345;
  reading.power_limit_watts = 700;
  reading.fan_percent = 30;
  reading.core_clock_mhz = 1980;
  reading.max_core_clock_mhz = 1981;
  reading.memory_clock_mhz = 2619;
  reading.max_memory_clock_mhz = 2620;
  reading.pcie_tx_bytes_per_second = 1e9;
  reading.pcie_rx_bytes_per_second = 2e9;
  reading.nvlink_tx_bytes = 0xFFFF'FFFF'FFFF'FFFFULL;
  reading.nvlink_rx_bytes = 0;
  reading.slowdown_reasons = {"sw_power_cap", "hw_thermal"};
  reading.compute_mode = "default";
  reading.mig_enabled = false;
  reading.health = {true, 1, 2, 3, 4, false, true};
  GpuProcess bare;
  bare.pid = 1;
  GpuProcess full;
  full.pid = 4242;
  full.memory = gib(8);
  full.compute = full.graphics = true;
  full.sm_percent = 99;
  full.memory_percent = 45;
  full.gpu_instance = 5;
  reading.processes = {bare, full};
  return reading;
}

}  // namespace levee::test
