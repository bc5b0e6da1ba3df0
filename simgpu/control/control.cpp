#include "simgpu/control/control.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "simgpu/machine/memory.hpp"
#include "simgpu/machine/text.hpp"
#include "simgpu/machine/timeline.hpp"
#include "simgpu/scenario/quantity.hpp"
#include "simgpu/scenario/scenario.hpp"

namespace levee::simgpu {
namespace {

using nlohmann::json;

constexpr double kNsPerSecond = 1e9;

/// A key's word and unit as a JSON name: "power_watts".
std::string json_name(const KeyInfo& key) {
  std::string name(key.word);
  std::ranges::replace(name, '-', '_');
  switch (key.unit) {
    case Unit::celsius:
      return name + "_celsius";
    case Unit::percent:
      return name + "_percent";
    case Unit::watts:
      return name + "_watts";
    case Unit::mhz:
      return name + "_mhz";
    case Unit::rate:
      return name + "_bytes_per_second";
    case Unit::bytes:
      return name + "_bytes";
    case Unit::duration:
      return name + "_seconds";
    default:
      return name;
  }
}

json json_value(const KeyInfo& key, std::int64_t value) {
  if (value == kNotSupported) {
    return nullptr;
  }
  switch (key.unit) {
    case Unit::watts:
      return static_cast<double>(value) / 1000;
    case Unit::rate:
      return value * 1024;
    case Unit::duration:
      return static_cast<double>(value) / kNsPerSecond;
    case Unit::flag:
      return value != 0;
    case Unit::choice:
    case Unit::reasons:
      return format_value(key, value);
    default:
      return value;
  }
}

json dump_account(const Account& account) {
  return {{"total_bytes", account.total},
          {"reserved_bytes", account.reserved},
          {"used_bytes", account.used},
          {"free_bytes", account.free}};
}

json dump_process(const Machine& machine, const Holder& holder, std::int32_t gpu) {
  constexpr std::array kKinds{"compute", "graphics", "mps"};
  json entry{{"pid", holder.pid},
             {"kind", kKinds.at(static_cast<std::size_t>(holder.kind))},
             {"foreign", holder.is_foreign},
             {"used_bytes", holder.bytes}};
  if (holder.instance != kNoInstanceId) {
    entry["instance"] = holder.instance;
  }
  const auto slot = std::ranges::find_if(machine.process, [&](const Process& process) {
    return process.is_used != 0 && static_cast<std::uint32_t>(process.pid) == holder.pid;
  });
  if (!holder.is_foreign && slot != machine.process.end()) {
    const Holding& holding = slot->holding.at(static_cast<std::size_t>(gpu));
    entry["name"] = view(slot->comm);
    entry["contexts"] = holding.contexts;
    entry["context_bytes"] = holding.context_bytes;
    entry["plain_bytes"] = holding.plain_bytes;
    entry["vmm_bytes"] = holding.vmm_bytes;
    entry["async_bytes"] = holding.async_bytes;
  }
  return entry;
}

json dump_gpu(Session& session, std::int32_t index) {
  const Machine& machine = session.machine();
  const Gpu& gpu = machine.gpu.at(static_cast<std::size_t>(index));
  const Part whole{index, kNoInstanceId};
  json values = json::object();
  for (const KeyInfo& key : keys()) {
    values[json_name(key)] = json_value(key, session.value(gpu, key.key));
  }
  json processes = json::array();
  const Holders all = holders(session, whole);
  for (std::size_t i = 0; i < all.count; ++i) {
    processes.push_back(dump_process(machine, all.list.at(i), index));
  }
  json instances = json::array();
  for (std::uint32_t i = 0; i < gpu.instances; ++i) {
    const Instance& instance = gpu.instance.at(i);
    instances.push_back(
        {{"profile", view(instance.profile)},
         {"uuid", view(instance.uuid)},
         {"memory", dump_account(account(session, {index, static_cast<std::int32_t>(i)}))}});
  }
  return {{"index", index},
          {"name", view(gpu.name)},
          {"uuid", view(gpu.uuid)},
          {"pci_bus_id",
           fmt::format("{:08X}:{:02X}:{:02X}.0", gpu.pci_domain, gpu.pci_bus, gpu.pci_device)},
          {"present", gpu.is_present != 0},
          {"memory", dump_account(account(session, whole))},
          {"context_cost_bytes", gpu.context_bytes},
          {"values", std::move(values)},
          {"processes", std::move(processes)},
          {"mig", std::move(instances)}};
}

json dump_rules(const Machine& machine) {
  constexpr std::array kKinds{"none", "slow", "hang", "return"};
  json rules = json::array();
  for (const Rule& rule : machine.rule) {
    if (rule.kind == RuleKind::none) {
      continue;
    }
    json entry{{"kind", kKinds.at(static_cast<std::size_t>(rule.kind))},
               {"function", view(rule.function)}};
    if (rule.gpu != kNoGpu) {
      entry["gpu"] = rule.gpu;
    }
    if (rule.kind == RuleKind::slow) {
      entry["seconds"] = static_cast<double>(rule.number) / kNsPerSecond;
    } else if (rule.kind == RuleKind::give) {
      entry["result"] = rule.number;
    }
    rules.push_back(std::move(entry));
  }
  return rules;
}

std::size_t defined_gpus(const Machine& machine) noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(machine.gpu, [](const Gpu& gpu) { return gpu.is_defined != 0; }));
}

}  // namespace

