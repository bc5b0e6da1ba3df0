// NVML: errors of the memory, field values, NVLink.
#include <span>

#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace {

constexpr std::uint64_t kFirstBadPage = 0x1000;

bool is_link_active(const Target& target, unsigned link) noexcept {
  return (target.gpu.nvlinks_down >> link & 1U) == 0;
}

/// The counter of one link, or of all; nothing where there is none.
std::optional<std::uint64_t> nvlink_kib(const Target& target, Key key, std::uint32_t scope) {
  const auto links =
      static_cast<std::uint32_t>(std::max<std::int64_t>(0, target.value(Key::nvlinks)));
  const std::int64_t bytes = target.value(key);
  if (links == 0 || bytes == kNotSupported || (scope != field::kScopeAllLinks && scope >= links)) {
    return std::nullopt;
  }
  const std::uint64_t kib = static_cast<std::uint64_t>(bytes) / 1024;
  return scope == field::kScopeAllLinks ? kib * links : kib;
}

void fill(const Target& target, FieldValue& value) noexcept {
  const Machine& machine = target.session.machine();
  value.timestamp_us =
      static_cast<std::int64_t>(machine.created_wall_us + target.session.now() / 1000);
  value.latency_us = 0;
  value.value = FieldNumber{};
  value.result = Return::not_supported;
  if (value.id == field::kMemoryTemperature) {
    value.type = ValueType::unsigned_int;
    if (const std::int64_t celsius = target.value(Key::mem_temp); celsius != kNotSupported) {
      value.value.unsigned_int = static_cast<std::uint32_t>(celsius);
      value.result = Return::success;
    }
  } else if (value.id == field::kNvLinkDataTx || value.id == field::kNvLinkDataRx) {
    value.type = ValueType::unsigned_long_long;
    const Key key = value.id == field::kNvLinkDataTx ? Key::nvlink_tx : Key::nvlink_rx;
    if (const auto kib = nvlink_kib(target, key, value.scope)) {
      value.value.unsigned_long_long = *kib;
      value.result = Return::success;
    }
  }
}

}  // namespace

Return nvmlDeviceGetEccMode(Device device, Feature* current, Feature* pending) {
  return device_call(__func__, device, [&](Target& target) {
    const std::int64_t mode = target.value(Key::ecc);
    if (current == nullptr || pending == nullptr) {
      return Return::invalid_argument;
    }
    if (mode == kNotSupported) {
      return Return::not_supported;
    }
    *current = *pending = static_cast<Feature>(mode);
    return Return::success;
  });
}

Return nvmlDeviceGetTotalEccErrors(Device device, MemoryErrorType type, EccCounter counter,
                                   unsigned long long* errors) {
  return device_call(__func__, device, [&](Target& target) {
    if (errors == nullptr || type > MemoryErrorType::uncorrected ||
        counter > EccCounter::lifetime) {
      return Return::invalid_argument;
    }
    const bool is_corrected = type == MemoryErrorType::corrected;
    const Key key =
        counter == EccCounter::since_boot
            ? (is_corrected ? Key::ecc_corrected : Key::ecc_uncorrected)
            : (is_corrected ? Key::ecc_corrected_lifetime : Key::ecc_uncorrected_lifetime);
    const std::int64_t value = target.value(key);
    if (value == kNotSupported || target.value(Key::ecc) != 1) {
      return Return::not_supported;
    }
    *errors = static_cast<unsigned long long>(value);
    return Return::success;
  });
}

Return nvmlDeviceGetRemappedRows(Device device, unsigned* corrected, unsigned* uncorrected,
                                 unsigned* is_pending, unsigned* failure_occurred) {
  return device_call(__func__, device, [&](Target& target) {
    struct Part {
      Key key;
      unsigned* out;
    };
    for (const auto& [key, out] :
         {Part{Key::remapped_corrected, corrected}, Part{Key::remapped_uncorrected, uncorrected},
          Part{Key::remapped_pending, is_pending}, Part{Key::remapped_failed, failure_occurred}}) {
      const std::int64_t value = target.value(key);
      if (out == nullptr) {
        return Return::invalid_argument;
      }
      if (value == kNotSupported) {
        return Return::not_supported;
      }
      *out = static_cast<unsigned>(value);
    }
    return Return::success;
  });
}

Return nvmlDeviceGetRetiredPages(Device device, RetirementCause cause, unsigned* count,
                                 unsigned long long* addresses) {
  return device_call(__func__, device, [&](Target& target) {
    if (count == nullptr || cause > RetirementCause::double_bit_error) {
      return Return::invalid_argument;
    }
    const std::int64_t pages = target.value(
        cause == RetirementCause::single_bit_errors ? Key::retired_single : Key::retired_double);
    if (pages == kNotSupported) {
      return Return::not_supported;
    }
    const unsigned room = addresses == nullptr ? 0 : *count;
    *count = static_cast<unsigned>(pages);
    if (room < *count) {
      return Return::insufficient_size;
    }
    for (unsigned i = 0; i < *count; ++i) {
      addresses[i] = (i + 1) * kFirstBadPage;
    }
    return Return::success;
  });
}

Return nvmlDeviceGetRetiredPagesPendingStatus(Device device, Feature* is_pending) {
  return read_value(__func__, device, Key::retired_pending, is_pending);
}

Return nvmlDeviceGetFieldValues(Device device, int count, FieldValue* values) {
  return device_call(__func__, device, [&](Target& target) {
    if (values == nullptr || count < 0) {
      return Return::invalid_argument;
    }
    for (FieldValue& value : std::span(values, static_cast<std::size_t>(count))) {
      fill(target, value);
    }
    return Return::success;
  });
}

Return nvmlDeviceGetNvLinkState(Device device, unsigned link, Feature* is_active) {
  return device_call(__func__, device, [&](Target& target) {
    constexpr unsigned kLinksOfNvml = 18;
    const std::int64_t links = target.value(Key::nvlinks);
    if (is_active == nullptr || link >= kLinksOfNvml) {
      return Return::invalid_argument;
    }
    if (static_cast<std::int64_t>(link) >= links) {
      return Return::not_supported;
    }
    *is_active = is_link_active(target, link) ? Feature::enabled : Feature::disabled;
    return Return::success;
  });
}
