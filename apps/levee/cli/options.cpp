#include "cli/options.hpp"

#include <CLI/CLI.hpp>

#include "cli/time_text.hpp"

namespace levee::cli {

Result<std::chrono::milliseconds> Connection::patience() const {
  return parse_span(timeout, "--timeout", std::chrono::milliseconds{1}, std::chrono::hours{1});
}

void add_connection(CLI::App& command, Connection& connection) {
  command.add_option("--socket", connection.socket, "Socket of the daemon to ask")
      ->type_name("PATH");
  command.add_option("--timeout", connection.timeout, "How long to wait for the daemon")
      ->type_name("TIME")
      ->capture_default_str();
}

void add_style(CLI::App& command, StyleWish& wish) {
  command.add_flag("--ascii", wish.ascii, "Plain ASCII output");
  command.add_flag("--utc", wish.utc, "Times in UTC instead of local time");
}

void add_config_file(CLI::App& command, std::optional<std::string>& file) {
  command.add_option("--config", file, "Configuration file to go by when no daemon runs")
      ->type_name("FILE");
}

void add_showing(CLI::App& command, Showing& showing) {
  command.add_flag("--json", showing.json, "As JSON");
  add_connection(command, showing.connection);
  add_config_file(command, showing.config);
  add_style(command, showing.style);
}

void add_footer(CLI::App& command, std::string_view examples, std::string_view exit_codes) {
  std::string footer = "Examples:\n";
  while (!examples.empty()) {
    const std::size_t end = std::min(examples.find('\n'), examples.size());
    footer += "  " + std::string(examples.substr(0, end)) + "\n";
    examples.remove_prefix(std::min(end + 1, examples.size()));
  }
  footer += "\nExit code: " + std::string(exit_codes);
  command.footer(footer);
}

}  // namespace levee::cli
