// The files that tell of one process, and its names made fit for people's eyes.
#include <algorithm>
#include <array>

#include "sources/fields.hpp"
#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

/// PF_KTHREAD of the kernel's include/linux/sched.h.
constexpr std::uint64_t kKernelThreadFlag = 0x0020'0000;

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  ///< 0: no valid UTF-8 starts here.
};

CodePoint decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return {first, 1};
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) {
    return {};
  }
  std::uint32_t value = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) {
      return {};
    }
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  return overlong || surrogate || value > 0x10FFFF ? CodePoint{} : CodePoint{value, length};
}

/// Control characters, and those that turn the direction of the text around them: a process may
/// call itself what it likes, but not move the cursor or hide its arguments.
bool is_control(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/// printable(), at most `limit` bytes, never cut inside a character.
std::string printable_within(std::string_view text, std::size_t limit) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string clean;
  clean.reserve(std::min(text.size(), limit));
  while (!text.empty()) {
    const CodePoint next = decode(text);
    const std::size_t taken = next.bytes == 0 ? 1 : next.bytes;
    const std::string_view shown = next.bytes == 0          ? kReplacement
                                   : is_control(next.value) ? std::string_view("?")
                                                            : text.substr(0, taken);
    if (clean.size() + shown.size() > limit) {
      break;
    }
    clean += shown;
    text.remove_prefix(taken);
  }
  return clean;
}

/// The first number of the line called `name` of /proc/PID/status.
template <class Number>
std::optional<Number> status_number(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (take_until(line, ':') == name) {
      return to_number<Number>(take_word(line));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<PidStat> parse_pid_stat(std::string_view text) {
  const auto nonsense = [] {
    return fail(ErrorCode::corrupt, "/proc/PID/stat makes no sense: want \"PID (name) S PPID …\"");
  };
  // The name may hold anything, ')' included; the last ')' ends it.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return nonsense();
  }
  PidStat stat;
  stat.comm = text.substr(open + 1, close - open - 1);
  std::string_view before = text.substr(0, open);
  const auto pid = to_number<pid_t>(take_word(before));
  std::string_view rest = text.substr(close + 1);
  const std::string_view state = take_word(rest);
  const auto parent = to_number<pid_t>(take_word(rest));
  if (!pid || *pid <= 0 || state.size() != 1 || !parent || *parent < 0) {
    return nonsense();
  }
  // Numbered as in man 5 proc: `parent` was field 4.
  std::array<std::string_view, 25> fields;
  for (std::size_t field = 5; field < fields.size(); ++field) {
    fields.at(field) = take_word(rest);
  }
  const auto flags = to_number<std::uint64_t>(fields[9]);
  const auto user = to_number<std::uint64_t>(fields[14]);
  const auto system = to_number<std::uint64_t>(fields[15]);
  const auto start = to_number<std::uint64_t>(fields[22]);
  const auto resident = to_number<std::uint64_t>(fields[24]);
  if (!flags || !user || !system || !start || !resident) {
    return nonsense();
  }
  stat.pid = *pid;
  stat.state = state[0];
  stat.parent = *parent;
  stat.kernel_thread = (*flags & kKernelThreadFlag) != 0;
  stat.cpu_ticks = *user + *system;
  stat.start_ticks = *start;
  stat.rss_pages = *resident;
  return stat;
}

std::optional<std::uint64_t> parse_statm_resident(std::string_view text) {
  static_cast<void>(take_word(text));
  return to_number<std::uint64_t>(take_word(text));
}

std::optional<uid_t> parse_status_uid(std::string_view text) {
  return status_number<uid_t>(text, "Uid");
}

std::optional<pid_t> parse_status_leader(std::string_view text) {
  return status_number<pid_t>(text, "Tgid");
}

std::optional<pid_t> parse_status_container_pid(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (take_until(line, ':') != "NSpid") {
      continue;
    }
    std::string_view last;
    int count = 0;
    for (std::string_view word = take_word(line); !word.empty(); word = take_word(line)) {
      last = word;
      ++count;
    }
    const auto pid = to_number<pid_t>(last);
    return count > 1 && pid && *pid > 0 ? pid : std::nullopt;
  }
  return std::nullopt;
}

std::string printable(std::string_view text) { return printable_within(text, std::string::npos); }

std::optional<std::string_view> parse_environ(std::string_view text, std::string_view name) {
  for (std::size_t end = text.find('\0'); end != std::string_view::npos; end = text.find('\0')) {
    const std::string_view entry = text.substr(0, end);
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return entry.substr(name.size() + 1);
    }
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::string parse_cmdline(std::string_view text, std::size_t limit) {
  // A process that writes its title over its arguments leaves NULs or blanks behind it.
  const std::size_t last = text.find_last_not_of(std::string_view("\0 ", 2));
  if (last == std::string_view::npos) {
    return {};
  }
  std::string joined(text.substr(0, last + 1));
  for (char& c : joined) {
    c = c == '\0' ? ' ' : c;
  }
  return printable_within(joined, limit);
}

std::optional<Bytes> parse_smaps_rollup_pss(std::string_view text) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (take_until(line, ':') == "Pss") {
      return to_kilobytes(line);
    }
  }
  return std::nullopt;
}

}  // namespace levee::sources
