// A simulated machine and a Driver over it, for balloons in the test's own process.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "balloon/driver.hpp"
#include "levee/balloon.hpp"
#include "support/simulated_machine.hpp"
#include "support/temp_dir.hpp"

namespace levee::test {

/// 10 GiB to give, contexts cost 512 MiB, 2 MiB blocks.
inline constexpr std::string_view kTenGib = "gpu 0 mem=11GiB reserved=1GiB ctx=512MiB";
inline constexpr Bytes kContext = mib(512);

class SimulatedDriver {
 public:
  explicit SimulatedDriver(std::string_view scenario = kTenGib,
                           std::map<std::string, std::string> more = {})
      : machine(scenario), environment_([&] {
          more.merge(machine.environment());
          return more;
        }()) {
    // A driver initialises once in a process, and is never unloaded. A copy of the file is another
    // library to the loader, so each test meets a fresh one.
    std::filesystem::copy_file(machine.libraries() / "libcuda.so.1", copy());
    auto opened =
        balloon::Driver::open({.nvml = {(machine.libraries() / "libnvidia-ml.so.1").string()},
                               .cuda = {copy().string()}});
    if (!opened) {
      throw std::runtime_error(opened.error().message);
    }
    driver_ = std::move(*opened);
  }

  [[nodiscard]] std::shared_ptr<const balloon::Driver> driver() const { return driver_; }
  [[nodiscard]] std::filesystem::path copy() const { return folder_ / "libcuda.so.1"; }

  [[nodiscard]] BalloonOptions options(std::int64_t chunk_size_mb = 100) const {
    BalloonOptions options;
    options.chunk_size_mb = chunk_size_mb;
    options.driver = driver_;
    return options;
  }

  /// A balloon whose making is no part of the test.
  [[nodiscard]] Balloon balloon(const Reserve& reserve, const GpuRef& gpu = 0,
                                std::int64_t chunk_size_mb = 100) const {
    auto made = Balloon::make(gpu, reserve, options(chunk_size_mb));
    if (!made) {
      throw std::runtime_error(made.error().message);
    }
    return std::move(*made);
  }

  /// By the machine's own account.
  [[nodiscard]] Bytes used(std::int32_t gpu = 0) { return Bytes{machine.account(gpu).used}; }
  [[nodiscard]] Bytes free(std::int32_t gpu = 0) { return Bytes{machine.account(gpu).free}; }

  /// What this process holds by the machine's account, contexts apart.
  [[nodiscard]] Bytes used_by_chunks(std::int32_t gpu = 0) {
    simgpu::Session session(machine.segment());
    Bytes sum;
    for (const simgpu::Process& process : session.machine().process) {
      const simgpu::Holding& holding = process.holding.at(static_cast<std::size_t>(gpu));
      sum += process.is_used != 0 ? Bytes{holding.plain_bytes + holding.vmm_bytes} : Bytes{};
    }
    return sum;
  }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_;
  TempDir folder_;
  std::shared_ptr<const balloon::Driver> driver_;
};

}  // namespace levee::test
