// levee validate: does a model fit this machine now?
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "estimate/requirements.hpp"
#include "render/models.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  std::string model;
  std::optional<std::string> gpu;
  bool json = false;
};

/// By what is free and promised to nobody; without a ledger, by what is free.
Result<Answer> verdict_on(const Options& options, const Surroundings& surroundings) {
  const std::string target =
      fmt::format("/api/v1/models/validate?model={}{}", percent_encoded(options.model),
                  options.gpu ? "&gpu_id=" + percent_encoded(*options.gpu) : "");
  auto ledger = Ledger::open(options.connection, options.config, surroundings);
  if (!ledger) {
    return ask_or_look(options.connection, options.config, surroundings, target);
  }
  auto body = ledger->call("GET", target);
  if (!body) {
    return std::unexpected(std::move(body.error()));
  }
  return Answer{
      .body = std::move(*body), .from_daemon = ledger->is_daemon(), .note = {}, .bad_settings = {}};
}

int run(const Options& options, const Surroundings& surroundings) {
  if (const auto good = estimate::check_model_id(options.model); !good) {
    return complain(good.error());
  }
  const auto answer = verdict_on(options, surroundings);
  if (!answer) {
    // A GPU that is not there is no verdict on the model.
    return answer.error().code == ErrorCode::not_found ? complain(answer.error(), kMisuse)
                                                       : complain(answer.error());
  }
  const int exit_code = fits(answer->body) ? kOk : kFailed;
  if (options.json) {
    return print(pretty(answer->body), exit_code);
  }
  const Style style = style_for(options.style, surroundings);
  return print(render_verdict(answer->body, style) + remarks_on(*answer, style), exit_code);
}

}  // namespace

void declare_validate(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand("validate", "Does a model fit this machine now?");
  command->add_option("model", options->model, "Its name, as `levee models` lists it, or any other")
      ->type_name("MODEL")
      ->required();
  command->add_option("--gpu", options->gpu, "On this GPU only")->type_name("INDEX|UUID");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee validate facebook/musicgen-small\n"
             "levee validate my/model --gpu 1 && python serve.py\n"
             "levee validate large --json | jq '.shortfalls[].detail'",
             "0 it fits, also if only just, 1 it does not fit (or no answer), 2 wrong use. Without "
             "a daemon, validate takes one look by itself, and counts your own jobs' promises.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
