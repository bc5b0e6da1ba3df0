// The levee program: finds the subcommand and runs it.
#include <fcntl.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "cli/output.hpp"

namespace {

using namespace levee;

/// A program started with standard descriptors closed would write its messages into whatever file
/// or socket it opens next.
void open_missing_descriptors() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return;
    }
  }
}

int run(std::vector<std::string> arguments) {
  const cli::Surroundings surroundings = cli::surroundings_of_this_process();
  const cli::Parsed parsed = cli::parse(std::move(arguments));
  if (const auto* text = std::get_if<cli::Text>(&parsed)) {
    return cli::print(text->text);
  }
  if (const auto* misuse = std::get_if<cli::Misuse>(&parsed)) {
    return cli::complain(misuse->error, misuse->exit_code);
  }
  return std::get<cli::Run>(parsed)(surroundings);
}

}  // namespace

int main(int argc, char** argv) {
  open_missing_descriptors();
  // A closed pipe shows as an error of write().
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  // For the terminal's charset; numbers stay as they are. An unknown locale leaves ASCII.
  static_cast<void>(std::setlocale(LC_CTYPE, ""));
  try {
    return run({argv + 1, argv + argc});
  } catch (const std::exception& exception) {
    return cli::complain(
        Error{ErrorCode::internal, exception.what(), "this is a defect, unless memory ran out"},
        cli::kFailed);
  }
}
