// CommandSink: runs a program for each alert, without a shell: argv as configured, the alert as one
// JSON line on its standard input, killed with its process group when it takes too long.
//
// The program inherits the daemon's environment, plus LEVEE_EVENT (alert, resolved, emergency),
// LEVEE_ALERT_TYPE (such as cpu_memory; empty for an emergency) and LEVEE_SEVERITY; its standard
// error; and nothing else: standard output is /dev/null, all other descriptors are closed, signals
// are at their defaults, and the daemon's own protection from the kernel's OOM killer is taken off.
// What it leaves running after it has ended is left alone.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "sinks/sink.hpp"

namespace levee::sinks {

struct CommandOptions {
  std::vector<std::string> argv;  ///< argv[0] is looked up in PATH.
  Severity min_severity = Severity::warning;
  std::chrono::milliseconds timeout{30'000};
  std::chrono::milliseconds term_grace{2'000};  ///< From SIGTERM to SIGKILL.
};

class CommandSink final : public Sink {
 public:
  explicit CommandSink(CommandOptions options);
  ~CommandSink() override;

 protected:
  [[nodiscard]] bool wants(const Event& event) const noexcept override;
  /// An exit status other than 0, death by a signal, or too long a run is a failure.
  [[nodiscard]] Result<void> write(const Notification& notification, std::stop_token stop) override;

 private:
  const CommandOptions options_;
};

}  // namespace levee::sinks
