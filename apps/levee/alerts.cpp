// levee alerts: what fired, when, for how long, and who caused it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "config/nearest.hpp"
#include "engine/clock.hpp"
#include "levee/level.hpp"
#include "render/alerts.hpp"

namespace levee::cli {
namespace {

constexpr long kMostAlerts = 1000;

struct Options {
  Connection connection;
  StyleWish style;
  std::string severity;
  std::string limit = "20";
  std::string since = "24h";
  bool json = false;
};

Result<std::string> target_of(const Options& options) {
  const auto limit = parse_count(options.limit, "--limit", 1, kMostAlerts);
  if (!limit) {
    return std::unexpected(limit.error());
  }
  const auto since =
      parse_span(options.since, "--since", std::chrono::seconds{1}, std::chrono::days{730});
  if (!since) {
    return std::unexpected(since.error());
  }
  std::string target = fmt::format("/api/v1/monitoring/alerts?limit={}&window_seconds={}", *limit,
                                   std::chrono::ceil<std::chrono::seconds>(*since).count());
  if (!options.severity.empty()) {
    if (!parse_severity(options.severity)) {
      const std::vector<std::string> known{"warning", "critical", "emergency"};
      const auto meant = config::nearest(options.severity, known);
      return fail(ErrorCode::invalid_argument,
                  fmt::format("--severity is \"{}\"", options.severity),
                  fmt::format("{}accepted: warning, critical, emergency",
                              meant ? fmt::format("did you mean {}? ", *meant) : ""));
    }
    target += "&severity=" + options.severity;
  }
  return target;
}

int run(const Options& options, const Surroundings& surroundings) {
  const auto target = target_of(options);
  if (!target) {
    return complain(target.error());
  }
  const auto answer = ask_daemon(options.connection, *target);
  if (!answer) {
    return complain(answer.error());
  }
  return print(options.json ? pretty(*answer)
                            : render_alerts(*answer, engine::read_clock().wall,
                                            style_for(options.style, surroundings)));
}

}  // namespace

void declare_alerts(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("alerts", "Show the alerts that last and those that are over");
  command->add_option("--since", options->since, "How far back, also before the daemon's start")
      ->type_name("TIME")
      ->capture_default_str();
  command->add_option("--severity", options->severity, "Only warning, critical or emergency")
      ->type_name("WORD");
  command->add_option("--limit", options->limit, "At most so many, the newest first")
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_style(*command, options->style);
  add_footer(*command,
             "levee alerts\n"
             "levee alerts --since 7d\n"
             "levee alerts --severity critical --limit 5\n"
             "levee alerts --json | jq '.alerts[] | .culprit.command'",
             "0 shown, 1 failed (no daemon), 2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
