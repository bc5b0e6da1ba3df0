#include "sources/process_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <string>

#include "sources/fields.hpp"

namespace levee::sources {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::expected<Directory, int> open_directory(int at, const std::string& path) {
  Fd fd(::openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return std::unexpected(errno);
  }
  Directory directory(::fdopendir(fd.get()));
  if (!directory) {
    return std::unexpected(errno);
  }
  static_cast<void>(fd.release());  // the directory owns it now
  return directory;
}

/// Calls `tell` with every entry of `directory` whose name is a number; false ends the walk.
template <class Tell>
std::expected<void, int> each_number(DIR* directory, Tell tell) {
  errno = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const auto number = to_number<int>(entry->d_name);
    if (number && *number >= 0 && !tell(*number, *entry)) {
      return {};
    }
    errno = 0;
  }
  return errno == 0 ? std::expected<void, int>{} : std::unexpected(errno);
}

}  // namespace

Fd open_proc(const Root& root) {
  return Fd(::open(root.at("/proc").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::expected<std::vector<ListedProcess>, int> list_processes(int proc) {
  const auto directory = open_directory(proc, ".");
  if (!directory) {
    return std::unexpected(directory.error());
  }
  std::vector<ListedProcess> listed;
  const auto walked = each_number(directory->get(), [&](int pid, const dirent& entry) {
    if (pid > 0) {
      listed.push_back({.pid = pid, .inode = entry.d_ino});
    }
    return true;
  });
  if (!walked) {
    return std::unexpected(walked.error());
  }
  std::ranges::sort(listed);
  return listed;
}

std::vector<pid_t> list_other_threads(int proc, pid_t pid) {
  const auto directory = open_directory(proc, fmt::format("{}/task", pid));
  if (!directory) {
    return {};
  }
  std::vector<pid_t> threads;
  const auto walked = each_number(directory->get(), [&](int thread, const dirent&) {
    if (thread != pid) {
      threads.push_back(thread);
    }
    return true;
  });
  return walked ? threads : std::vector<pid_t>{};
}

std::expected<void, int> each_descriptor(int proc, pid_t pid, const TellDescriptor& tell) {
  return each_descriptor(proc, pid, pid, tell);
}

std::expected<void, int> each_descriptor(int proc, pid_t pid, pid_t thread,
                                         const TellDescriptor& tell) {
  const auto directory = open_directory(
      proc, thread == pid ? fmt::format("{}/fd", pid) : fmt::format("{}/task/{}/fd", pid, thread));
  if (!directory) {
    return std::unexpected(directory.error());
  }
  const int at = ::dirfd(directory->get());
  std::array<char, PATH_MAX> target{};
  return each_number(directory->get(), [&](int fd, const dirent& entry) {
    const ssize_t length =
        ::readlinkat(at, static_cast<const char*>(entry.d_name), target.data(), target.size());
    // One that was closed in between is simply left out.
    return length < 0 || tell(fd, {target.data(), static_cast<std::size_t>(length)});
  });
}

std::string_view mapped_file(std::string_view line) {
  // "7f1c4e000000-7f1c4e021000 r-xp 00000000 08:01 131 /usr/lib/a file.so (deleted)"
  constexpr std::string_view kDeleted = " (deleted)";
  for (int field = 0; field < 5; ++field) {
    static_cast<void>(take_word(line));
  }
  const std::size_t start = line.find('/');
  // "[heap]" and "anon_inode:…" are no files; the path is the first thing after the inode.
  if (start == std::string_view::npos || line.find_first_not_of(" \t") != start) {
    return {};
  }
  line.remove_prefix(start);
  if (line.ends_with(kDeleted)) {
    line.remove_suffix(kDeleted.size());
  }
  return line;
}

std::expected<void, int> each_mapping(int proc, pid_t pid, const TellMapping& tell) {
  const Fd file(::openat(proc, fmt::format("{}/maps", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return std::unexpected(errno);
  }
  std::array<char, std::size_t{32} * 1024> buffer{};
  std::string rest;  // an unfinished line
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return std::unexpected(errno);
    }
    if (count == 0) {
      break;
    }
    rest.append(buffer.data(), static_cast<std::size_t>(count));
    std::string_view lines(rest);
    for (std::size_t end = lines.find('\n'); end != std::string_view::npos;
         end = lines.find('\n')) {
      const std::string_view path = mapped_file(lines.substr(0, end));
      if (!path.empty() && !tell(path)) {
        return {};
      }
      lines.remove_prefix(end + 1);
    }
    rest.erase(0, rest.size() - lines.size());
  }
  const std::string_view path = mapped_file(rest);
  if (!path.empty()) {
    static_cast<void>(tell(path));
  }
  return {};
}

bool in_initial_pid_namespace(const Root& root) {
  // PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: the same on every machine.
  constexpr std::uint64_t kInitialNamespace = 0xEFFFFFFC;
  std::array<char, 64> link{};
  const ssize_t length = ::readlink(root.at("/proc/self/ns/pid").c_str(), link.data(), link.size());
  if (length <= 0) {
    return false;
  }
  std::string_view text(link.data(), static_cast<std::size_t>(length));  // "pid:[4026531836]"
  static_cast<void>(take_until(text, '['));
  return to_number<std::uint64_t>(take_until(text, ']')) == kInitialNamespace;
}

}  // namespace levee::sources
