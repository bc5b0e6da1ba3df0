// NVML: how busy, how hot, how fast.
#include <algorithm>

#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace {

constexpr unsigned kCoderPeriodUs = 167'000;

Return get_coder(const char* function, Device device, Key key, unsigned* percent,
                 unsigned* period_us) noexcept {
  return device_call(function, device, [&](Target& target) {
    const std::int64_t value = target.value(key);
    if (percent == nullptr || period_us == nullptr) {
      return Return::invalid_argument;
    }
    if (value == kNotSupported || target.gpu.instances > 0) {
      return Return::not_supported;
    }
    *percent = static_cast<unsigned>(value);
    *period_us = kCoderPeriodUs;
    return Return::success;
  });
}

Return get_clock(const char* function, Device device, Clock clock, Key first,
                 unsigned* mhz) noexcept {
  if (clock > Clock::video) {
    return Return::invalid_argument;
  }
  // The keys of the four clocks follow each other as NVML counts them.
  const auto key =
      static_cast<Key>(static_cast<std::uint32_t>(first) + static_cast<std::uint32_t>(clock));
  return read_value(function, device, key, mhz);
}

Return get_supported_reasons(const char* function, Device device,
                             unsigned long long* reasons) noexcept {
  return device_call(function, device, [&](Target&) {
    if (reasons == nullptr) {
      return Return::invalid_argument;
    }
    *reasons = 0;
    for (const ReasonName& reason : reason_names()) {
      *reasons |= reason.bit;
    }
    return Return::success;
  });
}

}  // namespace

Return nvmlDeviceGetUtilizationRates(Device device, Utilization* rates) {
  return device_call(__func__, device, [&](Target& target) {
    const std::int64_t gpu = target.value(Key::util);
    const std::int64_t memory = target.value(Key::mem_util);
    if (rates == nullptr) {
      return Return::invalid_argument;
    }
    if (gpu == kNotSupported || memory == kNotSupported || target.gpu.instances > 0) {
      return Return::not_supported;
    }
    *rates = Utilization{static_cast<std::uint32_t>(gpu), static_cast<std::uint32_t>(memory)};
    return Return::success;
  });
}

Return nvmlDeviceGetTemperature(Device device, Sensor sensor, unsigned* celsius) {
  return sensor == Sensor::gpu ? read_value(__func__, device, Key::temp, celsius)
                               : Return::invalid_argument;
}

Return nvmlDeviceGetTemperatureV(Device device, TemperatureV1* temperature) {
  // nvtop passes a bare 1 or 2 instead of the tag.
  if (temperature != nullptr && temperature->version != kTemperatureTag) {
    return device_call(__func__, device, [](Target&) { return Return::argument_version_mismatch; });
  }
  if (temperature == nullptr || temperature->sensor != Sensor::gpu) {
    return Return::invalid_argument;
  }
  return read_value(__func__, device, Key::temp, &temperature->celsius);
}

Return nvmlDeviceGetTemperatureThreshold(Device device, TemperatureThreshold threshold,
                                         unsigned* celsius) {
  switch (threshold) {
    case TemperatureThreshold::shutdown:
      return read_value(__func__, device, Key::shutdown_temp, celsius);
    case TemperatureThreshold::slowdown:
      return read_value(__func__, device, Key::slowdown_temp, celsius);
    case TemperatureThreshold::memory_max:
      return read_value(__func__, device, Key::max_mem_temp, celsius);
    case TemperatureThreshold::gpu_max:
      return read_value(__func__, device, Key::max_temp, celsius);
    default:
      return device_call(__func__, device, [](Target&) { return Return::not_supported; });
  }
}

Return nvmlDeviceGetPowerUsage(Device device, unsigned* milliwatts) {
  return read_value(__func__, device, Key::power, milliwatts);
}

Return nvmlDeviceGetEnforcedPowerLimit(Device device, unsigned* milliwatts) {
  return read_value(__func__, device, Key::power_limit, milliwatts);
}

