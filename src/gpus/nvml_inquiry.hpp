// NvmlInquiry: the questions of one reading to one device. Most answers that are no value mean
// "unknown"; some tell of the device itself, and then nothing more is asked: every further call
// would only fail, and slowly. One thread.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/gpu.hpp"
#include "gpus/nvml_library.hpp"

namespace levee::gpus {

class NvmlInquiry {
 public:
  NvmlInquiry(const NvmlLibrary& library, nvml::Device device)
      : library_(library), device_(device) {}

  /// The library's own answer. A lost device answers so at once from then on.
  template <class... Parameters, class... Arguments>
  nvml::Return call(const NvmlFunction<nvml::Return(nvml::Device, Parameters...)>& function,
                    Arguments... arguments) {
    if (condition_ != GpuCondition::ok) {
      return last_;
    }
    last_ = function(device_, arguments...);
    if (last_ == nvml::Return::gpu_is_lost) {
      give_up(GpuCondition::lost, function.name());
    } else if (last_ == nvml::Return::reset_required) {
      give_up(GpuCondition::reset_required, function.name());
    }
    return last_;
  }

  /// The figure that `function` writes through its last argument; nothing when it is unknown.
  template <class Value, class Function, class... Arguments>
  std::optional<Value> get(const Function& function, Arguments... arguments) {
    Value value{};
    return call(function, arguments..., &value) == nvml::Return::success ? std::optional(value)
                                                                         : std::nullopt;
  }

  /// After a call without which a reading is worth nothing: any answer but a value or "unknown"
  /// makes the device unreadable.
  template <class Function>
  void insist(const Function& function) {
    if (condition_ == GpuCondition::ok && !is_value_or_unknown(last_)) {
      give_up(GpuCondition::unreadable, function.name());
    }
  }

  [[nodiscard]] const NvmlLibrary& library() const noexcept { return library_; }
  [[nodiscard]] GpuCondition condition() const noexcept { return condition_; }
  /// "nvmlDeviceGetMemoryInfo_v2: GPU is lost".
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }

 private:
  static bool is_value_or_unknown(nvml::Return code) noexcept {
    using nvml::Return;
    // No permission: the sums over a GPU's MIG instances want privileges.
    return code == Return::success || code == Return::not_supported || code == Return::not_found ||
           code == Return::function_not_found || code == Return::no_data ||
           code == Return::no_permission;
  }
  void give_up(GpuCondition condition, const char* function) {
    condition_ = condition;
    detail_ = std::string(function) + ": " + library_.error_text(last_);
  }

  const NvmlLibrary& library_;
  nvml::Device device_;
  nvml::Return last_ = nvml::Return::success;
  GpuCondition condition_ = GpuCondition::ok;
  std::string detail_;
};

}  // namespace levee::gpus
