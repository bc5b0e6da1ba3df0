#include "engine/balloon_post.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace levee::engine {

using api::Holding;
using api::HoldingState;
using balloon::Following;
using balloon::Holder;
using balloon::HolderState;

namespace {

/// Of what neighbours take while the owner grows, a quarter of the promise is made good.
constexpr std::uint64_t kSpareShare = 4;

std::optional<Following> following_of(const BalloonOrder& order) {
  const auto& step = order.lease.demand.step;
  if (!step) {
    return std::nullopt;
  }
  Following how;
  how.account = order.account;
  how.baton.step = *step;
  return how;
}

}  // namespace

BalloonPost::BalloonPost(Settings settings, const BalloonOrder& order,
                         const ledger::DeviceShare& share)
    : settings_(std::move(settings)),
      uuid_(share.uuid),
      ticket_(order.lease.ticket),
      following_(following_of(order)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      pause_(settings_.pause) {
  if (!wake_) {
    throw std::system_error(errno, std::generic_category(), "no descriptor is left to hold it");
  }
  holding_.lease = order.lease.id;
  holding_.account = order.lease.account();
  holding_.uuid = uuid_;
  holding_.promised = share.bytes;
  if (const auto known =
          std::ranges::find(order.lease.used_before, uuid_, &ledger::DeviceShare::uuid);
      known != order.lease.used_before.end()) {
    baton_.baseline = known->bytes;
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void BalloonPost::end() {
  thread_.request_stop();
  ::eventfd_write(wake_.get(), 1);
}

BalloonPost::~BalloonPost() {
  end();
  thread_.join();
  for (const Waiting& each : waiting_) {
    each.done(fail(ErrorCode::not_found, "the balloon is over", "what it held is free"));
  }
}

void BalloonPost::promise(Bytes bytes) {
  {
    const std::scoped_lock lock(mutex_);
    if (holding_.promised == bytes) {
      return;
    }
    holding_.promised = bytes;
    holding_.state = HoldingState::growing;
  }
  ::eventfd_write(wake_.get(), 1);
}

void BalloonPost::pass_on(const Amount& amount, api::BalloonPort::Answer done) {
  {
    const std::scoped_lock lock(mutex_);
    const Bytes bytes = amount.resolve(holding_.promised);
    if (following_) {
      waiting_.push_back({{}, bytes, std::move(done)});
    } else {
      const Bytes more = std::min(bytes, holding_.promised - holding_.passed_on);
      holding_.passed_on += more;
      waiting_.push_back({holding_.promised - holding_.passed_on, more, std::move(done)});
    }
  }
  ::eventfd_write(wake_.get(), 1);
}

Holding BalloonPost::holding() const {
  const std::scoped_lock lock(mutex_);
  return holding_;
}

Bytes BalloonPost::promised() const {
  const std::scoped_lock lock(mutex_);
  return holding_.promised;
}

Bytes BalloonPost::target() const {
  const std::scoped_lock lock(mutex_);
  return holding_.promised - holding_.passed_on;
}

// --- the thread

void BalloonPost::run(const std::stop_token& stop) {
  // Signals are for the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  while (!stop.stop_requested()) {
    const bool is_done = work(stop);
    if (following_) {
      yield_to_those_who_ask();
    } else {
      answer_those_done();
    }
    rest(stop, !is_done        ? std::optional<Clock::duration>(pause_)
               : is_following_ ? std::optional<Clock::duration>(settings_.check)
                               : std::nullopt);
    pause_ = is_done ? settings_.pause : std::min(2 * pause_, settings_.most_pause);
  }
  part();
}

/// Has held what is wanted. False when that failed and is to be tried again.
bool BalloonPost::work(const std::stop_token& stop) {
  if (holder_ && !holder_->is_running()) {
    note({ErrorCode::unavailable, "the process that held it has ended", {}});
    part();
  }
  hear();
  if (baton_.is_done || (!following_ && target() == Bytes{})) {
    part();  // Its context is memory, too.
    note(baton_.is_done ? HoldingState::passed : HoldingState::held, {});
    return true;
  }
  // What its owner may have taken already is not to be held again: the baton says what is left.
  const bool goes_on = following_ && baton_.baseline.has_value();
  Result<void> done;
  if (!holder_) {
    done = start(stop);
  }
  if (done && !goes_on) {
    done = hold(stop);
  }
  if (done && following_) {
    done = follow();
  }
  if (!done) {
    note(done.error());
    return false;
  }
  if (!baton_.is_done) {
    note(HoldingState::held, holder_->held());
  }
  return !baton_.is_done;  // Then there is a process to end.
}

Result<void> BalloonPost::start(const std::stop_token& stop) {
  note(HoldingState::starting, {});
  Holder::Settings how;
  how.argv = settings_.holder;
  // Others who look for the account's processes find the holder among them.
  how.environment = {fmt::format("{}={}", sources::kLeaseVariable, holding().account)};
  how.is_cancelled = [&stop] { return stop.stop_requested(); };
  auto started = Holder::start(uuid_, std::move(how));
  if (!started) {
    return std::unexpected(std::move(started.error()));
  }
  holder_.emplace(std::move(*started));
  return {};
}

Result<void> BalloonPost::hold(const std::stop_token& stop) {
  const Bytes wanted = target();
  if (holder_->held().requested == wanted) {
    return {};
  }
  note(HoldingState::growing, holder_->held());
  const auto held = holder_->resize(wanted, settings_.growth, [&](Bytes now, Bytes) {
    HolderState growing = holder_->held();
    growing.held = now;
    note(HoldingState::growing, growing);
    return !stop.stop_requested();
  });
  return held ? Result<void>{} : std::unexpected(held.error());
}

/// Tells the holder to follow, or what is promised now.
Result<void> BalloonPost::follow() {
  const Bytes wanted = promised();
  if (is_following_ && told_ == wanted) {
    return check();
  }
  Following how = *following_;
  how.baton.promised = wanted;
  how.baton.spare = Bytes{wanted.count / kSpareShare};
  how.baseline = baton_.baseline;
  const auto followed = holder_->follow(how, settings_.growth);
  if (!followed) {
    return std::unexpected(followed.error());
  }
  is_following_ = true;
  told_ = wanted;
  answered_ = Clock::now();
  hear();
  return {};
}

/// A holder that hangs in the driver says nothing, as one whose owner rests: it is asked.
Result<void> BalloonPost::check() {
  if (Clock::now() - answered_ < settings_.check) {
    return {};
  }
  const auto alive = holder_->status(settings_.answer);
  if (!alive) {
    return std::unexpected(alive.error());
  }
  answered_ = Clock::now();
  hear();
  return {};
}

void BalloonPost::hear() {
  if (!holder_ || !is_following_) {
    return;
  }
  const bool was_known = baton_.baseline.has_value();
  baton_ = holder_->baton();
  std::string lease;
  {
    const std::scoped_lock lock(mutex_);
    holding_.passed_on = baton_.passed_on;
    holding_.lost = baton_.lost;
    lease = holding_.lease;
  }
  if (!was_known && baton_.baseline) {
    settings_.began(lease, {uuid_, *baton_.baseline});
  }
}

void BalloonPost::part() {
  holder_.reset();
  is_following_ = false;
}

/// Until something is wanted or the holder ends, and not longer than that.
void BalloonPost::rest(const std::stop_token& stop, std::optional<Clock::duration> longest) {
  if (stop.stop_requested()) {
    return;
  }
  const auto timeout =
      longest ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*longest).count())
              : -1;
  std::array<pollfd, 2> fds{
      pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0},
      pollfd{.fd = holder_ ? holder_->line() : -1, .events = POLLIN, .revents = 0}};
  ::poll(fds.data(), fds.size(), timeout);
  eventfd_t ignored = 0;
  ::eventfd_read(wake_.get(), &ignored);
}

