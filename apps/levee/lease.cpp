// levee lease: promises of memory, by hand.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <limits>

#include "cli/ask.hpp"
#include "cli/fit_question.hpp"
#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "cli/time_text.hpp"
#include "render/leases.hpp"

namespace levee::cli {
namespace {

// --- list

int list(const Showing& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  const auto leases = ledger->call("GET", "/api/v1/leases");
  if (!leases) {
    return complain(leases.error());
  }
  if (options.json) {
    return print(pretty(*leases));
  }
  const Style style = style_for(options.style, surroundings);
  std::string text = render_leases(*leases, style);
  if (!ledger->is_daemon()) {
    text += line({{ledger->note(), Color::gray}}, style);
  }
  return print(text);
}

// --- grant

struct GrantOptions {
  Showing showing;
  LeaseWish wish;
  std::optional<std::string> pid;
  std::optional<std::string> ttl;
};

Result<Json> grant_body(const GrantOptions& options) {
  auto body = to_body(options.wish);
  if (!body) {
    return body;
  }
  if (options.pid) {
    const auto pid = parse_count(*options.pid, "--pid", 1, std::numeric_limits<pid_t>::max());
    if (!pid) {
      return std::unexpected(pid.error());
    }
    (*body)["owner_pid"] = *pid;
  }
  if (options.ttl) {
    const auto ttl =
        parse_span(*options.ttl, "--ttl", std::chrono::seconds{1}, std::chrono::days{365});
    if (!ttl) {
      return std::unexpected(ttl.error());
    }
    (*body)["ttl_seconds"] = std::chrono::ceil<std::chrono::seconds>(*ttl).count();
  }
  return body;
}

int grant(const GrantOptions& options, const Surroundings& surroundings) {
  auto body = grant_body(options);
  if (!body) {
    return complain(body.error());
  }
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  if (options.wish.fit) {
    if (const auto added = add_estimate(*ledger, *options.wish.fit, *body); !added) {
      return complain(added.error());
    }
  }
  auto lease = request_lease(*ledger, *body);
  if (lease && text_at(*lease, "state") == "waiting") {
    lease = wait_for_grant(*ledger, text_at(*lease, "id").value_or(""), [](const Json&) {});
  }
  if (!lease) {
    return complain(lease.error());
  }
  return print(options.showing.json ? pretty(*lease)
                                    : fmt::format("{}\n", text_at(*lease, "id").value_or("?")));
}

// --- wait and release

struct OneOptions {
  Showing showing;
  std::vector<std::string> ids;
};

int wait(const OneOptions& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  for (const std::string& id : options.ids) {
    const auto lease = wait_for_grant(*ledger, id, [](const Json&) {});
    if (!lease) {
      return complain(lease.error());
    }
    const int code = print(
        options.showing.json ? pretty(*lease) : fmt::format("{} has {}\n", id, amounts_of(*lease)));
    if (code != kOk) {
      return code;
    }
  }
  return kOk;
}

int release(const OneOptions& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  int code = kOk;
  for (const std::string& id : options.ids) {
    const auto answer = ledger->call("DELETE", "/api/v1/leases?id=" + percent_encoded(id));
    if (!answer) {
      code = complain(answer.error());
      continue;
    }
    const Json& lease = member_at(*answer, "released");
    const std::string text = options.showing.json
                                 ? pretty(*answer)
                                 : fmt::format("{} gave back {}\n", id, amounts_of(lease));
    if (const int printed = print(text); printed != kOk) {
      return printed;
    }
  }
  return code;
}

void declare_grant(CLI::App& parent, Run& chosen) {
  const auto options = std::make_shared<GrantOptions>();
  CLI::App* const command =
      parent.add_subcommand("grant", "Ask for memory without running anything");
  add_lease_wish(*command, options->wish);
  command->add_option("--pid", options->pid, "It dies with this process; else with nobody")
      ->type_name("PID");
  command->add_option("--ttl", options->ttl, "It ends by itself after this time")
      ->type_name("TIME");
  add_showing(*command, options->showing);
  add_footer(*command,
             "levee lease grant --gpu-mem 12GB --ttl 2h\n"
             "id=$(levee lease grant --gpu 0 --gpu-mem 12GB --pid $$ --wait 10m)",
             "0 granted (its id is printed), 1 it does not fit or the wait is over, 2 wrong use.");
  run_with(*command, options, chosen, grant);
}

void declare_one(CLI::App& parent, Run& chosen, const char* name, const char* what,
                 const char* example, const char* codes,
                 int (*run)(const OneOptions&, const Surroundings&)) {
  const auto options = std::make_shared<OneOptions>();
  CLI::App* const command = parent.add_subcommand(name, what);
  command->add_option("id", options->ids, "The lease's id")->required()->type_name("ID ...");
  add_showing(*command, options->showing);
  add_footer(*command, example, codes);
  run_with(*command, options, chosen, run);
}

}  // namespace

void declare_lease(CLI::App& root, Run& chosen) {
  CLI::App* const lease = root.add_subcommand("lease", "Promises of memory: list, grant, release");
  lease->require_subcommand(0, 1);
  const auto options = std::make_shared<Showing>();
  CLI::App* const lists = lease->add_subcommand("list", "Show who was promised what");
  add_showing(*lists, *options);
  add_footer(*lists,
             "levee lease list\n"
             "levee lease list --json | jq '.gpus[].available_bytes'",
             "0 shown, 1 failed, 2 wrong use.");
  run_with(*lists, options, chosen, list);
  declare_grant(*lease, chosen);
  declare_one(*lease, chosen, "release", "Give leases back, or leave the line",
              "levee lease release lease-1", "0 all are released, 1 one is not, 2 wrong use.",
              release);
  declare_one(*lease, chosen, "wait", "Wait until requests in line are granted",
              "levee lease wait lease-1", "0 granted, 1 over or unknown, 2 wrong use.", wait);
}

}  // namespace levee::cli
