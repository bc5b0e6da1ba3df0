#include "gpus/nvml_figures.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace levee::gpus {
namespace {

using nvml::Return;

constexpr double kMilli = 1e-3;

/// A share in percent; drivers are known to write larger numbers when they do not know.
std::optional<double> percent(std::optional<unsigned> value) {
  return value && *value <= 100 ? std::optional<double>(*value) : std::nullopt;
}

std::optional<double> number(std::optional<unsigned> value, double scale = 1) {
  return value ? std::optional(*value * scale) : std::nullopt;
}

/// The newer call reports what is reserved apart; the older one counts it as used. The newer one is
/// asked first, and the older one wherever the driver does not know the newer.
std::optional<GpuMemory> ask_for_memory(NvmlInquiry& device) {
  const NvmlLibrary& library = device.library();
  nvml::MemoryV2 current{};
  current.version = nvml::kMemoryV2Tag;
  if (device.call(library.memory_v2, &current) == Return::success) {
    return GpuMemory{Bytes{current.total}, Bytes{current.used}, Bytes{current.free},
                     Bytes{current.reserved}};
  }
  const auto old = device.get<nvml::MemoryV1>(library.memory_v1);
  device.insist(library.memory_v1);
  return old ? std::optional(GpuMemory{Bytes{old->total}, Bytes{old->used}, Bytes{old->free}, {}})
             : std::nullopt;
}

/// A driver may export the newer call and answer "not supported" where the older one works.
std::optional<double> read_temperature(NvmlInquiry& device) {
  nvml::TemperatureV1 current{};
  current.version = nvml::kTemperatureTag;
  current.sensor = nvml::Sensor::gpu;
  if (device.call(device.library().temperature_v, &current) == Return::success) {
    return current.celsius;
  }
  return number(device.get<unsigned>(device.library().temperature, nvml::Sensor::gpu));
}

void read_coders(NvmlInquiry& device, GpuReading& reading) {
  unsigned period_us = 0;
  unsigned share = 0;
  if (device.call(device.library().encoder_utilization, &share, &period_us) == Return::success) {
    reading.encoder_percent = percent(share);
  }
  if (device.call(device.library().decoder_utilization, &share, &period_us) == Return::success) {
    reading.decoder_percent = percent(share);
  }
}

std::optional<std::uint64_t> unsigned_value(const nvml::FieldValue& field) {
  if (field.result != Return::success) {
    return std::nullopt;
  }
  switch (field.type) {
    case nvml::ValueType::unsigned_int:
      return field.value.unsigned_int;
    case nvml::ValueType::unsigned_long:
    case nvml::ValueType::unsigned_long_long:
      return field.value.unsigned_long_long;
    default:
      return std::nullopt;
  }
}

void read_fields(NvmlInquiry& device, GpuReading& reading) {
  std::array<nvml::FieldValue, 3> fields{};
  fields[0].id = nvml::field::kMemoryTemperature;
  fields[1].id = nvml::field::kNvLinkDataTx;
  fields[1].scope = nvml::field::kScopeAllLinks;
  fields[2].id = nvml::field::kNvLinkDataRx;
  fields[2].scope = nvml::field::kScopeAllLinks;
  if (device.call(device.library().field_values, static_cast<int>(fields.size()), fields.data()) !=
      Return::success) {
    return;
  }
  if (const auto celsius = unsigned_value(fields[0])) {
    reading.memory_temperature_celsius = static_cast<double>(*celsius);
  }
  const auto bytes = [](std::optional<std::uint64_t> kib) {
    return kib ? std::optional(*kib * kKiB) : std::nullopt;
  };
  reading.nvlink_tx_bytes = bytes(unsigned_value(fields[1]));
  reading.nvlink_rx_bytes = bytes(unsigned_value(fields[2]));
}

void read_remaps(NvmlInquiry& device, GpuHealthCounters& health) {
  const NvmlLibrary& library = device.library();
  unsigned corrected = 0;
  unsigned uncorrected = 0;
  unsigned pending = 0;
  unsigned failed = 0;
  if (device.call(library.remapped_rows, &corrected, &uncorrected, &pending, &failed) ==
      Return::success) {
    health.remapped_corrected = corrected;
    health.remapped_uncorrected = uncorrected;
    health.remap_pending = pending != 0;
    health.remap_failed = failed != 0;
    return;
  }
  // Before Ampere: pages are retired instead. Only their number is asked for, so too little room is
  // the usual answer.
  const auto retired = [&](nvml::RetirementCause cause) -> std::optional<unsigned> {
    unsigned count = 0;
    unsigned long long* const no_room = nullptr;
    const Return answer = device.call(library.retired_pages, cause, &count, no_room);
    return answer == Return::success || answer == Return::insufficient_size ? std::optional(count)
                                                                            : std::nullopt;
  };
  health.remapped_corrected = retired(nvml::RetirementCause::single_bit_errors);
  health.remapped_uncorrected = retired(nvml::RetirementCause::double_bit_error);
  if (const auto is_pending = device.get<nvml::Feature>(library.retired_pages_pending)) {
    health.remap_pending = *is_pending == nvml::Feature::enabled;
  }
}

}  // namespace

