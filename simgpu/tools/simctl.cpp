// levee-simctl: makes a simulated machine and drives it.
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "levee/bytes.hpp"
#include "simgpu/control/control.hpp"
#include "simgpu/scenario/quantity.hpp"
#include "simgpu/scenario/reference.hpp"
#include "simgpu/scenario/scenario.hpp"
#include "simgpu/tools/command.hpp"

namespace {

using namespace levee;
using namespace levee::simgpu;
namespace fs = std::filesystem;

constexpr const char* kProgram = "levee-simctl";

constexpr const char* kExamples = R"help(Examples:
  eval "$(levee-simctl create --scenario two-gpus.sim)"   make a machine, and use it in this shell
  echo 'levee-sim 1
  gpu 0 mem=80GiB' | levee-simctl create --scenario -     the same from standard input
  levee-simctl advance 5s                                 move the stepped clock
  levee-simctl set gpu 0 temp 80 util 95                  change values now
  levee-simctl fault for 10s gpu 0 lost                   let something fail, for a while
  levee-simctl fault driver return 999 from nvmlInit_v2 for 3 calls
  levee-simctl dump --json                                everything the machine knows
  levee-simctl destroy

The reference of scenarios, actions and faults is docs/simulator.md.)help";

Result<std::string> read_scenario(const std::string& name) {
  if (name == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    return fail(ErrorCode::invalid_argument, fmt::format("cannot read the scenario \"{}\"", name),
                "name a file that exists, or - for standard input");
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

/// The machine that --segment or LEVEE_SIM names.
Result<Segment> open_segment(const std::string& option) {
  const char* variable = std::getenv(kSegmentVariable);
  const std::string path = !option.empty()       ? option
                           : variable != nullptr ? std::string(variable)
                                                 : std::string();
  if (path.empty()) {
    return fail(ErrorCode::invalid_argument, "no machine is named",
                "set LEVEE_SIM (levee-simctl create prints the line), or give --segment PATH");
  }
  return Segment::open(path);
}

/// Quotes for a shell, in single quotes.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return result + "'";
}

int create(const std::string& scenario_name, std::string path) {
  const auto text = read_scenario(scenario_name);
  if (!text) {
    return report(kProgram, text.error());
  }
  const auto scenario = parse_scenario(*text);
  if (!scenario) {
    return report(kProgram, scenario.error().within(scenario_name));
  }
  if (path.empty()) {
    path = fresh_path();
  }
  const auto segment = make_machine(path, *scenario);
  if (!segment) {
    return report(kProgram, segment.error());
  }
  const fs::path libraries =
      fs::read_symlink("/proc/self/exe").parent_path() / info(scenario->profile).name;
  fmt::print("export LEVEE_SIM={}\n", quoted(fs::absolute(path)));
  fmt::print("export LD_LIBRARY_PATH={}\n", quoted(libraries));
  return 0;
}

int on_machine(const std::string& option, auto&& work) {
  auto segment = open_segment(option);
  if (!segment) {
    return report(kProgram, segment.error());
  }
  const Result<void> done = work(*segment);
  return done ? 0 : report(kProgram, done.error());
}

void print_text(const nlohmann::json& machine) {
  fmt::print("time {:.3f} s ({} clock), driver {}\n", machine["now_seconds"].get<double>(),
             machine["clock"].get<std::string>(), machine["driver_version"].get<std::string>());
  for (const auto& gpu : machine["gpus"]) {
    const auto& memory = gpu["memory"];
    const auto bytes = [&](const char* name) {
      return format_bytes(Bytes{memory[name].get<std::uint64_t>()});
    };
    const auto& values = gpu["values"];
    fmt::print("gpu {} {}{}: {} of {} used, {} free, {} °C, {} %\n", gpu["index"].get<int>(),
               gpu["name"].get<std::string>(), gpu["present"].get<bool>() ? "" : " (unplugged)",
               bytes("used_bytes"), bytes("total_bytes"), bytes("free_bytes"),
               values["temp_celsius"].dump(), values["util_percent"].dump());
    for (const auto& process : gpu["processes"]) {
      fmt::print("  pid {} {} {}\n", process["pid"].get<int>(), process.value("name", "(foreign)"),
                 format_bytes(Bytes{process["used_bytes"].get<std::uint64_t>()}));
    }
  }
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

int run(int argc, char** argv) {
  CLI::App app{"Makes a simulated machine with GPUs and drives it.", kProgram};
  app.footer(kExamples);
  app.require_subcommand(1);
  std::string segment;
  std::string scenario;
  std::string duration;
  bool as_json = false;

  auto* create_command = app.add_subcommand("create", "Make a machine and print how to use it");
  create_command->add_option("--scenario", scenario, "File with the scenario, or -")->required();
  auto* advance_command = app.add_subcommand("advance", "Move the stepped clock");
  advance_command->add_option("duration", duration, "How far, such as 5s or 200ms")->required();
  auto* set_command = app.add_subcommand("set", "Let something happen now: gpu 0 temp 80");
  auto* fault_command =
      app.add_subcommand("fault", "The same word for failures: for 5s gpu 0 lost");
  auto* dump_command = app.add_subcommand("dump", "Print what the machine knows");
  dump_command->add_flag("--json", as_json, "As JSON");
  auto* destroy_command = app.add_subcommand("destroy", "Remove the machine's file");
  auto* reference_command =
      app.add_subcommand("reference", "Print every word a scenario may use, as Markdown");
  for (CLI::App* command : {create_command, advance_command, set_command, fault_command,
                            dump_command, destroy_command}) {
    command->add_option("--segment", segment, "The machine's file (else LEVEE_SIM names it)");
  }
  for (CLI::App* command : {set_command, fault_command}) {
    command->prefix_command();
    command->footer(
        "The action is [for DURATION] gpu N|gpu *|driver ITEM...; see "
        "docs/simulator.md.");
  }

  return run_command(app, argc, argv, [&] {
    if (create_command->parsed()) {
      return create(scenario, segment);
    }
    if (reference_command->parsed()) {
      fmt::print("{}", reference_markdown());
      return 0;
    }
    if (advance_command->parsed()) {
      const auto time = parse_duration(duration);
      return !time ? report(kProgram, time.error()) : on_machine(segment, [&](Segment& machine) {
        return simgpu::advance(machine, *time);
      });
    }
    for (const CLI::App* command : {set_command, fault_command}) {
      if (command->parsed()) {
        return on_machine(
            segment, [&](Segment& machine) { return act(machine, joined(command->remaining())); });
      }
    }
    if (dump_command->parsed()) {
      return on_machine(segment, [&](Segment& machine) -> Result<void> {
        const nlohmann::json all = dump(machine);
        if (as_json) {
          fmt::print("{}\n", all.dump(2));
        } else {
          print_text(all);
        }
        return {};
      });
    }
    const char* variable = std::getenv(kSegmentVariable);
    const std::string path = segment.empty() && variable != nullptr ? variable : segment;
    return on_machine(path, [&](Segment&) -> Result<void> {
      fs::remove(path);
      return {};
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(kProgram, [&] { return run(argc, argv); });
}
