// NVML: which devices there are, and what they are called.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <string>
#include <string_view>

#include "simgpu/machine/text.hpp"
#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace {

constexpr std::uint32_t kVendor = 0x10DE;
constexpr std::uint32_t kDeviceId = 0x5111;  // Of no real product.

bool is_there(const Gpu& gpu) noexcept { return gpu.is_defined != 0 && gpu.is_present != 0; }

unsigned present_before(const Machine& machine, std::int32_t gpu) noexcept {
  return static_cast<unsigned>(
      std::count_if(machine.gpu.begin(), machine.gpu.begin() + gpu, is_there));
}

Return hand_out(Session& session, Part part, Device* device) noexcept {
  const Gpu& gpu = session.machine().gpu.at(static_cast<std::size_t>(part.gpu));
  if (session.value(gpu, Key::lost) == choice::kLostLookup) {
    return Return::gpu_is_lost;
  }
  *device = make_handle({part, gpu.generation});
  return Return::success;
}

/// The first device for which `is_meant(gpu, part)` says so, among GPUs and MIG instances.
template <class IsMeant>
Return find(const char* function, Device* device, IsMeant is_meant) noexcept {
  return system_call(function, [&](Session& session) {
    if (device == nullptr) {
      return Return::invalid_argument;
    }
    Machine& machine = session.machine();
    for (std::size_t i = 0; i < kMaxGpus; ++i) {
      const Gpu& gpu = machine.gpu.at(i);
      if (!is_there(gpu)) {
        continue;
      }
      for (std::int32_t instance = kNoInstanceId;
           instance < static_cast<std::int32_t>(gpu.instances); ++instance) {
        const Part part{static_cast<std::int32_t>(i), instance};
        if (is_meant(gpu, part)) {
          return hand_out(session, part, device);
        }
      }
    }
    return Return::not_found;
  });
}

Return get_count(const char* function, unsigned* count) noexcept {
  return system_call(function, [&](Session& session) {
    if (count == nullptr) {
      return Return::invalid_argument;
    }
    *count = present_before(session.machine(), kMaxGpus);
    return Return::success;
  });
}

Return get_by_index(const char* function, unsigned index, Device* device) noexcept {
  const Return result = find(function, device, [&](const Gpu&, Part part) {
    return part.instance == kNoInstanceId && index-- == 0;
  });
  return result == Return::not_found ? Return::invalid_argument : result;
}

std::string bus_id(const Gpu& gpu, int domain_digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%0*X:%02X:%02X.0", domain_digits, gpu.pci_domain,
                gpu.pci_bus, gpu.pci_device);
  return text.data();
}

bool is_same_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

Return get_by_bus_id(const char* function, const char* text, Device* device) noexcept {
  if (text == nullptr) {
    return Return::invalid_argument;
  }
  return find(function, device, [&](const Gpu& gpu, Part part) {
    return part.instance == kNoInstanceId && (is_same_ignoring_case(text, bus_id(gpu, 8)) ||
                                              is_same_ignoring_case(text, bus_id(gpu, 4)));
  });
}

std::string serial_of(std::int32_t gpu) { return "SIM" + std::to_string(1'000'000 + gpu); }

Return get_pci_info(const char* function, Device device, PciInfo* pci) noexcept {
  return any_device_call(function, device, [&](Target& target) {
    if (pci == nullptr) {
      return Return::invalid_argument;
    }
    *pci = PciInfo{};
    put(pci->legacy_bus_id, bus_id(target.gpu, 4));
    put(pci->bus_id, bus_id(target.gpu, 8));
    pci->domain = target.gpu.pci_domain;
    pci->bus = target.gpu.pci_bus;
    pci->device = target.gpu.pci_device;
    pci->device_id = kDeviceId << 16U | kVendor;
    return Return::success;
  });
}

Return get_disabled(const char* function, Device device, Feature* feature) noexcept {
  return device_call(function, device, [&](Target&) {
    if (feature == nullptr) {
      return Return::invalid_argument;
    }
    *feature = Feature::disabled;
    return Return::success;
  });
}

}  // namespace

Return nvmlDeviceGetCount(unsigned* count) { return get_count(__func__, count); }

Return nvmlDeviceGetCount_v2(unsigned* count) { return get_count(__func__, count); }

