#include "engine/monitor_session.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "engine/clock.hpp"
#include "engine/engine.hpp"
#include "engine/ledger_sample.hpp"
#include "engine/local_sources.hpp"
#include "sources/processes.hpp"
#include "sources/self.hpp"
#include "sources/users.hpp"

namespace levee::engine {
namespace {

constexpr std::size_t kMostTasks = 256;
constexpr std::size_t kMostJobs = 256;

sigset_t all_signals() {
  sigset_t all;
  ::sigfillset(&all);
  return all;
}

bool is_about_memory(AlertType type) {
  return type != AlertType::gpu_temperature && type != AlertType::throttle_state;
}

MemoryAlert alert_of(const Alert& alert) {
  return {.severity = alert.severity,
          .type = std::string(to_string(alert.type)),
          .message = alert.message,
          .gpu_id = alert.gpu_id,
          .device = alert.gpu_id ? alert.gpu_uuid : std::string(kReclaimHost),
          .current_usage = alert.value,
          .threshold = alert.threshold,
          .unit = std::string(unit_of(alert.type)),
          .recommendations = alert.recommendations};
}

const api::GpuView* find_gpu(const api::View& view, std::string_view uuid) {
  const auto found = std::ranges::find_if(
      view.gpus, [&](const api::GpuView& gpu) { return gpu.reading->identity->uuid == uuid; });
  return found == view.gpus.end() ? nullptr : &*found;
}

RecoveryOutcome outcome_of(const api::RecoveryStep& step, const api::View& view,
                           std::string message) {
  const api::GpuView* const gpu = find_gpu(view, step.device);
  return {.step = std::string(to_string(step.report.step.remedy.rung)),
          .gpu_id = gpu == nullptr ? std::nullopt : std::optional(gpu->reading->identity->index),
          .device = step.device,
          .before = step.report.step.before,
          .after = step.report.after,
          .result = std::string(to_string(step.report.answer.end)),
          .message = std::move(message)};
}

/// This process, as one that can be asked.
reclaim::Caller read_self_as_caller() {
  const sources::Root root;
  const auto found = find_process(root, sources::read_boot_id(root), ::getpid());
  return {.process = found ? found->id : ProcessId{},
          .uid = ::geteuid(),
          .user = sources::UserNames(root).name(::geteuid())};
}

std::vector<std::string> devices_of(MemoryScope scope, const std::vector<GpuReading>& gpus) {
  std::vector<std::string> devices;
  if (scope != MemoryScope::host) {
    for (const GpuReading& gpu : gpus) {
      devices.push_back(gpu.identity->uuid);
    }
  }
  if (scope != MemoryScope::gpus) {
    devices.emplace_back(kReclaimHost);
  }
  return devices;
}

}  // namespace

std::optional<MemoryStats> stats_of(const api::GpuView& gpu) {
  if (!gpu.reading->memory) {
    return std::nullopt;
  }
  const GpuMemory& memory = *gpu.reading->memory;
  return MemoryStats{.gpu_id = gpu.reading->identity->index,
                     .device = gpu.reading->identity->uuid,
                     .name = gpu.reading->identity->name,
                     .total = memory.total,
                     .used = memory.used,
                     .free = memory.free,
                     .percent = memory.percent(),
                     .level = gpu.levels.device,
                     .speed_multiplier = gpu.advice.speed_multiplier};
}

std::optional<MemoryStats> host_stats_of(const api::View& view) {
  if (!view.snapshot->host) {
    return std::nullopt;
  }
  const HostReading& host = view.snapshot->host->value;
  return MemoryStats{.gpu_id = {},
                     .device = std::string(kReclaimHost),
                     .name = "host memory",
                     .total = host.total,
                     .used = host.used(),
                     .free = host.available,
                     .percent = host.used_percent(),
                     .level = view.level,
                     .speed_multiplier = view.advice.speed_multiplier};
}

MonitorSession::MonitorSession(std::shared_ptr<const config::Settings> settings,
                               std::vector<std::string> gpu_helper, Callbacks callbacks)
    : settings_(std::move(settings)),
      gpu_helper_(std::move(gpu_helper)),
      callbacks_(std::move(callbacks)),
      inbox_(kMostTasks),
      recovery_(hands()) {}

void MonitorSession::start(std::vector<std::shared_ptr<const OfferedRecovery>> offers) {
  offers_ = std::move(offers);
  // Signals are for the program's own threads.
  const sigset_t blocked = all_signals();
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
  try {
    looker_ = std::thread([self = shared_from_this()] { self->run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void MonitorSession::stop(std::chrono::milliseconds patience) {
  is_stopping_ = true;
  inbox_.close();
  looker_.join();  // It never waits for a callback.
  worker_.stop(patience);
}

void MonitorSession::offer(std::shared_ptr<const OfferedRecovery> offer) {
  static_cast<void>(inbox_.post(
      [this, offer = std::move(offer)]() mutable { offers_.push_back(std::move(offer)); }));
}

void MonitorSession::want(api::ReportShortage shortage) {
  static_cast<void>(inbox_.post(
      [this, shortage = std::move(shortage)] { recovery_.want(shortage, read_clock().mono); }));
}

std::uint64_t MonitorSession::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void MonitorSession::run() {
  self_ = read_self_as_caller();
  LocalSources sources(sources::Root{}, settings_->config(), gpu_helper_);
  Engine engine(settings_, sources::read_hostname());
  api::DaemonView self;
  while (!is_stopping_) {
    const Now now = read_clock();
    recorder::Readings readings = sources.read(now);
    self.reclaim = roster(readings);
    const Tick tick = engine.tick(std::move(readings), {}, self, read_clock());
    for (const Told& told : tick.events) {
      tell(told->event);
    }
    recovery_.observe(*tick.view, now);
    self.recovery = recovery_.view();
    tell_outcomes(*tick.view);
    view_.set(tick.view);
    ++looks_;
    // Whatever is asked of it, it looks again soon after.
    for (const Inbox::Task& task :
         inbox_.wait(now.mono + settings_->config().monitoring_interval, -1).tasks) {
      task();
    }
  }
}

Recovery::Hands MonitorSession::hands() {
  api::ReclaimPort reclaim;
  reclaim.ask = [this](const std::string& client, const reclaim::Ask& what,
                       api::ReclaimPort::Answer answer) { ask(client, what, std::move(answer)); };
  return {.reclaim = std::move(reclaim),
          .ledger = {},
          .post = [this](Inbox::Task task) { static_cast<void>(inbox_.post(std::move(task))); },
          .clock = [] { return read_clock().mono; }};
}

/// Each strategy is a client of its own, by its place among all; the first goes first.
std::shared_ptr<const reclaim::Roster> MonitorSession::roster(
    const recorder::Readings& readings) const {
  auto roster = std::make_shared<reclaim::Roster>();
  for (std::size_t i = 0; i < offers_.size(); ++i) {
    reclaim::Client client;
    client.id = std::to_string(i);
    client.name = "the program itself";
    client.caller = self_;
    client.priority = static_cast<int>(i);
    for (std::string& device : devices_of(offers_[i]->scope, readings.gpus.gpus)) {
      client.offers.push_back(
          {.strategy = offers_[i]->strategy, .device = std::move(device), .estimate = {}});
    }
    roster->clients.push_back(std::move(client));
  }
  return roster;
}

void MonitorSession::tell(const Event& event) {
  if ((event.kind == EventKind::alert || event.kind == EventKind::resolved) && event.alert &&
      is_about_memory(event.alert->type)) {
    enqueue(
        [this, alert = alert_of(*event.alert), is_resolved = event.kind == EventKind::resolved] {
          callbacks_.alert(alert, is_resolved);
        },
        true);
  }
}

/// Each step has its event; the last of them are new.
void MonitorSession::tell_outcomes(const api::View& view) {
  std::vector<Event> events = recovery_.events();
  std::erase_if(events, [](const Event& e) { return e.kind != EventKind::recovery_step; });
  const std::vector<api::RecoveryStep>& steps = recovery_.view()->recent;
  const std::size_t first = steps.size() - std::min(events.size(), steps.size());
  for (std::size_t i = first; i < steps.size(); ++i) {
    enqueue([this, outcome = outcome_of(
                       steps[i], view, events[i - first].message)] { callbacks_.outcome(outcome); },
            true);
  }
}

void MonitorSession::ask(const std::string& client, const reclaim::Ask& ask,
                         api::ReclaimPort::Answer answer) {
  const auto offer = offers_.at(std::stoul(client));
  const std::shared_ptr<const api::View> view = view_.get();
  std::optional<MemoryStats> memory;
  if (view && ask.device == kReclaimHost) {
    memory = host_stats_of(*view);
  } else if (const api::GpuView* const gpu = view ? find_gpu(*view, ask.device) : nullptr) {
    memory = stats_of(*gpu);
  }
  if (!memory) {
    answer(fail(ErrorCode::unavailable, "there is no reading of " + ask.device));
    return;
  }
  const RecoveryRequest request{.strategy = ask.strategy, .memory = *memory, .bytes = ask.bytes};
  enqueue(
      [this, offer, request, answer = std::move(answer)] {
        reclaim::Asked asked;
        const Result<bool> said = callbacks_.recover(*offer, request);
        asked.outcome = !said   ? reclaim::Outcome::failed
                        : *said ? reclaim::Outcome::done
                                : reclaim::Outcome::refused;
        asked.message = said ? "" : said.error().message;
        answer(asked);
      },
      false);
}

void MonitorSession::enqueue(Job job, bool may_be_dropped) {
  const std::lock_guard lock(mutex_);
  if (may_be_dropped && jobs_.size() >= kMostJobs) {
    ++dropped_;
    return;
  }
  jobs_.push_back(std::move(job));
  begin_next();
}

/// With the lock. A job that runs calls this when it is done.
void MonitorSession::begin_next() {
  if (jobs_.empty() || is_stopping_) {
    return;
  }
  const auto work = [self = shared_from_this(),
                     job = jobs_.front()]() -> client::CallbackWorker::News {
    job();
    return [self] {
      const std::lock_guard lock(self->mutex_);
      self->begin_next();
    };
  };
  if (worker_.run(work, all_signals())) {
    jobs_.pop_front();
  }
}

}  // namespace levee::engine
