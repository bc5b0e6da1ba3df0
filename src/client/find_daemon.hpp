// Finding a running daemon: the first socket that somebody we may trust answers on. Thread-safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <vector>

#include "levee/result.hpp"

namespace levee::client {

/// Whose daemon is good enough.
enum class Trust {
  anybody,      ///< The user named the socket.
  root_and_me,  ///< A default place: in a directory like /tmp somebody else may have been first.
};

/// The first of `candidates` that accepts a connection. `unavailable` lists where it looked and
/// what was wrong there; a path that cannot be a socket's is `invalid_argument`.
[[nodiscard]] Result<std::filesystem::path> find_daemon(
    const std::vector<std::filesystem::path>& candidates, Trust trust, uid_t me);

}  // namespace levee::client
