#include "simgpu/machine/processes.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "simgpu/machine/memory.hpp"
#include "simgpu/machine/segment.hpp"
#include "simgpu/machine/text.hpp"

namespace levee::simgpu {
namespace {

constexpr std::uint64_t kThoroughEvery = 10'000'000;  // ns

/// The first bytes of a file, as far as they fit; empty when it cannot be read.
template <std::size_t n>
std::string_view read_text(const char* path, std::array<char, n>& buffer) noexcept {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return {};
  }
  const ssize_t length = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  return {buffer.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

struct Life {
  bool is_running = false;
  std::uint64_t start_ticks = 0;
};

Life look_at(pid_t pid) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  std::array<char, 1024> buffer{};
  const std::string_view text = read_text(path.data(), buffer);
  // The name in brackets may hold anything; after the last bracket come the state and numbers.
  const auto bracket = text.rfind(')');
  if (bracket == std::string_view::npos || bracket + 2 >= text.size()) {
    return {};
  }
  const char state = text[bracket + 2];
  constexpr int kFieldsFromStateToStart = 19;
  std::size_t at = bracket + 2;
  for (int i = 0; i < kFieldsFromStateToStart; ++i) {
    at = text.find(' ', at);
    if (at == std::string_view::npos) {
      return {};
    }
    ++at;
  }
  Life life{state != 'Z' && state != 'X', 0};
  const auto parsed =
      std::from_chars(text.data() + at, text.data() + text.size(), life.start_ticks);
  return parsed.ec == std::errc{} ? life : Life{};
}

/// A process never changes its own; a forked child may be in another, and has another pid.
std::uint64_t own_pid_namespace() noexcept {
  thread_local pid_t asked_as = 0;
  thread_local std::uint64_t inode = 0;
  if (asked_as != ::getpid()) {
    struct stat status{};
    inode = ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
    asked_as = ::getpid();
  }
  return inode;
}

/// Random bytes that the kernel hands to each program it starts.
std::uint64_t own_image() noexcept {
  std::uint64_t image = 0;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): getauxval hands pointers out as numbers.
  const auto* bytes = reinterpret_cast<const void*>(::getauxval(AT_RANDOM));
  if (bytes != nullptr) {
    std::memcpy(&image, bytes, sizeof(image));
  }
  return image;
}

/// The directory of this process's cgroup (version 2), or "".
std::string_view own_cgroup(std::array<char, 1024>& buffer) noexcept {
  std::string_view text = read_text("/proc/self/cgroup", buffer);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with("0::")) {
      return line.substr(3);
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

bool is_gone(const Process& process, Look look) noexcept {
  if (::kill(process.pid, 0) != 0 && errno == ESRCH) {
    return true;
  }
  if (look == Look::quick) {
    return false;
  }
  const Life life = look_at(process.pid);
  return !life.is_running || life.start_ticks != process.start_ticks;
}

/// Fills a free slot; `is_used` comes last, so that a death on the way leaves it free.
void take(Process& slot, std::uint64_t pid_namespace, std::uint64_t start_ticks) noexcept {
  slot.pid = ::getpid();
  slot.start_ticks = start_ticks;
  slot.pid_namespace = pid_namespace;
  slot.image = own_image();
  std::array<char, 32> comm{};
  const std::string_view name = read_text("/proc/self/comm", comm);
  put(slot.comm, name.substr(0, name.find('\n')));
  std::array<char, 1024> buffer{};
  std::array<char, sizeof(Path)> path{};
  const std::string_view cgroup = own_cgroup(buffer);
  std::snprintf(path.data(), path.size(), "/sys/fs/cgroup%.*s", static_cast<int>(cgroup.size()),
                cgroup.data());
  put(slot.cgroup, path.data());
  ++slot.generation;
  for (Holding& holding : slot.holding) {
    holding = Holding{};
    holding.instance = kNoInstanceId;
  }
}

}  // namespace

void sweep_processes(Machine& machine, Look look) noexcept {
  const std::uint64_t now = monotonic_ns();
  if (look == Look::thorough || now - machine.checked_ns > kThoroughEvery) {
    look = Look::thorough;
    machine.checked_ns = now;
  }
  const pid_t own = ::getpid();
  std::uint64_t name_space = 0;
  for (std::size_t i = 0; i < machine.processes; ++i) {
    Process& process = machine.process.at(i);
    if (process.is_used == 0 || process.pid == own) {
      continue;
    }
    if (name_space == 0) {
      name_space = own_pid_namespace();
    }
    // A pid of another namespace says nothing here; a process of that one will look.
    if (process.pid_namespace == name_space && is_gone(process, look)) {
      clear_process(machine, process);
    }
  }
}

Process* claim_process(Machine& machine) noexcept {
  const std::uint64_t name_space = own_pid_namespace();
  const std::uint64_t start_ticks = look_at(::getpid()).start_ticks;
  for (int attempt = 0; attempt < 2; ++attempt) {
    Process* free = nullptr;
    for (Process& slot : machine.process) {
      if (slot.is_used == 0) {
        free = free == nullptr ? &slot : free;
      } else if (slot.pid == ::getpid() && slot.pid_namespace == name_space) {
        if (slot.start_ticks == start_ticks && slot.image == own_image()) {
          return &slot;
        }
        clear_process(machine, slot);  // An earlier owner of this pid, or we before an exec.
      }
    }
    if (free != nullptr) {
      take(*free, name_space, start_ticks);
      death_point(machine);
      const auto index = static_cast<std::uint64_t>(free - machine.process.data());
      machine.processes = std::max(machine.processes, index + 1);
      free->is_used = 1;
      death_point(machine);
      return free;
    }
    sweep_processes(machine, Look::thorough);
  }
  return nullptr;
}

void clear_process(Machine& machine, Process& process) noexcept {
  for (std::size_t gpu = 0; gpu < kMaxGpus; ++gpu) {
    const Holding& holding = process.holding.at(gpu);
    if (holding.bytes() > 0) {
      delay_release(machine, static_cast<std::int32_t>(gpu), holding.instance, holding.bytes());
    }
  }
  process.is_used = 0;
}

void death_point(Machine& machine) noexcept {
  if (machine.die_countdown == 0) {
    return;
  }
  --machine.die_countdown;
  if (machine.die_countdown == 0) {
    ::kill(::getpid(), SIGKILL);
    for (;;) {
      ::pause();
    }
  }
}

}  // namespace levee::simgpu
