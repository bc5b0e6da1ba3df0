#include "gpus/nvml_driver.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

#include "gpus/nvml_device.hpp"
#include "gpus/nvml_library.hpp"

namespace levee::gpus {
namespace {

using nvml::Return;

/// More than any machine has; guards against a driver that answers nonsense.
constexpr unsigned kMostDevices = 256;

/// How long one wait for an error report lasts. NVML's wait cannot be interrupted.
constexpr unsigned kWaitMs = 1000;

/// After these nothing works until the library has been loaded anew.
bool ends_session(Return code) {
  return code == Return::uninitialized || code == Return::driver_not_loaded ||
         code == Return::lib_rm_version_mismatch;
}

/// An event set with the devices registered in it.
class XidWatch {
 public:
  using Handles = std::map<nvml::Device, std::string>;

  XidWatch(const NvmlLibrary& library, Handles uuids)
      : library_(library), uuids_(std::move(uuids)) {
    if (library_.event_set_create(&set_) != Return::success) {
      set_ = nullptr;
      return;
    }
    for (const auto& [device, uuid] : uuids_) {
      const Return code = library_.register_events(device, nvml::event::kXidCriticalError, set_);
      any_registered_ |= code == Return::success;
    }
  }
  XidWatch(const XidWatch&) = delete;
  XidWatch& operator=(const XidWatch&) = delete;
  ~XidWatch() {
    if (set_ != nullptr) {
      library_.event_set_free(set_);
    }
  }

  /// False where no device reports errors.
  [[nodiscard]] bool works() const noexcept { return any_registered_; }

  /// Waits for the next report. False when the set is of no use any more.
  [[nodiscard]] bool wait(const std::function<void(const GpuXid&)>& tell) const {
    nvml::EventData event{};
    const Return code = library_.event_set_wait(set_, &event, kWaitMs);
    if (code == Return::success && (event.type & nvml::event::kXidCriticalError) != 0) {
      const auto known = uuids_.find(event.device);
      if (known != uuids_.end()) {
        tell({known->second, event.data,
              std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())});
      }
    }
    return code == Return::success || code == Return::timeout;
  }

 private:
  const NvmlLibrary& library_;
  const Handles uuids_;
  nvml::EventSet set_ = nullptr;
  bool any_registered_ = false;
};

class NvmlDriver final : public Driver {
 public:
  explicit NvmlDriver(std::shared_ptr<const NvmlLibrary> library) : library_(std::move(library)) {
    std::array<char, nvml::kVersionBuffer> buffer{};
    if (library_->driver_version(buffer.data(), static_cast<unsigned>(buffer.size())) ==
        Return::success) {
      version_ = buffer.data();
    }
  }

  [[nodiscard]] Result<std::vector<std::unique_ptr<Device>>> devices() override;
  [[nodiscard]] std::optional<Error> complaint() const override { return complaint_; }
  void watch(const std::function<void(const GpuXid&)>& tell, const std::stop_token& stop) override;

 private:
  [[nodiscard]] Result<GpuIdentity> identify(nvml::Device handle, unsigned index);
  [[nodiscard]] bool watch_devices(const XidWatch::Handles& handles,
                                   const std::function<void(const GpuXid&)>& tell,
                                   const std::stop_token& stop);
  [[nodiscard]] std::unexpected<Error> session_failure(const char* function, Return code) const;

  const std::shared_ptr<const NvmlLibrary> library_;
  std::string version_;

  // The listing thread's.
  std::map<nvml::Device, GpuIdentity> identities_;  ///< Of the handles of the last list.
  std::optional<Error> complaint_;

