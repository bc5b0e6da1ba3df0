// levee history: a small chart of the past.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "render/history.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::string window = "15m";
  std::string series = "memory";
  bool json = false;
};

int run(const Options& options, const Surroundings& surroundings) {
  const auto window =
      parse_span(options.window, "--window", std::chrono::seconds{1}, std::chrono::days{730});
  if (!window) {
    return complain(window.error());
  }
  const Style style = style_for(options.style, surroundings);
  // An unknown series is refused before anybody is asked.
  if (const auto known = render_history(Json::object(), options.series, style); !known) {
    return complain(known.error());
  }
  const auto answer = ask_daemon(
      options.connection, fmt::format("/api/v1/monitoring/history?window_seconds={}",
                                      std::chrono::ceil<std::chrono::seconds>(*window).count()));
  if (!answer) {
    return complain(answer.error());
  }
  const auto text = options.json ? Result<std::string>(pretty(*answer))
                                 : render_history(*answer, options.series, style);
  return text ? print(*text) : complain(text.error());
}

}  // namespace

void declare_history(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand("history", "Show the past as a small chart");
  command->add_option("--window", options->window, "How far back")
      ->type_name("TIME")
      ->capture_default_str();
  command->add_option("--series", options->series, "memory, cpu, swap or pressure")
      ->type_name("NAME")
      ->capture_default_str();
  command->add_flag("--json", options->json, "All series as JSON");
  add_connection(*command, options->connection);
  add_style(*command, options->style);
  add_footer(*command,
             "levee history\n"
             "levee history --window 24h\n"
             "levee history --window 300 --series pressure\n"
             "levee history --window 7d --json | jq '.history | length'",
             "0 shown, 1 failed (no daemon), 2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
