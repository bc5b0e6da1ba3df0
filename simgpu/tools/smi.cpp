// levee-sim-smi: answers the queries that scripts and libraries make of a vendor's command line
// tool (-L, --query-gpu, --query-compute-apps), through libnvidia-ml.so.1.
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "abi/nvml.hpp"
#include "levee/bytes.hpp"
#include "simgpu/tools/command.hpp"

namespace {

using namespace levee;
using nvml::Device;
using nvml::Return;

constexpr const char* kProgram = "levee-sim-smi";
constexpr const char* kMissing = "[N/A]";

/// Functions are looked up as they are needed; one that is missing answers 13.
class Nvml {
 public:
  Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {}

  [[nodiscard]] bool is_loaded() const { return library_ != nullptr; }

  template <class Function, class... Arguments>
  Return call(const char* name, Arguments... arguments) const {
    auto* function = reinterpret_cast<Function*>(::dlsym(library_, name));
    return function == nullptr ? Return::function_not_found : function(arguments...);
  }

  [[nodiscard]] std::string text_of(Return result) const {
    auto* function = reinterpret_cast<nvml::fn::ErrorString*>(::dlsym(library_, "nvmlErrorString"));
    return function == nullptr ? "no NVML" : function(result);
  }

  [[nodiscard]] std::string text(const char* name, Device device) const {
    std::array<char, nvml::kNameBuffer> buffer{};
    const auto length = static_cast<unsigned>(buffer.size());
    const Return result = call<nvml::fn::DeviceGetText>(name, device, buffer.data(), length);
    return result == Return::success ? std::string(buffer.data()) : kMissing;
  }

  [[nodiscard]] std::optional<unsigned> number(const char* name, Device device) const {
    unsigned value = 0;
    return call<nvml::fn::DeviceGetUnsigned>(name, device, &value) == Return::success
               ? std::optional(value)
               : std::nullopt;
  }

