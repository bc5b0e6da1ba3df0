// levee gpu-helper: the process that talks to GPU drivers. The daemon starts it; nobody else needs
// it.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "cli/options.hpp"
#include "cli/output.hpp"
#include "gpus/helper.hpp"

namespace levee::cli {
namespace {

int run() {
  // It has nothing to do without the daemon, and a hung driver must not keep it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::isatty(STDIN_FILENO) == 1) {
    return complain(Error{ErrorCode::invalid_argument, "gpu-helper is started by the daemon",
                          "levee status shows what it reads"});
  }
  const int code =
      gpus::run_helper(gpus::find_drivers(sources::Root{}), STDIN_FILENO, STDOUT_FILENO);
  // Neither destructors nor threads: any of them may hang in the driver.
  ::_exit(code);
}

}  // namespace

std::vector<std::string> gpu_helper() { return {"/proc/self/exe", "gpu-helper"}; }

void declare_gpu_helper(CLI::App& root, Run& chosen) {
  CLI::App* const command =
      root.add_subcommand("gpu-helper", "Talk to GPU drivers; started by the daemon");
  command->group("");  // Hidden: it is no command for people.
  add_footer(*command, "levee gpu-helper < questions > answers",
             "0 its input ended, 1 a driver must be loaded anew, 2 wrong use.");
  command->callback([&chosen] { chosen = [](const Surroundings&) { return run(); }; });
}

}  // namespace levee::cli
