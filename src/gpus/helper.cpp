#include "gpus/helper.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "gpus/device_worker.hpp"
#include "gpus/wire.hpp"
#include "sources/file.hpp"

namespace levee::gpus {
namespace {

using std::chrono::steady_clock;

/// How often devices are looked for, when none has just been lost.
constexpr std::chrono::seconds kListAgain{5};

/// How long a helper with a failed driver serves the devices of the others, before it ends so that
/// its successor loads the failed one anew.
constexpr std::chrono::seconds kServeOthers{60};

constexpr std::size_t kLongestQuestion = std::size_t{64} * 1024;

constexpr int kDone = 0;
constexpr int kFailed = 1;

/// Whole lines from many threads.
class Outlet {
 public:
  explicit Outlet(int fd) : fd_(fd) {}

  /// False when nobody reads any more.
  bool write(std::string_view text) {
    const std::scoped_lock lock(mutex_);
    if (is_closed_) {
      return false;
    }
    while (!text.empty()) {
      const ssize_t count = ::write(fd_, text.data(), text.size());
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count <= 0) {
        return false;
      }
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// From here on nothing is written: the descriptor is the caller's again, while a thread that
  /// hung in a driver may still have something to say.
  void close() {
    const std::scoped_lock lock(mutex_);
    is_closed_ = true;
  }

 private:
  const int fd_;
  std::mutex mutex_;  // so that lines do not mix
  bool is_closed_ = false;
};

/// What the threads share. Every thread owns it, because a thread that hangs in a driver outlives
/// all the others.
class Helper : public std::enable_shared_from_this<Helper> {
 public:
  Helper(std::vector<DriverEntry> drivers, int out) : out_(out) {
    for (DriverEntry& entry : drivers) {
      drivers_.push_back({std::move(entry), {}});
    }
  }

  /// Starts the threads that list devices and watch for error reports.
  void start();
  /// Answers the questions from `in` until it ends, or until a driver must be loaded anew.
  [[nodiscard]] int serve(int in);
  void end();

 private:
  using Workers = std::map<std::string, std::shared_ptr<DeviceWorker>>;  ///< By UUID.

  struct Listed {
    DriverEntry entry;
    std::vector<GpuIdentity> devices;  ///< With the driver's own indices.
  };

  void ask(std::uint64_t number);
  [[nodiscard]] bool take_questions(std::string& text);
  void tell(const wire::Message& message);
  void stop_serving(int code);

  // The listing thread.
  void keep_listing();
  [[nodiscard]] bool list_devices();
  void adopt(std::vector<std::unique_ptr<Device>> devices, std::vector<GpuIdentity>& identities,
             Workers& fresh);
  [[nodiscard]] std::shared_ptr<DeviceWorker> start_worker(std::unique_ptr<Device> device);
  void admit(Workers fresh);
  void drop_unlisted();
  void tell_list(const std::vector<wire::Trouble>& troubles);

  Outlet out_;
  const sources::Fd stopped_{::eventfd(0, EFD_CLOEXEC)};
  std::stop_source watching_;

  std::vector<Listed> drivers_;  // the listing thread's, but for the driver behind entry.driver
  std::string told_;             // the listing thread's: the list as it was sent last
  std::optional<steady_clock::time_point> failing_since_;  // the listing thread's

