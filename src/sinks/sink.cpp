#include "sinks/sink.hpp"

#include <fmt/core.h>
#include <pthread.h>

#include <csignal>
#include <exception>
#include <utility>

namespace levee::sinks {

bool is_for_people(const Event& event, Severity least) noexcept {
  switch (event.kind) {
    case EventKind::alert:
    case EventKind::resolved:
      // An alert without any severity would be a defect; telling too much is the smaller one.
      return event.severity.value_or(event.alert ? event.alert->severity : least) >= least;
    default:
      return false;
  }
}

Sink::Sink(std::string name, std::size_t capacity) : name_(std::move(name)), capacity_(capacity) {}

Sink::~Sink() { stop(std::chrono::milliseconds{0}); }

void Sink::start() {
  const std::lock_guard lock(joining_);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

bool Sink::wants(const Event& /*event*/) const noexcept { return true; }

void Sink::offer(std::shared_ptr<const Notification> notification) {
  if (!wants(notification->event)) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (draining_) {
    ++dropped_;
    return;
  }
  queue_.push_back(std::move(notification));
  if (queue_.size() > capacity_) {
    queue_.pop_front();
    ++dropped_;
  }
  wake_.notify_all();
}

void Sink::stop(std::chrono::milliseconds grace) {
  const std::lock_guard joining(joining_);
  if (!thread_.joinable()) {
    return;
  }
  {
    std::unique_lock lock(mutex_);
    draining_ = true;
    wake_.notify_all();
    wake_.wait_for(lock, grace, [&] { return ended_; });
  }
  thread_.request_stop();
  thread_.join();
  const std::lock_guard lock(mutex_);
  dropped_ += queue_.size();
  queue_.clear();
}

void Sink::run(const std::stop_token& stop) {
  // Signals are for the main thread; and a reader that goes away is an error here, not a SIGPIPE.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);

  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return draining_ || !queue_.empty(); });
    if (queue_.empty() || stop.stop_requested()) {
      break;
    }
    const std::shared_ptr<const Notification> next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    Result<void> result = try_write(*next, stop);
    lock.lock();
    if (result) {
      ++written_;
    } else {
      ++failed_;
      last_error_ = std::move(result.error());
    }
  }
  ended_ = true;
  wake_.notify_all();
}

Result<void> Sink::try_write(const Notification& notification, const std::stop_token& stop) {
  try {
    return write(notification, stop);
  } catch (const std::exception& failure) {
    return fail(ErrorCode::internal, fmt::format("{}: {}", name_, failure.what()));
  }
}

std::uint64_t Sink::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

std::uint64_t Sink::written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

std::uint64_t Sink::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

std::optional<Error> Sink::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace levee::sinks
