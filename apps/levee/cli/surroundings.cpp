#include "cli/surroundings.hpp"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>

namespace levee::cli {
namespace {

std::optional<std::size_t> columns_in(const std::optional<std::string>& text) {
  constexpr std::size_t kMost = 10'000;
  std::size_t value = 0;
  if (!text) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool good = error == std::errc{} && *end == '\0' && value > 0 && value <= kMost;
  return good ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<std::string> Surroundings::variable(std::string_view name) const {
  const auto found = environment.find(std::string(name));
  return found == environment.end() || found->second.empty() ? std::nullopt
                                                             : std::optional(found->second);
}

client::Environment Surroundings::lookup() const {
  return [this](std::string_view name) { return variable(name); };
}

Terminal standard_output() {
  Terminal terminal{.is_terminal = ::isatty(STDOUT_FILENO) == 1,
                    .columns = {},
                    .utf8 = std::string_view(::nl_langinfo(CODESET)) == "UTF-8"};
  winsize size{};
  if (terminal.is_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    terminal.columns = size.ws_col;
  }
  return terminal;
}

Surroundings surroundings_of_this_process() {
  Surroundings result;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      result.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  result.uid = ::geteuid();
  result.out = standard_output();
  return result;
}

Style style_for(const StyleWish& wish, const Surroundings& surroundings) {
  const auto columns = surroundings.out.columns ? surroundings.out.columns
                                                : columns_in(surroundings.variable("COLUMNS"));
  const bool dumb = surroundings.variable("TERM") == "dumb";
  return {.width = columns.value_or(0),
          .color = surroundings.out.is_terminal && !dumb && !surroundings.variable("NO_COLOR"),
          .charset = wish.ascii || !surroundings.out.utf8 ? Charset::ascii : Charset::utf8,
          .utc = wish.utc};
}

config::Inputs inputs_for(const Surroundings& surroundings,
                          const std::optional<std::string>& file) {
  config::Inputs inputs;
  if (file) {
    inputs.file = *file;
  } else if (const auto named = surroundings.lookup()("LEVEE_CONFIG")) {
    inputs.file = *named;
  }
  inputs.default_files = client::default_config_files(surroundings.lookup(), surroundings.uid);
  inputs.environment = surroundings.environment;
  return inputs;
}

}  // namespace levee::cli
