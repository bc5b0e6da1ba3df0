// levee reclaim: processes that can give memory back: list them, and ask one.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "levee/amount.hpp"
#include "levee/reclaim_strategy.hpp"
#include "reclaim/roster.hpp"
#include "render/reclaim.hpp"

namespace levee::cli {
namespace {

/// How long the daemon may take beyond the deadline: it measures before and after.
constexpr std::chrono::seconds kMeasuring{10};

struct Common {
  Connection connection;
  StyleWish style;
  bool json = false;
};

void add_common(CLI::App& command, Common& common) {
  command.add_flag("--json", common.json, "As JSON");
  add_connection(command, common.connection);
  add_style(command, common.style);
}

int list(const Common& options, const Surroundings& surroundings) {
  const auto clients = ask_daemon(options.connection, "/api/v1/reclaim/clients");
  if (!clients) {
    return complain(clients.error());
  }
  return print(options.json
                   ? pretty(*clients)
                   : render_reclaim_clients(*clients, style_for(options.style, surroundings)));
}

struct AskOptions {
  Common common;
  std::string client;
  std::string strategy;
  std::string bytes;
  std::string deadline = "5s";
  std::optional<std::string> device;
  std::optional<std::string> reason;
};

Result<Json> body_of(const AskOptions& options) {
  const auto strategy = parse_reclaim_strategy(options.strategy);
  if (!strategy) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("--strategy: there is no strategy \"{}\"", options.strategy),
                fmt::format("write one of {}", reclaim_strategy_names()));
  }
  const auto bytes = parse_size(options.bytes);
  if (!bytes) {
    return std::unexpected(bytes.error().within("--bytes"));
  }
  const auto deadline = parse_span(options.deadline, "--deadline", reclaim::kShortestDeadline,
                                   reclaim::kLongestDeadline);
  if (!deadline) {
    return std::unexpected(deadline.error());
  }
  Json body{{"strategy", to_string(*strategy)},
            {"memory_bytes", bytes->count},
            {"deadline_ms", deadline->count()}};
  if (options.device) {
    body["device"] = *options.device;
  }
  if (options.reason) {
    body["reason"] = *options.reason;
  }
  return body;
}

/// What the daemon says to `body`.
Result<Json> ask(const AskOptions& options, const Json& body) {
  const auto patience = options.common.connection.patience();
  if (!patience) {
    return std::unexpected(patience.error());
  }
  auto client = connect(options.common.connection);
  if (!client) {
    return std::unexpected(client.error());
  }
  client->set_timeout(*patience + kMeasuring +
                      std::chrono::milliseconds(body["deadline_ms"].get<std::int64_t>()));
  const auto reply = client->send(
      "POST", fmt::format("/api/v1/reclaim/clients/{}/ask", percent_encoded(options.client)),
      body.dump());
  return reply ? parse_answer(reply->body) : std::unexpected(reply.error());
}

int ask(const AskOptions& options, const Surroundings& surroundings) {
  const auto body = body_of(options);
  const auto answer = body ? ask(options, *body) : std::unexpected(body.error());
  if (!answer) {
    return complain(answer.error());
  }
  const bool is_good =
      text_at(*answer, "result") == "done" && text_at(*answer, "verdict") != "lied";
  return print(options.common.json
                   ? pretty(*answer)
                   : render_reclaim_answer(*answer, style_for(options.common.style, surroundings)),
               is_good ? kOk : kFailed);
}

void declare_ask(CLI::App& parent, Run& chosen) {
  const auto options = std::make_shared<AskOptions>();
  CLI::App* const command =
      parent.add_subcommand("ask", "Ask a process for memory, and measure what it frees");
  command->add_option("client", options->client, "Its name in the list")
      ->required()
      ->type_name("CLIENT");
  command
      ->add_option("--strategy", options->strategy,
                   "clear-cache, yield-balloon, reduce-batch or offload")
      ->required()
      ->type_name("NAME");
  command->add_option("--bytes", options->bytes, "How much is wanted: 512MB, 1GB")
      ->required()
      ->type_name("SIZE");
  command
      ->add_option("--device", options->device,
                   "host, or a GPU by index or UUID; needed if it offers that for several")
      ->type_name("DEVICE");
  command->add_option("--deadline", options->deadline, "How long it may take (5s)")
      ->type_name("TIME");
  command->add_option("--reason", options->reason, "What the process is told")->type_name("TEXT");
  add_common(*command, options->common);
  add_footer(*command,
             "levee reclaim ask r1 --strategy clear-cache --bytes 1GB\n"
             "levee reclaim ask r1 --strategy offload --device 0 --bytes 4GB --deadline 30s --json",
             "0 it freed memory, 1 it did not, or says what is not so, 2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return ask(*options, surroundings); };
  });
}

}  // namespace

void declare_reclaim(CLI::App& root, Run& chosen) {
  CLI::App* const reclaim =
      root.add_subcommand("reclaim", "Processes that can give memory back: list, ask");
  reclaim->require_subcommand(0, 1);
  const auto options = std::make_shared<Common>();
  CLI::App* const lists = reclaim->add_subcommand("list", "Show who can give back what");
  add_common(*lists, *options);
  add_footer(*lists,
             "levee reclaim list\n"
             "levee reclaim list --json | jq '.clients[].offers'",
             "0 shown, 1 failed, 2 wrong use.");
  lists->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return list(*options, surroundings); };
  });
  declare_ask(*reclaim, chosen);
}

}  // namespace levee::cli
