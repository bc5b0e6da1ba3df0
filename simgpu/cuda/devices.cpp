// CUDA: devices.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "simgpu/cuda/exports.hpp"
#include "simgpu/cuda/library.hpp"
#include "simgpu/machine/text.hpp"

using namespace levee::simgpu;

namespace {

constexpr int kMultiprocessors = 132;

std::uint64_t usable_memory(const OnDevice& target) noexcept {
  return target.device.part.instance == kNoInstanceId
             ? target.gpu.total_bytes - target.gpu.reserved_bytes
             : target.gpu.instance.at(static_cast<std::size_t>(target.device.part.instance)).bytes;
}

std::string_view uuid_text(const Gpu& gpu, Part part) noexcept {
  return view(part.instance == kNoInstanceId
                  ? gpu.uuid
                  : gpu.instance.at(static_cast<std::size_t>(part.instance)).uuid);
}

/// The 16 bytes of "GPU-01234567-89ab-…".
Uuid to_bytes(std::string_view text) noexcept {
  Uuid uuid{};
  text.remove_prefix(std::min<std::size_t>(text.size(), 4));
  std::size_t digits = 0;
  for (const char c : text) {
    unsigned value = 0;
    if (std::from_chars(&c, &c + 1, value, 16).ec == std::errc{} &&
        digits < 2 * uuid.bytes.size()) {
      unsigned char& byte = uuid.bytes.at(digits / 2);
      byte = static_cast<unsigned char>(unsigned{byte} << 4U | value);
      ++digits;
    }
  }
  return uuid;
}

std::string bus_id(const Gpu& gpu) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04X:%02X:%02X.0", gpu.pci_domain, gpu.pci_bus,
                gpu.pci_device);
  return text.data();
}

/// Copies as much of `text` as fits, as the driver does.
Result copy_text(std::string_view text, char* into, int length) noexcept {
  if (into == nullptr || length <= 0) {
    return Result::invalid_value;
  }
  const auto size = std::min(text.size(), static_cast<std::size_t>(length) - 1);
  *std::copy_n(text.begin(), size, into) = '\0';
  return Result::success;
}

/// NVML counts the same modes with the same numbers.
int compute_mode(const OnDevice& target) noexcept {
  const std::int64_t mode = target.value(Key::compute_mode);
  return mode == choice::kComputeExclusive ? 3 : mode == choice::kComputeProhibited ? 2 : 0;
}

std::optional<int> attribute_of(const OnDevice& target, Attribute attribute) noexcept {
  constexpr int kKhzPerMhz = 1000;
  const Gpu& gpu = target.gpu;
  const auto khz = [&](Key key) {
    return static_cast<int>(std::max<std::int64_t>(0, target.value(key))) * kKhzPerMhz;
  };
  switch (attribute) {
    case Attribute::max_threads_per_block:
      return 1024;
    case Attribute::warp_size:
      return 32;
    case Attribute::clock_rate_khz:
      return khz(Key::max_sm_clock);
    case Attribute::multiprocessors:
      return kMultiprocessors;
    case Attribute::is_integrated:
      return target.value(Key::memory) != 0 ? 1 : 0;
    case Attribute::compute_mode:
      return compute_mode(target);
    case Attribute::pci_bus_id:
      return static_cast<int>(gpu.pci_bus);
    case Attribute::pci_device_id:
      return static_cast<int>(gpu.pci_device);
    case Attribute::pci_domain_id:
      return static_cast<int>(gpu.pci_domain);
    case Attribute::memory_clock_rate_khz:
      return khz(Key::max_mem_clock);
    case Attribute::has_unified_addressing:
    case Attribute::has_memory_pools:
      return 1;
    case Attribute::compute_capability_major:
      return gpu.cc_major;
    case Attribute::compute_capability_minor:
      return gpu.cc_minor;
    case Attribute::has_managed_memory:
    case Attribute::has_posix_fd_handles:
      return 0;
    case Attribute::has_virtual_memory_management:
      return target.value(Key::vmm) > 0 ? 1 : 0;
    default:
      return std::nullopt;
  }
}

}  // namespace

Result cuDeviceGet(Device* device, int ordinal) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    if (device == nullptr) {
      return Result::invalid_value;
    }
    if (library.find(ordinal) == nullptr) {
      return Result::invalid_device;
    }
    *device = ordinal;
    return Result::success;
  });
}

Result cuDeviceGetCount(int* count) {
  return driver_call(__func__, [&](Session&, CudaLibrary& library) {
    if (count == nullptr) {
      return Result::invalid_value;
    }
    *count = static_cast<int>(library.devices.size());
    return Result::success;
  });
}

Result cuDeviceGetName(char* name, int length, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    std::string text(view(target.gpu.name));
    if (const std::int32_t instance = target.device.part.instance; instance != kNoInstanceId) {
      text += " MIG ";
      text += view(target.gpu.instance.at(static_cast<std::size_t>(instance)).profile);
    }
    return copy_text(text, name, length);
  });
}

Result cuDeviceGetUuid(Uuid* uuid, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (uuid == nullptr) {
      return Result::invalid_value;
    }
    // The first generation knows only whole GPUs.
    *uuid = to_bytes(view(target.gpu.uuid));
    return Result::success;
  });
}

Result cuDeviceGetUuid_v2(Uuid* uuid, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (uuid == nullptr) {
      return Result::invalid_value;
    }
    *uuid = to_bytes(uuid_text(target.gpu, target.device.part));
    return Result::success;
  });
}

Result cuDeviceGetAttribute(int* value, Attribute attribute, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (value == nullptr) {
      return Result::invalid_value;
    }
    const auto known = attribute_of(target, attribute);
    if (!known) {
      return Result::not_supported;
    }
    *value = *known;
    return Result::success;
  });
}

Result cuDeviceTotalMem(unsigned* bytes, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (bytes == nullptr) {
      return Result::invalid_value;
    }
    *bytes = static_cast<unsigned>(
        std::min<std::uint64_t>(usable_memory(target), std::numeric_limits<std::uint32_t>::max()));
    return Result::success;
  });
}

Result cuDeviceTotalMem_v2(std::size_t* bytes, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (bytes == nullptr) {
      return Result::invalid_value;
    }
    *bytes = usable_memory(target);
    return Result::success;
  });
}

Result cuDeviceGetPCIBusId(char* text, int length, Device device) {
  return device_call(__func__, device,
                     [&](OnDevice& target) { return copy_text(bus_id(target.gpu), text, length); });
}

Result cuDeviceGetByPCIBusId(Device* device, const char* text) {
  return driver_call(__func__, [&](Session& session, CudaLibrary& library) {
    if (device == nullptr || text == nullptr) {
      return Result::invalid_value;
    }
    std::string wanted(text);
    std::ranges::transform(wanted, wanted.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    for (std::size_t i = 0; i < library.devices.size(); ++i) {
      const auto gpu = static_cast<std::size_t>(library.devices[i].part.gpu);
      if (bus_id(session.machine().gpu.at(gpu)) == wanted) {
        *device = static_cast<Device>(i);
        return Result::success;
      }
    }
    return Result::invalid_device;
  });
}

Result cuDeviceComputeCapability(int* major, int* minor, Device device) {
  return device_call(__func__, device, [&](OnDevice& target) {
    if (major == nullptr || minor == nullptr) {
      return Result::invalid_value;
    }
    *major = target.gpu.cc_major;
    *minor = target.gpu.cc_minor;
    return Result::success;
  });
}
