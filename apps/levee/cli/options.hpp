// Options that several subcommands share. Parsing only; each subcommand adds those it means.
#pragma once

#include <CLI/App.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/surroundings.hpp"
#include "levee/result.hpp"

namespace levee::cli {

/// What a parsed command line does: returns the exit code.
using Run = std::function<int(const Surroundings&)>;

/// Which daemon to ask, and how long to wait for it.
struct Connection {
  std::optional<std::string> socket;
  std::string timeout = "5";

  [[nodiscard]] Result<std::chrono::milliseconds> patience() const;
};

void add_connection(CLI::App& command, Connection& connection);
void add_style(CLI::App& command, StyleWish& wish);

/// --config, for what works without a daemon.
void add_config_file(CLI::App& command, std::optional<std::string>& file);

/// What a command takes that shows something and may do so without a daemon.
struct Showing {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  bool json = false;
};

void add_showing(CLI::App& command, Showing& showing);

/// `command` on the line means run(*options).
template <class Options>
void run_with(CLI::App& command, const std::shared_ptr<Options>& options, Run& chosen,
              int (*run)(const Options&, const Surroundings&)) {
  command.callback([options, run, &chosen] {
    chosen = [options, run](const Surroundings& surroundings) {
      return run(*options, surroundings);
    };
  });
}

/// Shows the examples, one a line, and what the exit code means below the help of `command`.
void add_footer(CLI::App& command, std::string_view examples, std::string_view exit_codes);

/// What the daemon and one look start to talk to GPU drivers: this same program.
[[nodiscard]] std::vector<std::string> gpu_helper();
/// The same for the process that holds memory of one.
[[nodiscard]] std::vector<std::string> gpu_holder();

// One per subcommand, in the file of that name: declares its options and stores in `chosen` what
// to run when it was named.
void declare_serve(CLI::App& root, Run& chosen);
void declare_status(CLI::App& root, Run& chosen);
void declare_check(CLI::App& root, Run& chosen);
void declare_ps(CLI::App& root, Run& chosen);
void declare_alerts(CLI::App& root, Run& chosen);
void declare_models(CLI::App& root, Run& chosen);
void declare_validate(CLI::App& root, Run& chosen);
void declare_fit(CLI::App& root, Run& chosen);
void declare_forecast(CLI::App& root, Run& chosen);
void declare_history(CLI::App& root, Run& chosen);
void declare_config(CLI::App& root, Run& chosen);
void declare_run(CLI::App& root, Run& chosen);
void declare_lease(CLI::App& root, Run& chosen);
void declare_queue(CLI::App& root, Run& chosen);
void declare_incidents(CLI::App& root, Run& chosen);
void declare_replay(CLI::App& root, Run& chosen);
void declare_doctor(CLI::App& root, Run& chosen);
void declare_demo(CLI::App& root, Run& chosen);
void declare_gpu_helper(CLI::App& root, Run& chosen);
void declare_gpu_holder(CLI::App& root, Run& chosen);
void declare_reserve(CLI::App& root, Run& chosen);
void declare_balloon(CLI::App& root, Run& chosen);
void declare_reclaim(CLI::App& root, Run& chosen);
void declare_recovery(CLI::App& root, Run& chosen);
void declare_cleanup(CLI::App& root, Run& chosen);

}  // namespace levee::cli
