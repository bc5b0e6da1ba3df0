// NVML: MIG.
#include "levee/bytes.hpp"
#include "simgpu/nvml/exports.hpp"
#include "simgpu/nvml/library.hpp"

using namespace levee::simgpu;

namespace {

constexpr int kAmpere = 8;
constexpr unsigned kMultiprocessorsPerSlice = 16;

bool can_mig(const Gpu& gpu) noexcept { return gpu.cc_major >= kAmpere; }

Return get_of_instance(const char* function, Device device, unsigned* out,
                       unsigned (*number)(std::int32_t instance)) noexcept {
  return any_device_call(function, device, [&](Target& target) {
    if (out == nullptr) {
      return Return::invalid_argument;
    }
    if (!target.is_mig()) {
      return Return::not_supported;
    }
    *out = number(target.part.instance);
    return Return::success;
  });
}

}  // namespace

Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  return device_call(__func__, device, [&](Target& target) {
    if (current == nullptr || pending == nullptr) {
      return Return::invalid_argument;
    }
    if (!can_mig(target.gpu)) {
      return Return::not_supported;
    }
    *current = *pending = target.gpu.instances > 0 ? kMigEnabled : kMigDisabled;
    return Return::success;
  });
}

Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned* count) {
  return device_call(__func__, device, [&](Target& target) {
    if (count == nullptr) {
      return Return::invalid_argument;
    }
    *count = can_mig(target.gpu) ? static_cast<unsigned>(kMaxInstances) : 0;
    return Return::success;
  });
}

Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device* mig) {
  return device_call(__func__, device, [&](Target& target) {
    if (mig == nullptr || index >= kMaxInstances) {
      return Return::invalid_argument;
    }
    if (!can_mig(target.gpu)) {
      return Return::not_supported;
    }
    if (index >= target.gpu.instances) {
      return Return::not_found;
    }
    *mig =
        make_handle({{target.part.gpu, static_cast<std::int32_t>(index)}, target.gpu.generation});
    return Return::success;
  });
}

Return nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device mig, Device* device) {
  return any_device_call(__func__, mig, [&](Target& target) {
    if (device == nullptr || !target.is_mig()) {
      return Return::invalid_argument;
    }
    *device = make_handle({{target.part.gpu, kNoInstanceId}, target.gpu.generation});
    return Return::success;
  });
}

Return nvmlDeviceIsMigDeviceHandle(Device device, unsigned* is_mig) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (is_mig == nullptr) {
      return Return::invalid_argument;
    }
    *is_mig = target.is_mig() ? 1 : 0;
    return Return::success;
  });
}

Return nvmlDeviceGetGpuInstanceId(Device device, unsigned* id) {
  return get_of_instance(__func__, device, id, [](std::int32_t instance) {
    return static_cast<unsigned>(instance) + 1;  // As the process records have it.
  });
}

Return nvmlDeviceGetComputeInstanceId(Device device, unsigned* id) {
  return get_of_instance(__func__, device, id, [](std::int32_t) { return 0U; });
}

Return nvmlDeviceGetAttributes_v2(Device device, Attributes* attributes) {
  return any_device_call(__func__, device, [&](Target& target) {
    if (attributes == nullptr) {
      return Return::invalid_argument;
    }
    if (!target.is_mig()) {
      return Return::not_supported;
    }
    const Instance& instance =
        target.gpu.instance.at(static_cast<std::size_t>(target.part.instance));
    *attributes = Attributes{};
    attributes->multiprocessors = instance.slices * kMultiprocessorsPerSlice;
    attributes->gpu_instance_slices = instance.slices;
    attributes->compute_instance_slices = instance.slices;
    attributes->memory_mib = instance.bytes / levee::kMiB;
    return Return::success;
  });
}
