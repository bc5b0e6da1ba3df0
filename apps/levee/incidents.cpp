// levee incidents: what the flight recorder saved.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "recorder/verdict.hpp"
#include "render/incident.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  bool json = false;
  std::string id;
  std::string note;
};

/// As long as a bundle may wait for its aftermath, a slow disk, and a slow look.
constexpr std::chrono::seconds kSaving{180};

Result<Json> send(const Options& options, std::string_view method, const std::string& target,
                  const Json& body = {}, std::optional<std::chrono::seconds> timeout = {}) {
  auto client = connect(options.connection);
  if (!client) {
    return std::unexpected(std::move(client.error()));
  }
  if (timeout) {
    client->set_timeout(*timeout);
  }
  const auto reply =
      client->send(method, target,
                   body.is_null() ? "" : body.dump(-1, ' ', false, Json::error_handler_t::replace));
  return reply ? parse_answer(reply->body) : std::unexpected(reply.error());
}

int list(const Options& options, const Surroundings& surroundings) {
  const auto answer = ask_daemon(options.connection, "/api/v1/incidents");
  if (!answer) {
    return complain(answer.error());
  }
  return print(options.json ? pretty(*answer)
                            : render_incidents(*answer, style_for(options.style, surroundings)));
}

/// The verdict on a bundle of the daemon's, or on a file.
Result<Json> verdict_of(const Options& options) {
  if (options.id.find('/') == std::string::npos && !options.id.ends_with(recorder::kBundleSuffix)) {
    return ask_daemon(options.connection, "/api/v1/incidents?id=" + percent_encoded(options.id));
  }
  const auto text = recorder::judge_file(options.id);
  return text ? parse_answer(*text) : std::unexpected(text.error());
}

int show(const Options& options, const Surroundings& surroundings) {
  const auto verdict = verdict_of(options);
  if (!verdict) {
    return complain(verdict.error());
  }
  return print(options.json ? pretty(*verdict)
                            : render_incident(*verdict, style_for(options.style, surroundings)));
}

int record(const Options& options, const Surroundings& /*surroundings*/) {
  Json body{{"wait", true}};
  if (!options.note.empty()) {
    body["note"] = options.note;
  }
  const auto answer = send(options, "POST", "/api/v1/incidents", body, kSaving);
  if (!answer) {
    return complain(answer.error());
  }
  return print(options.json ? pretty(*answer) : text_at(*answer, "id").value_or("-") + "\n");
}

int remove(const Options& options, const Surroundings& surroundings) {
  const auto answer =
      send(options, "DELETE", "/api/v1/incidents?id=" + percent_encoded(options.id));
  if (!answer) {
    return complain(answer.error());
  }
  return print(options.json ? pretty(*answer)
                            : render_incidents(*answer, style_for(options.style, surroundings)));
}

CLI::App* add(CLI::App& parent, const char* name, const char* description, Run& chosen,
              const std::shared_ptr<Options>& options,
              int (*run)(const Options&, const Surroundings&)) {
  CLI::App* const command = parent.add_subcommand(name, description);
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_style(*command, options->style);
  run_with(*command, options, chosen, run);
  return command;
}

}  // namespace

void declare_incidents(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const incidents =
      root.add_subcommand("incidents", "Show what was saved when memory ran out, and the verdict");
  incidents->require_subcommand(1);
  add_footer(*incidents,
             "levee incidents list\n"
             "levee incidents show 20260131T080509Z-oom_kill\n"
             "levee incidents record --note \"loss went to nan\"",
             "0 it worked, 1 it failed (no daemon), 2 wrong use.");

  CLI::App* const lists = add(*incidents, "list", "The incidents that are kept, the newest first",
                              chosen, options, list);
  add_footer(*lists,
             "levee incidents list\n"
             "levee incidents list --json | jq -r '.incidents[].id'",
             "0 shown, 1 failed (no daemon), 2 wrong use.");

  CLI::App* const shows =
      add(*incidents, "show", "The verdict: what filled, who grew, what would have helped", chosen,
          options, show);
  shows->add_option("ID", options->id, "Of the list, or the path of a bundle")->required();
  add_footer(*shows,
             "levee incidents show 20260131T080509Z-oom_kill\n"
             "levee incidents show /var/lib/levee/incidents/20260131T080509Z-oom_kill.levee",
             "0 shown, 1 failed, 2 wrong use or no bundle. A file needs no daemon.");

  CLI::App* const records = add(*incidents, "record", "Save the last minutes now; prints the id",
                                chosen, options, record);
  records->add_option("--note", options->note, "Why, for who reads it")->type_name("TEXT");
  add_footer(*records,
             "levee incidents record\n"
             "levee incidents record --note \"loss went to nan\"",
             "0 saved, 1 failed (no daemon, or one was saved just before), 2 wrong use.");

  CLI::App* const removes =
      add(*incidents, "remove", "Take one of them away", chosen, options, remove);
  removes->add_option("ID", options->id, "Of the list")->required();
  add_footer(*removes, "levee incidents remove 20260131T080509Z-oom_kill",
             "0 removed, 1 failed (not there, not allowed), 2 wrong use.");
}

}  // namespace levee::cli
