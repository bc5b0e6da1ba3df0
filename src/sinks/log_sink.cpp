#include "sinks/log_sink.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "sinks/log_file.hpp"
#include "sinks/printable.hpp"

namespace levee::sinks {
namespace {

constexpr std::size_t kCapacity = 1024;
/// A reader of stderr that does not read (a paused pager) must not keep lines from the file.
constexpr int kStderrPatienceMs = 200;

/// How a line is shown: its word, its priority in the journal, its colour on a terminal.
struct Look {
  std::string_view word;
  int priority;  ///< syslog(3). Not 0: the journal shouts that to every terminal of the machine.
  std::string_view color;
};

Look look_of(const Event& event) {
  if (event.kind == EventKind::resolved) {
    return {"RESOLVED", 5, "\x1b[32m"};
  }
  if (event.severity) {
    switch (*event.severity) {
      case Severity::emergency:
        return {"EMERGENCY", 2, "\x1b[1;31m"};
      case Severity::critical:
        return {"CRITICAL", 3, "\x1b[31m"};
      case Severity::warning:
        return {"WARNING", 4, "\x1b[33m"};
    }
  }
  return log_level(event) == LogLevel::warning ? Look{"WARNING", 4, "\x1b[33m"}
                                               : Look{"INFO", 6, ""};
}

std::string time_text(const Event& event) {
  std::string time = to_iso8601(event.at);
  time.erase(time.find('.'));  // Milliseconds are in the JSON.
  return time + "Z";
}

std::string crossing_text(const Alert& alert) {
  // The relation that holds, not the rule's: the guard may fire ahead of the line.
  const std::string_view relation = alert.value > alert.threshold   ? ">"
                                    : alert.value < alert.threshold ? "<"
                                                                    : "=";
  return fmt::format("{:.{}f} {} {} {:.4g}", alert.value,
                     alert.type == AlertType::cpu_memory ? 1 : 2, unit_of(alert.type), relation,
                     alert.threshold);
}

std::string culprit_text(const Culprit& culprit) {
  std::string text =
      fmt::format("culprit: {} {} {}, {}", printable(culprit.user), printable(culprit.comm),
                  culprit.id.pid, format_bytes(culprit.gpu_memory.value_or(culprit.rss)));
  if (culprit.growth_per_second && std::isfinite(*culprit.growth_per_second)) {
    const double growth = std::clamp(*culprit.growth_per_second, -1e18, 1e18);
    text += fmt::format(", {}{}/s", growth < 0 ? "-" : "+",
                        format_bytes(Bytes{static_cast<std::uint64_t>(std::abs(growth))}));
  }
  return text;
}

/// A value with a space, a quote or an equals sign is quoted, so that pairs can be told apart.
std::string value_text(std::string_view value) {
  std::string shown = printable(value);
  if (!shown.empty() && shown.find_first_of(" \"=") == std::string::npos) {
    return shown;
  }
  std::string quoted = "\"";
  for (const char c : shown) {
    quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
  }
  return quoted + "\"";
}

/// Everything behind the word.
std::string said(const Event& event) {
  const bool is_resolved = event.kind == EventKind::resolved && event.alert;
  std::string text = printable(is_resolved ? event.alert->message : event.message);
  if (event.alert && event.alert->gpu_id) {
    text += fmt::format(" on GPU {}", *event.alert->gpu_id);
  }
  if (is_resolved && event.alert->resolved_at) {
    const auto lasted = std::chrono::floor<std::chrono::seconds>(*event.alert->resolved_at -
                                                                 event.alert->timestamp);
    text += " after " + format_duration(lasted);
  } else if (event.alert && !is_resolved) {
    text += ": " + crossing_text(*event.alert);
  }
  if (event.alert && event.alert->culprit && !is_resolved) {
    text += fmt::format(" ({})", culprit_text(*event.alert->culprit));
  }
  for (const auto& [key, value] : event.details) {
    text += fmt::format(" {}={}", printable(key), value_text(value));
  }
  return text;
}

/// systemd sets JOURNAL_STREAM to "device:inode" of the journal's socket; a stderr that was
/// redirected since is something else.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  return stream != nullptr && ::fstat(STDERR_FILENO, &status) == 0 &&
         stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

Result<void> write_stderr(std::string_view text) {
  while (!text.empty()) {
    pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, kStderrPatienceMs) == 0) {
      return fail(ErrorCode::timed_out, "nobody reads standard error");
    }
    // A pipe that is ready takes at least PIPE_BUF bytes without blocking.
    const ssize_t written =
        ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
      return fail(ErrorCode::unavailable,
                  fmt::format("cannot write to standard error: {}",
                              std::error_code(errno, std::system_category()).message()));
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

}  // namespace

std::string log_line(const Event& event) {
  return fmt::format("{} {} {}", time_text(event), look_of(event).word, said(event));
}

LogLevel log_level(const Event& event) noexcept {
  switch (event.kind) {
    case EventKind::config_rejected:
    case EventKind::source_lost:
    case EventKind::store_lost:
      return LogLevel::warning;
    default:
      break;
  }
  if (!event.severity) {
    return LogLevel::info;
  }
  return *event.severity == Severity::warning ? LogLevel::warning : LogLevel::error;
}

struct LogSink::Impl {
  LogOptions options;
  std::optional<LogFile> file;
  bool to_journal = false;

  [[nodiscard]] std::string file_text(const Notification& notification) const;
  [[nodiscard]] std::string stderr_text(const Notification& notification) const;
};

std::string LogSink::Impl::file_text(const Notification& notification) const {
  if (!options.json) {
    return log_line(notification.event);
  }
  // Whoever made the JSON left no line break in it; a log must not depend on that.
  std::string line = notification.json;
  std::ranges::replace_if(line, [](char c) { return c >= 0 && c < 0x20; }, ' ');
  return line;
}

std::string LogSink::Impl::stderr_text(const Notification& notification) const {
  const Look look = look_of(notification.event);
  if (to_journal) {
    return fmt::format("<{}>{}\n", look.priority,
                       options.json ? file_text(notification) : said(notification.event));
  }
  if (options.json || !options.color || look.color.empty()) {
    return file_text(notification) + "\n";
  }
  return fmt::format("{} {}{}\x1b[0m {}\n", time_text(notification.event), look.color, look.word,
                     said(notification.event));
}

Result<std::unique_ptr<LogSink>> LogSink::make(LogOptions options) {
  auto impl = std::make_unique<Impl>();
  if (options.file) {
    auto file = LogFile::open(*options.file, {});
    if (!file) {
      return std::unexpected(file.error());
    }
    impl->file.emplace(std::move(*file));
  }
  impl->options = std::move(options);
  impl->to_journal = stderr_is_journal();
  return std::unique_ptr<LogSink>(new LogSink(std::move(impl)));
}

LogSink::LogSink(std::unique_ptr<Impl> impl) : Sink("log", kCapacity), impl_(std::move(impl)) {
  start();
}

LogSink::~LogSink() { stop(std::chrono::milliseconds{0}); }

bool LogSink::wants(const Event& event) const noexcept {
  return log_level(event) >= impl_->options.least;
}

Result<void> LogSink::write(const Notification& notification, std::stop_token /*stop*/) {
  Result<void> filed;
  if (impl_->file) {
    filed = impl_->file->append(impl_->file_text(notification));
  }
  Result<void> shown;
  if (impl_->options.to_stderr) {
    shown = write_stderr(impl_->stderr_text(notification));
  }
  return filed ? shown : filed;
}

}  // namespace levee::sinks
