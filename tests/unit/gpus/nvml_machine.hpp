// NVIDIA's driver, loaded into this process from a simulated machine.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "gpus/nvml_driver.hpp"
#include "support/simulated_machine.hpp"
#include "support/values.hpp"

namespace levee::test {

inline Now real_now() {
  return {std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()),
          std::chrono::steady_clock::now()};
}

/// A simulated machine and its driver, loaded into this process.
class Simulated {
 public:
  explicit Simulated(std::string_view scenario) : machine(scenario) {}

  [[nodiscard]] Result<std::unique_ptr<gpus::Driver>> find() const {
    return gpus::find_nvml({(machine.libraries() / "libnvidia-ml.so.1").string()});
  }
  [[nodiscard]] gpus::Driver& driver() {
    if (!driver_) {
      auto found = find();
      EXPECT_TRUE(found.has_value()) << found.error().message;
      driver_ = std::move(found).value();
    }
    return *driver_;
  }
  [[nodiscard]] std::vector<std::unique_ptr<gpus::Device>> devices() {
    auto all = driver().devices();
    EXPECT_TRUE(all.has_value()) << all.error().message;
    return all ? std::move(*all) : std::vector<std::unique_ptr<gpus::Device>>{};
  }
  /// A reading of the first device alone.
  [[nodiscard]] GpuReading read(Now now = real_now()) {
    if (!device_) {
      device_ = std::move(devices().at(0));
    }
    return device_->read(now).at(0);
  }
  [[nodiscard]] gpus::Device& device() {
    (void)read();
    return *device_;
  }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_{machine.environment()};
  std::unique_ptr<gpus::Driver> driver_;
  std::unique_ptr<gpus::Device> device_;
};

inline std::vector<int> indices(const std::vector<std::unique_ptr<gpus::Device>>& devices) {
  std::vector<int> all;
  for (const auto& device : devices) {
    all.push_back(device->identity().index);
  }
  return all;
}

}  // namespace levee::test
