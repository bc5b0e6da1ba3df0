#include "sinks/command_sink.hpp"

#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "sinks/child.hpp"

namespace levee::sinks {
namespace {

constexpr std::size_t kCapacity = 256;

std::vector<std::string> environment_for(const Event& event) {
  const std::array ours{
      fmt::format("LEVEE_EVENT={}", to_string(event.kind)),
      fmt::format("LEVEE_ALERT_TYPE={}", event.alert ? to_string(event.alert->type) : ""),
      fmt::format("LEVEE_SEVERITY={}", event.severity ? to_string(*event.severity) : "")};
  const auto is_ours = [&](std::string_view entry) {
    return std::ranges::any_of(ours, [&](std::string_view our) {
      return entry.starts_with(our.substr(0, our.find('=') + 1));
    });
  };
  std::vector<std::string> environment(ours.begin(), ours.end());
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (!is_ours(*entry)) {
      environment.emplace_back(*entry);
    }
  }
  return environment;
}

Result<void> judge(const std::string& program, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return {};
  }
  return fail(ErrorCode::unavailable,
              WIFSIGNALED(status)
                  ? fmt::format("\"{}\" was ended by signal {}", program, WTERMSIG(status))
                  : fmt::format("\"{}\" ended with exit status {}", program, WEXITSTATUS(status)),
              "run it by hand; its standard error goes where the daemon's goes");
}

}  // namespace

CommandSink::CommandSink(CommandOptions options)
    : Sink("command", kCapacity), options_(std::move(options)) {
  start();
}

CommandSink::~CommandSink() { stop(std::chrono::milliseconds{0}); }

bool CommandSink::wants(const Event& event) const noexcept {
  return is_for_people(event, options_.min_severity);
}

Result<void> CommandSink::write(const Notification& notification, std::stop_token stop) {
  auto child = Child::start(options_.argv, environment_for(notification.event));
  if (!child) {
    return std::unexpected(child.error());
  }
  const std::string& program = options_.argv.front();
  const auto status =
      child->finish(notification.json + "\n", Child::Clock::now() + options_.timeout, stop);
  if (status) {
    return judge(program, *status);
  }
  const bool is_stopping = stop.stop_requested();
  child->terminate(is_stopping ? std::min(options_.term_grace, std::chrono::milliseconds{200})
                               : options_.term_grace);
  if (is_stopping) {
    return fail(ErrorCode::unavailable,
                fmt::format("\"{}\" was ended because the sink stops", program));
  }
  return fail(
      ErrorCode::timed_out,
      fmt::format("\"{}\" ran longer than {} ms and was ended", program, options_.timeout.count()),
      "make it quicker, or raise hook.timeout_seconds");
}

}  // namespace levee::sinks
