#include "sources/psi_trigger.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sources/file.hpp"

namespace levee::sources {
namespace {

using std::chrono::microseconds;

constexpr microseconds kUnprivilegedStep = std::chrono::seconds{2};
constexpr microseconds kLongestWindow = std::chrono::seconds{10};

/// 0, or the errno of the refusal.
int arm_one(int fd, microseconds stall, microseconds window) {
  const std::string trigger = fmt::format("some {} {}", stall.count(), window.count());
  // The kernel wants the NUL that ends the string as a part of it.
  const ssize_t written = ::write(fd, trigger.c_str(), trigger.size() + 1);
  return written < 0 ? errno : 0;
}

}  // namespace

Result<PsiTrigger> PsiTrigger::arm(const Root& root, microseconds stall, microseconds window) {
  constexpr const char* kFile = "/proc/pressure/memory";
  if (!root.is_real()) {
    return fail(ErrorCode::unavailable, "a recorded machine has no pressure triggers",
                "pressure is read at every tick instead");
  }
  if (stall.count() <= 0 || stall > window || window > kLongestWindow) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("pressure trigger of {} us stall in {} us", stall.count(), window.count()),
        "want 0 < stall <= window <= 10 s");
  }
  Fd file(::open(kFile, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  int error = file ? arm_one(file.get(), stall, window) : errno;
  if (file && error == EINVAL && window.count() % kUnprivilegedStep.count() != 0) {
    // Without CAP_SYS_RESOURCE only multiples of 2 s are allowed: take the next one.
    const auto steps = window / kUnprivilegedStep + 1;
    window = std::min(kUnprivilegedStep * steps, kLongestWindow);
    error = arm_one(file.get(), stall, window);
  }
  if (error != 0) {
    Error refusal = file_error(fmt::format("cannot arm a trigger on {}", kFile), error);
    refusal.hint = is_gone(error) || error == EOPNOTSUPP
                       ? "the kernel offers no pressure-stall information; boot with psi=1"
                       : "give Levee CAP_SYS_RESOURCE (AmbientCapabilities=CAP_SYS_RESOURCE)";
    return std::unexpected(std::move(refusal));
  }
  return PsiTrigger(file.release(), window);
}

PsiTrigger::PsiTrigger(PsiTrigger&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), window_(other.window_) {}

PsiTrigger& PsiTrigger::operator=(PsiTrigger&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(window_, other.window_);
  return *this;
}

PsiTrigger::~PsiTrigger() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace levee::sources
