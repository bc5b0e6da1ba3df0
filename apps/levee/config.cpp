// levee config: the settings in force, whether a file is right, and changes at run time.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "config/keys.hpp"
#include "render/config.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> file;
  std::vector<std::string> pairs;
  bool json = false;
};

int show(const Options& options, const Surroundings& surroundings) {
  const auto answer = ask_or_look(options.connection, options.file, surroundings, "/api/v1/config");
  if (!answer) {
    return complain(answer.error());
  }
  if (answer->bad_settings) {
    return complain(*answer->bad_settings);
  }
  return print(options.json ? pretty(answer->body)
                            : render_config(answer->body,
                                            answer->from_daemon
                                                ? "settings of the running daemon"
                                                : "no daemon: settings that one started by this "
                                                  "user would have",
                                            style_for(options.style, surroundings)));
}

/// A file that is named is judged by itself; else what a daemon started here would read.
int check(const Options& options, const Surroundings& surroundings) {
  config::Inputs inputs = inputs_for(surroundings, options.file);
  if (options.file) {
    inputs.environment.clear();
  }
  const auto settings = config::Settings::load(inputs);
  if (!settings) {
    return complain(settings.error(), kMisuse);
  }
  std::string text;
  for (const std::string& note : settings->notes()) {
    text += fmt::format("note: {}\n", note);
  }
  if (const auto& file = settings->file()) {
    return print(text + fmt::format("{}: valid\n", file->string()));
  }
  std::vector<std::string> looked;
  looked.reserve(inputs.default_files.size());
  for (const auto& path : inputs.default_files) {
    looked.push_back(path.string());
  }
  return print(text + fmt::format("no configuration file (looked at {}): built-in settings hold\n",
                                  fmt::join(looked, ", ")));
}

Json json_of(const config::Value& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

Result<Json> changes_of(const std::vector<std::string>& pairs) {
  Json changes = Json::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::invalid_argument, fmt::format("\"{}\" is no key=value", pair),
                  "for example cpu_memory_warning=75");
    }
    const std::string name = pair.substr(0, equals);
    const auto key = config::find_key(name);
    if (!key) {
      return std::unexpected(
          Error{ErrorCode::invalid_argument, key.error().message, key.error().hint});
    }
    if (changes.contains(name)) {
      return fail(ErrorCode::invalid_argument, fmt::format("{} is given twice", name),
                  "give each key once");
    }
    const auto value = config::value_from_text(**key, pair.substr(equals + 1));
    if (!value) {
      return std::unexpected(value.error());
    }
    changes[name] = json_of(*value);
  }
  return changes;
}

int set(const Options& options, const Surroundings& surroundings) {
  const auto changes = changes_of(options.pairs);
  if (!changes) {
    return complain(changes.error());
  }
  auto client = connect(options.connection);
  if (!client) {
    return complain(client.error());
  }
  const auto reply = client->send("PUT", "/api/v1/config", changes->dump());
  const auto answer = reply ? parse_answer(reply->body) : std::unexpected(reply.error());
  if (!answer) {
    return complain(answer.error());
  }
  return print(options.json ? pretty(*answer)
                            : render_change(*answer, style_for(options.style, surroundings)));
}

CLI::App* add(CLI::App& config, const char* name, const char* description, Run& chosen,
              const std::shared_ptr<Options>& options,
              int (*run)(const Options&, const Surroundings&)) {
  CLI::App* const command = config.add_subcommand(name, description);
  command->callback([=, &chosen] {
    chosen = [=](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
  return command;
}

}  // namespace

void declare_config(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const config = root.add_subcommand("config", "Show, check or change the settings");
  config->require_subcommand(0, 1);
  add_footer(*config,
             "levee config show\n"
             "levee config check /etc/levee/levee.toml\n"
             "levee config set cpu_memory_warning=75",
             "0 it worked, 1 it failed, 2 wrong use or a bad file.");

  CLI::App* const shows = add(*config, "show", "Every setting, its value and where it comes from",
                              chosen, options, show);
  shows->add_flag("--json", options->json, "As JSON, with range, default and meaning");
  add_connection(*shows, options->connection);
  add_config_file(*shows, options->file);
  add_style(*shows, options->style);
  add_footer(*shows,
             "levee config show\n"
             "levee config show --json | jq '.config.memory_optimal'",
             "0 shown, 1 failed, 2 wrong use or bad settings.");

  CLI::App* const checks =
      add(*config, "check", "Whether a file is right; without one, what a daemon would read",
          chosen, options, check);
  checks->add_option("file", options->file, "The file to check")->type_name("FILE");
  add_footer(*checks,
             "levee config check\n"
             "levee config check ./levee.toml",
             "0 valid, 2 not: the message says where and why.");

  CLI::App* const sets =
      add(*config, "set", "Change settings of the running daemon, until its next start", chosen,
          options, set);
  sets->add_option("key=value", options->pairs, "All of them are taken, or none")
      ->required()
      ->type_name("");
  sets->add_flag("--json", options->json, "The answer as JSON");
  add_connection(*sets, options->connection);
  add_style(*sets, options->style);
  add_footer(*sets,
             "levee config set cpu_memory_warning=75 cpu_memory_critical=85\n"
             "levee config set 'webhook.urls=[\"https://hooks.example.org/levee\"]'",
             "0 changed, 1 failed (no daemon, not allowed), 2 wrong use or a bad value.");
}

}  // namespace levee::cli
