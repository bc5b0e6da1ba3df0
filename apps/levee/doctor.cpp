// levee doctor: what Levee can see here, what not, why, and what to do about it.
#include "cli/doctor.hpp"

#include <CLI/CLI.hpp>

#include "cli/output.hpp"
#include "render/doctor.hpp"

namespace levee::cli {
namespace {

struct Options {
  Connection connection;
  StyleWish style;
  std::optional<std::string> config;
  bool json = false;
};

int run(const Options& options, const Surroundings& surroundings) {
  if (const auto patience = options.connection.patience(); !patience) {
    return complain(patience.error());
  }
  const auto checks = examine(probe(options.connection, options.config, surroundings));
  return print(options.json ? pretty(doctor_json(checks))
                            : render_doctor(checks, style_for(options.style, surroundings)),
               is_well(checks) ? kOk : kFailed);
}

}  // namespace

void declare_doctor(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = root.add_subcommand(
      "doctor", "Tell what Levee can see here, what not, and what to do about it");
  command->add_flag("--json", options->json, "As JSON");
  add_connection(*command, options->connection);
  add_config_file(*command, options->config);
  add_style(*command, options->style);
  add_footer(*command,
             "levee doctor\n"
             "levee doctor --json | jq '.checks[] | select(.grade != \"ok\")'",
             "0 nothing failed, 1 something did, 2 wrong use. Works without a daemon.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return run(*options, surroundings); };
  });
}

}  // namespace levee::cli
