// The command line as a whole: which subcommand, or which help or complaint. Parsing is pure; what
// it chose is run by main.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/options.hpp"
#include "levee/result.hpp"

namespace levee::cli {

/// Something to print, e.g. help.
struct Text {
  std::string text;
};

struct Misuse {
  Error error;
  int exit_code;
};

using Parsed = std::variant<Run, Text, Misuse>;

/// `arguments` without the program's name. None, or options only, mean `levee status`.
[[nodiscard]] Parsed parse(std::vector<std::string> arguments);

}  // namespace levee::cli
