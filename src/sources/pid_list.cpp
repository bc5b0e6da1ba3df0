#include "sources/pid_list.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sources/fields.hpp"
#include "sources/file.hpp"

namespace levee::sources {
namespace {

/// /proc/loadavg tells cheaply whether anybody came or went, but some container runtimes write a
/// stale one or a constant: list anyway once in so many calls.
constexpr std::uint64_t kListAnyway = 5;
constexpr std::size_t kUsualProcesses = 512;

/// Total threads and last pid: the end of "0.12 0.05 0.01 1/89 6367". Empty if there is none.
std::string fork_marker(const Root& root) {
  const std::string text = root.read("/proc/loadavg").value_or("");
  const std::size_t slash = text.find('/');
  return slash == std::string::npos ? std::string{} : text.substr(slash + 1);
}

}  // namespace

Result<std::optional<std::vector<PidList::Entry>>> PidList::changes(bool anyway) {
  std::string marker = fork_marker(root_);
  const bool unchanged = !marker.empty() && marker == marker_;
  if (directory_ && unchanged && !anyway && ++calls_since_list_ < kListAnyway) {
    return std::nullopt;
  }
  auto entries = list();
  if (!entries) {
    return std::unexpected(std::move(entries.error()));
  }
  marker_ = std::move(marker);
  calls_since_list_ = 0;
  return std::move(*entries);
}

Result<std::vector<PidList::Entry>> PidList::list() {
  const std::string path = root_.at("/proc");
  if (directory_) {
    ::rewinddir(directory_.get());
  } else {
    directory_.reset(::opendir(path.c_str()));
  }
  if (!directory_) {
    return std::unexpected(file_error("cannot list " + path, errno));
  }
  std::vector<Entry> entries;
  entries.reserve(kUsualProcesses);
  errno = 0;
  while (const dirent* entry = ::readdir(directory_.get())) {
    const auto pid = to_number<pid_t>(entry->d_name);
    if (pid && *pid > 0) {
      entries.push_back({*pid, entry->d_ino});
    }
  }
  if (errno != 0) {
    const int error = errno;
    directory_.reset();
    return std::unexpected(file_error("cannot list " + path, error));
  }
  std::ranges::sort(entries);
  return entries;
}

}  // namespace levee::sources