  std::mutex mutex_;
  std::condition_variable_any changed_;  // the members below are guarded by mutex_
  XidWatch::Handles handles_;            ///< What to watch.
  bool is_new_ = false;                  ///< Watched in vain so far.
};

Result<std::vector<std::unique_ptr<Device>>> NvmlDriver::devices() {
  unsigned count = 0;
  if (const Return code = library_->count(&count); code != Return::success) {
    return session_failure(library_->count.name(), code);
  }
  std::vector<std::unique_ptr<Device>> devices;
  std::map<nvml::Device, GpuIdentity> identities;
  XidWatch::Handles handles;
  std::vector<std::string> lost;
  Return last = Return::success;
  for (unsigned i = 0; i < std::min(count, kMostDevices); ++i) {
    nvml::Device handle = nullptr;
    last = library_->handle_by_index(i, &handle);
    if (ends_session(last)) {
      return session_failure(library_->handle_by_index.name(), last);
    }
    if (last != Return::success) {
      lost.push_back(fmt::format("number {}: {}", i, library_->error_text(last)));
      continue;
    }
    auto identity = identify(handle, i);
    if (!identity) {
      lost.push_back(fmt::format("number {}: {}", i, identity.error().message));
      continue;
    }
    handles[handle] = identity->uuid;
    identities[handle] = *identity;
    devices.push_back(std::make_unique<NvmlDevice>(library_, handle, std::move(*identity)));
  }
  if (devices.empty() && last == Return::unknown) {
    // Of one device that is an error of its own; of all of them it is the session's.
    return session_failure(library_->handle_by_index.name(), last);
  }
  identities_ = std::move(identities);
  complaint_.reset();
  if (!lost.empty()) {
    complaint_ =
        Error{ErrorCode::unavailable,
              fmt::format("{} of {} NVIDIA GPUs cannot be reached ({})", lost.size(), count,
                          fmt::join(lost, "; ")),
              "a GPU that fell off the bus comes back with a reset or a restart; dmesg may "
              "hold an XID"};
  }
  const std::scoped_lock lock(mutex_);
  is_new_ |= handles != handles_;
  handles_ = std::move(handles);
  changed_.notify_all();
  return devices;
}

/// Looking at a known device again costs one call, not ten. One that answers with an error is still
/// there: its readings say what is wrong with it.
Result<GpuIdentity> NvmlDriver::identify(nvml::Device handle, unsigned index) {
  const auto known = identities_.find(handle);
  if (known != identities_.end() && known->second.index == static_cast<int>(index)) {
    std::array<char, nvml::kUuidBuffer> uuid{};
    const Return code = library_->uuid(handle, uuid.data(), static_cast<unsigned>(uuid.size()));
    if (code != Return::success || known->second.uuid == uuid.data()) {
      return known->second;
    }
  }
  return identify_nvml_device(*library_, handle, static_cast<int>(index), version_);
}

std::unexpected<Error> NvmlDriver::session_failure(const char* function, Return code) const {
  return fail(ErrorCode::unavailable, fmt::format("{}: {}", function, library_->error_text(code)),
              "Levee loads the driver's library anew; run nvidia-smi if this persists");
}

void NvmlDriver::watch(const std::function<void(const GpuXid&)>& tell,
                       const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return is_new_; })) {
    is_new_ = false;
    const XidWatch::Handles handles = handles_;
    lock.unlock();
    const bool is_spoilt = !watch_devices(handles, tell, stop);
    lock.lock();
    if (is_spoilt) {
      // A lost device spoils the set. Whatever is wrong, asking at once would not mend it.
      is_new_ = true;
      changed_.wait_for(lock, stop, std::chrono::milliseconds{kWaitMs}, [] { return false; });
    }
  }
}

/// Until there are others to watch, or `stop`. False when it must be tried again.
bool NvmlDriver::watch_devices(const XidWatch::Handles& handles,
                               const std::function<void(const GpuXid&)>& tell,
                               const std::stop_token& stop) {
  const XidWatch watched(*library_, handles);
  const auto is_over = [&] {
    const std::scoped_lock lock(mutex_);
    return is_new_ || stop.stop_requested();
  };
  while (watched.works() && !is_over()) {
    if (!watched.wait(tell)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Driver>> find_nvml(const std::vector<std::string>& names) {
  auto library = NvmlLibrary::open(names);
  if (!library) {
    return std::unexpected(std::move(library.error()));
  }
  return std::make_unique<NvmlDriver>(std::move(*library));
}

}  // namespace levee::gpus
