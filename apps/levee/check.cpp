// levee check: may my job go on? Answered by the exit code.
#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "render/check.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  bool json = false;
};

int run(const Options& options, const Surroundings& surroundings) {
  const auto answer =
      ask_or_look(options.connection, options.config, surroundings, "/api/v1/monitoring/report");
  if (!answer) {
    return complain(answer.error(), kCheckUnknown);
  }
  if (answer->bad_settings) {
    // Judged by other thresholds than the administrator's, "safe" could be wrong.
    return complain(*answer->bad_settings, kCheckUnknown);
  }
  const Verdict verdict = judge(answer->body);
  // The exit code is the answer; it stays right even where the text cannot be written.
  static_cast<void>(print(options.json
                              ? pretty(check_json(verdict, answer->body, answer->from_daemon))
                              : render_check(verdict, style_for(options.style, surroundings))));
  return verdict.exit_code;
}

}  // namespace

void declare_check(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("check", "Tell by the exit code whether memory is safe");
  command->add_flag("--json", options->json, "The verdict and its reasons as JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee check && python train.py\n"
             "levee check; echo $?\n"
             "levee check --json | jq -r .reasons[]",
             "0 safe, 1 warning, 2 critical or emergency, 3 unknown or wrong use.\n"
             "Alerts of the last 5 minutes count. Without a daemon, one look is judged.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
