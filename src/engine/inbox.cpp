#include "engine/inbox.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace levee::engine {

Inbox::Inbox(std::size_t capacity)
    : capacity_(capacity), event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (event_fd_ < 0) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
}

Inbox::~Inbox() { ::close(event_fd_); }

void Inbox::wake() const {
  const std::uint64_t one = 1;
  // Can only fail when 2⁶⁴−2 wake-ups are pending, and then the engine is awake already.
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof one);
}

bool Inbox::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || tasks_.size() >= capacity_) {
      ++refused_;
      return false;
    }
    tasks_.push_back(std::move(task));
  }
  wake();
  return true;
}

void Inbox::alarm() {
  {
    const std::lock_guard lock(mutex_);
    alarm_ = true;
  }
  wake();
}

void Inbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake();
}

Inbox::Wake Inbox::wait(MonoTime deadline, int pressure_fd) {
  std::array<pollfd, 2> fds{pollfd{event_fd_, POLLIN, 0}, pollfd{pressure_fd, POLLPRI, 0}};
  const auto left = std::max(deadline - std::chrono::steady_clock::now(), MonoTime::duration{0});
  const auto whole = std::chrono::floor<std::chrono::seconds>(left);
  const timespec timeout{.tv_sec = whole.count(), .tv_nsec = (left - whole).count()};
  Wake wake;
  if (::ppoll(fds.data(), fds.size(), &timeout, nullptr) > 0) {
    wake.pressure_ended = (fds[1].revents & (POLLERR | POLLNVAL)) != 0;
    wake.pressure = !wake.pressure_ended && (fds[1].revents & POLLPRI) != 0;
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t drained = ::read(event_fd_, &count, sizeof count);
  }
  const std::lock_guard lock(mutex_);
  wake.alarm = std::exchange(alarm_, false);
  wake.tasks.swap(tasks_);
  return wake;
}

std::uint64_t Inbox::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

}  // namespace levee::engine