void BalloonPost::note(HoldingState state, const HolderState& held) {
  {
    const std::scoped_lock lock(mutex_);
    holding_.state = state;
    holding_.held = held.held;
    holding_.chunks = held.chunks;
    holding_.pid = holder_ ? holder_->pid() : std::nullopt;
    if (state == HoldingState::held || state == HoldingState::passed) {
      holding_.trouble = is_following_ ? baton_.trouble : "";
    }
  }
}

void BalloonPost::note(const Error& error) {
  const bool is_there = holder_ && holder_->is_running();
  {
    const std::scoped_lock lock(mutex_);
    holding_.state = HoldingState::failed;
    holding_.trouble = error.message;
    holding_.held = is_there ? holder_->held().held : Bytes{};
    holding_.chunks = is_there ? holder_->held().chunks : 0;
    holding_.pid = is_there ? holder_->pid() : std::nullopt;
  }
}

/// What they wait for is free: so much, or less, is held.
void BalloonPost::answer_those_done() {
  std::vector<Waiting> done;
  {
    const std::scoped_lock lock(mutex_);
    const Bytes held = holder_ ? holder_->held().requested : Bytes{};
    const auto still = std::ranges::partition(
        waiting_, [held](const Waiting& each) { return each.target < held; });
    std::ranges::move(still, std::back_inserter(done));
    waiting_.erase(still.begin(), still.end());
  }
  for (const Waiting& each : done) {
    each.done(each.passed_on);
  }
}

/// The owner takes so much next: answered when it is open to it, or cannot be.
void BalloonPost::yield_to_those_who_ask() {
  std::vector<Waiting> asked;
  {
    const std::scoped_lock lock(mutex_);
    if (!is_following_ && !baton_.is_done && holding_.state != HoldingState::failed) {
      return;  // It is being held yet.
    }
    asked.swap(waiting_);
  }
  for (const Waiting& each : asked) {
    if (is_following_) {
      auto open = holder_->yield_to_owner(each.passed_on, settings_.answer);
      hear();
      note(HoldingState::held, holder_->held());
      each.done(std::move(open));
    } else if (baton_.is_done) {
      each.done(Bytes{});
    } else {
      each.done(fail(ErrorCode::unavailable, holding().trouble, "it is tried again"));
    }
  }
}

}  // namespace levee::engine
