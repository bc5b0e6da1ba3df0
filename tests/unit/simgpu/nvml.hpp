// NVML over a simulated machine, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "abi/nvml.hpp"
#include "support/simulated_machine.hpp"

namespace levee::test {

using nvml::Device;
using nvml::MemoryV2;
using nvml::Return;
namespace fn = nvml::fn;

/// A machine, and NVML over it, initialised.
class Nvml {
 public:
  explicit Nvml(const std::string& scenario = "gpu 0 mem=80GiB reserved=600MiB")
      : machine(scenario),
        environment_(machine.environment()),
        library(machine.libraries() / "libnvidia-ml.so.1") {
    EXPECT_EQ(library.get<fn::Init>("nvmlInit_v2")(), Return::success);
  }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;
  ~Nvml() { library.get<fn::Shutdown>("nvmlShutdown")(); }

  template <class Function, class... Arguments>
  Return call(const char* name, Arguments... arguments) const {
    return library.get<Function>(name)(arguments...);
  }

  [[nodiscard]] Device device(unsigned index = 0) const {
    Device device = nullptr;
    EXPECT_EQ(call<fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2", index, &device),
              Return::success);
    return device;
  }

  [[nodiscard]] MemoryV2 memory(Device of) const {
    MemoryV2 info{};
    info.version = nvml::kMemoryV2Tag;
    EXPECT_EQ(call<fn::DeviceGetMemoryInfoV2>("nvmlDeviceGetMemoryInfo_v2", of, &info),
              Return::success);
    return info;
  }

  [[nodiscard]] unsigned number(const char* name, Device of) const {
    unsigned value = 0;
    EXPECT_EQ(call<fn::DeviceGetUnsigned>(name, of, &value), Return::success) << name;
    return value;
  }

  [[nodiscard]] Return asking(const char* name, Device of) const {
    unsigned value = 0;
    return call<fn::DeviceGetUnsigned>(name, of, &value);
  }

  SimulatedMachine machine;

 private:
  ScopedEnvironment environment_;

 public:
  DriverLibrary library;
};

}  // namespace levee::test