Return nvmlDeviceGetHandleByIndex(unsigned index, Device* device) {
  return get_by_index(__func__, index, device);
}

Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  return get_by_index(__func__, index, device);
}

Return nvmlDeviceGetHandleByUUID(const char* uuid, Device* device) {
  if (uuid == nullptr) {
    return Return::invalid_argument;
  }
  return find(__func__, device, [&](const Gpu& gpu, Part part) {
    return (part.instance == kNoInstanceId
                ? view(gpu.uuid)
                : view(gpu.instance.at(static_cast<std::size_t>(part.instance)).uuid)) == uuid;
  });
}

Return nvmlDeviceGetHandleByPciBusId(const char* text, Device* device) {
  return get_by_bus_id(__func__, text, device);
}

Return nvmlDeviceGetHandleByPciBusId_v2(const char* text, Device* device) {
  return get_by_bus_id(__func__, text, device);
}

Return nvmlDeviceGetHandleBySerial(const char* serial, Device* device) {
  if (serial == nullptr) {
    return Return::invalid_argument;
  }
  return find(__func__, device, [&](const Gpu&, Part part) {
    return part.instance == kNoInstanceId && serial_of(part.gpu) == serial;
  });
}

Return nvmlDeviceGetName(Device device, char* name, unsigned length) {
  return any_device_call(__func__, device, [&](Target& target) {
    std::string text(view(target.gpu.name));
    if (target.is_mig()) {
      text += " MIG ";
      text += view(target.gpu.instance.at(static_cast<std::size_t>(target.part.instance)).profile);
    }
    return write_text(text, name, length);
  });
}

Return nvmlDeviceGetUUID(Device device, char* uuid, unsigned length) {
  return any_device_call(__func__, device, [&](Target& target) {
    const Word& text =
        target.is_mig()
            ? target.gpu.instance.at(static_cast<std::size_t>(target.part.instance)).uuid
            : target.gpu.uuid;
    return write_text(view(text), uuid, length);
  });
}

Return nvmlDeviceGetSerial(Device device, char* serial, unsigned length) {
  return device_call(__func__, device, [&](Target& target) {
    return write_text(serial_of(target.part.gpu), serial, length);
  });
}

Return nvmlDeviceGetIndex(Device device, unsigned* index) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (index == nullptr) {
      return Return::invalid_argument;
    }
    *index = target.is_mig() ? static_cast<unsigned>(target.part.instance)
                             : present_before(target.session.machine(), target.part.gpu);
    return Return::success;
  });
}

Return nvmlDeviceGetMinorNumber(Device device, unsigned* minor) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (minor == nullptr) {
      return Return::invalid_argument;
    }
    *minor = static_cast<unsigned>(target.part.gpu);
    return Return::success;
  });
}

Return nvmlDeviceGetPciInfo(Device device, PciInfo* pci) {
  return get_pci_info(__func__, device, pci);
}

Return nvmlDeviceGetPciInfo_v2(Device device, PciInfo* pci) {
  return get_pci_info(__func__, device, pci);
}

Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo* pci) {
  return get_pci_info(__func__, device, pci);
}

Return nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (major == nullptr || minor == nullptr) {
      return Return::invalid_argument;
    }
    *major = target.gpu.cc_major;
    *minor = target.gpu.cc_minor;
    return Return::success;
  });
}

Return nvmlDeviceGetComputeMode(Device device, ComputeMode* mode) {
  return device_call(__func__, device, [&](Target& target) {
    if (mode == nullptr) {
      return Return::invalid_argument;
    }
    const std::int64_t value = target.value(Key::compute_mode);
    *mode = value == choice::kComputeExclusive    ? ComputeMode::exclusive_process
            : value == choice::kComputeProhibited ? ComputeMode::prohibited
                                                  : ComputeMode::shared;
    return Return::success;
  });
}

Return nvmlDeviceGetPersistenceMode(Device device, Feature* mode) {
  return read_value(__func__, device, Key::persistence, mode);
}

Return nvmlDeviceGetDisplayMode(Device device, Feature* mode) {
  return get_disabled(__func__, device, mode);
}

Return nvmlDeviceGetDisplayActive(Device device, Feature* is_active) {
  return get_disabled(__func__, device, is_active);
}
