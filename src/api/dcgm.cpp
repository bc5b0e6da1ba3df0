#include "api/dcgm.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>

#include "api/metric_catalogue.hpp"

namespace levee::api {
namespace {

using Value = std::optional<double>;

/// DCGM counts whole MiB.
Value in_mib(Bytes bytes) {
  const std::uint64_t whole = bytes.count / kMiB;
  return static_cast<double>(whole);
}

Value in_mib(const GpuReading& gpu, Bytes GpuMemory::* part) {
  return gpu.memory ? in_mib((*gpu.memory).*part) : std::nullopt;
}

template <class T>
Value number(const std::optional<T>& value) {
  return value ? Value(static_cast<double>(*value)) : std::nullopt;
}

/// A field of DCGM; a PROF field is a ratio, all others have the units of NVML.
struct Field {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  Value (*value)(const GpuView& gpu);
};

constexpr std::array kFields{
    Field{"DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).",
          [](const GpuView& gpu) { return gpu.reading->core_clock_mhz; }},
    Field{"DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).",
          [](const GpuView& gpu) { return gpu.reading->memory_clock_mhz; }},
    Field{"DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).",
          [](const GpuView& gpu) { return gpu.reading->memory_temperature_celsius; }},
    Field{"DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).",
          [](const GpuView& gpu) { return gpu.reading->temperature_celsius; }},
    Field{"DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).",
          [](const GpuView& gpu) { return gpu.reading->power_watts; }},
    Field{"DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).",
          [](const GpuView& gpu) { return gpu.reading->utilization_percent; }},
    Field{"DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %).",
          [](const GpuView& gpu) { return gpu.reading->memory_utilization_percent; }},
    Field{"DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %).",
          [](const GpuView& gpu) { return gpu.reading->encoder_percent; }},
    Field{"DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %).",
          [](const GpuView& gpu) { return gpu.reading->decoder_percent; }},
    Field{"DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.",
          [](const GpuView& gpu) {
            return gpu.xids.empty() ? Value(0) : Value(static_cast<double>(gpu.xids.back().code));
          }},
    Field{"DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).",
          [](const GpuView& gpu) { return in_mib(*gpu.reading, &GpuMemory::free); }},
    Field{"DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).",
          [](const GpuView& gpu) { return in_mib(*gpu.reading, &GpuMemory::used); }},
    Field{"DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB).",
          [](const GpuView& gpu) -> Value {
            const auto& memory = gpu.reading->memory;
            return memory && memory->reserved ? in_mib(*memory->reserved) : std::nullopt;
          }},
    Field{"DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter",
          "Number of remapped rows for uncorrectable errors",
          [](const GpuView& gpu) { return number(gpu.reading->health.remapped_uncorrected); }},
    Field{"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter",
          "Number of remapped rows for correctable errors",
          [](const GpuView& gpu) { return number(gpu.reading->health.remapped_corrected); }},
    Field{"DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed",
          [](const GpuView& gpu) { return number(gpu.reading->health.remap_failed); }},
    Field{"DCGM_FI_PROF_PCIE_TX_BYTES", "gauge", "PCIe bytes sent per second.",
          [](const GpuView& gpu) { return gpu.reading->pcie_tx_bytes_per_second; }},
    Field{"DCGM_FI_PROF_PCIE_RX_BYTES", "gauge", "PCIe bytes received per second.",
          [](const GpuView& gpu) { return gpu.reading->pcie_rx_bytes_per_second; }},
};

}  // namespace

std::string dcgm_page(const View& view) {
  std::string page;
  std::string lines;
  for (const Field& field : kFields) {
    lines.clear();
    Samples to(lines, field.name);
    for (const GpuView& gpu : view.gpus) {
      const GpuIdentity& who = *gpu.reading->identity;
      if (!gpu.fresh || who.vendor != GpuVendor::nvidia) {
        continue;
      }
      const std::string index = fmt::format("{}", who.index);
      const std::string device = fmt::format("nvidia{}", who.minor.value_or(who.index));
      if (who.is_instance()) {
        const std::string instance = fmt::format("{}", who.gpu_instance.value_or(0));
        to.add(field.value(gpu), {{"gpu", index},
                                  {"UUID", who.parent_uuid},
                                  {"pci_bus_id", who.pci_bus_id},
                                  {"device", device},
                                  {"modelName", who.name},
                                  {"GPU_I_PROFILE", who.mig_profile},
                                  {"GPU_I_ID", instance},
                                  {"Hostname", view.snapshot->hostname},
                                  {"DCGM_FI_DRIVER_VERSION", who.driver_version}});
        continue;
      }
      to.add(field.value(gpu), {{"gpu", index},
                                {"UUID", who.uuid},
                                {"pci_bus_id", who.pci_bus_id},
                                {"device", device},
                                {"modelName", who.name},
                                {"Hostname", view.snapshot->hostname},
                                {"DCGM_FI_DRIVER_VERSION", who.driver_version}});
    }
    if (!lines.empty()) {
      fmt::format_to(std::back_inserter(page), "# HELP {} {}\n# TYPE {} {}\n{}", field.name,
                     field.help, field.name, field.type, lines);
    }
  }
  return page;
}

}  // namespace levee::api
