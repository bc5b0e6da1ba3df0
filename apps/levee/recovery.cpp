// levee recovery, levee cleanup: what is done about memory that runs out.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "render/recovery.hpp"

namespace levee::cli {
namespace {

/// A cleanup asks one process after the other; each may take its time.
constexpr std::chrono::minutes kCleanup{10};

struct Options {
  Connection connection;
  StyleWish style;
  bool json = false;
};

void add_common(CLI::App& command, Options& options) {
  command.add_flag("--json", options.json, "As JSON");
  add_connection(command, options.connection);
  add_style(command, options.style);
}

int show(const Options& options, const Surroundings& surroundings) {
  const auto recovery = ask_daemon(options.connection, "/api/v1/recovery");
  if (!recovery) {
    return complain(recovery.error());
  }
  return print(options.json ? pretty(*recovery)
                            : render_recovery(*recovery, style_for(options.style, surroundings)));
}

struct CleanupOptions {
  Options common;
  bool force = false;
  bool dry_run = false;
};

Result<Json> clean_up(const CleanupOptions& options) {
  auto client = connect(options.common.connection);
  if (!client) {
    return std::unexpected(client.error());
  }
  client->set_timeout(kCleanup);
  const auto reply = client->send(
      "POST",
      fmt::format("/api/v1/monitoring/cleanup?force={}&dry_run={}", options.force, options.dry_run),
      "");
  return reply ? parse_answer(reply->body) : std::unexpected(reply.error());
}

int cleanup(const CleanupOptions& options, const Surroundings& surroundings) {
  const auto done = clean_up(options);
  if (!done) {
    return complain(done.error());
  }
  return print(options.common.json
                   ? pretty(*done)
                   : render_cleanup(*done, style_for(options.common.style, surroundings)));
}

}  // namespace

void declare_recovery(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand(
      "recovery", "Show memory pressure, what is done about it, and what that brought");
  add_common(*command, *options);
  add_footer(*command,
             "levee recovery\n"
             "levee recovery --json | jq '.recent[-1]'",
             "0 shown, 1 no daemon, 2 wrong use.");
  run_with(*command, options, chosen, show);
}

void declare_cleanup(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<CleanupOptions>();
  CLI::App* const command = root.add_subcommand(
      "cleanup", "Ask for all memory that can be given back without harm: caches, balloons");
  command->add_flag("--force", options->force, "Also what slows work down: batches, offloading");
  command->add_flag("--dry-run", options->dry_run, "Only show who would be asked for what");
  add_common(*command, options->common);
  add_footer(*command,
             "levee cleanup --dry-run\n"
             "levee cleanup --force --json | jq .gpu_memory_freed_gb",
             "0 it is over, 1 no daemon or not allowed, 2 wrong use.");
  run_with(*command, options, chosen, cleanup);
}

}  // namespace levee::cli
