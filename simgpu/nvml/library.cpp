#include "simgpu/nvml/library.hpp"

#include <algorithm>
#include <utility>

#include "simgpu/open_segment.hpp"

namespace levee::simgpu {
namespace {

constexpr std::uint64_t kTag = 0x5349;  // In the top bits of every handle.

std::uint64_t number_of(nvml::Device device) noexcept {
  return reinterpret_cast<std::uint64_t>(device);
}

}  // namespace

NvmlLibrary& NvmlLibrary::get() noexcept {
  static NvmlLibrary library;
  return library;
}

Return NvmlLibrary::init(const char* function) noexcept {
  auto machine = segment();
  if (!machine) {
    machine = open_named_segment();
  }
  Return result = Return::driver_not_loaded;
  if (machine) {
    Session session(*machine);
    const auto forced = pass_gate(session, function, kNoGpu);
    result = forced ? Return{*forced}
                    : Return{static_cast<std::uint32_t>(session.machine().init_result)};
  }
  if (result == Return::success) {
    const std::lock_guard lock(mutex_);
    segment_ = users_ == 0 ? machine : segment_;
    ++users_;
  }
  trace(function, kNoGpu, static_cast<std::uint32_t>(result));
  return result;
}

Return NvmlLibrary::shutdown() noexcept {
  std::shared_ptr<Segment> last;  // Unmapped after the lock.
  {
    const std::lock_guard lock(mutex_);
    users_ -= users_ > 0 ? 1 : 0;
    if (users_ == 0) {
      last = std::exchange(segment_, nullptr);
    }
  }
  return Return::success;
}

std::shared_ptr<Segment> NvmlLibrary::segment() noexcept {
  const std::lock_guard lock(mutex_);
  return segment_;
}

nvml::Device make_handle(Named named) noexcept {
  const std::uint64_t number = kTag << 48U | std::uint64_t{named.generation} << 16U |
                               static_cast<std::uint64_t>(named.part.instance + 1) << 8U |
                               static_cast<std::uint64_t>(named.part.gpu + 1);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a handle is a number that nobody follows.
  return reinterpret_cast<nvml::Device>(number);
}

std::optional<Named> read_handle(nvml::Device device) noexcept {
  const std::uint64_t number = number_of(device);
  const auto gpu = static_cast<std::int32_t>(number & 0xFF) - 1;
  const auto instance = static_cast<std::int32_t>(number >> 8U & 0xFF) - 1;
  const bool is_ours = number >> 48U == kTag && gpu >= 0 &&
                       gpu < static_cast<std::int32_t>(kMaxGpus) &&
                       instance < static_cast<std::int32_t>(kMaxInstances);
  if (!is_ours) {
    return std::nullopt;
  }
  return Named{{gpu, instance}, static_cast<std::uint32_t>(number >> 16U & 0xFFFFFFFF)};
}

Return check_handle(Session& session, const std::optional<Named>& named) noexcept {
  if (!named) {
    return Return::invalid_argument;
  }
  const Gpu& gpu = session.machine().gpu.at(static_cast<std::size_t>(named->part.gpu));
  if (gpu.is_defined == 0) {
    return Return::invalid_argument;
  }
  if (gpu.is_present == 0 || gpu.generation != named->generation ||
      session.value(gpu, Key::lost) > 0) {
    return Return::gpu_is_lost;
  }
  return session.value(gpu, Key::reset_required) > 0 ? Return::reset_required : Return::success;
}

Return write_text(std::string_view text, char* into, unsigned length) noexcept {
  if (into == nullptr) {
    return Return::invalid_argument;
  }
  if (length < text.size() + 1) {
    return Return::insufficient_size;
  }
  *std::ranges::copy(text, into).out = '\0';
  return Return::success;
}

}  // namespace levee::simgpu
