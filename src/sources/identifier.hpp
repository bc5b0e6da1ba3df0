// Identifier: who a pid is that somebody else named, e.g. a GPU driver.
//
// Such a pid is the machine's own. In a container with pids of its own the same number is somebody
// else or nobody, and blaming that process would be worse than naming none. So there a pid counts
// only when its process looks like a user of GPUs.
//
// A pid costs about 20 µs, and a few times that when it is met for the first time. One owner
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/reading.hpp"
#include "core/time.hpp"
#include "sources/file.hpp"
#include "sources/process_files.hpp"
#include "sources/root.hpp"
#include "sources/users.hpp"

namespace levee::sources {

struct Identified {
  std::shared_ptr<const ProcessIdentity> identity;  ///< Never null.
  Bytes rss;
  /// Of one core, since the pid was asked for before: 250 is two and a half cores. Nothing at the
  /// first time.
  std::optional<double> cpu_percent;
};

class Identifier {
 public:
  struct Options {
    std::size_t most = 512;  ///< As many processes are remembered, the last asked for.
    /// An identity is read again after this long, and when the process takes another name.
    std::chrono::seconds identity_lasts{60};
    /// A process that did not look like a user of GPUs is looked at again after this long.
    std::chrono::seconds doubt_lasts{10};
    /// A process that has this file mapped uses a GPU as well; empty for none. The simulated GPUs
    /// of a test machine are one.
    std::string simulated_gpus = simulated_gpus_file();
  };

  Identifier(Root root, Options options, std::shared_ptr<UserNames> users);

  /// Nothing when there is no such process, when it may not be looked at, when it is a kernel
  /// thread, or when the pid is not to be trusted.
  [[nodiscard]] std::optional<Identified> find(pid_t pid, MonoTime now);

  /// Whether every pid of a driver is believed.
  [[nodiscard]] bool trusts_all() const noexcept { return trusts_all_; }

  /// The environment variable LEVEE_SIM of this process, or empty.
  [[nodiscard]] static std::string simulated_gpus_file();

 private:
  struct Known {
    std::uint64_t start_ticks = 0;
    std::string comm;
    std::shared_ptr<const ProcessIdentity> identity;
    MonoTime identity_read_at;
    std::optional<bool> uses_gpu;
    MonoTime doubted_at;
    MonoTime asked_at;
    MonoTime read_at;
    std::uint64_t cpu_ticks = 0;
    std::optional<double> cpu_percent;
    Bytes rss;
  };

  [[nodiscard]] bool is_trusted(pid_t pid, Known& known, MonoTime now) const;
  void note(Known& known, const PidStat& stat, MonoTime now) const;
  void make_room();

  Root root_;
  Options options_;
  std::shared_ptr<UserNames> users_;
  BootId boot_;
  bool trusts_all_;
  Fd proc_;
  std::map<pid_t, Known> known_;
};

/// True when the process has a GPU's library or device mapped, or a GPU's device open. `simulated`
/// is a file that counts as a GPU's device; it may be empty.
[[nodiscard]] bool looks_like_gpu_user(int proc, pid_t pid, const std::string& simulated);

}  // namespace levee::sources
