// A recorded machine with a GPU on sysfs (tests/fixtures/drm/NAME), copied to a folder of the
// test's own, so that the test can change it.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpus/device.hpp"
#include "sources/root.hpp"
#include "support/temp_dir.hpp"
#include "support/values.hpp"

namespace levee::gpus {

class DrmMachine {
 public:
  explicit DrmMachine(std::string_view name) {
    std::filesystem::copy(
        std::filesystem::path(LEVEE_FIXTURES) / "drm" / name, dir_.path(),
        std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  }

  [[nodiscard]] sources::Root root() const { return sources::Root(dir_.path()); }

  void write(std::string_view absolute, std::string_view text) const {
    dir_.write(absolute.substr(1), text);
  }
  void remove(std::string_view absolute) const {
    std::filesystem::remove_all(dir_.path() / absolute.substr(1));
  }
  void rename(std::string_view from, std::string_view to) const {
    std::filesystem::rename(dir_.path() / from.substr(1), dir_.path() / to.substr(1));
  }
  /// Lets `pid` hold `node` ("renderD128") open as descriptor `fd`.
  void hold(pid_t pid, int fd, std::string_view node, std::string_view fdinfo) const {
    const auto held = dir_.path() / fmt::format("proc/{}/fd", pid);
    std::filesystem::create_directories(held);
    std::filesystem::remove(held / std::to_string(fd));
    std::filesystem::create_symlink("/dev/dri/" + std::string(node), held / std::to_string(fd));
    write(fmt::format("/proc/{}/fdinfo/{}", pid, fd), fdinfo);
  }

 private:
  test::TempDir dir_;
};

/// The only device of a driver.
inline std::unique_ptr<Device> only_device(Driver& driver) {
  auto devices = driver.devices();
  EXPECT_TRUE(devices);
  if (!devices || devices->size() != 1) {
    ADD_FAILURE() << "want one device";
    return nullptr;
  }
  return std::move(devices->front());
}

inline GpuReading read_at(Device& device, std::chrono::milliseconds since) {
  auto readings = device.read(test::at(since));
  EXPECT_EQ(readings.size(), 1U);
  return readings.empty() ? GpuReading{} : std::move(readings.front());
}

/// The process of `pid`, or one without a pid.
inline GpuProcess process_of(const GpuReading& reading, pid_t pid) {
  for (const GpuProcess& process : reading.processes.value_or(std::vector<GpuProcess>{})) {
    if (process.pid == pid) {
      return process;
    }
  }
  return {};
}

inline std::vector<pid_t> pids_of(const GpuReading& reading) {
  std::vector<pid_t> pids;
  for (const GpuProcess& process : reading.processes.value_or(std::vector<GpuProcess>{})) {
    pids.push_back(process.pid);
  }
  return pids;
}

}  // namespace levee::gpus
