// PidList: who is on the machine. Lists /proc only when somebody came or went. One owner thread.
#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::sources {

class PidList {
 public:
  struct Entry {
    pid_t pid = 0;
    ino_t inode = 0;  ///< Of /proc/PID: the same number means the same process.

    auto operator<=>(const Entry&) const = default;
  };

  explicit PidList(Root root) : root_(std::move(root)) {}

  /// All processes by rising pid; nothing when nobody came or went since the last list. With
  /// `anyway` it lists even then.
  [[nodiscard]] Result<std::optional<std::vector<Entry>>> changes(bool anyway);

  /// Lists the next time, whatever /proc/loadavg says.
  void distrust() { marker_.clear(); }

  /// A descriptor of /proc, once something was listed.
  [[nodiscard]] int proc() const { return ::dirfd(directory_.get()); }

 private:
  struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
  };

  [[nodiscard]] Result<std::vector<Entry>> list();

  Root root_;
  std::unique_ptr<DIR, CloseDirectory> directory_;  ///< /proc
  std::string marker_;                              ///< Of the last list.
  std::uint64_t calls_since_list_ = 0;
};

/// A list handed on to others. A list made anew is another object.
using SharedPidList = std::shared_ptr<const std::vector<PidList::Entry>>;

}  // namespace levee::sources
