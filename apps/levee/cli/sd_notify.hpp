// Telling the service manager how we are: the sd_notify(3) protocol, a datagram to $NOTIFY_SOCKET.
// Thread-safe.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "cli/surroundings.hpp"
#include "levee/result.hpp"

namespace levee::cli {

/// Sends "READY=1" or the like to `address`, a path or, after '@', an abstract name. Nothing to do
/// is no error: an empty address.
[[nodiscard]] Result<void> sd_notify(std::string_view address, std::string_view state);

/// How often the service manager wants to hear "WATCHDOG=1": half of $WATCHDOG_USEC, if it is meant
/// for this process ($WATCHDOG_PID).
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_period(
    const Surroundings& surroundings, pid_t self);

}  // namespace levee::cli
