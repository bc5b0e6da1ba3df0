// levee gpu-holder: the process that holds memory of one GPU for the one that started it.
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "balloon/run_holder.hpp"
#include "cli/options.hpp"
#include "cli/output.hpp"

namespace levee::cli {
namespace {

bool is_socket(int fd) {
  int type = 0;
  socklen_t length = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

int run(const std::string& gpu) {
  if (!is_socket(STDIN_FILENO)) {
    return complain(Error{ErrorCode::invalid_argument, "gpu-holder is started by the daemon",
                          "levee status shows what is held"});
  }
  const int code = balloon::run_holder(STDIN_FILENO, gpu);
  // Neither destructors nor threads: any of them may hang in the driver.
  ::_exit(code);
}

}  // namespace

std::vector<std::string> gpu_holder() { return {"/proc/self/exe", "gpu-holder"}; }

void declare_gpu_holder(CLI::App& root, Run& chosen) {
  CLI::App* const command =
      root.add_subcommand("gpu-holder", "Hold GPU memory; started by the daemon");
  command->group("");  // Hidden: it is no command for people.
  auto gpu = std::make_shared<std::string>();
  command->add_option("gpu", *gpu, "UUID of the GPU or MIG instance")->required();
  add_footer(*command, "levee gpu-holder GPU-3c1eba8b (its standard input is a socket)",
             "0 its parent ended, 1 it cannot hold anything, 2 wrong use.");
  command->callback([&chosen, gpu] { chosen = [gpu](const Surroundings&) { return run(*gpu); }; });
}

}  // namespace levee::cli
