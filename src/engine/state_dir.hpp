// The state directory: history.db, logs/ and the lock that keeps a second daemon out.
#pragma once

#include <filesystem>
#include <optional>

#include "levee/result.hpp"

namespace levee::engine {

/// Held as long as the daemon lives; the kernel lets go of it when the process dies.
class StateDirLock {
 public:
  /// Makes `directory` (0750) and locks it. `already_exists` names the daemon that holds it;
  /// `permission_denied` or `resource_exhausted` when nothing can be written there;
  /// `invalid_argument` when the path is something else than a directory.
  [[nodiscard]] static Result<StateDirLock> acquire(const std::filesystem::path& directory);

  StateDirLock(StateDirLock&& other) noexcept;
  StateDirLock& operator=(StateDirLock&& other) noexcept;
  ~StateDirLock();

 private:
  explicit StateDirLock(int fd) noexcept : fd_(fd) {}
  int fd_ = -1;
};

/// Makes `directory`, which lies where others may write, too (/tmp), for this user alone (0700).
/// One that is there already must be just that: somebody else could have put it, or a link, there.
[[nodiscard]] Result<void> make_private_directory(const std::filesystem::path& directory);

}  // namespace levee::engine
