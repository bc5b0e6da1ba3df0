#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "client/fork_watch.hpp"
#include "engine/gpu_tracks.hpp"
#include "engine/look.hpp"
#include "engine/monitor_session.hpp"
#include "levee/monitor.hpp"

namespace levee {
namespace {

using engine::MonitorSession;
using engine::OfferedRecovery;
namespace fs = std::filesystem;

/// A copy that a child of fork() sees.
Error forked() {
  return {ErrorCode::unavailable, "this monitor belongs to the process that was forked",
          "make another one in the child"};
}

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

/// Beside this program, then in PATH; empty where there is none.
fs::path find_levee() {
  std::error_code error;
  const fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "levee";
  if (!error && is_program(beside)) {
    return beside;
  }
  const char* const path = std::getenv("PATH");
  for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (const fs::path found = fs::path(rest.substr(0, end)) / "levee";
        found.is_absolute() && is_program(found)) {
      return found;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

std::vector<std::string> helper_of(const MonitorOptions& options) {
  const fs::path program = options.levee_program.empty() ? find_levee() : options.levee_program;
  return program.empty() ? std::vector<std::string>{}
                         : std::vector<std::string>{program.string(), "gpu-helper"};
}

const api::GpuView* find_gpu(const api::View& view, int gpu_id) {
  const auto found = std::ranges::find_if(view.gpus, [&](const api::GpuView& gpu) {
    return gpu.reading->identity->index == gpu_id && !gpu.reading->identity->is_instance();
  });
  return found == view.gpus.end() ? nullptr : &*found;
}

std::unexpected<Error> no_gpu(const api::View& view, int gpu_id) {
  return fail(ErrorCode::not_found, "there is no GPU " + std::to_string(gpu_id),
              view.gpus.empty() ? "this machine has none that Levee can read; see `levee doctor`"
                                : "gpus() names those that are there");
}

}  // namespace

class MemoryMonitor::Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(MonitorOptions options) : options_(std::move(options)) {}

  [[nodiscard]] bool is_in_child() const noexcept { return fork_.is_in_child(); }

  void add(Severity severity, AlertCallback callback) {
    const std::lock_guard lock(mutex_);
    alerts_.emplace_back(severity, share(std::move(callback)));
  }
  void add_resolved(AlertCallback callback) {
    const std::lock_guard lock(mutex_);
    resolved_.push_back(share(std::move(callback)));
  }
  void add(OutcomeCallback callback) {
    const std::lock_guard lock(mutex_);
    outcomes_.push_back(share(std::move(callback)));
  }
  void add(OfferedRecovery offered) {
    const std::lock_guard lock(mutex_);
    offers_.push_back(std::make_shared<const OfferedRecovery>(std::move(offered)));
    if (session_) {
      session_->offer(offers_.back());
    }
  }

  Result<void> start();
  void stop();
  [[nodiscard]] std::shared_ptr<const api::View> view() const;
  [[nodiscard]] std::shared_ptr<MonitorSession> session() const {
    const std::lock_guard lock(mutex_);
    return session_;
  }
  [[nodiscard]] MonitorStatus status() const;

 private:
  template <class Callback>
  static std::shared_ptr<const Callback> share(Callback callback) {
    return std::make_shared<const Callback>(std::move(callback));
  }
  [[nodiscard]] Result<std::shared_ptr<const config::Settings>> settings() const;
  [[nodiscard]] engine::Callbacks callbacks();
  /// Calls all of `list` with `value`, whatever some of them throw.
  template <class Callback, class Value>
  void call(const std::vector<std::shared_ptr<const Callback>>& list, const Value& value);
  void tell(const MemoryAlert& alert, bool is_resolved);
  [[nodiscard]] Result<bool> recover(const OfferedRecovery& offered,
                                     const RecoveryRequest& request);

  const MonitorOptions options_;
  client::ForkWatch fork_;
  std::atomic<std::uint64_t> threw_ = 0;

  mutable std::mutex mutex_;  // guards the members below
  std::vector<std::pair<Severity, std::shared_ptr<const AlertCallback>>> alerts_;
  std::vector<std::shared_ptr<const AlertCallback>> resolved_;
  std::vector<std::shared_ptr<const OutcomeCallback>> outcomes_;
  std::vector<std::shared_ptr<const OfferedRecovery>> offers_;
  std::shared_ptr<MonitorSession> session_;  ///< Null while it does not run.
};

Result<std::shared_ptr<const config::Settings>> MemoryMonitor::Core::settings() const {
  auto loaded = config::Settings::load(
      {.file = {}, .default_files = {}, .environment = {}, .command_line = options_.settings});
  if (!loaded) {
    return std::unexpected(loaded.error());
  }
  return std::make_shared<const config::Settings>(std::move(*loaded));
}

engine::Callbacks MemoryMonitor::Core::callbacks() {
  return {
      .alert = [self = shared_from_this()](const MemoryAlert& alert,
                                           bool is_resolved) { self->tell(alert, is_resolved); },
      .outcome =
          [self = shared_from_this()](const RecoveryOutcome& outcome) {
            std::unique_lock lock(self->mutex_);
            const auto list = self->outcomes_;
            lock.unlock();
            self->call(list, outcome);
          },
      .recover = [self = shared_from_this()](
                     const OfferedRecovery& offered,
                     const RecoveryRequest& request) { return self->recover(offered, request); }};
}

Result<void> MemoryMonitor::Core::start() {
  const std::lock_guard lock(mutex_);
  if (session_) {
    return {};
  }
  auto settings = this->settings();
  if (!settings) {
    return std::unexpected(settings.error());
  }
  auto session =
      std::make_shared<MonitorSession>(std::move(*settings), helper_of(options_), callbacks());
  try {
    session->start(offers_);
  } catch (const std::system_error& error) {
    return fail(ErrorCode::resource_exhausted,
                std::string("the monitor's thread could not be started: ") + error.what());
  }
  session_ = std::move(session);
  return {};
}

void MemoryMonitor::Core::stop() {
  std::unique_lock lock(mutex_);
  const auto session = std::exchange(session_, nullptr);
  lock.unlock();  // A callback that is waited for may want it.
  if (session) {
    session->stop(options_.stop_patience);
  }
}

std::shared_ptr<const api::View> MemoryMonitor::Core::view() const {
  const auto running = session();
  auto view = running ? running->view() : nullptr;
  if (!view) {
    if (auto settings = this->settings()) {
      view = engine::look_once(std::move(*settings), sources::Root{}, helper_of(options_));
    }
  }
  return view;
}

MonitorStatus MemoryMonitor::Core::status() const {
  MonitorStatus status;
  status.callbacks_threw = threw_;
  if (const auto running = session()) {
    status.is_running = true;
    status.looks = running->looks();
    status.dropped = running->dropped();
    if (helper_of(options_).empty()) {
      status.troubles.emplace_back(
          "GPUs are not read: the program `levee` is neither beside this program nor in PATH");
    }
    if (const auto view = running->view()) {
      for (const SourceTrouble& trouble : view->snapshot->troubles) {
        status.troubles.push_back(trouble.source + ": " + trouble.error.message);
      }
    }
  }
  return status;
}

template <class Callback, class Value>
void MemoryMonitor::Core::call(const std::vector<std::shared_ptr<const Callback>>& list,
                               const Value& value) {
  for (const auto& callback : list) {
    try {
      (*callback)(value);
    } catch (...) {
      ++threw_;
    }
  }
}

void MemoryMonitor::Core::tell(const MemoryAlert& alert, bool is_resolved) {
  std::unique_lock lock(mutex_);
  std::vector<std::shared_ptr<const AlertCallback>> list =
      is_resolved ? resolved_ : decltype(resolved_){};
  for (const auto& [severity, callback] : alerts_) {
    if (!is_resolved && severity == alert.severity) {
      list.push_back(callback);
    }
  }
  lock.unlock();
  call(list, alert);
}

Result<bool> MemoryMonitor::Core::recover(const OfferedRecovery& offered,
                                          const RecoveryRequest& request) {
  try {
    return offered.callback(request);
  } catch (const std::exception& error) {
    ++threw_;
    return fail(ErrorCode::unavailable, error.what());
  } catch (...) {
    ++threw_;
    return fail(ErrorCode::unavailable, "it threw something that is no std::exception");
  }
}

MemoryMonitor::MemoryMonitor(MonitorOptions options)
    : core_(std::make_shared<Core>(std::move(options))) {}

MemoryMonitor::~MemoryMonitor() { stop(); }

void MemoryMonitor::on_alert(Severity severity, AlertCallback callback) {
  if (!core_->is_in_child()) {
    core_->add(severity, std::move(callback));
  }
}

void MemoryMonitor::on_resolved(AlertCallback callback) {
  if (!core_->is_in_child()) {
    core_->add_resolved(std::move(callback));
  }
}

void MemoryMonitor::on_recovery(ReclaimStrategy strategy, RecoveryCallback callback,
                                MemoryScope scope) {
  if (!core_->is_in_child()) {
    core_->add(OfferedRecovery{strategy, scope, std::move(callback)});
  }
}

void MemoryMonitor::on_outcome(OutcomeCallback callback) {
  if (!core_->is_in_child()) {
    core_->add(std::move(callback));
  }
}

Result<void> MemoryMonitor::start() {
  return core_->is_in_child() ? std::unexpected(forked()) : core_->start();
}

void MemoryMonitor::stop() {
  if (!core_->is_in_child()) {  // There its threads are not, and its session never ends.
    core_->stop();
  }
}

Result<MemoryStats> MemoryMonitor::memory_stats(int gpu_id) const {
  if (core_->is_in_child()) {
    return std::unexpected(forked());
  }
  const auto view = core_->view();
  if (!view) {
    return fail(ErrorCode::invalid_argument, "the settings of this monitor are none",
                "start() says what is wrong with them");
  }
  const api::GpuView* const gpu = find_gpu(*view, gpu_id);
  if (gpu == nullptr) {
    return no_gpu(*view, gpu_id);
  }
  if (const auto stats = engine::stats_of(*gpu)) {
    return *stats;
  }
  return fail(ErrorCode::unavailable,
              "the memory of GPU " + std::to_string(gpu_id) + " cannot be read");
}

Result<MemoryStats> MemoryMonitor::host_stats() const {
  if (core_->is_in_child()) {
    return std::unexpected(forked());
  }
  const auto view = core_->view();
  if (const auto stats = view ? engine::host_stats_of(*view) : std::nullopt) {
    return *stats;
  }
  return fail(ErrorCode::unavailable, "the host's memory cannot be read");
}

std::vector<MemoryStats> MemoryMonitor::gpus() const {
  std::vector<MemoryStats> all;
  if (const auto view = core_->is_in_child() ? nullptr : core_->view()) {
    for (const api::GpuView& gpu : view->gpus) {
      if (auto stats = engine::stats_of(gpu)) {
        all.push_back(std::move(*stats));
      }
    }
  }
  return all;
}

std::optional<double> MemoryMonitor::project_memory_usage(
    int gpu_id, std::chrono::duration<double> ahead) const {
  const auto running = core_->is_in_child() ? nullptr : core_->session();
  const auto view = running ? running->view() : nullptr;
  const api::GpuView* const gpu = view ? find_gpu(*view, gpu_id) : nullptr;
  if (gpu == nullptr || !gpu->reading->memory) {
    return std::nullopt;
  }
  const MonoTime now = view->snapshot->at.mono;
  return levee::project_memory_usage(engine::memory_points(gpu->past, now),
                                     gpu->reading->memory->total,
                                     Seconds(now.time_since_epoch()).count(), ahead);
}

Result<void> MemoryMonitor::allocation_failed(int gpu_id, Bytes bytes) {
  if (core_->is_in_child()) {
    return std::unexpected(forked());
  }
  const auto running = core_->session();
  const auto view = running ? running->view() : nullptr;
  if (!view) {
    return fail(ErrorCode::unavailable, "the monitor does not run, or has not looked yet",
                "call start() first");
  }
  const api::GpuView* const gpu = find_gpu(*view, gpu_id);
  if (gpu == nullptr) {
    return no_gpu(*view, gpu_id);
  }
  running->want({.device = gpu->reading->identity->uuid, .bytes = bytes, .is_administrator = true});
  return {};
}

MonitorStatus MemoryMonitor::status() const {
  return core_->is_in_child() ? MonitorStatus{} : core_->status();
}

}  // namespace levee
