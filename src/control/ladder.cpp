#include "control/ladder.hpp"

#include <algorithm>
#include <tuple>

namespace levee::control {
namespace {

/// A remedy that gave less than this part of what was wanted gave nothing.
constexpr std::uint64_t kWorthwhilePart = 100;

}  // namespace

std::string_view to_string(Rung rung) noexcept {
  switch (rung) {
    case Rung::notify:
      return "notify";
    case Rung::clear_cache:
      return "clear_cache";
    case Rung::deflate_balloon:
      return "deflate_balloon";
    case Rung::reduce_batch:
      return "reduce_batch";
    case Rung::offload:
      return "offload";
    case Rung::pause:
      return "pause";
    case Rung::brake:
      return "brake";
    case Rung::restart:
      return "restart";
    case Rung::kill:
      return "kill";
  }
  return "notify";
}

std::string_view to_string(StepEnd end) noexcept {
  switch (end) {
    case StepEnd::done:
      return "done";
    case StepEnd::refused:
      return "refused";
    case StepEnd::failed:
      return "failed";
    case StepEnd::silent:
      return "silent";
  }
  return "failed";
}

bool goes_before(const Remedy& a, const Remedy& b) noexcept {
  // The newest first: b.since before a.since.
  return std::tie(a.rung, a.priority, b.since, a.target) <
         std::tie(b.rung, b.priority, a.since, b.target);
}

Rung highest_rung(Severity pressure) noexcept {
  switch (pressure) {
    case Severity::warning:
      return Rung::deflate_balloon;
    case Severity::critical:
      return Rung::pause;
    case Severity::emergency:
      return Rung::kill;
  }
  return Rung::notify;
}

LadderMove Ladder::look(const LadderLook& look, const LadderRules& rules, MonoTime now) {
  LadderMove move;
  move.ended = finish(look, rules, now);
  move.lifted = lift(look, rules, now);
  if (step_) {
    return move;
  }
  const Remedy* const remedy = next(look, now);
  if (remedy == nullptr) {
    move.swept = std::exchange(sweep_, std::nullopt).has_value();
    return move;
  }
  if (sweep_) {
    sweep_->tried.emplace_back(remedy->rung, remedy->target);
  }
  step_ = LadderStep{.number = ++last_number_,
                     .remedy = *remedy,
                     .pressure = look.pressure,
                     .wanted = sweep_ ? look.used : look.used - look.line,
                     .before = look.used,
                     .begun = now,
                     .until = now + rules.deadline};
  move.begun = step_;
  return move;
}

void Ladder::answer(StepAnswer answer, MonoTime now) {
  if (step_ && !answered_ && answer.number == step_->number && now <= step_->until) {
    answered_ = Answered{std::move(answer), now};
  }
}

void Ladder::sweep(Sweep sweep) { sweep_ = Swept{sweep, {}}; }

/// The report of the step under way, once it is answered, or is not in time, and the device was
/// read after that.
std::optional<StepReport> Ladder::finish(const LadderLook& look, const LadderRules& rules,
                                         MonoTime now) {
  if (!step_) {
    return std::nullopt;
  }
  if (!answered_ && now > step_->until) {
    answered_ = Answered{
        {.number = step_->number, .end = StepEnd::silent, .said = {}, .message = {}}, step_->until};
  }
  if (!answered_ || look.read_at <= answered_->at) {
    return std::nullopt;
  }
  StepReport report{std::move(*step_), std::move(answered_->answer), look.used};
  step_.reset();
  answered_.reset();
  if (report.step.remedy.rung == Rung::pause && report.answer.end == StepEnd::done) {
    if (paused_.empty()) {
      paused_at_ = now;
    }
    paused_.push_back(report.step.remedy);
  } else {
    let_rest(report, rules, now);
  }
  return report;
}

void Ladder::let_rest(const StepReport& report, const LadderRules& rules, MonoTime now) {
  std::erase_if(rests_, [&](const auto& each) {
    return now >= each.second.until + rules.longest_rest;  // Forgotten, misses included.
  });
  const bool gave = report.answer.end == StepEnd::done &&
                    report.freed().count > report.step.wanted.count / kWorthwhilePart;
  Rest& rest = rests_[{report.step.remedy.rung, report.step.remedy.target}];
  rest.misses = gave ? 0 : rest.misses + 1;
  std::chrono::seconds length = rules.rest;
  for (unsigned i = 1; i < rest.misses && length < rules.longest_rest; ++i) {
    length *= 2;
  }
  rest.until = now + std::max(rules.rest, std::min(length, rules.longest_rest));
}

/// What was paused and may go on: the pressure has been gone for long enough, or never goes.
std::vector<Remedy> Ladder::lift(const LadderLook& look, const LadderRules& rules, MonoTime now) {
  if (look.pressure) {
    calm_since_.reset();
  } else if (!calm_since_) {
    calm_since_ = now;
  }
  const bool is_over = calm_since_ && now - *calm_since_ >= rules.calm;
  const bool is_too_long = now - paused_at_ >= rules.longest_pause;
  if (paused_.empty() || (!is_over && !is_too_long)) {
    return {};
  }
  for (const Remedy& each : paused_) {
    Rest& rest = rests_[{each.rung, each.target}];
    rest.until = now + rules.rest;
  }
  return std::exchange(paused_, {});
}

bool Ladder::is_allowed(const Remedy& remedy, std::optional<Severity> pressure,
                        MonoTime now) const {
  const Key key{remedy.rung, remedy.target};
  if (std::ranges::count(paused_, key,
                         [](const Remedy& each) { return Key{each.rung, each.target}; }) > 0) {
    return false;
  }
  if (sweep_) {
    return remedy.rung >= sweep_->sweep.first && remedy.rung <= sweep_->sweep.last &&
           std::ranges::count(sweep_->tried, key) == 0;
  }
  const auto rest = rests_.find(key);
  return pressure && remedy.rung <= highest_rung(*pressure) &&
         (rest == rests_.end() || now >= rest->second.until);
}

const Remedy* Ladder::next(const LadderLook& look, MonoTime now) const {
  const Remedy* best = nullptr;
  for (const Remedy& each : look.remedies) {
    if (is_allowed(each, look.pressure, now) && (best == nullptr || goes_before(each, *best))) {
      best = &each;
    }
  }
  return best;
}

}  // namespace levee::control
