#include "balloon/device_memory.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

namespace levee::balloon {
namespace {

using Answer = cuda::Result;

/// Plain memory is handed out in blocks of this size on every GPU since Pascal.
constexpr Bytes kPlainBlock = mib(2);

cuda::AllocationProp on_device(cuda::Device device) {
  cuda::AllocationProp prop{};
  prop.type = cuda::AllocationType::pinned;
  prop.location = {cuda::LocationType::device, device};
  return prop;
}

/// The driver no longer knows what was to be released: with the context it was part of, or with
/// the program's whole use of the driver, it was given up before.
bool is_gone_already(Answer answer) {
  switch (answer) {
    case Answer::invalid_value:
    case Answer::invalid_handle:
    case Answer::invalid_context:
    case Answer::context_is_destroyed:
    case Answer::not_initialized:
    case Answer::deinitialized:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::unique_ptr<DeviceMemory>> DeviceMemory::open(std::shared_ptr<const Driver> driver,
                                                         Gpu gpu) {
  auto cuda = driver->cuda();
  if (!cuda) {
    return std::unexpected(std::move(cuda.error()));
  }
  const auto device = (*cuda)->find(gpu.uuid);
  if (!device) {
    return std::unexpected(device.error());
  }
  return std::unique_ptr<DeviceMemory>(
      new DeviceMemory(std::move(driver), std::move(*cuda), std::move(gpu), *device));
}

DeviceMemory::DeviceMemory(std::shared_ptr<const Driver> driver,
                           std::shared_ptr<const CudaLibrary> cuda, Gpu gpu, cuda::Device device)
    : driver_(std::move(driver)),
      cuda_(std::move(cuda)),
      gpu_(std::move(gpu)),
      device_(device),
      owner_(::getpid()),
      granularity_(kPlainBlock) {
  int can_create = 0;
  const bool is_told =
      cuda_->device_attribute(&can_create, cuda::Attribute::has_virtual_memory_management,
                              device_) == Answer::success;
  if (!is_told || can_create == 0 || !cuda_->create || !cuda_->release) {
    return;
  }
  const cuda::AllocationProp prop = on_device(device_);
  std::size_t bytes = 0;
  if (cuda_->granularity(&bytes, &prop, cuda::GranularityKind::minimum) == Answer::success &&
      bytes > 0) {
    method_ = Method::unmapped;
    granularity_ = Bytes{bytes};
  }
}

DeviceMemory::~DeviceMemory() { leave(); }

/// Whether an unmapped allocation needs a context is said nowhere, so one block is tried. Where
/// NVML does not tell what is free, only a context can.
Result<void> DeviceMemory::prepare() {
  if (context_ != nullptr) {
    return {};
  }
  const auto memory = driver_->memory(gpu_);
  if (!memory) {
    return std::unexpected(memory.error());
  }
  if (method_ == Method::plain || !memory->has_value()) {
    return enter();
  }
  if (!was_tried_) {
    const auto block = create(granularity_);
    was_tried_ = block.has_value();
    if (block) {
      static_cast<void>(release(*block));
    }
  }
  return {};  // Whatever else is wrong shows when memory is wanted.
}

Result<DeviceMemory::Chunk> DeviceMemory::create(Bytes size) {
  if (method_ == Method::plain) {
    if (auto entered = enter(); !entered) {
      return std::unexpected(std::move(entered.error()));
    }
  }
  Chunk chunk{0, size};
  Answer answer = try_create(size, chunk.handle);
  if (answer == Answer::invalid_context && context_ == nullptr) {
    if (auto entered = enter(); !entered) {
      return std::unexpected(std::move(entered.error()));
    }
    answer = try_create(size, chunk.handle);
  }
  if (answer != Answer::success) {
    return std::unexpected(
        error(method_ == Method::unmapped ? "cuMemCreate" : "cuMemAlloc", answer));
  }
  return chunk;
}

Answer DeviceMemory::try_create(Bytes size, std::uint64_t& handle) const {
  const EnteredContext entered(*cuda_, context_);
  if (method_ == Method::plain) {
    return cuda_->allocate(&handle, size.count);
  }
  const cuda::AllocationProp prop = on_device(device_);
  return cuda_->create(&handle, size.count, &prop, 0);
}

bool DeviceMemory::release(const Chunk& chunk) noexcept {
  if (::getpid() != owner_) {
    return true;
  }
  const Answer answer = try_release(chunk.handle);
  return answer == Answer::success || is_gone_already(answer);
}

Result<std::unique_ptr<Mapping>> DeviceMemory::map(const Mapping::Stretch& stretch) const {
  if (method_ == Method::plain) {
    return fail(ErrorCode::unavailable,
                fmt::format("GPU {} does not manage virtual memory: what a balloon holds there "
                            "cannot be mapped",
                            gpu_.gpu_id),
                "give it up with yield_to_owner() and allocate at once");
  }
  return Mapping::make(cuda_, device_, stretch);
}

Answer DeviceMemory::try_release(std::uint64_t handle) const {
  const EnteredContext entered(*cuda_, context_);
  return method_ == Method::plain ? cuda_->free(handle) : cuda_->release(handle);
}

Result<void> DeviceMemory::enter() {
  if (context_ != nullptr) {
    return {};
  }
  const auto free_by_nvml = [&]() -> std::optional<Bytes> {
    const auto memory = driver_->memory(gpu_);
    return memory && memory->has_value() ? std::optional((*memory)->free) : std::nullopt;
  };
  const std::optional<Bytes> before = free_by_nvml();
  if (const Answer answer = cuda_->retain_context(&context_, device_); answer != Answer::success) {
    context_ = nullptr;
    return std::unexpected(error("cuDevicePrimaryCtxRetain", answer));
  }
  const std::optional<Bytes> after = free_by_nvml();
  context_bytes_ = before && after ? *before - *after : Bytes{};
  return {};
}

void DeviceMemory::leave() noexcept {
  if (context_ != nullptr && ::getpid() == owner_) {
    static_cast<void>(cuda_->release_context(device_));
  }
  context_ = nullptr;
  context_bytes_ = Bytes{};
}

Result<DeviceMemory::Figures> DeviceMemory::figures() const {
  const auto memory = driver_->memory(gpu_);
  if (!memory) {
    return std::unexpected(memory.error());
  }
  Figures figures;
  if (memory->has_value()) {
    figures = {(*memory)->free, (*memory)->total};
  }
  if (context_ == nullptr) {
    return figures;
  }
  // What allocations are judged by, where a cgroup's limit binds this process.
  const EnteredContext entered(*cuda_, context_);
  std::size_t free = 0;
  std::size_t total = 0;
  if (const Answer answer = cuda_->memory_info(&free, &total); answer != Answer::success) {
    return std::unexpected(error("cuMemGetInfo", answer));
  }
  figures.free = Bytes{free};
  figures.total = figures.total.value_or(Bytes{total});
  return figures;
}

int DeviceMemory::compute_mode() const noexcept {
  int mode = 0;
  return cuda_->device_attribute(&mode, cuda::Attribute::compute_mode, device_) == Answer::success
             ? mode
             : 0;
}

Error DeviceMemory::error(const char* function, Answer answer) const {
  return cuda_->error(fmt::format("{} on GPU {}", function, gpu_.gpu_id), answer);
}

}  // namespace levee::balloon