 private:
  void* library_;
};

struct Field {
  std::string_view name;
  std::string_view unit;
  std::function<std::string(const Nvml&, Device)> read;
};

std::string shown(std::optional<unsigned> value) {
  return value ? std::to_string(*value) : kMissing;
}

std::string memory(const Nvml& nvml, Device device, std::uint64_t nvml::MemoryV2::* member) {
  nvml::MemoryV2 info{};
  info.version = nvml::kMemoryV2Tag;
  return nvml.call<nvml::fn::DeviceGetMemoryInfoV2>("nvmlDeviceGetMemoryInfo_v2", device, &info) ==
                 Return::success
             ? std::to_string(info.*member / kMiB)
             : kMissing;
}

std::string utilization(const Nvml& nvml, Device device,
                        std::uint32_t nvml::Utilization::* member) {
  nvml::Utilization rates{};
  return nvml.call<nvml::fn::DeviceGetUtilizationRates>("nvmlDeviceGetUtilizationRates", device,
                                                        &rates) == Return::success
             ? std::to_string(rates.*member)
             : kMissing;
}

std::string temperature(const Nvml& nvml, Device device) {
  unsigned celsius = 0;
  return nvml.call<nvml::fn::DeviceGetTemperature>("nvmlDeviceGetTemperature", device,
                                                   nvml::Sensor::gpu, &celsius) == Return::success
             ? std::to_string(celsius)
             : kMissing;
}

std::string watts(const Nvml& nvml, Device device, const char* name) {
  const auto milliwatts = nvml.number(name, device);
  return milliwatts ? fmt::format("{:.2f}", *milliwatts / 1000.0) : kMissing;
}

std::string feature(const Nvml& nvml, Device device, const char* name) {
  const auto state = nvml.number(name, device);
  return !state ? kMissing : *state == 0 ? "Disabled" : "Enabled";
}

std::string driver_version(const Nvml& nvml, Device /*device*/) {
  std::array<char, nvml::kVersionBuffer> buffer{};
  const auto length = static_cast<unsigned>(buffer.size());
  return nvml.call<nvml::fn::SystemGetVersion>("nvmlSystemGetDriverVersion", buffer.data(),
                                               length) == Return::success
             ? std::string(buffer.data())
             : kMissing;
}

const std::vector<Field>& fields() {
  using nvml::MemoryV2;
  const auto text = [](const char* name) {
    return [name](const Nvml& nvml, Device device) { return nvml.text(name, device); };
  };
  const auto bind = [](auto function, auto argument) {
    return [=](const Nvml& nvml, Device device) { return function(nvml, device, argument); };
  };
  static const std::vector<Field> kFields{
      {"index", "",
       [](const Nvml& nvml, Device device) {
         return shown(nvml.number("nvmlDeviceGetIndex", device));
       }},
      {"uuid", "", text("nvmlDeviceGetUUID")},
      {"name", "", text("nvmlDeviceGetName")},
      {"gpu_name", "", text("nvmlDeviceGetName")},
      {"serial", "", text("nvmlDeviceGetSerial")},
      {"gpu_serial", "", text("nvmlDeviceGetSerial")},
      {"driver_version", "", driver_version},
      {"memory.total", "MiB", bind(memory, &MemoryV2::total)},
      {"memory.reserved", "MiB", bind(memory, &MemoryV2::reserved)},
      {"memory.used", "MiB", bind(memory, &MemoryV2::used)},
      {"memory.free", "MiB", bind(memory, &MemoryV2::free)},
      {"utilization.gpu", "%", bind(utilization, &nvml::Utilization::gpu)},
      {"utilization.memory", "%", bind(utilization, &nvml::Utilization::memory)},
      {"temperature.gpu", "", temperature},
      {"power.draw", "W", bind(watts, "nvmlDeviceGetPowerUsage")},
      {"power.limit", "W", bind(watts, "nvmlDeviceGetEnforcedPowerLimit")},
      {"fan.speed", "%",
       [](const Nvml& nvml, Device device) {
         return shown(nvml.number("nvmlDeviceGetFanSpeed", device));
       }},
      {"display_active", "", bind(feature, "nvmlDeviceGetDisplayActive")},
      {"display_mode", "", bind(feature, "nvmlDeviceGetDisplayMode")},
      {"persistence_mode", "", bind(feature, "nvmlDeviceGetPersistenceMode")},
  };
  return kFields;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    const auto begin = word.find_first_not_of(' ');
    words.emplace_back(begin == std::string_view::npos ? std::string_view{} : word.substr(begin));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return words;
}

struct Format {
  bool has_header = true;
  bool has_units = true;
};

/// Device handles; a lost GPU is an error that the caller prints in its row.
std::vector<std::pair<Return, Device>> devices(const Nvml& nvml) {
  unsigned count = 0;
  static_cast<void>(nvml.call<nvml::fn::DeviceGetCount>("nvmlDeviceGetCount_v2", &count));
  std::vector<std::pair<Return, Device>> all(count);
  for (unsigned i = 0; i < count; ++i) {
    all[i].first = nvml.call<nvml::fn::DeviceGetHandleByIndex>("nvmlDeviceGetHandleByIndex_v2", i,
                                                               &all[i].second);
  }
  return all;
}

int list(const Nvml& nvml) {
  unsigned index = 0;
  for (const auto& [result, device] : devices(nvml)) {
    if (result == Return::success) {
      fmt::print("GPU {}: {} (UUID: {})\n", index, nvml.text("nvmlDeviceGetName", device),
                 nvml.text("nvmlDeviceGetUUID", device));
    } else {
      fmt::print("GPU {}: {}\n", index, nvml.text_of(result));
    }
    ++index;
  }
  return 0;
}

int query_gpus(const Nvml& nvml, const std::string& query, Format format) {
  std::vector<const Field*> wanted;
  for (const std::string& name : split(query)) {
    const auto found =
        std::ranges::find(fields(), std::string_view(name), [](const Field& f) { return f.name; });
    if (found == fields().end()) {
      return simgpu::report(kProgram, {ErrorCode::invalid_argument,
                                       fmt::format("\"{}\" is not a field of --query-gpu", name),
                                       "accepted: those that levee-sim-smi --help lists"});
    }
    wanted.push_back(&*found);
  }
  std::vector<std::string> cells;
  cells.reserve(wanted.size());
  for (const Field* field : wanted) {
    const bool shows_unit = format.has_units && !field->unit.empty();
    cells.push_back(shows_unit ? fmt::format("{} [{}]", field->name, field->unit)
                               : std::string(field->name));
  }
  if (format.has_header) {
    fmt::print("{}\n", fmt::join(cells, ", "));
  }
  for (const auto& [result, device] : devices(nvml)) {
    cells.clear();
    for (const Field* field : wanted) {
      std::string cell = result == Return::success ? field->read(nvml, device)
                                                   : fmt::format("[{}]", nvml.text_of(result));
      const bool shows_unit = format.has_units && !field->unit.empty() && !cell.starts_with('[');
      cells.push_back(shows_unit ? fmt::format("{} {}", cell, field->unit) : std::move(cell));
    }
    fmt::print("{}\n", fmt::join(cells, ", "));
  }
  return 0;
}

int query_processes(const Nvml& nvml, Format format) {
  if (format.has_header) {
    fmt::print("gpu_uuid, pid, used_gpu_memory{}\n", format.has_units ? " [MiB]" : "");
  }
  for (const auto& [result, device] : devices(nvml)) {
    std::array<nvml::ProcessV2, 512> processes{};
    auto count = static_cast<unsigned>(processes.size());
    if (result != Return::success || nvml.call<nvml::fn::DeviceGetRunningProcessesV2>(
                                         "nvmlDeviceGetComputeRunningProcesses_v3", device, &count,
                                         processes.data()) != Return::success) {
      continue;
    }
    for (unsigned i = 0; i < count; ++i) {
      const nvml::ProcessV2& process = processes.at(i);
      const std::string used =
          process.used == nvml::kMemoryUnknown
              ? kMissing
              : fmt::format("{}{}", process.used / kMiB, format.has_units ? " MiB" : "");
      fmt::print("{}, {}, {}\n", nvml.text("nvmlDeviceGetUUID", device), process.pid, used);
    }
  }
  return 0;
}

std::string footer() {
  std::string names;
  for (const Field& field : fields()) {
    names += " " + std::string(field.name);
  }
  return "Fields of --query-gpu:" + names + R"(

Examples:
  levee-sim-smi -L
  levee-sim-smi --query-gpu=index,memory.used,temperature.gpu --format=csv,noheader,nounits
  levee-sim-smi --query-compute-apps=pid --format=csv)";
}