Result<void> act(Segment& segment, std::string_view action) {
  Session session(segment);
  Machine& machine = session.machine();
  const auto steps = parse_action(action, defined_gpus(machine), session.now());
  if (!steps) {
    return std::unexpected(steps.error());
  }
  for (const Step& step : *steps) {
    // What a duration ends lies ahead (a replug, say): it becomes a part of the scenario.
    if (step.at_ns <= session.now()) {
      apply(machine, step, session.now());
    } else if (!insert_step(machine, step)) {
      return fail(ErrorCode::resource_exhausted, "the machine's scenario is full",
                  "make a new machine");
    }
  }
  return {};
}

Result<void> advance(Segment& segment, std::uint64_t nanoseconds) {
  Session session(segment);
  if (session.machine().clock != ClockKind::step) {
    return fail(ErrorCode::invalid_argument, "this machine's clock is real and moves by itself",
                "write \"clock step\" in the scenario to move it by hand");
  }
  session.advance(nanoseconds);
  return {};
}

json dump(Segment& segment) {
  Session session(segment);
  const Machine& machine = session.machine();
  json gpus = json::array();
  for (std::size_t i = 0; i < defined_gpus(machine); ++i) {
    gpus.push_back(dump_gpu(session, static_cast<std::int32_t>(i)));
  }
  return {{"now_seconds", static_cast<double>(session.now()) / kNsPerSecond},
          {"clock", machine.clock == ClockKind::step ? "step" : "real"},
          {"profile", info(static_cast<Profile>(machine.profile)).name},
          {"driver_version", info(static_cast<Profile>(machine.profile)).driver_version},
          {"events", machine.events},
          {"init", machine.init_result},
          {"pid_offset", machine.pid_offset},
          {"rules", dump_rules(machine)},
          {"gpus", std::move(gpus)}};
}

Profile profile_of(Segment& segment) noexcept {
  return static_cast<Profile>(segment.machine().profile);
}

std::filesystem::path fresh_path() {
  std::filesystem::path folder = std::filesystem::temp_directory_path();
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (::access("/dev/shm", W_OK) == 0) {
    folder = "/dev/shm";
  } else if (runtime != nullptr && ::access(runtime, W_OK) == 0) {
    folder = runtime;
  }
  std::random_device random;
  return folder / fmt::format("levee-sim-{}-{:08x}", ::getpid(), random());
}

}  // namespace levee::simgpu
