// A small machine as a tree of files: /proc with a memory that the test sets.
#pragma once

#include <fmt/core.h>

#include <string>

#include "levee/bytes.hpp"
#include "sources/root.hpp"
#include "support/temp_dir.hpp"

namespace levee::test {

class Machine {
 public:
  explicit Machine(Bytes total, Bytes available) : total_(total) {
    tree_.write("proc/meminfo", meminfo(available));
    tree_.write("proc/stat",
                "cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 100 0 100 1000 0 0 0 0 0 0\n"
                "btime 1769846400\nprocesses 100\nprocs_running 1\n");
    tree_.write("proc/loadavg", "0.50 0.40 0.30 1/100 200\n");
    tree_.write("proc/pressure/memory",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    tree_.write("proc/sys/kernel/random/boot_id", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\n");
    tree_.write("proc/self/cgroup", "0::/\n");
    tree_.write("proc/self/mountinfo",
                "25 20 0:22 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n");
    tree_.write("sys/fs/cgroup/cgroup.controllers", "memory\n");
    tree_.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
  }

  /// As the kernel would: in one go, the size of the text unchanged.
  void set_available(Bytes available) const { tree_.overwrite("proc/meminfo", meminfo(available)); }

  void break_meminfo() const {
    tree_.overwrite("proc/meminfo", std::string(meminfo({}).size() - 1, 'x') + "\n");
  }

  [[nodiscard]] sources::Root root() const { return sources::Root{tree_.path()}; }

 private:
  [[nodiscard]] std::string meminfo(Bytes available) const {
    const auto line = [](const char* name, Bytes bytes) {
      return fmt::format("{:<15} {:>10} kB\n", name, bytes.count / kKiB);
    };
    return line("MemTotal:", total_) + line("MemFree:", available) +
           line("MemAvailable:", available) + line("Buffers:", {}) + line("Cached:", {}) +
           line("SwapTotal:", {}) + line("SwapFree:", {}) + line("Shmem:", {}) +
           line("SReclaimable:", {});
  }

  TempDir tree_;
  Bytes total_;
};

}  // namespace levee::test
