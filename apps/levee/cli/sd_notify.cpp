#include "cli/sd_notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace levee::cli {

Result<void> sd_notify(std::string_view address, std::string_view state) {
  if (address.empty()) {
    return {};
  }
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if ((address.front() != '/' && address.front() != '@') || address.size() >= sizeof to.sun_path) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("NOTIFY_SOCKET is \"{}\", which is no Unix socket", address),
                "the service manager sets it; leave it unset otherwise");
  }
  std::memcpy(to.sun_path, address.data(), address.size());
  if (address.front() == '@') {
    to.sun_path[0] = '\0';  // The abstract namespace.
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const ssize_t sent = fd < 0 ? -1
                              : ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                                         reinterpret_cast<const sockaddr*>(&to), length);
  const int error = errno;
  if (fd >= 0) {
    ::close(fd);
  }
  if (sent != static_cast<ssize_t>(state.size())) {
    return fail(ErrorCode::unavailable, fmt::format("cannot notify {}: {}", address,
                                                    std::generic_category().message(error)));
  }
  return {};
}

std::optional<std::chrono::microseconds> watchdog_period(const Surroundings& surroundings,
                                                         pid_t self) {
  const auto number = [&](std::string_view name) -> std::optional<std::int64_t> {
    const auto text = surroundings.variable(name);
    std::int64_t value = 0;
    if (!text) {
      return std::nullopt;
    }
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    return error == std::errc{} && *end == '\0' && value > 0 ? std::optional(value) : std::nullopt;
  };
  const auto period = number("WATCHDOG_USEC");
  const bool for_another =
      surroundings.variable("WATCHDOG_PID").has_value() && number("WATCHDOG_PID") != self;
  return !period || for_another ? std::nullopt
                                : std::optional(std::chrono::microseconds(*period) / 2);
}

}  // namespace levee::cli
