// levee run: a command that starts when memory is promised to it.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>

#include "actions/job_process.hpp"
#include "cli/ask.hpp"
#include "cli/balloons.hpp"
#include "cli/fit_question.hpp"
#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "render/fit.hpp"
#include "render/leases.hpp"
#include "sources/kinship.hpp"

namespace levee::cli {
namespace {

using actions::JobProcess;

/// Levee could not do its part, and the command was not run; as env, nohup and timeout have it.
constexpr int kNotRun = 125;

struct Options {
  Connection connection;
  std::optional<std::string> config;
  LeaseWish wish;
  std::vector<std::string> command;
  bool hold = false;
  std::optional<std::string> step;
  bool quiet = false;
};

void say(const Options& options, std::string_view text) {
  if (!options.quiet) {
    static_cast<void>(write_all(STDERR_FILENO, fmt::format("levee: {}\n", text)));
  }
}

int not_run(const Error& error) {
  return complain(error, error.code == ErrorCode::invalid_argument ? kMisuse : kNotRun);
}

/// Asks, and waits in line if that was wanted.
Result<Json> obtain(Ledger& ledger, const Options& options, Json body, pid_t owner) {
  body["owner_pid"] = owner;
  if (!options.wish.name) {
    body["name"] = std::filesystem::path(options.command.front()).filename().string();
  }
  auto lease = request_lease(ledger, body);
  if (!lease || text_at(*lease, "state") == "granted") {
    return lease;
  }
  const auto tell = [&options, last = std::optional<double>()](const Json& waiting) mutable {
    const auto place = number_at(waiting, "place");
    if (place && place != last) {
      last = place;
      say(options, fmt::format("waiting for {}: place {:.0f} in line (`levee queue`)",
                               amounts_of(waiting), *place));
    }
  };
  auto telling = tell;
  telling(*lease);
  return wait_for_grant(ledger, text_at(*lease, "id").value_or(""), telling);
}

/// Where a command finds the id of the balloon that holds its memory.
constexpr const char* kBalloonVariable = "LEVEE_BALLOON";

/// An amount in JSON as the API reads it, exact to the byte.
std::string size_of(std::optional<double> bytes) {
  constexpr double kKilo = 1024;
  return fmt::format("{}K", bytes.value_or(0) / kKilo);
}

/// Holds what was promised, within the job's account, and opens the first step; the balloon's id.
Result<std::string> hold(Ledger& ledger, const Options& options, const Json& lease) {
  Json gpus = Json::array();
  for (const Json& share : list_at(lease, "gpus")) {
    gpus.push_back(text_at(share, "uuid").value_or(""));
  }
  const std::string account = text_at(lease, "id").value_or("");
  const Json& first = list_at(lease, "gpus").at(0);
  Json body{{"id", account + ".balloon"}, {"name", text_at(lease, "name").value_or("")},
            {"gpus", std::move(gpus)},    {"size", size_of(number_at(first, "bytes"))},
            {"within", account},          {"owner_pid", ::getpid()}};
  if (options.step) {
    body["step"] = *options.step;
  }
  auto balloon = request_lease(ledger, body, "/api/v1/balloons");
  if (!balloon) {
    return std::unexpected(std::move(balloon.error()));
  }
  const std::string id = text_at(*balloon, "id").value_or("");
  const auto held = await_balloon(ledger, id, options.quiet);
  if (!held) {
    return std::unexpected(held.error());
  }
  const auto begun = ledger.call("POST", "/api/v1/balloons/pass-on?id=" + percent_encoded(id),
                                 {{"size", size_of(number_at(*held, "step_bytes"))}});
  return begun ? Result<std::string>(id) : std::unexpected(begun.error());
}

/// What the command finds in its environment.
actions::EnvironmentChanges environment_for(const Json& lease) {
  actions::EnvironmentChanges changes;
  changes[kBalloonVariable] = std::nullopt;
  changes[std::string(sources::kLeaseVariable)] = text_at(lease, "id").value_or("");
  std::string uuids;
  for (const Json& share : list_at(lease, "gpus")) {
    const std::string uuid = text_at(share, "uuid").value_or("");
    // Only the CUDA driver takes these names; those of other vendors are Levee's own.
    if (uuid.starts_with("GPU-") || uuid.starts_with("MIG-")) {
      uuids += (uuids.empty() ? "" : ",") + uuid;
    }
  }
  if (!uuids.empty()) {
    changes["CUDA_VISIBLE_DEVICES"] = uuids;
  }
  return changes;
}

/// Gives the lease back; a ledger that is away will notice by itself that the command has ended.
Json give_back(Ledger& ledger, const std::string& id) {
  const auto answer = ledger.call("DELETE", "/api/v1/leases?id=" + percent_encoded(id));
  return answer ? member_at(*answer, "released") : Json();
}

/// A job that was killed may have been killed for want of memory: the daemon keeps what it saw. It
/// may be away or busy; that is no trouble of the job's.
void tell_if_killed(Ledger& ledger, const Options& options, const actions::JobEnd& end,
                    const std::string& lease, pid_t pid) {
  constexpr int kKilledWithin = 128 + SIGKILL;
  if (!ledger.is_daemon() || (end.signal != SIGKILL && end.code != kKilledWithin)) {
    return;
  }
  std::string command;
  for (const std::string& part : options.command) {
    command += (command.empty() ? "" : " ") + part;
  }
  Json body{{"lease", lease}, {"command", command}, {"pid", pid}};
  body[end.signal ? "signal" : "exit_code"] = end.signal ? *end.signal : end.code;
  static_cast<void>(ledger.call("POST", "/api/v1/incidents", body));
}

int run(const Options& options, const Surroundings& surroundings) {
  if (options.hold && !options.wish.gpu_mem && !options.wish.fit) {
    return not_run({ErrorCode::invalid_argument, "there is no GPU memory to hold",
                    "add --gpu-mem, such as --gpu-mem 12GB"});
  }
  auto body = to_body(options.wish);
  if (!body) {
    return not_run(body.error());
  }
  // First of all: the waiting process must hold nothing of ours, and it owns the lease.
  auto job = JobProcess::start(options.command);
  if (!job) {
    return not_run(job.error());
  }
  std::optional<actions::JobEnd> end;
  {
    auto ledger = Ledger::open(options.connection, options.config, surroundings);
    if (!ledger) {
      return not_run(ledger.error());
    }
    if (!ledger->is_daemon()) {
      say(options, ledger->note());
    }
    if (options.wish.fit) {
      const auto estimate = add_estimate(*ledger, *options.wish.fit, *body);
      if (!estimate) {
        return not_run(estimate.error());
      }
      say(options, summary_of(*estimate));
      for (const Json& remark : list_at(*estimate, "remarks")) {
        say(options, remark.is_string() ? remark.get<std::string>() : "");
      }
    }
    const auto lease = obtain(*ledger, options, std::move(*body), job->pid());
    if (!lease) {
      return not_run(lease.error());
    }
    const std::string id = text_at(*lease, "id").value_or("");
    say(options, fmt::format("promised {} (lease {})", amounts_of(*lease), id));
    auto environment = environment_for(*lease);
    if (options.hold) {
      const auto balloon = hold(*ledger, options, *lease);
      if (!balloon) {
        give_back(*ledger, id);
        return not_run(balloon.error());
      }
      say(options, fmt::format("held until the command takes it (balloon {})", *balloon));
      environment[kBalloonVariable] = *balloon;
    }
    if (const auto begun = job->go(environment); !begun) {
      give_back(*ledger, id);
      return complain(begun.error(), actions::exit_code_of(begun.error()));
    }
    const auto ended = job->wait();
    if (!ended) {
      return complain(ended.error(), kNotRun);
    }
    end = *ended;
    tell_if_killed(*ledger, options, *end, id, job->pid());
    if (const std::string peak = peak_of(give_back(*ledger, id)); !peak.empty()) {
      say(options, peak);
    }
  }
  job = std::unexpected(Error{});  // Its hold on our signals ends.
  actions::die_as_the_job_did(*end);
  return end->code;
}

}  // namespace

void declare_run(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command =
      root.add_subcommand("run", "Run a command when memory is promised to it");
  add_lease_wish(*command, options->wish);
  command->add_option("command", options->command, "The command and its arguments, after --")
      ->required()
      ->type_name("COMMAND ...");
  CLI::Option* const hold = command->add_flag(
      "--hold", options->hold,
      "Hold the GPU memory until the command takes it, so that nobody else can meanwhile");
  command->add_option("--step", options->step, "With --hold: so much is free ahead of it (1GB)")
      ->type_name("SIZE")
      ->needs(hold);
  command->add_flag("-q,--quiet", options->quiet, "Say nothing but errors");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_footer(*command,
             "levee run --gpu-mem 12GB -- python train.py --epochs 3\n"
             "levee run --gpu-mem 30GB --gpus 2 --wait 2h -- torchrun train.py\n"
             "levee run --fit \"llama-3-8b --framework vllm --pool 20GB\" -- vllm serve …\n"
             "levee run --gpu-mem 12GB --hold --step 2GB -- python train.py\n"
             "levee run --host-mem 8GB --name index -- ./build-index",
             "that of the command, or 128 + the signal that ended it. When it was not run: 125\n"
             "it does not fit, the wait is over or there is trouble, 126 it cannot be run, 127\n"
             "there is no such command, 2 wrong use.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