Return nvmlDeviceGetPowerManagementLimit(Device device, unsigned* milliwatts) {
  return read_value(__func__, device, Key::power_limit, milliwatts);
}

Return nvmlDeviceGetPowerManagementDefaultLimit(Device device, unsigned* milliwatts) {
  return read_value(__func__, device, Key::power_limit, milliwatts);
}

Return nvmlDeviceGetPowerManagementMode(Device device, Feature* mode) {
  return device_call(__func__, device, [&](Target& target) {
    if (mode == nullptr) {
      return Return::invalid_argument;
    }
    *mode = target.value(Key::power_limit) == kNotSupported ? Feature::disabled : Feature::enabled;
    return Return::success;
  });
}

Return nvmlDeviceGetPowerState(Device device, unsigned* state) {
  return read_value(__func__, device, Key::pstate, state);
}

Return nvmlDeviceGetPerformanceState(Device device, unsigned* state) {
  return read_value(__func__, device, Key::pstate, state);
}

Return nvmlDeviceGetFanSpeed(Device device, unsigned* percent) {
  return read_value(__func__, device, Key::fan, percent);
}

Return nvmlDeviceGetFanSpeed_v2(Device device, unsigned fan, unsigned* percent) {
  return fan == 0 ? read_value(__func__, device, Key::fan, percent) : Return::invalid_argument;
}

Return nvmlDeviceGetNumFans(Device device, unsigned* fans) {
  return device_call(__func__, device, [&](Target& target) {
    if (fans == nullptr) {
      return Return::invalid_argument;
    }
    *fans = target.value(Key::fan) == kNotSupported ? 0 : 1;
    return Return::success;
  });
}

Return nvmlDeviceGetClockInfo(Device device, Clock clock, unsigned* mhz) {
  return get_clock(__func__, device, clock, Key::clock, mhz);
}

Return nvmlDeviceGetMaxClockInfo(Device device, Clock clock, unsigned* mhz) {
  return get_clock(__func__, device, clock, Key::max_clock, mhz);
}

Return nvmlDeviceGetCurrentClocksThrottleReasons(Device device, unsigned long long* reasons) {
  return read_value(__func__, device, Key::throttle, reasons);
}

Return nvmlDeviceGetCurrentClocksEventReasons(Device device, unsigned long long* reasons) {
  return read_value(__func__, device, Key::throttle, reasons);
}

Return nvmlDeviceGetSupportedClocksThrottleReasons(Device device, unsigned long long* reasons) {
  return get_supported_reasons(__func__, device, reasons);
}

Return nvmlDeviceGetSupportedClocksEventReasons(Device device, unsigned long long* reasons) {
  return get_supported_reasons(__func__, device, reasons);
}

Return nvmlDeviceGetPcieThroughput(Device device, PcieCounter counter, unsigned* kilobytes) {
  return read_value(__func__, device,
                    counter == PcieCounter::tx_bytes ? Key::pcie_tx : Key::pcie_rx, kilobytes);
}

Return nvmlDeviceGetEncoderUtilization(Device device, unsigned* percent, unsigned* period_us) {
  return get_coder(__func__, device, Key::enc_util, percent, period_us);
}

Return nvmlDeviceGetDecoderUtilization(Device device, unsigned* percent, unsigned* period_us) {
  return get_coder(__func__, device, Key::dec_util, percent, period_us);
}

Return nvmlDeviceGetCurrPcieLinkGeneration(Device device, unsigned* generation) {
  return read_value(__func__, device, Key::pcie_gen, generation);
}

Return nvmlDeviceGetCurrPcieLinkWidth(Device device, unsigned* width) {
  return read_value(__func__, device, Key::pcie_width, width);
}

Return nvmlDeviceGetMaxPcieLinkGeneration(Device device, unsigned* generation) {
  return read_value(__func__, device, Key::pcie_max_gen, generation);
}

Return nvmlDeviceGetMaxPcieLinkWidth(Device device, unsigned* width) {
  return read_value(__func__, device, Key::pcie_max_width, width);
}