  std::mutex mutex_;
  std::condition_variable wake_;  // the members below are guarded by mutex_
  Workers workers_;
  std::optional<std::uint64_t> question_;
  bool list_now_ = false;
  bool ended_ = false;
  int code_ = kDone;
};

void Helper::start() {
  const auto self = shared_from_this();
  for (const Listed& listed : drivers_) {
    if (listed.entry.driver) {
      std::thread([self, driver = listed.entry.driver->get()] {
        driver->watch([&](const GpuXid& xid) { self->tell(xid); }, self->watching_.get_token());
      }).detach();
    }
  }
  std::thread([self] { self->keep_listing(); }).detach();
}

int Helper::serve(int in) {
  std::string text;
  std::array<char, 4096> chunk{};
  while (true) {
    std::array<pollfd, 2> fds{pollfd{.fd = in, .events = POLLIN, .revents = 0},
                              pollfd{.fd = stopped_.get(), .events = POLLIN, .revents = 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) {
      return kFailed;
    }
    if (fds[1].revents != 0) {
      const std::scoped_lock lock(mutex_);
      return code_;
    }
    if (fds[0].revents == 0) {
      continue;
    }
    const ssize_t count = ::read(in, chunk.data(), chunk.size());
    if (count == 0) {
      return kDone;
    }
    if (count < 0 && errno != EINTR) {
      return kFailed;
    }
    text.append(chunk.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (!take_questions(text)) {
      return kFailed;
    }
  }
}

/// Takes the whole lines off `text`. False for anything that is no question.
bool Helper::take_questions(std::string& text) {
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
    const auto message = wire::decode(std::string_view(text).substr(0, end));
    if (!message || !std::holds_alternative<wire::Ask>(*message)) {
      return false;
    }
    ask(std::get<wire::Ask>(*message).number);
    text.erase(0, end + 1);
  }
  return text.size() <= kLongestQuestion;
}

void Helper::ask(std::uint64_t number) {
  const std::scoped_lock lock(mutex_);
  question_ = number;
  for (const auto& [uuid, worker] : workers_) {
    worker->ask(number);
  }
}

void Helper::tell(const wire::Message& message) {
  if (!out_.write(wire::encode(message))) {
    stop_serving(kDone);
  }
}

void Helper::stop_serving(int code) {
  {
    const std::scoped_lock lock(mutex_);
    code_ = code;
  }
  ::eventfd_write(stopped_.get(), 1);
}

void Helper::end() {
  out_.close();
  watching_.request_stop();
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  wake_.notify_all();
  for (const auto& [uuid, worker] : workers_) {
    worker->end();
  }
  workers_.clear();  // They hold on to us.
}

void Helper::keep_listing() {
  while (list_devices()) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, kListAgain, [this] { return ended_ || list_now_; });
    list_now_ = false;
    if (ended_) {
      return;
    }
  }
  stop_serving(kFailed);
}

/// False when a driver has failed and it is time to load it anew.
bool Helper::list_devices() {
  std::vector<wire::Trouble> troubles;
  Workers fresh;
  bool any_failed = false;
  bool any_works = false;
  for (auto& [entry, identities] : drivers_) {
    auto devices =
        entry.driver ? (*entry.driver)->devices() : std::unexpected(entry.driver.error());
    std::optional<Error> trouble;
    if (devices) {
      adopt(std::move(*devices), identities, fresh);
      trouble = (*entry.driver)->complaint();
      any_works = true;
    } else {
      trouble = std::move(devices.error());
      any_failed = true;
    }
    if (trouble) {
      troubles.push_back({{entry.source, std::move(*trouble)}, false});
    }
  }
  drop_unlisted();
  tell_list(troubles);
  admit(std::move(fresh));
  if (!any_failed) {
    failing_since_.reset();
    return true;
  }
  const auto now = steady_clock::now();
  failing_since_ = failing_since_.value_or(now);
  return any_works && now - *failing_since_ < kServeOthers;
}

/// Makes workers for new devices. A device that fails gets its new handle: after an unplug and
/// replug the old one stays dead.
void Helper::adopt(std::vector<std::unique_ptr<Device>> devices,
                   std::vector<GpuIdentity>& identities, Workers& fresh) {
  identities.clear();
  const std::scoped_lock lock(mutex_);
  for (std::unique_ptr<Device>& device : devices) {
    const GpuIdentity& identity = identities.emplace_back(device->identity());
    const auto known = workers_.find(identity.uuid);
    if (known == workers_.end()) {
      fresh[identity.uuid] = start_worker(std::move(device));
    } else if (!known->second->is_well()) {
      known->second->replace(std::move(device));
    }
  }
}

std::shared_ptr<DeviceWorker> Helper::start_worker(std::unique_ptr<Device> device) {
  const auto self = shared_from_this();
  const auto list_now = [self] {
    const std::scoped_lock lock(self->mutex_);
    self->list_now_ = true;
    self->wake_.notify_all();
  };
  return DeviceWorker::start(
      std::move(device),
      {[self](wire::Answer answer) { self->tell(std::move(answer)); }, list_now});
}

/// From here on the new devices are asked; nobody hears of them before the list names them.
void Helper::admit(Workers fresh) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [uuid, worker] : fresh) {
    if (ended_) {
      worker->end();
    } else if (question_) {
      worker->ask(*question_);
    }
  }
  if (!ended_) {
    workers_.merge(std::move(fresh));
  }
}

void Helper::drop_unlisted() {
  const auto is_listed = [&](const std::string& uuid) {
    return std::ranges::any_of(drivers_, [&](const Listed& listed) {
      return std::ranges::find(listed.devices, uuid, &GpuIdentity::uuid) != listed.devices.end();
    });
  };
  const std::scoped_lock lock(mutex_);
  std::erase_if(workers_, [&](const auto& entry) {
    if (is_listed(entry.first)) {
      return false;
    }
    entry.second->end();
    return true;
  });
}

/// The devices of the first driver keep its numbers, those of the next follow, and so on. Sent
/// only when it says something new.
void Helper::tell_list(const std::vector<wire::Trouble>& troubles) {
  std::string text;
  for (const wire::Trouble& trouble : troubles) {
    text += wire::encode(trouble);
  }
  wire::Devices all;
  int first = 0;
  for (const Listed& listed : drivers_) {
    int next = first;
    for (GpuIdentity identity : listed.devices) {
      identity.index += first;
      next = std::max(next, identity.index + 1);
      all.devices.push_back(std::move(identity));
    }
    first = next;
  }
  text += wire::encode(all);
  if (text != told_ && !out_.write(text)) {
    stop_serving(kDone);
  }
  told_ = std::move(text);
}

}  // namespace

int run_helper(std::vector<DriverEntry> drivers, int in, int out) {
  std::erase_if(drivers, [](const DriverEntry& entry) {
    return !entry.driver && entry.driver.error().code == ErrorCode::not_found;
  });
  if (drivers.empty()) {
    Outlet(out).write(wire::encode(wire::Trouble{
        {"gpus", {ErrorCode::not_found, "this machine has no GPU driver", {}}}, true}));
    return kDone;
  }
  const auto helper = std::make_shared<Helper>(std::move(drivers), out);
  helper->start();
  const int code = helper->serve(in);
  helper->end();
  return code;
}

}  // namespace levee::gpus
