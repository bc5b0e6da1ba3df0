#include "simgpu/machine/segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <system_error>

#include "simgpu/machine/processes.hpp"
#include "simgpu/machine/text.hpp"
#include "simgpu/machine/timeline.hpp"

namespace levee::simgpu {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t clock_ns(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
         static_cast<std::uint64_t>(time.tv_nsec);
}

std::array<char, 40> boot_id() noexcept {
  std::array<char, 40> id{};
  const int fd = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    if (::read(fd, id.data(), 36) != 36) {
      id = {};
    }
    ::close(fd);
  }
  return id;
}

/// Closes the descriptor once the file is mapped, or was not.
class OpenFile {
 public:
  explicit OpenFile(int fd) noexcept : fd_(fd) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> system_failure(std::string_view doing, const std::filesystem::path& path,
                                      int error, std::string hint) {
  const ErrorCode code = error == ENOENT   ? ErrorCode::not_found
                         : error == EEXIST ? ErrorCode::already_exists
                         : error == EACCES ? ErrorCode::permission_denied
                                           : ErrorCode::unavailable;
  return fail(
      code,
      std::string(doing) + " \"" + path.string() + "\": " + std::generic_category().message(error),
      std::move(hint));
}

Result<Machine*> map(const OpenFile& file, const std::filesystem::path& path) {
  void* address =
      ::mmap(nullptr, sizeof(Machine), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) {
    return system_failure("cannot map the simulated machine", path, errno, "");
  }
  return static_cast<Machine*>(address);
}

void make_mutex(pthread_mutex_t& mutex) noexcept {
  pthread_mutexattr_t attributes{};
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  ::pthread_mutex_init(&mutex, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
}

}  // namespace

std::uint64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

std::uint64_t time_of(const Machine& machine) noexcept {
  return machine.clock == ClockKind::step ? machine.stepped_ns
                                          : monotonic_ns() - machine.created_ns;
}

Segment::~Segment() {
  if (machine_ != nullptr) {
    ::munmap(machine_, sizeof(Machine));
  }
}

Result<Segment> Segment::create(const std::filesystem::path& path) {
  const OpenFile file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) {
    return system_failure("cannot create the simulated machine", path, errno,
                          "name a file that does not exist, in a directory you may write");
  }
  if (::ftruncate(file.get(), sizeof(Machine)) != 0) {
    return system_failure("cannot make room for the simulated machine", path, errno, "");
  }
  const auto mapped = map(file, path);
  if (!mapped) {
    return std::unexpected(mapped.error());
  }
  Machine& machine = **mapped;  // All zero: a new file.
  machine.layout_version = kLayoutVersion;
  machine.layout_bytes = sizeof(Machine);
  machine.boot_id = boot_id();
  make_mutex(machine.mutex);
  machine.created_ns = monotonic_ns();
  machine.created_wall_us = clock_ns(CLOCK_REALTIME) / 1000;
  machine.magic = kMagic;
  return Segment(&machine);
}

Result<Segment> Segment::open(const std::filesystem::path& path) {
  const OpenFile file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (file.get() < 0) {
    return system_failure("cannot open the simulated machine", path, errno,
                          "levee-simctl create makes one and prints its LEVEE_SIM line");
  }
  const auto not_one = [&](std::string_view why) {
    return fail(ErrorCode::corrupt,
                "\"" + path.string() + "\" is no simulated machine: " + std::string(why),
                "make a new one with levee-simctl create");
  };
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<std::size_t>(status.st_size) != sizeof(Machine)) {
    return not_one("it has another size");
  }
  const auto mapped = map(file, path);
  if (!mapped) {
    return std::unexpected(mapped.error());
  }
  Segment segment(*mapped);
  const Machine& machine = segment.machine();
  if (machine.magic != kMagic) {
    return not_one("it does not begin like one");
  }
  if (machine.layout_version != kLayoutVersion || machine.layout_bytes != sizeof(Machine)) {
    return not_one("it was made by another version of the simulator");
  }
  if (machine.boot_id != boot_id()) {
    return not_one("it was made before this machine was started");
  }
  return segment;
}

Session::Session(Segment& segment) noexcept : machine_(segment.machine()) { lock(); }

Session::~Session() { unlock(); }

void Session::lock() noexcept {
  if (::pthread_mutex_lock(&machine_.mutex) == EOWNERDEAD) {
    ::pthread_mutex_consistent(&machine_.mutex);
    sweep_processes(machine_, Look::thorough);
  }
  now_ = time_of(machine_);
  run_timeline(machine_, now_);
}

void Session::unlock() noexcept { ::pthread_mutex_unlock(&machine_.mutex); }

void Session::advance(std::uint64_t nanoseconds) noexcept {
  machine_.stepped_ns += nanoseconds;
  now_ = time_of(machine_);
  run_timeline(machine_, now_);
}

void Session::sleep(std::uint64_t nanoseconds) noexcept {
  unlock();
  timespec left{static_cast<std::time_t>(nanoseconds / kSecond),
                static_cast<long>(nanoseconds % kSecond)};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
  lock();
}

std::int64_t Session::value(const Gpu& gpu, Key key) const noexcept {
  return value_at(gpu.values.at(static_cast<std::size_t>(key)), now_);
}

}  // namespace levee::simgpu
