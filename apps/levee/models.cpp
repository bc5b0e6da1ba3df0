// levee models: what models need, and which ones are loaded.
#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "render/models.hpp"

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
      ask_or_look(options.connection, options.config, surroundings, "/api/v1/models");
  if (!answer) {
    return complain(answer.error());
  }
  if (options.json) {
    return print(pretty(answer->body));
  }
  const Style style = style_for(options.style, surroundings);
  return print(render_models(answer->body, style) + remarks_on(*answer, style));
}

}  // namespace

void declare_models(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("models", "Show what models need, and which ones are loaded");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee models\n"
             "levee models --json | jq '.cache.proposed_evictions'",
             "0 shown, 1 failed, 2 wrong use. Without a daemon, models shows those that are built "
             "in and those of the configuration file.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
