#include "engine/recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <ranges>

#include "engine/state_events.hpp"

namespace levee::engine {
namespace {

using control::LadderStep;
using control::Remedy;
using control::Rung;
using control::StepAnswer;
using control::StepEnd;
using control::StepReport;

constexpr std::chrono::seconds kWantedFor{60};
constexpr std::size_t kRecent = 64;
/// Beside a client's own deadline: until it is measured before and after.
constexpr std::chrono::seconds kMeasuring{5};

constexpr ledger::Requester kItself{.uid = 0, .is_administrator = true};

control::LadderRules rules_of(const config::Config& config) {
  return {.rest = config.recovery.rest,
          .deadline = config.recovery.deadline + kMeasuring,
          .calm = config.throttle_cooldown,
          .longest_pause = config.critical_pause};
}

StepEnd end_of(reclaim::Outcome outcome) {
  switch (outcome) {
    case reclaim::Outcome::done:
      return StepEnd::done;
    case reclaim::Outcome::refused:
      return StepEnd::refused;
    case reclaim::Outcome::failed:
    case reclaim::Outcome::gone:
      return StepEnd::failed;
    case reclaim::Outcome::timed_out:
      return StepEnd::silent;
  }
  return StepEnd::failed;
}

ReclaimStrategy strategy_of(Rung rung) {
  switch (rung) {
    case Rung::clear_cache:
      return ReclaimStrategy::clear_cache;
    case Rung::deflate_balloon:
      return ReclaimStrategy::yield_balloon;
    case Rung::reduce_batch:
      return ReclaimStrategy::reduce_batch;
    default:
      return ReclaimStrategy::offload;
  }
}

/// For people.
std::string name_of(const Target& target, const api::View& view) {
  if (target.kind == TargetKind::client && view.daemon.reclaim) {
    if (const reclaim::Client* const client = view.daemon.reclaim->find(target.id)) {
      return fmt::format("{} ({}, {}, pid {})", client->name, client->id, client->caller.user,
                         client->caller.process.pid);
    }
  }
  if (target.kind == TargetKind::balloon && view.daemon.ledger) {
    const auto& leases = view.daemon.ledger->leases;
    const auto found = std::ranges::find_if(
        leases, [&](const api::LeaseReport& each) { return each.lease.id == target.id; });
    if (found != leases.end()) {
      return fmt::format("balloon {} of {}", target.id, found->user);
    }
  }
  return to_text(target);
}

std::string what_was_done(const StepReport& report, const std::string& who, bool is_dry_run) {
  const Rung rung = report.step.remedy.rung;
  const std::string verb = is_dry_run ? "would be" : "was";
  switch (rung) {
    case Rung::notify:
      return is_dry_run ? "would be told" : "is told";
    case Rung::pause:
      return fmt::format("work on it {} told to pause", verb);
    default:
      return fmt::format("{} {} asked to {}", who, verb, to_string(rung));
  }
}

std::string what_came_of_it(const StepReport& report) {
  if (report.step.remedy.rung == Rung::notify || report.step.remedy.rung == Rung::pause) {
    return {};
  }
  switch (report.answer.end) {
    case StepEnd::done:
      return report.answer.said ? fmt::format(": {} freed, {} said", format_bytes(report.freed()),
                                              format_bytes(*report.answer.said))
                                : fmt::format(": {} freed", format_bytes(report.freed()));
    case StepEnd::refused:
      return ": it refused";
    case StepEnd::failed:
      return ": it failed";
    case StepEnd::silent:
      return ": it did not answer";
  }
  return {};
}

std::string sentence(const std::string& label, const StepReport& report, const std::string& who,
                     bool is_dry_run) {
  std::string text = fmt::format(
      "{} had {} in use{}; {}{}", label, format_bytes(report.step.before),
      report.step.pressure ? fmt::format(" ({}, {} too much)", to_string(*report.step.pressure),
                                         format_bytes(report.step.wanted))
                           : "",
      what_was_done(report, who, is_dry_run), is_dry_run ? "" : what_came_of_it(report));
  if (!report.answer.message.empty()) {
    text += fmt::format(" (\"{}\")", report.answer.message);
  }
  return text;
}

}  // namespace

void Recovery::observe(const api::View& view, Now now) {
  const config::Config& config = view.settings->config();
  std::erase_if(shortages_, [&](const Shortage& each) { return now.mono >= each.until; });
  std::vector<PressedDevice> devices = pressed_devices(view, shortages_, now.mono);
  if (config.recovery.mode == config::RecoveryMode::off) {
    for (PressedDevice& device : devices) {
      device.look.pressure.reset();  // Only a cleanup by hand does anything then.
    }
  }
  for (const PressedDevice& device : devices) {
    devices_[device.name].label = device.label;
  }
  finish_sweep(config.recovery.mode);
  begin_sweep();
  for (const PressedDevice& device : devices) {
    look_after(device, view, now);
  }
  for (auto& [name, device] : devices_) {
    const bool is_there = std::ranges::count(devices, name, &PressedDevice::name) > 0;
    device.is_sweeping = device.is_sweeping && is_there;
  }
  if (!waiting_.empty() && !is_sweeping()) {
    hands_.post([] {});  // Answered by the next tick, whose View shows what was done.
  }
  publish(std::move(devices), config.recovery);
}

void Recovery::look_after(const PressedDevice& pressed, const api::View& view, Now now) {
  const config::Config& config = view.settings->config();
  const bool is_dry_run = config.recovery.mode == config::RecoveryMode::dry_run;
  Device& device = devices_[pressed.name];
  const control::LadderMove move = device.ladder.look(pressed.look, rules_of(config), now.mono);
  if (move.ended) {
    if (device.is_sweeping) {
      ++device.swept_steps;
      device.swept += move.ended->freed();
    }
    tell(pressed.name, device, *move.ended, is_dry_run, now);
  }
  if (!move.lifted.empty()) {
    Event event = plain_event(EventKind::recovery_lifted,
                              fmt::format("Work on {} may go on", pressed.label), now);
    event.details = {{"device", pressed.name}};
    events_.push_back(std::move(event));
  }
  device.is_sweeping = device.is_sweeping && !move.swept;
  if (move.begun) {
    device.who = name_of(parse_target(move.begun->remedy.target), view);
    begin(pressed.name, device, *move.begun, view);
  }
}

void Recovery::begin(const std::string& name, Device& device, const LadderStep& step,
                     const api::View& view) {
  const config::Recovery& how = view.settings->config().recovery;
  const Target target = parse_target(step.remedy.target);
  if (how.mode == config::RecoveryMode::dry_run || target.kind == TargetKind::everybody) {
    device.ladder.answer({.number = step.number, .end = StepEnd::done, .said = {}, .message = {}},
                         step.begun);
    return;
  }
  if (target.kind == TargetKind::client) {
    ask_client(name, step, target.id, how);
  } else {
    deflate(name, step, target.id);
  }
}

void Recovery::ask_client(const std::string& device, const LadderStep& step,
                          const std::string& client, const config::Recovery& how) {
  reclaim::Ask ask;
  ask.strategy = strategy_of(step.remedy.rung);
  ask.device = device;
  ask.bytes = step.wanted;
  ask.deadline = how.deadline;
  ask.reason = step.pressure ? fmt::format("memory pressure: {}", to_string(*step.pressure))
                             : "a cleanup was asked for";
  hands_.reclaim.ask(client, std::move(ask),
                     [this, device, number = step.number](const Result<reclaim::Asked>& asked) {
                       StepAnswer said{.number = number, .end = {}, .said = {}, .message = {}};
                       if (asked) {
                         said.end = end_of(asked->outcome);
                         said.said =
                             asked->said > Bytes{} ? std::optional(asked->said) : std::nullopt;
                         said.message = asked->message;
                       } else {
                         said.end = StepEnd::failed;
                         said.message = asked.error().message;
                       }
                       hands_.post([this, device, said] { answer(device, said); });
                     });
}

/// As much of a balloon as is wanted, or all of it.
void Recovery::deflate(const std::string& device, const LadderStep& step,
                       const std::string& lease) {
  const Bytes held = step.remedy.offer.value_or(Bytes{});
  const auto done = [this, device, number = step.number](const Result<void>& result, Bytes gave) {
    StepAnswer said{.number = number, .end = StepEnd::done, .said = gave, .message = {}};
    if (!result) {
      said = {
          .number = number, .end = StepEnd::failed, .said = {}, .message = result.error().message};
    }
    hands_.post([this, device, said] { answer(device, said); });
  };
  if (step.wanted >= held) {
    hands_.ledger.release(lease, kItself, [done, held](const Result<api::LeaseReport>& over) {
      done(over ? Result<void>{} : std::unexpected(over.error()), held);
    });
    return;
  }
  hands_.ledger.resize(lease, held - step.wanted, kItself,
                       [done, gave = step.wanted](const Result<ledger::Answer>& resized) {
                         done(resized ? Result<void>{} : std::unexpected(resized.error()), gave);
                       });
}

void Recovery::answer(const std::string& device, StepAnswer answer) {
  if (const auto found = devices_.find(device); found != devices_.end()) {
    found->second.ladder.answer(std::move(answer), hands_.clock());
  }
}

void Recovery::tell(const std::string& name, Device& device, const StepReport& report,
                    bool is_dry_run, Now now) {
  Event event = plain_event(EventKind::recovery_step,
                            sentence(device.label, report, device.who, is_dry_run), now);
  event.severity = report.step.pressure;
  event.details = {{"device", name},
                   {"step", std::string(to_string(report.step.remedy.rung))},
                   {"who", device.who},
                   {"result", std::string(to_string(report.answer.end))},
                   {"wanted_bytes", std::to_string(report.step.wanted.count)},
                   {"before_bytes", std::to_string(report.step.before.count)},
                   {"after_bytes", std::to_string(report.after.count)},
                   {"freed_bytes", std::to_string(report.freed().count)},
                   {"dry_run", is_dry_run ? "true" : "false"}};
  events_.push_back(std::move(event));
  recent_.push_back({.at = now.wall,
                     .device = name,
                     .label = device.label,
                     .who = std::exchange(device.who, {}),
                     .report = report,
                     .dry_run = is_dry_run});
  while (recent_.size() > kRecent) {
    recent_.pop_front();
  }
}

void Recovery::want(const api::ReportShortage& failed, MonoTime now) {
  // The latest counts, but a user does not undo what an administrator wants.
  const auto severity = failed.is_administrator ? Severity::critical : Severity::warning;
  const auto is_about_it = [&](const Shortage& each) {
    return each.device == failed.device && each.severity <= severity;
  };
  std::erase_if(shortages_, is_about_it);
  shortages_.push_back({failed.device, failed.bytes, now + kWantedFor, severity});
}

void Recovery::clean_up(bool force, Swept done) {
  const Rung last = force ? Rung::offload : Rung::deflate_balloon;
  wanted_sweep_ = {Rung::clear_cache, wanted_sweep_ ? std::max(wanted_sweep_->last, last) : last};
  waiting_.push_back(std::move(done));
}

void Recovery::begin_sweep() {
  if (!wanted_sweep_) {
    return;
  }
  for (auto& [name, device] : devices_) {
    device.ladder.sweep(*wanted_sweep_);
    if (!std::exchange(device.is_sweeping, true)) {
      device.swept_steps = 0;
      device.swept = {};
    }
  }
  wanted_sweep_.reset();
}

bool Recovery::is_sweeping() const {
  return wanted_sweep_ ||
         std::ranges::any_of(devices_, [](const auto& each) { return each.second.is_sweeping; });
}

void Recovery::finish_sweep(config::RecoveryMode mode) {
  if (waiting_.empty() || is_sweeping()) {
    return;
  }
  api::CleanedUp freed;
  std::size_t steps = 0;
  for (auto& [name, device] : devices_) {
    (name == kReclaimHost ? freed.cpu_freed : freed.gpu_freed) += std::exchange(device.swept, {});
    steps += std::exchange(device.swept_steps, 0);
  }
  if (steps == 0) {
    freed.message =
        "Nothing was freed: no job has registered caches or balloons that Levee could ask it to "
        "give back";
  } else if (mode == config::RecoveryMode::dry_run) {
    freed.message = fmt::format(
        "Nothing was freed: recovery.mode is dry-run; {} steps would be "
        "taken",
        steps);
  }
  for (const Swept& done : std::exchange(waiting_, {})) {
    done(freed);
  }
}

void Recovery::stop() {
  for (const Swept& done : std::exchange(waiting_, {})) {
    done({.cpu_freed = {}, .gpu_freed = {}, .message = "The daemon stops; see its events"});
  }
}

void Recovery::publish(std::vector<PressedDevice> devices, const config::Recovery& how) {
  auto view = std::make_shared<api::RecoveryView>();
  view->mode = how.mode;
  for (PressedDevice& device : devices) {
    const control::Ladder& ladder = devices_[device.name].ladder;
    std::ranges::sort(device.look.remedies, control::goes_before);
    view->devices.push_back({.name = std::move(device.name),
                             .label = std::move(device.label),
                             .pressure = device.look.pressure,
                             .used = device.look.used,
                             .line = device.look.line,
                             .under_way = ladder.under_way(),
                             .remedies = std::move(device.look.remedies),
                             .paused = ladder.paused()});
  }
  view->recent.assign(recent_.begin(), recent_.end());
  view_ = std::move(view);
}

}  // namespace levee::engine