int run(int argc, char** argv) {
  CLI::App app{"Answers simple queries about the simulated GPUs.", kProgram};
  app.footer(footer());
  bool lists = false;
  std::string gpus;
  std::string processes;
  std::string format_text = "csv";
  app.add_flag("-L,--list-gpus", lists, "List the GPUs");
  app.add_option("--query-gpu", gpus, "Fields, joined by commas");
  app.add_option("--query-compute-apps", processes, "Processes: GPU, pid and memory");
  app.add_option("--format", format_text, "csv, with noheader and nounits if wanted");

  return simgpu::run_command(app, argc, argv, [&] {
    const Nvml nvml;
    if (!nvml.is_loaded()) {
      return simgpu::report(kProgram, {ErrorCode::not_found, "cannot load libnvidia-ml.so.1",
                                       "levee-simctl create prints the LD_LIBRARY_PATH to set"});
    }
    if (const Return result = nvml.call<nvml::fn::Init>("nvmlInit_v2"); result != Return::success) {
      return simgpu::report(kProgram,
                            {ErrorCode::unavailable, "NVML: " + nvml.text_of(result), ""});
    }
    Format format;
    for (const std::string& word : split(format_text)) {
      format.has_header = format.has_header && word != "noheader";
      format.has_units = format.has_units && word != "nounits";
    }
    if (!gpus.empty()) {
      return query_gpus(nvml, gpus, format);
    }
    return processes.empty() ? list(nvml) : query_processes(nvml, format);
  });
}

}  // namespace

int main(int argc, char** argv) {
  return simgpu::run_program(kProgram, [&] { return run(argc, argv); });
}
