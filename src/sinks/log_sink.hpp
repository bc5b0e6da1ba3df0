// LogSink: events to <state-dir>/logs/main.log and to stderr, as text or JSON lines.
//
// On stderr a line begins with the severity in colour on a terminal; when stderr is the systemd
// journal, with "<4>" or the like (sd-daemon(3)) instead of the time, which the journal keeps.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/log_level.hpp"
#include "levee/result.hpp"
#include "sinks/sink.hpp"

namespace levee::sinks {

struct LogOptions {
  std::optional<std::filesystem::path>
      file;  ///< Rotated at 10 MiB, 3 old ones kept; absent = none.
  bool to_stderr = true;
  bool json = false;
  bool color = false;  ///< Only for a terminal.
  LogLevel least = LogLevel::info;
};

/// A line of text for people, without its newline: "2026-01-31T08:05:09Z WARNING High CPU memory
/// usage: 82.1 percent > 80 (culprit: alice python 5204, 12.3 GiB, +210 MiB/s) key=value". Nothing
/// in the event can forge a second line (see printable.hpp).
[[nodiscard]] std::string log_line(const Event& event);

/// An alert's level, for its resolution too, so that whoever saw it begin sees it end; `warning`
/// for something lost or rejected, `info` for everything else.
[[nodiscard]] LogLevel log_level(const Event& event) noexcept;

class LogSink final : public Sink {
 public:
  /// A file that cannot be opened is an error; the caller may then go on with stderr alone.
  [[nodiscard]] static Result<std::unique_ptr<LogSink>> make(LogOptions options);
  ~LogSink() override;

 protected:
  [[nodiscard]] bool wants(const Event& event) const noexcept override;
  [[nodiscard]] Result<void> write(const Notification& notification, std::stop_token stop) override;

 private:
  struct Impl;
  explicit LogSink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::sinks
