#include "balloon/follower.hpp"

#include <algorithm>

namespace levee::balloon {
namespace {

/// What the owner frees stays open to it for so long: caches are emptied to be filled again.
constexpr std::chrono::seconds kSettles{2};
/// Looks stay quick so long after a growth.
constexpr std::chrono::seconds kGrowsOn{1};
/// An owner that asked and did not take it is not waited for longer.
constexpr std::chrono::seconds kAskedFor{10};

}  // namespace

Follower::Follower(Following order, HeldMemory& held)
    : order_(std::move(order)),
      held_(held),
      watch_(held.memory().driver(), held.memory().gpu(), order_.account),
      interval_(order_.look) {}

void Follower::look(MonoTime now, const Progress& go_on) {
  const OwnerLook seen = watch_.look(now);
  const bool begins = seen.has_begun && !state_.has_begun;
  state_.has_begun = state_.has_begun || seen.has_begun;
  state_.trouble = seen.trouble;
  if (!state_.baseline && (seen.use || order_.baseline)) {
    state_.baseline = order_.baseline.value_or(seen.use.value_or(Bytes{}));
  }
  const std::optional<Bytes> before = state_.use;
  state_.use =
      seen.use ? std::optional(*seen.use - state_.baseline.value_or(Bytes{})) : std::nullopt;
  if (begins || (state_.use && before && *state_.use > *before)) {
    grew_at_ = now;
  }
  const BatonSample sample{
      .balloon = held_.requested(),
      .has_begun = state_.has_begun,
      .owner_now = state_.use,
      .owner_before = state_.use ? most_lately(*state_.use, now) : std::nullopt,
      .asked = still_asked(now),
      .free = seen.free,
      .lost_before = lost_before_};
  const BatonStep step = pass_baton(order_.baton, sample);
  state_.lost = step.lost;
  // Memory that was just given back may not be free at once: what seems lost then is not believed.
  lost_before_ = step.move == BatonMove::hold ? step.lost : std::min(step.lost, lost_before_);
  move(step, now, go_on);
  state_.passed_on = order_.baton.promised - held_.requested();
  pace(now);
}

void Follower::move(const BatonStep& step, MonoTime now, const Progress& go_on) {
  if (step.move == BatonMove::hold) {
    return;
  }
  const auto moved = held_.resize(step.balloon, go_on);
  if (step.move == BatonMove::yield) {
    grew_at_ = now;
  }
  // What was to be taken back may be somebody else's by now: that is no trouble, it shows as lost.
  const bool is_short = !moved && moved.error().code != ErrorCode::resource_exhausted &&
                        moved.error().code != ErrorCode::timed_out;
  if (is_short) {
    state_.trouble = moved.error().message;
  }
  state_.is_done = step.move == BatonMove::passed && moved.has_value();
}

void Follower::pace(MonoTime now) noexcept {
  if (state_.is_done) {
    next_look_.reset();
    return;
  }
  const bool is_quick =
      state_.has_begun && (now - grew_at_ < kGrowsOn || still_asked(now) > Bytes{});
  interval_ = is_quick ? order_.look : std::min(2 * interval_, order_.rest);
  next_look_ = now + interval_;
}

void Follower::ask(Bytes bytes, MonoTime now) {
  state_.has_begun = true;
  grew_at_ = now;
  asked_ = Asked{.bytes = bytes, .use = state_.use.value_or(Bytes{}), .until = now + kAskedFor};
}

void Follower::promise(Bytes bytes, MonoTime now) {
  order_.baton.promised = bytes;
  grew_at_ = now;
}

Bytes Follower::still_asked(MonoTime now) const noexcept {
  return asked_ && now < asked_->until
             ? asked_->bytes - (state_.use.value_or(Bytes{}) - asked_->use)
             : Bytes{};
}

std::optional<Bytes> Follower::most_lately(Bytes use, MonoTime now) {
  const bool is_first = peaks_.empty();
  while (!peaks_.empty() && peaks_.back().second <= use) {
    peaks_.pop_back();
  }
  peaks_.emplace_back(now, use);
  while (now - peaks_.front().first > kSettles) {
    peaks_.pop_front();
  }
  return is_first ? std::nullopt : std::optional(peaks_.front().second);
}

}  // namespace levee::balloon
