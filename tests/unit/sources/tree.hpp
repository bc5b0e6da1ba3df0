// Tree: a machine made of files, in a folder that goes when the test ends.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "sources/root.hpp"
#include "support/temp_dir.hpp"

namespace levee::sources {

class Tree {
 public:
  [[nodiscard]] Root root() const { return Root(dir_.path()); }
  [[nodiscard]] std::filesystem::path at(std::string_view absolute) const {
    return dir_.path() / std::filesystem::path(absolute).relative_path();
  }

  void write(std::string_view absolute, std::string_view text) const {
    dir_.write(std::filesystem::path(absolute).relative_path().string(), text);
  }
  void link(std::string_view absolute, std::string_view target) const {
    std::filesystem::create_directories(at(absolute).parent_path());
    std::filesystem::create_symlink(target, at(absolute));
  }
  void remove(std::string_view absolute) const { std::filesystem::remove_all(at(absolute)); }

  struct Process {
    pid_t pid = 0;
    std::uint64_t pages = 0;
    std::uint64_t start = 1000;
    std::string comm = "worker";
    std::string cmdline = std::string("worker\0--fast\0", 14);
    uid_t uid = 1000;
    pid_t parent = 1;
    bool kernel_thread = false;
    std::uint64_t cpu_ticks = 0;
    char state = 'S';
  };
  void put(const Process& p) const {
    const std::string dir = fmt::format("/proc/{}/", p.pid);
    write(dir + "stat",
          fmt::format("{} ({}) {} {} 1 1 0 -1 {} 0 0 0 0 {} 0 0 0 20 0 1 0 {} 1 {} 0 1 1\n", p.pid,
                      p.comm, p.state, p.parent, p.kernel_thread ? 0x200040 : 0x400140, p.cpu_ticks,
                      p.start, p.pages));
    write(dir + "statm", fmt::format("9999999 {} 1 1 0 1 0\n", p.pages));
    write(dir + "status",
          fmt::format("Name:\t{}\nTgid:\t{}\nUid:\t{}\t0\t0\t0\n", p.comm, p.pid, p.uid));
    write(dir + "cmdline", p.cmdline);
    write(dir + "cgroup", "0::/user.slice\n");
    write(dir + "oom_score_adj", "0\n");
  }

 private:
  test::TempDir dir_;
};

inline std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace levee::sources
