// PsiTrigger: a descriptor that becomes readable (POLLPRI) when tasks stall for memory
// (Linux Documentation/accounting/psi.rst). Evidence that wakes the engine early, never a trigger
// of an action: unprivileged triggers are reported to fire once falsely after arming.
#pragma once

#include <chrono>

#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::sources {

class PsiTrigger {
 public:
  /// Arms "some `stall` per `window`" on /proc/pressure/memory. Without CAP_SYS_RESOURCE the kernel
  /// accepts only windows that are multiples of 2 s, so the window is widened to 2 s if refused.
  [[nodiscard]] static Result<PsiTrigger> arm(const Root& root, std::chrono::microseconds stall,
                                              std::chrono::microseconds window);

  PsiTrigger(PsiTrigger&& other) noexcept;
  PsiTrigger& operator=(PsiTrigger&& other) noexcept;
  ~PsiTrigger();

  /// Poll it for POLLPRI.
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] std::chrono::microseconds window() const noexcept { return window_; }

 private:
  PsiTrigger(int fd, std::chrono::microseconds window) : fd_(fd), window_(window) {}
  int fd_ = -1;
  std::chrono::microseconds window_{};
};

}  // namespace levee::sources
