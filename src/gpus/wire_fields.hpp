// What the messages of gpus/wire.hpp consist of. Every field is named once, for writing as for
// reading: `each` is called with the name and the value of every field, and either writes it (the
// value is const) or fills it. Lists come with the most entries they may have.
#pragma once

#include <concepts>
#include <type_traits>

#include "gpus/wire.hpp"

namespace levee::gpus::wire {

template <class T, class Bare>
concept Is = std::same_as<std::remove_const_t<T>, Bare>;

template <class Each>
void fields(Each& each, Is<ComputeCapability> auto& capability) {
  each("major", capability.major);
  each("minor", capability.minor);
}

template <class Each>
void fields(Each& each, Is<GpuIdentity> auto& identity) {
  each("uuid", identity.uuid);
  each("index", identity.index);
  each("vendor", identity.vendor);
  each("name", identity.name);
  each("pci_bus_id", identity.pci_bus_id);
  each("driver_version", identity.driver_version);
  each("minor", identity.minor);
  each("compute_capability", identity.compute_capability);
  each("unified_memory", identity.unified_memory);
  each("parent_uuid", identity.parent_uuid);
  each("mig_profile", identity.mig_profile);
  each("gpu_instance", identity.gpu_instance);
  each("compute_instance", identity.compute_instance);
}

template <class Each>
void fields(Each& each, Is<GpuMemory> auto& memory) {
  each("total", memory.total);
  each("used", memory.used);
  each("free", memory.free);
  each("reserved", memory.reserved);
}

template <class Each>
void fields(Each& each, Is<GpuProcess> auto& process) {
  each("pid", process.pid);
  each("memory", process.memory);
  each("compute", process.compute);
  each("graphics", process.graphics);
  each("sm_percent", process.sm_percent);
  each("memory_percent", process.memory_percent);
  each("gpu_instance", process.gpu_instance);
}

template <class Each>
void fields(Each& each, Is<GpuHealthCounters> auto& health) {
  each("ecc_enabled", health.ecc_enabled);
  each("ecc_corrected", health.ecc_corrected);
  each("ecc_uncorrected", health.ecc_uncorrected);
  each("remapped_corrected", health.remapped_corrected);
  each("remapped_uncorrected", health.remapped_uncorrected);
  each("remap_pending", health.remap_pending);
  each("remap_failed", health.remap_failed);
}

template <class Each>
void fields(Each& each, Is<GpuReading> auto& reading) {
  each("identity", reading.identity);
  each("condition", reading.condition);
  each("condition_detail", reading.condition_detail);
  each("memory", reading.memory);
  each("temperature_celsius", reading.temperature_celsius);
  each("memory_temperature_celsius", reading.memory_temperature_celsius);
  each("slowdown_celsius", reading.slowdown_celsius);
  each("shutdown_celsius", reading.shutdown_celsius);
  each("utilization_percent", reading.utilization_percent);
  each("memory_utilization_percent", reading.memory_utilization_percent);
  each("encoder_percent", reading.encoder_percent);
  each("decoder_percent", reading.decoder_percent);
  each("power_watts", reading.power_watts);
  each("power_limit_watts", reading.power_limit_watts);
  each("fan_percent", reading.fan_percent);
  each("core_clock_mhz", reading.core_clock_mhz);
  each("max_core_clock_mhz", reading.max_core_clock_mhz);
  each("memory_clock_mhz", reading.memory_clock_mhz);
  each("max_memory_clock_mhz", reading.max_memory_clock_mhz);
  each("pcie_tx_bytes_per_second", reading.pcie_tx_bytes_per_second);
  each("pcie_rx_bytes_per_second", reading.pcie_rx_bytes_per_second);
  each("nvlink_tx_bytes", reading.nvlink_tx_bytes);
  each("nvlink_rx_bytes", reading.nvlink_rx_bytes);
  each("slowdown_reasons", reading.slowdown_reasons, kMostReasons);
  each("compute_mode", reading.compute_mode);
  each("mig_enabled", reading.mig_enabled);
  each("health", reading.health);
  each("processes", reading.processes, kMostProcesses);
  each("read_at", reading.read_at);
}

template <class Each>
void fields(Each& each, Is<Error> auto& error) {
  each("code", error.code);
  each("message", error.message);
  each("hint", error.hint);
}

template <class Each>
void fields(Each& each, Is<SourceTrouble> auto& trouble) {
  each("source", trouble.source);
  each("error", trouble.error);
}

template <class Each>
void fields(Each& each, Is<GpuXid> auto& xid) {
  each("xid", xid.code);
  each("uuid", xid.uuid);
  each("at", xid.at);
}

template <class Each>
void fields(Each& each, Is<Ask> auto& ask) {
  each("ask", ask.number);
}

template <class Each>
void fields(Each& each, Is<Devices> auto& devices) {
  each("devices", devices.devices, kMostDevices);
}

template <class Each>
void fields(Each& each, Is<Answer> auto& answer) {
  each("answer", answer.number);
  each("took_us", answer.took);
  each("readings", answer.readings, kMostReadings);
}

template <class Each>
void fields(Each& each, Is<Trouble> auto& trouble) {
  each("trouble", trouble.trouble);
  each("no_driver", trouble.no_driver);
}

}  // namespace levee::gpus::wire
