// levee queue: who waits for memory.
#include <CLI/CLI.hpp>

#include "cli/ledger.hpp"
#include "cli/output.hpp"
#include "render/leases.hpp"

namespace levee::cli {
namespace {

int run(const Showing& options, const Surroundings& surroundings) {
  auto ledger = Ledger::open(options, surroundings);
  if (!ledger) {
    return complain(ledger.error());
  }
  const auto queue = ledger->call("GET", "/api/v1/queue");
  if (!queue) {
    return complain(queue.error());
  }
  return print(options.json ? pretty(*queue)
                            : render_queue(*queue, style_for(options.style, surroundings)));
}

}  // namespace

void declare_queue(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Showing>();
  CLI::App* const command = root.add_subcommand("queue", "Show who waits for memory, in order");
  add_showing(*command, *options);
  add_footer(*command,
             "levee queue\n"
             "levee queue --json | jq -r '.queue[].id'",
             "0 shown, 1 failed, 2 wrong use. `levee lease release ID` leaves the line.");
  run_with(*command, options, chosen, run);
}

}  // namespace levee::cli
