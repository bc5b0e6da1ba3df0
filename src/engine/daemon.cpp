#include "engine/daemon.hpp"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "actions/protect.hpp"
#include "engine/attribution.hpp"
#include "engine/clock.hpp"
#include "levee/version.hpp"
#include "policy/state.hpp"

namespace levee::engine {
namespace {

constexpr std::size_t kInboxCapacity = 256;
/// Pressure and alarms bring extra ticks, but never more often than this: at the brake line the
/// engine must not become the load.
constexpr std::chrono::milliseconds kExtraTickGap{200};
constexpr std::chrono::milliseconds kStopGrace{700};
/// How long a tick waits for GPUs that usually answer at once.
constexpr std::chrono::milliseconds kGpuPatience{20};

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::make(Options options) {
  auto lock = StateDirLock::acquire(options.state_dir);
  std::optional<StateDirLock> held;
  std::string why_not;
  if (lock) {
    held = std::move(*lock);
  } else if (lock.error().code == ErrorCode::permission_denied ||
             lock.error().code == ErrorCode::resource_exhausted) {
    why_not = fmt::format("{}; {}", lock.error().message, lock.error().hint);
    if (options.spare_socket && options.socket.parent_path() == options.state_dir) {
      if (const auto made = make_private_directory(options.spare_socket->parent_path()); !made) {
        return std::unexpected(made.error().within(why_not));
      }
      options.socket = *options.spare_socket;
    }
  } else {
    return std::unexpected(lock.error());
  }

  std::unique_ptr<Daemon> daemon(new Daemon(std::move(options), std::move(held), why_not));
  daemon->api_ = std::make_unique<api::Api>(daemon->ports());
  const config::Server& wanted = daemon->options_.settings.config().server;
  auto server = server::Server::make(
      {.listen = wanted.listen,
       .socket = daemon->options_.socket,
       .limits = {.connections = static_cast<std::size_t>(wanted.max_connections)}},
      [api = daemon->api_.get()](const api::Request& request, api::Responder respond) {
        api->handle(request, std::move(respond));
      },
      daemon->options_.root);
  if (!server) {
    return std::unexpected(server.error());
  }
  daemon->server_ = std::move(*server);
  return daemon;
}

Daemon::Daemon(Options options, std::optional<StateDirLock> lock,
               const std::string& why_no_state_dir)
    : options_(std::move(options)),
      started_(read_clock().wall),
      state_lock_(std::move(lock)),
      inbox_(kInboxCapacity),
      host_source_(options_.root),
      users_(std::make_shared<sources::UserNames>(options_.root)),
      process_source_(options_.root,
                      {.top = static_cast<std::size_t>(options_.settings.config().process_top)},
                      users_),
      gpu_identifier_(options_.root, {}, users_),
      gpu_source_({.helper = options_.settings.config().gpu.enabled ? options_.gpu_helper
                                                                    : std::vector<std::string>{}}),
      engine_(std::make_shared<const config::Settings>(options_.settings),
              sources::read_hostname()),
      outlets_({.state_dir = state_lock_ ? std::optional{options_.state_dir} : std::nullopt,
                .why_no_state_dir = why_no_state_dir,
                .log_to_stderr = options_.log_to_stderr,
                .color = options_.color},
               options_.settings.config()),
      flight_({.root = options_.root,
               .hostname = sources::read_hostname(),
               .state_dir = state_lock_ ? std::optional{options_.state_dir} : std::nullopt,
               .why_no_state_dir = why_no_state_dir,
               .clock = read_clock,
               .tell =
                   [this](Event event) {
                     static_cast<void>(inbox_.post(
                         [this, event = std::move(event)]() mutable { record(std::move(event)); }));
                   }},
              options_.settings),
      balloons_({.holder = options_.gpu_holder,
                 .began = [this](const auto& lease,
                                 const auto& used) { ledger_.note_used_before(lease, used); }}),
      ledger_({.root = options_.root,
               .store = open_ledger(
                   state_lock_ ? std::optional{options_.state_dir / "ledger.db"} : std::nullopt,
                   why_no_state_dir),
               .look_again = [this] { look_again(); },
               .balloons = [this](const auto& balloons) { balloons_.keep(balloons); }}),
      reclaim_({.root = options_.root,
                .most_per_user =
                    static_cast<std::size_t>(options_.settings.config().reclaim.user_clients),
                // The other half is for those who ask something.
                .most_in_all = static_cast<std::size_t>(std::max<std::int64_t>(
                    options_.settings.config().server.max_connections / 2, 1)),
                .look_again = [this] { look_again(); },
                .account_of =
                    [this](const ProcessId& process) {
                      return ledger_.account_of(process, read_clock().mono);
                    }}),
      recovery_({.reclaim = reclaim_.port(),
                 .ledger = ledger_.port(),
                 .post = [this](auto task) { static_cast<void>(inbox_.post(std::move(task))); },
                 .clock = [] { return read_clock().mono; }}) {
  self_.pid = ::getpid();
  self_.started = started_;
}

Daemon::~Daemon() { stop(); }

void Daemon::start() {
  const config::Config& config = engine_.settings()->config();
  self_.protection = actions::protect_self(config.protect.lock_memory,
                                           static_cast<int>(config.protect.oom_score_adj));
  if (auto trigger = sources::PsiTrigger::arm(options_.root, std::chrono::milliseconds{150},
                                              std::chrono::seconds{1})) {
    pressure_trigger_ = std::move(*trigger);
  }
  server_thread_ = std::jthread([this] { server_->run(); });
  engine_thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Daemon::stop() {
  inbox_.close();  // first, so that the engine's last look into it misses nobody
  engine_thread_.request_stop();
  inbox_.alarm();
  if (engine_thread_.joinable()) {
    engine_thread_.join();
  }
  reclaim_.stop();
  guard_.reset();
  if (server_) {
    server_->stop();
  }
  if (server_thread_.joinable()) {
    server_thread_.join();
  }
  ledger_.stop();
  balloons_.stop();
  flight_.stop();
  speed_file_.reset();
  gpu_source_.stop();
  outlets_.stop(kStopGrace);
}

void Daemon::run(const std::stop_token& stop) {
  announce(EventKind::daemon_started,
           fmt::format("Levee {} watches {} (pid {}, HTTP {}, socket {})", kVersion,
                       sources::read_hostname(), self_.pid,
                       server_->port() ? fmt::format("port {}", server_->port()) : "off",
                       options_.socket.string()));
  for (const std::string& note : engine_.settings()->notes()) {
    announce(EventKind::config_changed, note);
  }
  auto thoroughness = sources::Thoroughness::routine;
  MonoTime last_extra{};
  while (!stop.stop_requested()) {
    const MonoTime began = read_clock().mono;
    tick(thoroughness);

    // The next tick comes after one interval, or early: for a command, for the guard, or when
    // tasks stall for memory.
    MonoTime due =
        std::min(began + engine_.settings()->config().monitoring_interval, reclaim_.next_due());
    thoroughness = sources::Thoroughness::routine;
    bool is_extra = false;
    for (bool asked = false; !asked && !stop.stop_requested() && read_clock().mono < due;) {
      const Inbox::Wake wake = inbox_.wait(due, pressure_trigger_ ? pressure_trigger_->fd() : -1);
      for (const Inbox::Task& task : wake.tasks) {
        task();
        asked = true;
      }
      if (wake.pressure_ended) {
        pressure_trigger_.reset();
      }
      if (wake.alarm || wake.pressure) {
        is_extra = true;
        due = std::min(due, last_extra + kExtraTickGap);
        thoroughness = wake.alarm ? sources::Thoroughness::thorough : thoroughness;
      }
    }
    if (is_extra) {
      last_extra = read_clock().mono;
    }
  }
  // Who still waits for an answer gets it; the inbox lets nobody else in.
  for (const Inbox::Task& task : inbox_.wait(read_clock().mono, -1).tasks) {
    task();
  }
  recovery_.stop();
  give_answers();
  announce(EventKind::daemon_stopping, "Levee stops");
  broadcast();
}

void Daemon::tick(sources::Thoroughness thoroughness) {
  const Now now = read_clock();
  is_asked_to_look_ = false;
  tell_store_changes(outlets_.store_health());
  Readings readings = read_sources(thoroughness, now);
  const api::GuardView guard = guard_ ? guard_->collect() : api::GuardView{};
  const api::DaemonView self = describe(now);
  flight_.feed(readings, guard, self, now, engine_);
  const Tick tick = engine_.tick(std::move(readings), guard, self, now);
  flight_.note(tick);

  for (const Told& told : tick.events) {
    tell(told);
  }
  reclaim_.observe(*tick.view);
  for (Event& event : reclaim_.events(now.wall)) {
    record(std::move(event));
  }
  recovery_.observe(*tick.view, now);
  for (Event& event : recovery_.events()) {
    record(std::move(event));
  }
  for (Event& event : ledger_.events(now.wall)) {
    record(std::move(event));
  }
  view_.set(tick.view);
  ledger_.observe(*tick.view, balloons_.holdings());
  broadcast();
  give_answers();
  if (tick.sample) {
    outlets_.remember(*tick.sample);
  }
  for (const auto& [uuid, sample] : tick.gpu_samples) {
    outlets_.remember(uuid, sample);
  }
  publish_speed(*tick.view);
  outlets_.flush_if_due(now.mono);
  if (guard_) {
    victims_ = prepare_victims(tick.view->snapshot->processes, victims_.get(), options_.root);
    guard_->prepare(victims_);
  }
  ++self_.ticks;
  self_.tick_time = read_clock().mono - now.mono;
}

void Daemon::publish_speed(const api::View& view) {
  if (!view.settings->config().gpu.speed_file) {
    speed_file_.reset();
    return;
  }
  if (!speed_file_) {
    speed_file_.emplace(actions::speed_path(options_.socket));
  }
  std::vector<actions::SpeedLine> lines{
      {"host", view.advice.speed_multiplier, view.advice.level, ""}};
  for (const api::GpuView& gpu : view.gpus) {
    const GpuIdentity& who = *gpu.reading->identity;
    lines.push_back(
        {fmt::format("{}", who.index), gpu.advice.speed_multiplier, gpu.advice.level, who.uuid});
  }
  // A failure harms nobody who asks in another way; doctor shows whether the file is there.
  static_cast<void>(speed_file_->write(lines));
}

Readings Daemon::read_sources(sources::Thoroughness thoroughness, Now now) {
  Readings readings;
  gpu_source_.begin(now.mono);  // The helper reads the GPUs meanwhile.
  readings.host = host_source_.read(readings.troubles);
  readings.processes = process_source_.scan(thoroughness, now.mono);
  if (!guard_) {
    start_guard(readings.troubles);
  }
  readings.gpus = gpu_source_.finish(now.mono, now.mono + kGpuPatience);
  attribute(readings.gpus.gpus, gpu_identifier_, now.mono);
  note_balloons(readings.gpus.gpus, balloons_.holdings());
  return readings;
}

void Daemon::look_again() {
  if (!is_asked_to_look_.exchange(true)) {
    static_cast<void>(inbox_.post([] {}));  // Refused when it is busy: then it ticks anyway.
  }
}

void Daemon::start_guard(std::vector<SourceTrouble>& troubles) {
  auto counters = sources::FastCounters::open(options_.root);
  if (!counters) {
    troubles.push_back({"guard", counters.error()});
    return;
  }
  guard_ = std::make_unique<GuardThread>(std::move(*counters), rhythm(),
                                         engine_.settings()->config().thresholds,
                                         [this] { inbox_.alarm(); });
}

api::DaemonView Daemon::describe(Now now) {
  const sources::SelfUse before = self_.self;
  const std::shared_ptr<const api::View> last = view_.get();
  self_.self = sources::read_self();
  if (last) {
    const double elapsed = Seconds(now.mono - last->snapshot->at.mono).count();
    if (elapsed > 0) {
      self_.cpu_percent = 100 * (self_.self.cpu_seconds - before.cpu_seconds) / elapsed;
    }
  }
  self_.commands_dropped = inbox_.refused();
  self_.store = outlets_.store_health();
  self_.sinks = outlets_.sinks();
  self_.ledger = ledger_.view();
  self_.reclaim = reclaim_.roster();
  self_.recovery = recovery_.view();
  return self_;
}

void Daemon::tell(const Told& told) {
  outlets_.tell(told);
  unsent_.push_back(told);
}

void Daemon::record(Event event) {
  const Told told = engine_.record(std::move(event));
  flight_.note(told);
  tell(told);
}

void Daemon::broadcast() {
  for (const Told& told : std::exchange(unsent_, {})) {
    server_->broadcast(std::make_shared<const std::string>(
        api::Api::frame({told->event.id, std::string(to_string(told->event.kind)), told->json})));
  }
}

void Daemon::announce(EventKind kind, std::string message) {
  record({.id = 0,
          .at = read_clock().wall,
          .kind = kind,
          .severity = {},
          .message = std::move(message),
          .alert = {},
          .details = {}});
}

void Daemon::tell_store_changes(const store::StoreHealth& health) {
  // The store opens its file on a thread of its own; before it has, there is nothing to tell.
  if (!health.enabled || !health.since) {
    return;
  }
  if (store_was_durable_ != health.durable) {
    store_was_durable_ = health.durable;
    announce(health.durable ? EventKind::store_back : EventKind::store_lost,
             health.durable ? "History is kept on disk again"
                            : "History is kept in memory only: " + health.reason);
  }
}

void Daemon::reload() {
  const bool posted = inbox_.post([this] {
    auto settings = engine_.settings()->reloaded();
    if (settings) {
      adopt(std::make_shared<const config::Settings>(std::move(*settings)));
    } else {
      announce(EventKind::config_rejected,
               fmt::format("Configuration not changed: {}. {}", settings.error().message,
                           settings.error().hint));
    }
  });
  if (!posted) {
    fmt::print(stderr, "levee: too busy to reload the configuration; try again\n");
  }
}

void Daemon::adopt(std::shared_ptr<const config::Settings> settings) {
  const config::Config before = engine_.settings()->config();
  const Now now = read_clock();
  const Told told = engine_.apply(std::move(settings), now);
  flight_.note_settings(engine_, told, now);
  tell(told);
  const config::Config& after = engine_.settings()->config();
  outlets_.reconfigure(before, after);
  reclaim_.set_limit_per_user(static_cast<std::size_t>(after.reclaim.user_clients));
  process_source_.set_top(static_cast<std::size_t>(after.process_top));
  if (guard_) {
    guard_->configure(rhythm(), after.thresholds);
  }
}

Result<api::Outcome> Daemon::execute(const api::Command& command) {
  if (const auto* update = std::get_if<api::UpdateConfig>(&command)) {
    auto settings = engine_.settings()->with_runtime(update->changes);
    if (!settings) {
      return std::unexpected(settings.error());
    }
    const config::Config before = engine_.settings()->config();
    adopt(std::make_shared<const config::Settings>(std::move(*settings)));
    api::ConfigUpdated updated{config::changed_keys(before, engine_.settings()->config()), {}};
    for (const std::string& name : updated.changed) {
      const auto key = config::find_key(name);
      if (key && !(*key)->live) {
        updated.needs_restart.push_back(name);
      }
    }
    return updated;
  }
  const Now now = read_clock();
  if (auto outcome = engine_.models().execute(command, now)) {
    flight_.note(command, engine_, now);
    return std::move(*outcome);
  }
  recovery_.want(std::get<api::ReportShortage>(command), read_clock().mono);
  return api::Noted{};
}

/// A cleanup takes several ticks; it is answered when it is over.
void Daemon::take(const api::Command& command, const api::CommandAnswer& answer) {
  if (const auto* const cleanup = std::get_if<api::Cleanup>(&command)) {
    recovery_.clean_up(cleanup->force, [this, answer](const api::CleanedUp& freed) {
      answers_.emplace_back([answer, freed] { answer(freed); });
    });
    return;
  }
  answers_.emplace_back([answer, outcome = execute(command)] { answer(outcome); });
}

void Daemon::give_answers() {
  for (const auto& answer : std::exchange(answers_, {})) {
    answer();
  }
}

api::Ports Daemon::ports() {
  return {.view = [this] { return view_.get(); },
          .command =
              [this](api::Command command, const auto& answer) {
                const bool posted = inbox_.post(
                    [this, command = std::move(command), answer] { take(command, answer); });
                if (!posted) {
                  answer(fail(ErrorCode::unavailable, "the daemon is too busy or stopping",
                              "try again in a moment"));
                }
              },
          .stored_history =
              [this](store::Query query, auto answer) {
                outlets_.query(std::move(query), std::move(answer));
              },
          .stored_events =
              [this](store::EventQuery query, auto answer) {
                outlets_.events(std::move(query), std::move(answer));
              },
          .ledger = ledger_.port(),
          .balloons = balloons_.port(),
          .incidents = flight_.port(),
          .reclaim = reclaim_.port(),
          .now = read_clock,
          .authority = {.daemon_uid = ::geteuid()}};
}

control::GuardRhythm Daemon::rhythm() const {
  const config::Config& config = engine_.settings()->config();
  const auto cores = static_cast<unsigned>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
  return {.resting = std::chrono::seconds{1},
          .floor = config.guard.floor,
          .look_ahead = config.guard.look_ahead,
          .fill_bytes_per_second = config.guard.fill_rate
                                       ? static_cast<double>(config.guard.fill_rate->count)
                                       : control::plausible_fill_rate(cores)};
}

}  // namespace levee::engine
