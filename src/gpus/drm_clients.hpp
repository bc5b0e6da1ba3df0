// The processes that use a DRM device, from /proc/PID/fdinfo.
//
// Asking every process of the machine what it has open costs too much to do each second. So
// DrmHolders remembers who holds a device below /dev/dri, and looks again at
//   - a process that holds one, every 2 s;
//   - a new process at once, then after 1, 2, 4, … s, in the end once a minute;
//   - a process that was there before Levee, once a minute.
// Hence the figures of a known client are as old as the reading they come with, and a process that
// opens a device late in its life is noticed within a minute. Looking only reads the names of
// descriptors. fdinfo itself asks the device's driver, which may block when its device hangs:
// DrmClients reads that of its own device only, on that device's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/time.hpp"
#include "gpus/fdinfo.hpp"
#include "levee/bytes.hpp"
#include "sources/file.hpp"
#include "sources/process_walk.hpp"
#include "sources/root.hpp"

namespace levee::gpus {

struct DrmHolder {
  struct Node {
    int fd = 0;
    std::string name;  ///< "card0", "renderD128".
  };
  pid_t pid = 0;
  std::vector<Node> nodes;
};

/// Thread-safe; shared by the devices of a driver.
class DrmHolders {
 public:
  struct View {
    std::vector<DrmHolder> holders;  ///< By pid.
    std::size_t hidden = 0;          ///< Processes that we may not look at.
    bool listed = false;             ///< False when /proc itself could not be listed.

    [[nodiscard]] bool complete() const noexcept { return listed && hidden == 0; }
  };

  explicit DrmHolders(sources::Root root);

  /// What is known at `now`. Devices that ask within half a second share one look.
  [[nodiscard]] std::shared_ptr<const View> look(MonoTime now);

 private:
  struct Process {
    ino_t inode = 0;
    MonoTime next;                 ///< When to look at it again.
    std::chrono::seconds wait{0};  ///< And how long to wait after that.
    bool hidden = false;
    std::vector<DrmHolder::Node> nodes;
  };

  void refresh(const std::vector<sources::ListedProcess>& listed, MonoTime now);
  void examine(pid_t pid, Process& process, MonoTime now) const;

  sources::Root root_;
  std::mutex mutex_;  // guards what follows; only names are read under it
  sources::Fd proc_;
  std::map<pid_t, Process> processes_;
  std::optional<MonoTime> looked_at_;
  std::shared_ptr<const View> view_;
};

/// The clients of one device. One thread at a time.
class DrmClients {
 public:
  using Percentages = std::map<std::string, double, std::less<>>;

  /// What one process has on the device, all its clients together. A client that several
  /// processes share (an inherited descriptor) counts for the one with the lowest pid.
  struct ProcessUse {
    pid_t pid = 0;
    std::map<std::string, Bytes, std::less<>> regions;
    Percentages engines;  ///< Busy since the last reading.
  };
  struct Reading {
    std::vector<ProcessUse> processes;  ///< By pid.
    /// Percent busy of each class of engines since the last reading, 0 … 100; nothing at the first.
    std::optional<Percentages> engines;
    bool complete = false;  ///< Every process could be looked at.
    bool listed = false;    ///< Any process could be.
  };

  /// `pdev` is the PCI slot, `nodes` the names of the device below /dev/dri.
  DrmClients(sources::Root root, std::shared_ptr<DrmHolders> holders, std::string pdev,
             std::vector<std::string> nodes);

  [[nodiscard]] Reading read(MonoTime now);

 private:
  /// A client's id, or the pid where the kernel tells no id.
  using Key = std::pair<bool, std::uint64_t>;
  using Engines = std::map<std::string, EngineUse, std::less<>>;
  using Counters = std::map<Key, Engines>;
  using Found = std::pair<Key, DrmClient>;

  [[nodiscard]] std::optional<DrmClient> read_client(int proc, pid_t pid, int fd) const;
  /// The clients of `holder` on this device that are not among those `seen`.
  [[nodiscard]] std::vector<Found> find_clients(int proc, const DrmHolder& holder,
                                                const Counters& seen) const;
  /// Adds a client to its process and its device; returns the counters to compare with next time.
  [[nodiscard]] Engines count(const Found& found, Seconds passed, ProcessUse& use,
                              Percentages& device) const;

  sources::Root root_;
  std::shared_ptr<DrmHolders> holders_;
  std::string pdev_;
  std::vector<std::string> nodes_;
  Counters previous_;
  std::optional<MonoTime> previous_at_;
};

/// Percent of its class that a client kept busy between two readings `passed` apart; nothing when
/// that cannot be told. Pure.
[[nodiscard]] std::optional<double> engine_percent(const EngineUse& before, const EngineUse& after,
                                                   Seconds passed);

}  // namespace levee::gpus
