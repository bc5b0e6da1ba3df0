#include "engine/balloon_post.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

namespace levee::engine {

using api::Holding;
using api::HoldingState;
using balloon::Holder;
using balloon::HolderState;

BalloonPost::BalloonPost(Settings settings, std::string lease, std::string account,
                         std::string uuid, Bytes promised)
    : settings_(std::move(settings)),
      uuid_(std::move(uuid)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      pause_(settings_.pause) {
  holding_.lease = std::move(lease);
  holding_.account = std::move(account);
  holding_.uuid = uuid_;
  holding_.promised = promised;
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

BalloonPost::~BalloonPost() {
  thread_.request_stop();
  ::eventfd_write(wake_.get(), 1);
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

void BalloonPost::pass_on(Bytes bytes, api::BalloonPort::Answer done) {
  {
    const std::scoped_lock lock(mutex_);
    const Bytes more = std::min(bytes, holding_.promised - holding_.passed_on);
    holding_.passed_on += more;
    waiting_.push_back({holding_.promised - holding_.passed_on, more, std::move(done)});
  }
  ::eventfd_write(wake_.get(), 1);
}

Holding BalloonPost::holding() const {
  const std::scoped_lock lock(mutex_);
  return holding_;
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
    answer_those_done();
    rest(stop, is_done ? std::nullopt : std::optional<Clock::duration>(pause_));
    pause_ = is_done ? settings_.pause : std::min(2 * pause_, settings_.most_pause);
  }
  holder_.reset();
}

/// Has held what is wanted. False when that failed and is to be tried again.
bool BalloonPost::work(const std::stop_token& stop) {
  const auto go_on = [&stop](Bytes, Bytes) { return !stop.stop_requested(); };
  if (holder_ && !holder_->is_running()) {
    note({ErrorCode::unavailable, "the process that held it has ended", {}});
    holder_.reset();
  }
  const Bytes wanted = target();
  if (wanted == Bytes{}) {
    holder_.reset();  // Its context is memory, too.
    note(HoldingState::held, {});
    return true;
  }
  if (!holder_) {
    note(HoldingState::starting, {});
    Holder::Settings how;
    how.argv = settings_.holder;
    how.is_cancelled = [&stop] { return stop.stop_requested(); };
    auto started = Holder::start(uuid_, std::move(how));
    if (!started) {
      note(started.error());
      return false;
    }
    holder_.emplace(std::move(*started));
  }
  if (holder_->held().requested != wanted) {
    note(HoldingState::growing, holder_->held());
    const auto held = holder_->resize(wanted, settings_.growth, [&](Bytes now, Bytes wants) {
      HolderState growing = holder_->held();
      growing.held = now;
      note(HoldingState::growing, growing);
      return go_on(now, wants);
    });
    if (!held) {
      note(held.error());
      return false;
    }
  }
  note(HoldingState::held, holder_->held());
  return true;
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
    if (state == HoldingState::held) {
      holding_.trouble.clear();
    }
  }
  settings_.changed();
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
  settings_.changed();
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

}  // namespace levee::engine
