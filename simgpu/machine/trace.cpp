#include "simgpu/machine/trace.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "simgpu/machine/segment.hpp"

namespace levee::simgpu {
namespace {

/// The open trace file, or -1. Opened once for each process, and kept.
int trace_file() noexcept {
  static const int kFile = [] {
    const char* path = std::getenv("LEVEE_SIM_TRACE");
    return path == nullptr || *path == '\0'
               ? -1
               : ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }();
  return kFile;
}

}  // namespace

void trace(const char* function, std::int32_t gpu, std::uint32_t result) noexcept {
  const int file = trace_file();
  if (file < 0) {
    return;
  }
  std::array<char, 32> device{};
  if (gpu >= 0) {
    std::snprintf(device.data(), device.size(), " gpu%d", gpu);
  }
  const std::uint64_t now = monotonic_ns() / 1000;
  std::array<char, 256> line{};
  const int length = std::snprintf(line.data(), line.size(), "%lu.%06lu %d %ld %s%s => %u\n",
                                   static_cast<unsigned long>(now / 1'000'000),
                                   static_cast<unsigned long>(now % 1'000'000), ::getpid(),
                                   ::syscall(SYS_gettid), function, device.data(), result);
  const auto size = std::min(static_cast<std::size_t>(std::max(length, 0)), line.size() - 1);
  [[maybe_unused]] const ssize_t written = ::write(file, line.data(), size);
}

}  // namespace levee::simgpu
