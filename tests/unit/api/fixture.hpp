// A View as the engine would publish it, and an Api around it whose engine and store are the
// test's.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/api.hpp"

namespace levee::api {

using Json = nlohmann::ordered_json;

inline constexpr uid_t kDaemonUid = 990;
inline constexpr uid_t kOtherUid = 1000;

/// 2026-01-31T08:05:09.123Z, an hour after boot.
inline Now example_now() {
  return Now{WallTime{std::chrono::milliseconds{1'769'846'709'123}},
             MonoTime{std::chrono::hours{1}}};
}

inline Now later(Now now, std::chrono::nanoseconds by) {
  return Now{now.wall + std::chrono::duration_cast<std::chrono::milliseconds>(by), now.mono + by};
}

/// The host of the documented example: 8.4 of 32 GB used, processor 45.2 % busy.
inline HostReading example_host() {
  HostReading host;
  host.total = gib(32);
  host.available = Bytes{25'340'313'600};  // 23.6 GB
  host.mem_total = gib(64);
  host.mem_available = gib(50);
  host.mem_free = gib(20);
  host.cached = gib(8);
  host.shmem = mib(100);
  host.swap_total = gib(4);
  host.swap_free = gib(3);
  host.ceiling = MemoryCeiling{.path = "/docker/3f",
                               .version = CgroupVersion::v2,
                               .limit = gib(32),
                               .used = gib(10),
                               .reclaimable = gib(1)};
  host.pressure = Pressure{.some = PressureLine{2.5, 1.5, 0.5, 1'234'567},
                           .full = PressureLine{1.25, 0.5, 0.25, 567'890}};
  host.cpu_percent = 45.2;
  host.load1 = 1.5;
  host.cores = 8;
  return host;
}

inline Alert example_alert(std::uint64_t id, Severity severity, Now now) {
  Alert alert;
  alert.id = id;
  alert.type = AlertType::cpu_memory;
  alert.severity = severity;
  alert.value = 82.1;
  alert.threshold = 80;
  alert.message = "High CPU memory usage";
  alert.recommendations = {"Stop what is idle"};
  alert.timestamp = now.wall;
  alert.last_active = now.mono;
  return alert;
}

/// The same alert, ended `ago` before `now`.
inline Alert ended(Alert alert, Now now, std::chrono::minutes ago) {
  alert.resolved_at = now.wall - ago;
  alert.last_active = now.mono - ago;
  return alert;
}

inline Culprit example_culprit() {
  return Culprit{.id = ProcessId{.boot = {}, .pid = 5204, .start_ticks = 77},
                 .user = "alice",
                 .comm = "python",
                 .command = "python train.py",
                 .rss = gib(5),
                 .gpu_memory = {},
                 .growth_per_second = 3'670'016.0};
}

inline ProcessReading example_process(pid_t pid, Bytes rss, MonoTime read_at) {
  auto identity = std::make_shared<ProcessIdentity>();
  identity->id = ProcessId{.boot = {}, .pid = pid, .start_ticks = 42};
  identity->parent = 1;
  identity->uid = kOtherUid;
  identity->user = "alice";
  identity->comm = "python";
  identity->command = "python train.py";
  identity->cgroup = "/user.slice";
  ProcessReading process;
  process.identity = std::move(identity);
  process.rss = rss;
  process.read_at = read_at;
  return process;
}

inline std::shared_ptr<const std::vector<history::HostSample>> example_samples(Now now,
                                                                               int seconds) {
  auto samples = std::make_shared<std::vector<history::HostSample>>();
  for (int age = seconds; age >= 0; --age) {
    samples->push_back(history::HostSample{.at = later(now, -std::chrono::seconds{age}),
                                           .total = gib(32),
                                           .available = gib(24),
                                           .swap_used = gib(1),
                                           .cpu_percent = 50.0,
                                           .pressure_some_avg10 = 2.5,
                                           .gpu_memory_percent = {},
                                           .gpu_utilization = {}});
  }
  return samples;
}

inline std::shared_ptr<View> example_view() {
  const Now now = example_now();
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->sequence = 7;
  snapshot->at = now;
  snapshot->hostname = "train-1";
  snapshot->host = Sampled<HostReading>{example_host(), now.mono - std::chrono::milliseconds{250}};
  snapshot->processes = {example_process(5204, gib(5), now.mono - std::chrono::seconds{2}),
                         example_process(77, gib(1), now.mono)};
  snapshot->processes_seen = 311;
  snapshot->gpus_known = true;

  auto view = std::make_shared<View>();
  view->snapshot = std::move(snapshot);
  view->level = Level::optimal;
  view->advice = control::Advice{.level = Level::optimal, .speed_multiplier = 1.0};
  view->health = Health::healthy;
  view->lines = policy::HostLines{.warning = gib(4), .emergency = gib(2), .capped = false};
  view->samples = example_samples(now, 10);
  view->active = std::make_shared<const std::vector<Alert>>();
  view->recent = std::make_shared<const std::vector<Alert>>();
  view->events = std::make_shared<const std::vector<StreamedEvent>>();
  view->alert_counts = std::make_shared<const AlertCounts>();
  view->settings = std::make_shared<const config::Settings>(config::Settings::load({}).value());
  view->guard = GuardView{.available = gib(23),
                          .line = gib(2),
                          .at_line = false,
                          .interval = std::chrono::milliseconds{500},
                          .looks = 1234,
                          .victims = 3,
                          .fill_bytes_per_second = 48e9};
  view->daemon.pid = 4711;
  view->daemon.started = now.wall - std::chrono::hours{1};
  view->daemon.self = sources::SelfUse{.rss = mib(16), .cpu_seconds = 1.5, .threads = 6};
  view->daemon.cpu_percent = 0.4;
  view->daemon.tick_time = std::chrono::microseconds{1500};
  view->daemon.ticks = 3600;
  view->daemon.protection.memory_lock = {.in_force = true, .detail = "locked on fault", .hint = ""};
  view->daemon.store.durable = true;
  view->daemon.sinks = {
      SinkView{.name = "log", .written = 12, .last_error = {}},
      SinkView{.name = "webhook",
               .written = 7,
               .failed = 1,
               .dropped = 2,
               .last_error = Error{ErrorCode::unavailable, "hooks.example answered with status 503",
                                   "see the logs of that server"}}};
  return view;
}

/// An Api with everything around it in the test's hands.
class House {
 public:
  /// Without a ledger unless one is handed in.
  explicit House(LedgerPort ledger = {}, BalloonPort balloons = {}, ReclaimPort reclaim = {})
      : ledger_(std::move(ledger)), balloons_(std::move(balloons)), reclaim_(std::move(reclaim)) {}

  std::shared_ptr<View> view = example_view();
  Now now = example_now();
  std::optional<uid_t> uid = kDaemonUid;
  int uid_lookups = 0;
  std::vector<Command> commands;
  Result<Outcome> outcome = fail(ErrorCode::unavailable, "no engine");
  std::vector<store::Query> queries;
  Result<std::vector<history::Bucket>> stored = fail(ErrorCode::unavailable, "no store");
  std::vector<store::EventQuery> event_queries;
  Result<std::vector<store::StoredEvent>> stored_events = fail(ErrorCode::unavailable, "no store");

  /// A well-formed request from this machine.
  [[nodiscard]] Request request(std::string method, std::string target, std::string body = {}) {
    Request made;
    made.method = std::move(method);
    made.target = std::move(target);
    made.content_type = body.empty() ? "" : "application/json";
    made.body = std::move(body);
    made.host = "localhost:8000";
    made.peer_uid = [this] {
      ++uid_lookups;
      return uid;
    };
    return made;
  }

  /// The one answer to `request`; anything but exactly one shows as status 0.
  [[nodiscard]] Response answer(const Request& request) {
    std::vector<Response> answers;
    api_.handle(request, [&](Response response) { answers.push_back(std::move(response)); });
    if (answers.size() != 1 || answers.front().body == nullptr) {
      return Response{.status = 0, .body = std::make_shared<const std::string>(), .headers = {}};
    }
    return answers.front();
  }

  [[nodiscard]] Response ask(std::string method, std::string target, std::string body = {}) {
    return answer(request(std::move(method), std::move(target), std::move(body)));
  }
  [[nodiscard]] Response get(std::string target) { return ask("GET", std::move(target)); }

  /// The JSON of a 200 answer; null for any other.
  [[nodiscard]] Json json(std::string target) {
    const Response response = get(std::move(target));
    return response.status == 200 ? Json::parse(*response.body, nullptr, false) : Json();
  }

 private:
  Ports ports() {
    return Ports{.view = [this] { return view; },
                 .command =
                     [this](Command command, const std::function<void(Result<Outcome>)>& done) {
                       commands.push_back(std::move(command));
                       done(outcome);
                     },
                 .stored_history =
                     [this](store::Query query,
                            const std::function<void(Result<std::vector<history::Bucket>>)>& done) {
                       queries.push_back(std::move(query));
                       done(stored);
                     },
                 .stored_events =
                     [this](store::EventQuery query,
                            const store::StoreWorker::Answer<store::StoredEvent>& done) {
                       event_queries.push_back(std::move(query));
                       done(stored_events);
                     },
                 .ledger = ledger_,
                 .balloons = balloons_,
                 .reclaim = reclaim_,
                 .now = [this] { return now; },
                 .authority = Authority{.daemon_uid = kDaemonUid}};
  }

  const LedgerPort ledger_;
  const BalloonPort balloons_;
  const ReclaimPort reclaim_;
  Api api_{ports()};
};

inline std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) {
    keys.push_back(key);
  }
  return keys;
}

inline Json json_of(const Response& response) {
  return Json::parse(*response.body, nullptr, false);
}

}  // namespace levee::api
