// levee balloon: GPU memory that is held: list, resize, pass on, release.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/ask.hpp"
#include "cli/balloons.hpp"
#include "cli/output.hpp"
#include "render/balloons.hpp"

namespace levee::cli {
namespace {

std::string target_of(const std::string& id) {
  return "/api/v1/balloons?id=" + percent_encoded(id);
}

int list(const Showing& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options, surroundings);
  const auto balloons =
      ledger ? ledger->call("GET", "/api/v1/balloons") : std::unexpected(std::move(ledger.error()));
  if (!balloons) {
    return complain(balloons.error());
  }
  return print(options.json ? pretty(*balloons)
                            : render_balloons(*balloons, style_for(options.style, surroundings)));
}

struct SizeOptions {
  Showing showing;
  std::string id;
  std::string size;
};

/// Without a daemon each command holds its own, and nobody else can change that.
Result<void> need_daemon(const Ledger& ledger) {
  return ledger.is_daemon()
             ? Result<void>{}
             : fail(ErrorCode::unavailable, "no daemon is running that holds balloons",
                    "stop the command that holds it, or start a daemon with `levee serve`");
}

int resize(const SizeOptions& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  if (const auto owned = need_daemon(*ledger); !owned) {
    return complain(owned.error());
  }
  const auto now = ledger->call("GET", target_of(options.id));
  if (!now) {
    return complain(now.error());
  }
  Bytes before;
  for (const Json& share : list_at(*now, "gpus")) {
    before = Bytes{static_cast<std::uint64_t>(number_at(share, "bytes").value_or(0))};
  }
  const auto resized = ledger->call("PUT", target_of(options.id), {{"size", options.size}});
  if (!resized) {
    return complain(resized.error());
  }
  const auto held = await_balloon(*ledger, options.id, options.showing.json, {}, before);
  if (!held) {
    return complain(held.error());
  }
  return print(options.showing.json ? pretty(*held)
                                    : fmt::format("{} holds {}\n", options.id, held_of(*held)));
}

int pass_on(const SizeOptions& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  if (const auto owned = need_daemon(*ledger); !owned) {
    return complain(owned.error());
  }
  const auto passed =
      ledger->call("POST", "/api/v1/balloons/pass-on?id=" + percent_encoded(options.id),
                   {{"size", options.size}});
  if (!passed) {
    return complain(passed.error());
  }
  const Bytes bytes{static_cast<std::uint64_t>(number_at(*passed, "passed_on_bytes").value_or(0))};
  return print(options.showing.json
                   ? pretty(*passed)
                   : fmt::format("{} passed on {}\n", options.id, format_bytes(bytes)));
}

struct OneOptions {
  Showing showing;
  std::vector<std::string> ids;
};

int release(const OneOptions& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options.showing, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  int code = kOk;
  for (const std::string& id : options.ids) {
    const auto answer = ledger->call("DELETE", target_of(id));
    if (!answer) {
      code = complain(answer.error());
      continue;
    }
    const std::string text =
        options.showing.json ? pretty(*answer) : fmt::format("{} let go\n", id);
    if (const int printed = print(text); printed != kOk) {
      return printed;
    }
  }
  return code;
}

void declare_sized(CLI::App& parent, Run& chosen, const char* name, const char* what,
                   const char* example, const char* codes,
                   int (*run)(const SizeOptions&, const Surroundings&)) {
  const auto options = std::make_shared<SizeOptions>();
  CLI::App* const command = parent.add_subcommand(name, what);
  command->add_option("id", options->id, "The balloon's id")->required()->type_name("ID");
  command->add_option("size", options->size, "On each of its GPUs: 6GB")
      ->required()
      ->type_name("SIZE");
  add_showing(*command, options->showing);
  add_footer(*command, example, codes);
  run_with(*command, options, chosen, run);
}

}  // namespace

void declare_balloon(CLI::App& root, Run& chosen) {
  CLI::App* const balloon =
      root.add_subcommand("balloon", "GPU memory that is held: list, resize, pass on, release");
  balloon->require_subcommand(0, 1);
  const auto shown = std::make_shared<Showing>();
  add_showing(*balloon, *shown);
  add_footer(*balloon, "levee balloon\nlevee balloon release my-balloon",
             "0 shown, 1 it cannot be asked, 2 wrong use.");
  CLI::App* const show = balloon->add_subcommand("list", "All of them");
  const auto listed = std::make_shared<Showing>();
  add_showing(*show, *listed);
  add_footer(*show, "levee balloon list --json | jq '.balloons[].holdings'",
             "0 shown, 1 it cannot be asked, 2 wrong use.");
  run_with(*show, listed, chosen, list);
  declare_sized(
      *balloon, chosen, "resize", "Hold another size", "levee balloon resize my-balloon 6GB",
      "0 it is held, 1 it cannot be (then as much is held as before), 2 wrong use.", resize);
  declare_sized(*balloon, chosen, "pass-on", "Let its owner have so much of it",
                "levee balloon pass-on my-balloon 2GB",
                "0 so much is free, 1 it cannot be asked, 2 wrong use.", pass_on);
  const auto gone = std::make_shared<OneOptions>();
  CLI::App* const let_go = balloon->add_subcommand("release", "Let it go");
  let_go->add_option("id", gone->ids, "The balloon's id")->required()->type_name("ID ...");
  add_showing(*let_go, gone->showing);
  add_footer(*let_go, "levee balloon release my-balloon",
             "0 it is free, 1 it is not, 2 wrong use.");
  run_with(*let_go, gone, chosen, release);
  balloon->callback([balloon, shown, &chosen] {
    if (balloon->get_subcommands().empty()) {
      chosen = [shown](const Surroundings& surroundings) { return list(*shown, surroundings); };
    }
  });
}

}  // namespace levee::cli
