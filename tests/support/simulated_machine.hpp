// A simulated machine for a test: made from a scenario in a folder of the test's own, gone at the
// end. Link levee::simgpu and name the test's room in the list of tests/CMakeLists.txt, so that the
// driver libraries are built first.
#pragma once

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "simgpu/control/control.hpp"
#include "simgpu/machine/memory.hpp"
#include "simgpu/scenario/scenario.hpp"
#include "support/temp_dir.hpp"

namespace levee::test {

/// Fails the test by throwing when the scenario or an action is refused: they are the test's own.
class SimulatedMachine {
 public:
  /// `scenario` without its first line, which is always the same.
  explicit SimulatedMachine(std::string_view scenario) {
    const auto parsed = simgpu::parse_scenario("levee-sim 1\n" + std::string(scenario));
    profile_ = simgpu::info(must(parsed).profile).name;
    segment_ = must(simgpu::make_machine(path(), *parsed));
  }
  SimulatedMachine(const SimulatedMachine&) = delete;
  SimulatedMachine& operator=(const SimulatedMachine&) = delete;

  [[nodiscard]] std::filesystem::path path() const { return folder_ / "machine"; }

  /// The folder with libnvidia-ml.so.1 and libcuda.so.1 of the scenario's profile.
  [[nodiscard]] std::filesystem::path libraries() const {
    return std::filesystem::path(LEVEE_SIMGPU) / profile_;
  }

  /// What a child process needs to meet this machine.
  [[nodiscard]] std::map<std::string, std::string> environment() const {
    return {{"LEVEE_SIM", path().string()}, {"LD_LIBRARY_PATH", libraries().string()}};
  }

  void advance(std::chrono::nanoseconds time) {
    must(simgpu::advance(segment_, static_cast<std::uint64_t>(time.count())));
  }

  /// "gpu 0 temp 80 util 3", "for 5s gpu 0 lost", "driver init 18": happens now.
  void set(std::string_view action) { must(simgpu::act(segment_, action)); }
  void fault(std::string_view action) { set(action); }

  [[nodiscard]] nlohmann::json dump() { return simgpu::dump(segment_); }

  [[nodiscard]] simgpu::Account account(std::int32_t gpu) {
    simgpu::Session session(segment_);
    return simgpu::account(session, {gpu, simgpu::kNoInstanceId});
  }

  [[nodiscard]] simgpu::Segment& segment() { return segment_; }

 private:
  template <class T>
  static T must(Result<T> result) {
    if (!result) {
      throw std::runtime_error(result.error().message + " (" + result.error().hint + ")");
    }
    if constexpr (!std::is_void_v<T>) {
      return std::move(*result);
    }
  }

  TempDir folder_;
  std::string profile_;
  simgpu::Segment segment_;
};

/// Sets variables of this process while it lives, for tests that load the libraries themselves.
class ScopedEnvironment {
 public:
  explicit ScopedEnvironment(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
      const char* before = std::getenv(name.c_str());
      before_.emplace(name, before == nullptr ? std::optional<std::string>{} : before);
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;
  ~ScopedEnvironment() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

/// A driver library, loaded by its path and unloaded at the end, so that each test meets a fresh
/// one. Functions are looked up by name.
class DriverLibrary {
 public:
  explicit DriverLibrary(const std::filesystem::path& file)
      : library_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) {
      throw std::runtime_error(::dlerror());
    }
  }
  DriverLibrary(const DriverLibrary&) = delete;
  DriverLibrary& operator=(const DriverLibrary&) = delete;
  ~DriverLibrary() { ::dlclose(library_); }

  /// nullptr when the library does not export it.
  template <class Function>
  [[nodiscard]] Function* find(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }

  template <class Function>
  [[nodiscard]] Function& get(const char* name) const {
    Function* function = find<Function>(name);
    if (function == nullptr) {
      throw std::runtime_error(std::string("not exported: ") + name);
    }
    return *function;
  }

  [[nodiscard]] bool has(const char* name) const { return ::dlsym(library_, name) != nullptr; }

 private:
  void* library_;
};

}  // namespace levee::test
