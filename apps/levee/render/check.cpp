#include "render/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "cli/time_text.hpp"
#include "levee/bytes.hpp"
#include "render/status.hpp"

namespace levee::cli {
namespace {

struct Word {
  std::string_view health;
  std::string_view word;
  int exit_code;
};
/// Contract G4. Any other word, from another version, say, is unknown.
constexpr std::array kWords{Word{"healthy", "safe", 0}, Word{"moderate", "warning", 1},
                            Word{"critical", "critical", 2}, Word{"unknown", "unknown", 3}};

int rank(const Json& alert) {
  const std::string severity = text_at(alert, "severity").value_or("");
  return severity == "emergency" ? 2 : severity == "critical" ? 1 : 0;
}

bool is_active(const Json& alert) { return member_at(alert, "resolved_at").is_null(); }

std::string reason_of(const Json& alert, std::optional<WallTime> now) {
  std::string result =
      fmt::format("{} {}", text_at(alert, "type").value_or("-"), crossing_text(alert));
  const auto ended = parse_iso8601(text_at(alert, "resolved_at").value_or(""));
  if (ended && now) {
    result += fmt::format(", over for {}",
                          format_duration(std::chrono::floor<std::chrono::seconds>(*now - *ended)));
  }
  const std::string culprit = process_text(member_at(alert, "culprit"));
  return culprit.empty() ? result : fmt::format("{} by {}", result, culprit);
}

/// Active alerts first, then by severity.
std::vector<const Json*> alerts_of(const Json& report) {
  std::vector<const Json*> alerts;
  for (const Json& alert : list_at(report, "alerts", "recent")) {
    alerts.push_back(&alert);
  }
  std::ranges::sort(alerts, {}, [](const Json* alert) {
    return std::tuple(!is_active(*alert), -rank(*alert), alert);  // Else as they came.
  });
  return alerts;
}

std::string memory_text(const Json& host) {
  const auto available = number_at(host, "available_bytes");
  const auto total = number_at(host, "total_bytes");
  if (!available || !total || *available < 0 || *total < 0) {
    return {};
  }
  return fmt::format("{} of {} available",
                     format_bytes(Bytes{static_cast<std::uint64_t>(*available)}),
                     format_bytes(Bytes{static_cast<std::uint64_t>(*total)}));
}

}  // namespace

Verdict judge(const Json& report) {
  const Json& current = member_at(report, "current");
  const Json& host = member_at(current, "host");
  const std::string health = text_at(report, "health_status").value_or("unknown");
  const auto* const known = std::ranges::find(kWords, health, &Word::health);
  const Word& word = known == kWords.end() ? kWords.back() : *known;

  Verdict verdict{.word = std::string(word.word),
                  .exit_code = word.exit_code,
                  .memory = memory_text(host),
                  .reasons = {}};
  const auto now = parse_iso8601(text_at(current, "timestamp").value_or(""));
  for (const Json* alert : alerts_of(report)) {
    if (is_active(*alert) && rank(*alert) == 2 && word.exit_code == 2) {
      verdict.word = "emergency";
    }
    verdict.reasons.push_back(reason_of(*alert, now));
  }
  const std::string state = text_at(current, "state").value_or("unavailable");
  if (word.exit_code == 2 && state == "critical") {
    verdict.reasons.emplace_back("the host's memory is in state critical");
  }
  if (word.exit_code == 3) {
    verdict.reasons = {"no fresh reading of the host's memory"};
    for (const Json& trouble : list_at(current, "troubles")) {
      verdict.reasons.push_back(text_at(trouble, "detail").value_or("-"));
    }
  }
  return verdict;
}

std::string render_check(const Verdict& verdict, const Style& style) {
  constexpr std::array kColors{Color::green, Color::orange, Color::red, Color::gray};
  std::string rest = verdict.memory;
  for (const std::string& reason : verdict.reasons) {
    rest += (rest.empty() ? "" : "; ") + reason;
  }
  const auto color = static_cast<std::size_t>(std::clamp(verdict.exit_code, 0, 3));
  return line({{verdict.word, kColors.at(color)}, {rest.empty() ? "" : ": " + rest}}, style);
}

Json check_json(const Verdict& verdict, const Json& report, bool from_daemon) {
  const Json& current = member_at(report, "current");
  return {{"verdict", verdict.word},
          {"exit_code", verdict.exit_code},
          {"health", member_at(report, "health_status")},
          {"state", member_at(current, "state")},
          {"available_bytes", member_at(current, "host", "available_bytes")},
          {"total_bytes", member_at(current, "host", "total_bytes")},
          {"reasons", verdict.reasons},
          {"alerts", list_at(report, "alerts", "recent")},
          {"timestamp", member_at(current, "timestamp")},
          {"daemon", from_daemon}};
}

}  // namespace levee::cli
