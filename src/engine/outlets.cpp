#include "engine/outlets.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "config/settings.hpp"
#include "engine/clock.hpp"
#include "history/rollup.hpp"
#include "sinks/command_sink.hpp"
#include "sinks/log_sink.hpp"
#include "sinks/webhook_sink.hpp"

namespace levee::engine {
namespace {

constexpr std::chrono::seconds kBatch{10};
/// How long a replaced sink goes on with its queue, and how long it then has to end.
constexpr std::chrono::seconds kRetirement{30};
constexpr std::chrono::milliseconds kRetiredGrace{500};
constexpr std::array<std::string_view, 3> kSinkTables{"log.", "webhook.", "hook."};

std::unique_ptr<sinks::Sink> make_log(const Outlets::Options& options, const config::Log& log) {
  sinks::LogOptions wanted{.file = {},
                           .to_stderr = options.log_to_stderr,
                           .json = log.format == config::LogFormat::json,
                           .color = options.color,
                           .least = log.level};
  if (options.state_dir) {
    wanted.file = *options.state_dir / "logs" / "main.log";
  }
  auto sink = sinks::LogSink::make(wanted);
  if (!sink) {
    fmt::print(stderr, "levee: {}; logging to standard error only\n", sink.error().message);
    wanted.file.reset();
    sink = sinks::LogSink::make(wanted);
  }
  return sink ? std::move(*sink) : nullptr;
}

std::unexpected<Error> no_store() {
  return fail(ErrorCode::unavailable, "no history is kept on disk",
              "set store.enabled, and a state directory that can be written");
}

}  // namespace

store::Retention retention_of(const config::Store& config) {
  return {config.keep_1s, config.keep_10s, config.keep_1m, config.keep_1h, config.keep_events};
}

Outlets::Outlets(Options options, const config::Config& config)
    : options_(std::move(options)), wants_store_(config.store.enabled), began_(read_clock().wall) {
  for (const std::string_view table : kSinkTables) {
    add_sinks(table, config);
  }
  if (wants_store_ && options_.state_dir) {
    store_ = std::make_unique<store::StoreWorker>(
        store::StoreWorker::Options{.file = *options_.state_dir / "history.db",
                                    .retention = retention_of(config.store),
                                    .clock = [] { return read_clock().wall; }});
  }
}

Outlets::~Outlets() { stop(std::chrono::milliseconds{0}); }

void Outlets::add_sinks(std::string_view table, const config::Config& config) {
  if (table == "log.") {
    if (auto log = make_log(options_, config.log)) {
      outlets_.push_back({table, std::move(log)});
    }
  } else if (table == "webhook.") {
    for (const std::string& url : config.webhook.urls) {
      outlets_.push_back({table, std::make_unique<sinks::WebhookSink>(sinks::WebhookOptions{
                                     .url = url,
                                     .min_severity = config.webhook.min_severity,
                                     .timeout = config.webhook.timeout,
                                     .max_attempts = config.webhook.max_attempts})});
    }
  } else if (table == "hook." && !config.hook.command.empty()) {
    outlets_.push_back({table, std::make_unique<sinks::CommandSink>(
                                   sinks::CommandOptions{.argv = config.hook.command,
                                                         .min_severity = config.hook.min_severity,
                                                         .timeout = config.hook.timeout})});
  }
}

void Outlets::tell(const std::shared_ptr<const sinks::Notification>& notification) {
  for (const Outlet& outlet : outlets_) {
    outlet.sink->offer(notification);
  }
  const Event& event = notification->event;
  batch_.events.push_back({.at = event.at,
                           .kind = std::string(to_string(event.kind)),
                           .severity = event.severity
                                           ? std::optional{std::string(to_string(*event.severity))}
                                           : std::nullopt,
                           .json = notification->json});
}

void Outlets::remember(const history::HostSample& sample) {
  for (history::Point& point : history::points_of(sample)) {
    batch_.points.push_back(std::move(point));
  }
}

void Outlets::remember(std::string_view gpu_uuid, const history::GpuSample& sample) {
  for (history::Point& point : history::points_of(gpu_uuid, sample)) {
    batch_.points.push_back(std::move(point));
  }
}

void Outlets::flush_if_due(MonoTime now) {
  if (!batch_since_) {
    batch_since_ = now;
  }
  if (batch_.events.empty() && now - *batch_since_ < kBatch) {
    return;
  }
  if (store_) {
    store_->offer(std::move(batch_));
  }
  batch_ = {};
  batch_since_ = now;
}

void Outlets::reconfigure(const config::Config& before, const config::Config& after) {
  if (store_) {
    store_->set_retention(retention_of(after.store));
  }
  const std::vector<std::string> changed = config::changed_keys(before, after);
  for (const std::string_view table : kSinkTables) {
    if (std::ranges::none_of(changed, [&](const auto& key) { return key.starts_with(table); })) {
      continue;
    }
    for (Outlet& outlet : outlets_) {
      if (outlet.table == table) {
        retire(std::move(outlet.sink));
      }
    }
    std::erase_if(outlets_, [&](const Outlet& outlet) { return outlet.table == table; });
    add_sinks(table, after);
  }
}

void Outlets::retire(std::unique_ptr<sinks::Sink> sink) {
  std::erase_if(retiring_, [](const Retiring& old) { return old.is_done->load(); });
  auto is_done = std::make_shared<std::atomic<bool>>(false);
  retiring_.push_back(
      {is_done, std::jthread([is_done, old = std::move(sink)](const std::stop_token& stop) mutable {
         // It goes on with what it has to tell, until its time or the daemon's is over.
         std::mutex mutex;
         std::condition_variable_any never;
         std::unique_lock lock(mutex);
         never.wait_for(lock, stop, kRetirement, [] { return false; });
         old->stop(kRetiredGrace);
         old.reset();
         is_done->store(true);
       })});
}

void Outlets::stop(std::chrono::milliseconds grace) {
  if (store_ && (!batch_.events.empty() || !batch_.points.empty())) {
    store_->offer(std::exchange(batch_, {}));
  }
  for (Retiring& old : retiring_) {
    old.thread.request_stop();
  }
  // Side by side: a webhook that hangs must not take the log's share of the time.
  std::vector<std::jthread> stopping;
  stopping.reserve(outlets_.size());
  for (const Outlet& outlet : outlets_) {
    stopping.emplace_back([&outlet, grace] { outlet.sink->stop(grace); });
  }
  if (store_) {
    store_->stop(grace);
  }
  retiring_.clear();
}

store::StoreHealth Outlets::store_health() const {
  if (store_) {
    return store_->health();
  }
  store::StoreHealth health;
  health.enabled = wants_store_;
  if (wants_store_) {
    health.reason = options_.why_no_state_dir;
    health.since = began_;
  }
  return health;
}

void Outlets::query(store::Query query, store::StoreWorker::Answer<history::Bucket> answer) {
  if (!store_) {
    answer(no_store());
    return;
  }
  store_->query(std::move(query), std::move(answer));
}

void Outlets::events(store::EventQuery query,
                     store::StoreWorker::Answer<store::StoredEvent> answer) {
  if (!store_) {
    answer(no_store());
    return;
  }
  store_->events(std::move(query), std::move(answer));
}

std::vector<api::SinkView> Outlets::sinks() const {
  std::vector<api::SinkView> views;
  for (const Outlet& outlet : outlets_) {
    const sinks::Sink& sink = *outlet.sink;
    views.push_back({.name = sink.name(),
                     .written = sink.written(),
                     .failed = sink.failed(),
                     .dropped = sink.dropped(),
                     .last_error = sink.last_error()});
  }
  return views;
}

}  // namespace levee::engine
