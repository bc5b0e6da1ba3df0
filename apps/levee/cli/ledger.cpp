#include "cli/ledger.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <thread>

#include "cli/ask.hpp"
#include "cli/time_text.hpp"
#include "client/error_reply.hpp"
#include "engine/state_dir.hpp"

namespace levee::cli {
namespace {

/// One long question at a time; the daemon may restart in between.
constexpr int kWatchSeconds = 30;
constexpr std::chrono::seconds kCallPatience{kWatchSeconds + 10};
/// How long a daemon may be away before somebody in line gives up.
constexpr std::chrono::seconds kAbsence{60};
/// How long a daemon may take to learn which GPUs there are.
constexpr std::chrono::seconds kStarting{10};
constexpr std::chrono::milliseconds kPause{200};

bool is_passing(const Error& error) {
  return error.code == ErrorCode::unavailable || error.code == ErrorCode::timed_out;
}

Result<config::Settings> settings_of(const Surroundings& surroundings,
                                     const std::optional<std::string>& config) {
  auto settings = config::Settings::load(inputs_for(surroundings, config));
  if (!settings) {
    settings.error().code = ErrorCode::invalid_argument;
  }
  return settings;
}

std::filesystem::path state_dir_of(const config::Settings& settings,
                                   const Surroundings& surroundings) {
  const std::string& wanted = settings.config().state_dir;
  return wanted.empty() ? client::default_state_dir(surroundings.lookup(), surroundings.uid)
                        : std::filesystem::path(wanted);
}

}  // namespace

Result<Ledger> Ledger::open(const Connection& connection, const std::optional<std::string>& config,
                            const Surroundings& surroundings) {
  Ledger ledger;
  auto client = connect(connection);
  if (client) {
    client->set_timeout(kCallPatience);
    ledger.client_.emplace(std::move(*client));
    return ledger;
  }
  if (!is_passing(client.error()) || connection.socket) {
    return std::unexpected(std::move(client.error()));
  }
  auto settings = settings_of(surroundings, config);
  if (!settings) {
    return std::unexpected(std::move(settings.error()));
  }
  const auto state_dir = state_dir_of(*settings, surroundings);
  if (state_dir == client::spare_directory(surroundings.uid)) {
    if (const auto made = engine::make_private_directory(state_dir); !made) {
      return std::unexpected(made.error());
    }
  }
  auto local = engine::LocalLedger::open({.settings = std::move(*settings),
                                          .root = sources::Root{},
                                          .gpu_helper = gpu_helper(),
                                          .gpu_holder = gpu_holder(),
                                          .state_dir = state_dir});
  if (!local) {
    return std::unexpected(local.error());
  }
  ledger.local_ = std::move(*local);
  return ledger;
}

Result<Json> Ledger::call(std::string_view method, std::string_view target, const Json& body) {
  const std::string text =
      body.is_null() ? "" : body.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (client_) {
    auto reply = method == "GET" ? client_->get(target) : client_->send(method, target, text);
    return reply ? parse_answer(reply->body) : std::unexpected(std::move(reply.error()));
  }
  const api::Response response = local_->call(method, target, text);
  constexpr int kFirstError = 400;
  if (response.status >= kFirstError) {
    return std::unexpected(client::error_of_reply(response.status, *response.body));
  }
  return parse_answer(*response.body);
}

std::string Ledger::note() const {
  return is_daemon() ? ""
                     : "no daemon is running: promises cover your own jobs only (`levee serve`)";
}

void add_lease_wish(CLI::App& command, LeaseWish& wish) {
  command.add_option("--gpu-mem", wish.gpu_mem, "GPU memory, on each GPU: 12GB, 500MB")
      ->type_name("SIZE");
  command
      .add_option("--fit", wish.fit,
                  "Ask for what `levee fit` says of this model, at its worst; keep how it went")
      ->type_name("\"MODEL [OPTION ...]\"");
  command.add_option("--gpus", wish.gpus, "So many GPUs, any that fit (1)")->type_name("N");
  command.add_option("--gpu", wish.gpu, "This GPU and no other; may be repeated")
      ->type_name("INDEX|UUID")
      ->allow_extra_args(false);  // What comes next may be the command.
  command.add_option("--host-mem", wish.host_mem, "Host memory: 8GB")->type_name("SIZE");
  command
      .add_option("--placement", wish.placement,
                  "Of the GPUs that fit: best_fit (least left over), spread or pack")
      ->type_name("WORD");
  command.add_option("--min-compute", wish.min_compute, "Least compute capability: 8.0")
      ->type_name("X.Y");
  command
      .add_option("--priority", wish.priority, "Higher goes first; above 0 is the administrator's")
      ->type_name("N");
  command.add_option("--name", wish.name, "What people call it")->type_name("TEXT");
  command.add_option("--id", wish.id, "The lease's id; made up unless given")->type_name("ID");
  command.add_option("--wait", wish.wait, "Wait in line so long: 90s, 10m, 2h")->type_name("TIME");
}

Result<Json> to_body(const LeaseWish& wish) {
  Json body = Json::object();
  const auto put = [&](const char* name, const std::optional<std::string>& text) {
    if (text) {
      body[name] = *text;
    }
  };
  put("id", wish.id);
  put("name", wish.name);
  put("gpu_memory", wish.gpu_mem);
  put("host_memory", wish.host_mem);
  put("placement", wish.placement);
  put("min_compute", wish.min_compute);
  if (!wish.gpu.empty() && wish.gpus) {
    return fail(ErrorCode::invalid_argument, "both --gpu and --gpus are given",
                "name the GPUs, or say how many");
  }
  if ((!wish.gpu.empty() || wish.gpus) && !wish.gpu_mem && !wish.fit) {
    return fail(ErrorCode::invalid_argument, "GPUs are asked for, but not how much of them",
                "add --gpu-mem, such as --gpu-mem 12GB");
  }
  if (!wish.gpu.empty()) {
    body["gpus"] = wish.gpu;
  }
  if (wish.gpus) {
    const auto count = parse_count(*wish.gpus, "--gpus", 1, 64);
    if (!count) {
      return std::unexpected(count.error());
    }
    body["gpus"] = *count;
  }
  if (wish.priority) {
    const auto priority = parse_count(*wish.priority, "--priority", -1000, 1000);
    if (!priority) {
      return std::unexpected(priority.error());
    }
    body["priority"] = *priority;
  }
  if (wish.wait) {
    const auto wait =
        parse_span(*wish.wait, "--wait", std::chrono::seconds{1}, std::chrono::days{365});
    if (!wait) {
      return std::unexpected(wait.error());
    }
    body["wait_seconds"] = std::chrono::ceil<std::chrono::seconds>(*wait).count();
  }
  if (!wish.gpu_mem && !wish.host_mem && !wish.fit) {
    return fail(ErrorCode::invalid_argument, "nothing is asked for",
                "add --gpu-mem 12GB, --host-mem 8GB, or --fit \"llama-3-8b\"");
  }
  return body;
}

Result<Json> request_lease(Ledger& ledger, const Json& body, std::string_view path) {
  const auto deadline = std::chrono::steady_clock::now() + kStarting;
  while (true) {
    auto lease = ledger.call("POST", path, body);
    if (lease || lease.error().code != ErrorCode::unavailable ||
        std::chrono::steady_clock::now() > deadline) {
      return lease;
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<Json> wait_for_grant(Ledger& ledger, const std::string& id,
                            const std::function<void(const Json&)>& tell) {
  const std::string target =
      fmt::format("/api/v1/leases?id={}&wait_seconds={}", percent_encoded(id), kWatchSeconds);
  auto heard = std::chrono::steady_clock::now();
  while (true) {
    auto lease = ledger.call("GET", target);
    const auto now = std::chrono::steady_clock::now();
    if (lease) {
      heard = now;
      if (text_at(*lease, "state") == "granted") {
        return lease;
      }
      tell(*lease);
    } else if (lease.error().code == ErrorCode::unavailable && now - heard < kAbsence) {
      std::this_thread::sleep_for(kPause);
    } else {
      return lease;
    }
  }
}

}  // namespace levee::cli
