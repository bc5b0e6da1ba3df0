#include "engine/victims.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "sources/proc_text.hpp"

namespace levee::engine {

std::shared_ptr<const PidFd> PidFd::open(const sources::Root& root, const ProcessId& id) {
  // glibc 2.36 has pidfd_open, but not on every system that Levee is built on.
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, id.pid, 0));
  if (fd < 0) {
    return nullptr;
  }
  const std::shared_ptr<const PidFd> handle(new PidFd(fd));
  // The descriptor is for whoever has the pid now; only the start time tells who that is.
  const auto text = root.read("/proc/" + std::to_string(id.pid) + "/stat", 4096);
  const auto stat = text ? sources::parse_pid_stat(*text) : std::unexpected(text.error());
  return stat && stat->start_ticks == id.start_ticks ? handle : nullptr;
}

PidFd::~PidFd() { ::close(fd_); }

std::shared_ptr<const VictimTable> prepare_victims(std::span<const ProcessReading> processes,
                                                   const VictimTable* previous,
                                                   const sources::Root& root) {
  auto table = std::make_shared<VictimTable>();
  if (!root.is_real()) {
    return table;
  }
  const uid_t me = ::geteuid();
  const pid_t self = ::getpid();
  for (const ProcessReading& process : processes) {
    if (table->size() == kMostVictims) {
      break;
    }
    const ProcessId& id = process.identity->id;
    const bool may_signal = me == 0 || process.identity->uid == me;
    if (!may_signal || id.pid == self || id.pid == 1 || process.rss.count == 0) {
      continue;
    }
    std::shared_ptr<const PidFd> handle;
    if (previous != nullptr) {
      const auto known = std::ranges::find(*previous, id, &Victim::id);
      handle = known != previous->end() ? known->handle : nullptr;
    }
    if (!handle) {
      handle = PidFd::open(root, id);
    }
    if (handle) {
      table->push_back({id, process.rss, std::move(handle)});
    }
  }
  return table;
}

}  // namespace levee::engine
