// levee reserve: GPU memory that nobody else gets.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <limits>
#include <thread>

#include "cli/ask.hpp"
#include "cli/balloons.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "render/balloons.hpp"
#include "render/leases.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  std::optional<std::string> config;
  std::string size;
  std::vector<std::string> gpus;
  std::optional<std::string> until_exit;
  std::optional<std::string> owner;  ///< --for
  std::optional<std::string> step;
  std::optional<std::string> ttl;
  std::optional<std::string> wait;
  std::optional<std::string> name;
  std::optional<std::string> id;
  bool yieldable = false;
  bool quiet = false;
  bool json = false;
};

std::atomic<bool> is_stopped = false;

std::atomic<int> stopped_by = 0;

void stop(int signal) {
  stopped_by = signal;
  is_stopped = true;
}

Result<Json> body_of(const Options& options) {
  Json body{{"size", options.size}};
  if (std::ranges::count(options.gpus, "all") > 0) {
    if (options.gpus.size() > 1) {
      return fail(ErrorCode::invalid_argument, "--gpu all and another --gpu are given",
                  "name the GPUs, or take all of them");
    }
    body["gpus"] = "all";
  } else if (!options.gpus.empty()) {
    body["gpus"] = options.gpus;
  }
  const auto& owner = options.owner ? options.owner : options.until_exit;
  if (owner) {
    const auto pid = parse_count(*owner, options.owner ? "--for" : "--until-exit", 1,
                                 std::numeric_limits<pid_t>::max());
    if (!pid) {
      return std::unexpected(pid.error());
    }
    body["owner_pid"] = *pid;
  }
  if (options.owner) {
    body["baton"] = true;
    if (options.step) {
      body["step"] = *options.step;
    }
  }
  const auto put_seconds = [&body](const char* member, const char* option,
                                   const std::optional<std::string>& text) -> Result<void> {
    if (!text) {
      return {};
    }
    const auto time = parse_span(*text, option, std::chrono::seconds{1}, std::chrono::days{365});
    if (!time) {
      return std::unexpected(time.error());
    }
    body[member] = std::chrono::ceil<std::chrono::seconds>(*time).count();
    return {};
  };
  if (const auto put = put_seconds("ttl_seconds", "--ttl", options.ttl); !put) {
    return std::unexpected(put.error());
  }
  if (const auto put = put_seconds("wait_seconds", "--wait", options.wait); !put) {
    return std::unexpected(put.error());
  }
  if (options.name) {
    body["name"] = *options.name;
  }
  if (options.id) {
    body["id"] = *options.id;
  }
  if (options.yieldable) {
    body["yieldable"] = true;
  }
  return body;
}

void say(const Options& options, std::string_view text) {
  if (!options.quiet) {
    static_cast<void>(write_all(STDERR_FILENO, fmt::format("levee: {}\n", text)));
  }
}

/// Waits until the request is granted; leaves the line when it is stopped.
Result<Json> wait_in_line(Ledger& ledger, const std::string& id) {
  const std::string target = "/api/v1/leases?id=" + percent_encoded(id);
  while (!is_stopped) {
    auto lease = ledger.call("GET", target + "&wait_seconds=1");
    if (!lease || text_at(*lease, "state") == "granted") {
      return lease;
    }
  }
  static_cast<void>(ledger.call("DELETE", target));
  return fail(ErrorCode::timed_out, "stopped while it waited in line", "nothing is held");
}

/// Without a daemon the memory is held by this command, until it is stopped or its lease is over.
int hold_here(Ledger& ledger, const Options& options, const std::string& id) {
  say(options, fmt::format("held by this command: stop it to let go (Ctrl-C); {}", ledger.note()));
  const std::string target = "/api/v1/balloons?id=" + percent_encoded(id);
  constexpr std::chrono::milliseconds kLook{100};
  while (!is_stopped && ledger.call("GET", target)) {
    std::this_thread::sleep_for(kLook);
  }
  if (is_stopped) {
    static_cast<void>(ledger.call("DELETE", target));
  }
  say(options, "let go");
  return kOk;
}

int run(const Options& options, const Surroundings& surroundings) {
  auto body = body_of(options);
  if (!body) {
    return complain(body.error());
  }
  auto ledger = Ledger::open(options.connection, options.config, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  if (!ledger->is_daemon()) {
    if (options.until_exit || options.owner) {
      return complain({ErrorCode::unavailable, "no daemon is running that could hold it",
                       "start one with `levee serve`; without --until-exit and --for this command "
                       "holds it"},
                      kFailed);
    }
    (*body)["owner_pid"] = ::getpid();
  }
  static_cast<void>(std::signal(SIGINT, stop));
  static_cast<void>(std::signal(SIGTERM, stop));
  auto balloon = request_lease(*ledger, *body, "/api/v1/balloons");
  if (balloon && text_at(*balloon, "state") == "waiting") {
    say(options, fmt::format("waiting for {} (`levee queue`)", amounts_of(*balloon)));
    balloon = wait_in_line(*ledger, text_at(*balloon, "id").value_or(""));
  }
  if (!balloon) {
    return is_stopped ? 128 + stopped_by : complain(balloon.error());
  }
  const std::string id = text_at(*balloon, "id").value_or("");
  const auto held = await_balloon(*ledger, id, options.quiet, [] { return is_stopped.load(); });
  if (!held) {
    return is_stopped ? 128 + stopped_by : complain(held.error());
  }
  say(options, fmt::format("holding {}", held_of(*held)));
  const int printed = print(options.json ? pretty(*held) : id + "\n");
  return printed != kOk || ledger->is_daemon() ? printed : hold_here(*ledger, options, id);
}

}  // namespace

void declare_reserve(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("reserve", "Hold GPU memory, so that nobody else takes it");
  command->add_option("size", options->size, "4GB, 2000 (MB), or 50% of what is free on each")
      ->type_name("SIZE")
      ->required();
  command->add_option("--gpu", options->gpus, "On this GPU (may be repeated), or on all; else any")
      ->type_name("INDEX|UUID|all")
      ->allow_extra_args(false);
  command->add_option("--until-exit", options->until_exit, "Let go when this process ends")
      ->type_name("PID");
  CLI::Option* const owner =
      command
          ->add_option("--for", options->owner,
                       "For what this process and its children take from now on: let go as they "
                       "grow, and when it ends")
          ->type_name("PID")
          ->excludes("--until-exit");
  command->add_option("--step", options->step, "So much is free ahead of them (1GB)")
      ->type_name("SIZE")
      ->needs(owner);
  command->add_option("--ttl", options->ttl, "Let go after this time")->type_name("TIME");
  command->add_option("--wait", options->wait, "Wait in line so long: 90s, 10m, 2h")
      ->type_name("TIME");
  command->add_option("--name", options->name, "What people call it")->type_name("TEXT");
  command->add_option("--id", options->id, "Its id; made up unless given")->type_name("ID");
  command->add_flag("--yieldable", options->yieldable,
                    "Mark it as one that may be taken back under pressure");
  command->add_flag("-q,--quiet", options->quiet, "Say nothing but errors");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_footer(*command,
             "id=$(levee reserve 4GB --gpu 0 --ttl 10m)\n"
             "levee reserve 50% --gpu all --until-exit $$\n"
             "levee reserve 12GB --gpu 0 --for $(pgrep -f train.py)\n"
             "levee balloon release $id",
             "0 it is held (its id is printed), 1 it cannot be, 2 wrong use. Without a daemon the\n"
             "command itself holds it until it is stopped.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