std::optional<GpuMemory> read_memory(NvmlInquiry& device) {
  auto memory = ask_for_memory(device);
  return memory && memory->total.count > 0 ? memory : std::nullopt;
}

bool has_unified_memory(NvmlInquiry& device) {
  nvml::MemoryV2 current{};
  current.version = nvml::kMemoryV2Tag;
  nvml::MemoryV1 old{};
  const Return new_answer = device.call(device.library().memory_v2, &current);
  if (new_answer == Return::success) {
    return current.total == 0;
  }
  const Return old_answer = device.call(device.library().memory_v1, &old);
  return old_answer == Return::success ? old.total == 0 : old_answer == Return::not_supported;
}

void read_load(NvmlInquiry& device, GpuReading& reading) {
  const NvmlLibrary& library = device.library();
  if (const auto rates = device.get<nvml::Utilization>(library.utilization)) {
    reading.utilization_percent = percent(rates->gpu);
    reading.memory_utilization_percent = percent(rates->memory);
  }
  read_coders(device, reading);
  reading.temperature_celsius = read_temperature(device);
  reading.power_watts = number(device.get<unsigned>(library.power_usage), kMilli);
  reading.power_limit_watts = number(device.get<unsigned>(library.power_limit), kMilli);
  reading.fan_percent = number(device.get<unsigned>(library.fan_speed));
  reading.core_clock_mhz = number(device.get<unsigned>(library.clock, nvml::Clock::sm));
  reading.memory_clock_mhz = number(device.get<unsigned>(library.clock, nvml::Clock::memory));
  if (const auto bits = device.get<unsigned long long>(library.slowdown_reasons)) {
    reading.slowdown_reasons = slowdown_words(*bits);
  }
  if (const auto mode = device.get<nvml::ComputeMode>(library.compute_mode)) {
    reading.compute_mode = compute_mode_word(*mode);
  }
  read_fields(device, reading);
}

NvmlLimits read_limits(NvmlInquiry& device) {
  const NvmlLibrary& library = device.library();
  const auto threshold = [&](nvml::TemperatureThreshold which) {
    return number(device.get<unsigned>(library.temperature_threshold, which));
  };
  const auto largest = [&](nvml::Clock clock) {
    return number(device.get<unsigned>(library.max_clock, clock));
  };
  return {.slowdown_celsius = threshold(nvml::TemperatureThreshold::slowdown),
          .shutdown_celsius = threshold(nvml::TemperatureThreshold::shutdown),
          .max_core_clock_mhz = largest(nvml::Clock::sm),
          .max_memory_clock_mhz = largest(nvml::Clock::memory)};
}

GpuHealthCounters read_health(NvmlInquiry& device) {
  const NvmlLibrary& library = device.library();
  GpuHealthCounters health;
  nvml::Feature current{};
  nvml::Feature pending{};
  if (device.call(library.ecc_mode, &current, &pending) == Return::success) {
    health.ecc_enabled = current == nvml::Feature::enabled;
  }
  const auto errors = [&](nvml::MemoryErrorType type) {
    const auto count =
        device.get<unsigned long long>(library.ecc_errors, type, nvml::EccCounter::since_boot);
    return count ? std::optional<std::uint64_t>(*count) : std::nullopt;
  };
  health.ecc_corrected = errors(nvml::MemoryErrorType::corrected);
  health.ecc_uncorrected = errors(nvml::MemoryErrorType::uncorrected);
  read_remaps(device, health);
  return health;
}

PcieThroughput read_pcie_throughput(NvmlInquiry& device) {
  const auto rate = [&](nvml::PcieCounter counter) {
    return number(device.get<unsigned>(device.library().pcie_throughput, counter), kKiB);
  };
  return {rate(nvml::PcieCounter::tx_bytes), rate(nvml::PcieCounter::rx_bytes)};
}

std::vector<std::string> slowdown_words(unsigned long long bits) {
  static constexpr std::array kWords{
      std::pair{nvml::reason::kApplicationClocks, "application_clocks"},
      std::pair{nvml::reason::kPowerCap, "sw_power_cap"},
      std::pair{nvml::reason::kHardwareSlowdown, "hw_slowdown"},
      std::pair{nvml::reason::kSyncBoost, "sync_boost"},
      std::pair{nvml::reason::kSoftwareThermal, "sw_thermal"},
      std::pair{nvml::reason::kHardwareThermal, "hw_thermal"},
      std::pair{nvml::reason::kPowerBrake, "hw_power_brake"},
      std::pair{nvml::reason::kDisplayClocks, "display_clocks"}};
  std::vector<std::string> words;
  bits &= ~nvml::reason::kIdle;
  for (const auto& [bit, word] : kWords) {
    if ((bits & bit) != 0) {
      words.emplace_back(word);
      bits &= ~bit;
    }
  }
  if (bits != 0) {
    words.emplace_back("other");
  }
  return words;
}

std::string compute_mode_word(nvml::ComputeMode mode) {
  switch (mode) {
    case nvml::ComputeMode::shared:
      return "default";
    case nvml::ComputeMode::exclusive_thread:
      return "exclusive_thread";
    case nvml::ComputeMode::prohibited:
      return "prohibited";
    case nvml::ComputeMode::exclusive_process:
      return "exclusive_process";
  }
  return {};
}

}  // namespace levee::gpus
