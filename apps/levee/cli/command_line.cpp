#include "cli/command_line.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string_view>

#include "cli/output.hpp"
#include "config/nearest.hpp"
#include "levee/version.hpp"

namespace levee::cli {
namespace {

constexpr const char* kExamples =
    "levee                     how is this machine?\n"
    "levee run --gpu-mem 12GB -- python train.py\n"
    "                          start when 12 GB of GPU memory are promised to it\n"
    "levee check && train.py   start only while memory is safe\n"
    "levee forecast use.csv --limit 24GB\n"
    "                          when will it be full, going by lines of seconds,bytes?\n"
    "levee serve               watch, alert and keep history\n"
    "levee help history        what a subcommand can do";

void declare_all(CLI::App& root, Run& chosen) {
  root.require_subcommand(0, 1);
  root.set_version_flag("-V,--version", fmt::format("levee {}", kVersion));
  declare_status(root, chosen);
  declare_check(root, chosen);
  declare_ps(root, chosen);
  declare_run(root, chosen);
  declare_lease(root, chosen);
  declare_reserve(root, chosen);
  declare_balloon(root, chosen);
  declare_queue(root, chosen);
  declare_reclaim(root, chosen);
  declare_recovery(root, chosen);
  declare_cleanup(root, chosen);
  declare_alerts(root, chosen);
  declare_incidents(root, chosen);
  declare_replay(root, chosen);
  declare_fit(root, chosen);
  declare_forecast(root, chosen);
  declare_validate(root, chosen);
  declare_models(root, chosen);
  declare_history(root, chosen);
  declare_doctor(root, chosen);
  declare_config(root, chosen);
  declare_serve(root, chosen);
  declare_demo(root, chosen);
  declare_gpu_helper(root, chosen);
  declare_gpu_holder(root, chosen);
  root.add_subcommand("help", "Show the help of a subcommand");
  add_footer(root, kExamples, "0 it worked, 1 it did not, 2 wrong use; `levee check` has its own.");
}

std::vector<CLI::App*> subcommands_of(CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

/// Without those that are hidden from people.
std::vector<std::string> names_of(CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* const sub : subcommands_of(command)) {
    if (!sub->get_group().empty()) {
      names.push_back(sub->get_name());
    }
  }
  return names;
}

CLI::App* find_subcommand(CLI::App& command, std::string_view name) {
  const auto all = subcommands_of(command);
  const auto found = std::ranges::find(all, name, &CLI::App::get_name);
  return found == all.end() ? nullptr : *found;
}

/// "levee config show".
std::string path_of(const CLI::App& command) {
  return command.get_parent() == nullptr
             ? std::string("levee")
             : fmt::format("{} {}", path_of(*command.get_parent()), command.get_name());
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto meant = config::nearest(word, known);
  return meant ? fmt::format("did you mean \"{}\"?", *meant) : std::string{};
}

Misuse misuse(const CLI::App& command, std::string message, std::string hint) {
  const std::string path = path_of(command);
  if (hint.empty()) {
    hint = fmt::format("`{} --help` shows what it takes", path);
  }
  const bool check = path == "levee check";
  return {Error{ErrorCode::invalid_argument, std::move(message), std::move(hint)},
          check ? kCheckUnknown : kMisuse};
}

Misuse unknown_subcommand(CLI::App& command, std::string_view word) {
  const auto names = names_of(command);
  std::string hint = did_you_mean(word, names);
  if (hint.empty()) {
    hint = fmt::format("one of: {}", fmt::join(names, ", "));
  }
  return misuse(command, fmt::format("\"{}\" is no subcommand of {}", word, path_of(command)),
                std::move(hint));
}

Misuse unknown_argument(CLI::App& command, const std::string& word) {
  if (!word.starts_with('-')) {
    return names_of(command).empty()
               ? misuse(command, fmt::format("{} does not take \"{}\"", path_of(command), word), {})
               : unknown_subcommand(command, word);
  }
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      known.push_back("--" + name);
    }
  }
  const std::string name = word.substr(0, word.find('='));
  return misuse(command, fmt::format("{} has no option {}", path_of(command), name),
                did_you_mean(name, known));
}

/// The innermost subcommand that was named.
CLI::App& innermost(CLI::App& root) {
  const auto parsed = root.get_subcommands();
  return parsed.empty() ? root : innermost(*parsed.front());
}

std::string help_of(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  return command.help(parent == nullptr ? std::string{} : path_of(*parent));
}

/// `levee help config show`.
Parsed help(CLI::App& root, const std::vector<std::string>& words) {
  CLI::App* command = &root;
  for (const std::string& word : words) {
    CLI::App* const next = find_subcommand(*command, word);
    if (next == nullptr) {
      return word.starts_with('-') ? unknown_argument(*command, word)
                                   : unknown_subcommand(*command, word);
    }
    command = next;
  }
  return Text{help_of(*command)};
}

/// `levee --json` means `levee status --json`.
void add_default_subcommand(std::vector<std::string>& arguments) {
  constexpr std::array<std::string_view, 4> kOwn{"-h", "--help", "-V", "--version"};
  if (arguments.empty() || (arguments.front().starts_with('-') &&
                            std::ranges::find(kOwn, arguments.front()) == kOwn.end())) {
    arguments.insert(arguments.begin(), "status");
  }
}

Parsed parse_with(CLI::App& root, std::vector<std::string> arguments, const Run& chosen) {
  add_default_subcommand(arguments);
  const std::string& first = arguments.front();
  if (!first.starts_with('-') && find_subcommand(root, first) == nullptr) {
    return unknown_subcommand(root, first);
  }
  if (first == "help") {
    return help(root, {arguments.begin() + 1, arguments.end()});
  }
  try {
    std::ranges::reverse(arguments);  // As CLI11 wants them.
    root.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    return Text{help_of(innermost(root))};
  } catch (const CLI::CallForVersion& version) {
    return Text{std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return misuse(innermost(root), error.what(), {});
  }
  CLI::App& command = innermost(root);
  auto extra = command.remaining();
  std::erase(extra, "--");  // What follows it is the command's own.
  if (!extra.empty()) {
    return unknown_argument(command, extra.front());
  }
  if (!chosen) {
    return misuse(command, fmt::format("{} needs a subcommand", path_of(command)),
                  fmt::format("one of: {}", fmt::join(names_of(command), ", ")));
  }
  return chosen;
}

}  // namespace

Parsed parse(std::vector<std::string> arguments) {
  CLI::App root{"Levee keeps machines that run AI jobs from running out of memory."};
  root.name("levee");
  root.allow_extras();  // Subcommands inherit it: what is left over gets a suggestion of ours.
  Run chosen;
  declare_all(root, chosen);
  return parse_with(root, std::move(arguments), chosen);
}

}  // namespace levee::cli
