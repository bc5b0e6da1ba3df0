#include "simgpu/cuda/library.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "abi/nvml.hpp"
#include "simgpu/machine/processes.hpp"
#include "simgpu/machine/text.hpp"
#include "simgpu/open_segment.hpp"

namespace levee::simgpu {
namespace {

using cuda::Result;

/// cuInit's word for what nvmlInit says.
Result from_init_result(std::int64_t init_result) noexcept {
  switch (static_cast<nvml::Return>(init_result)) {
    case nvml::Return::success:
      return Result::success;
    case nvml::Return::driver_not_loaded:
      return Result::no_device;
    case nvml::Return::lib_rm_version_mismatch:
      return Result::system_driver_mismatch;
    default:
      return Result::unknown;
  }
}

bool is_there(const Gpu& gpu) noexcept { return gpu.is_defined != 0 && gpu.is_present != 0; }

/// Every GPU; of one with MIG only the first instance, as the CUDA driver does.
std::vector<Part> all_parts(const Machine& machine) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < kMaxGpus; ++i) {
    const Gpu& gpu = machine.gpu.at(i);
    if (is_there(gpu)) {
      parts.push_back({static_cast<std::int32_t>(i), gpu.instances > 0 ? 0 : kNoInstanceId});
    }
  }
  return parts;
}

/// The part an entry of CUDA_VISIBLE_DEVICES names: a number, or the beginning of a UUID.
std::optional<Part> part_named(const Machine& machine, std::string_view word) {
  const std::vector<Part> all = all_parts(machine);
  if (word.starts_with("GPU-") || word.starts_with("MIG-")) {
    for (const Part& part : all) {
      const Gpu& gpu = machine.gpu.at(static_cast<std::size_t>(part.gpu));
      if (view(gpu.uuid).starts_with(word)) {
        return part;
      }
      for (std::size_t i = 0; i < gpu.instances; ++i) {
        if (view(gpu.instance.at(i).uuid).starts_with(word)) {
          return Part{part.gpu, static_cast<std::int32_t>(i)};
        }
      }
    }
    return std::nullopt;
  }
  std::size_t index = 0;
  for (const char c : word) {
    if (c < '0' || c > '9' || index >= kMaxGpus) {
      return std::nullopt;
    }
    index = index * 10 + static_cast<std::size_t>(c - '0');
  }
  return !word.empty() && index < all.size() ? std::optional(all[index]) : std::nullopt;
}

}  // namespace

std::vector<Part> visible_parts(const Machine& machine, const char* wish) {
  if (wish == nullptr) {
    return all_parts(machine);
  }
  std::vector<Part> parts;
  std::string_view rest = wish;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(','));
    const auto part = part_named(machine, word);
    if (!part) {
      break;  // As the driver does: an entry it does not know ends the list.
    }
    parts.push_back(*part);
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  return parts;
}

CudaLibrary& CudaLibrary::get() noexcept {
  static CudaLibrary library;
  return library;
}

CudaLibrary::~CudaLibrary() {
  if (slot_ != nullptr && is_ready()) {
    Session session(*segment);
    clear_process(session.machine(), *slot_);
  }
}

Result CudaLibrary::init(unsigned flags) noexcept {
  if (flags != 0) {
    return Result::invalid_value;
  }
  if (owner != 0) {
    return is_ready() ? Result::success : Result::not_initialized;
  }
  auto machine = open_named_segment();
  if (!machine) {
    return Result::no_device;
  }
  Session session(*machine);
  if (const auto forced = pass_gate(session, "cuInit", kNoGpu)) {
    return Result{*forced};
  }
  if (const Result result = from_init_result(session.machine().init_result);
      result != Result::success) {
    return result;
  }
  if (owner != 0) {
    return Result::success;  // Another thread was faster.
  }
  for (const Part& part : visible_parts(session.machine(), std::getenv("CUDA_VISIBLE_DEVICES"))) {
    CudaDevice device;
    device.part = part;
    device.generation = session.machine().gpu.at(static_cast<std::size_t>(part.gpu)).generation;
    devices.push_back(std::move(device));
  }
  if (devices.empty()) {
    return Result::no_device;
  }
  segment = std::move(machine);
  owner = ::getpid();
  return Result::success;
}

Process* CudaLibrary::slot(Session& session) noexcept {
  if (slot_ == nullptr) {
    slot_ = claim_process(session.machine());
  }
  return slot_;
}

CudaDevice* CudaLibrary::find(cuda::Device device) noexcept {
  return device >= 0 && static_cast<std::size_t>(device) < devices.size()
             ? &devices[static_cast<std::size_t>(device)]
             : nullptr;
}

bool CudaLibrary::knows(cuda::Context context) const noexcept {
  return std::ranges::any_of(contexts, [&](const auto& held) { return held.get() == context; });
}

ContextStack& current_contexts() noexcept {
  thread_local ContextStack contexts{};
  return contexts;
}

}  // namespace levee::simgpu
