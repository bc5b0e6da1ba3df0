#include "render/replay.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/time_text.hpp"

namespace levee::cli {
namespace {

std::string head_of(const Json& replay, const Style& style) {
  const auto time = [&](const char* name) {
    const auto at = parse_iso8601(text_at(replay, name).value_or(""));
    return at ? date_and_time(*at, style.utc) : std::string("-");
  };
  std::string text = line({{fmt::format("{}, {} to {}, {:.0f} looks at the machine",
                                        text_at(replay, "host").value_or("-"), time("from"),
                                        time("to"), number_at(replay, "ticks").value_or(0))}},
                          style);
  if (!truth_at(replay, "from_start").value_or(true)) {
    text += wrapped(
        "It begins in the middle of a run: alerts that lasted then fire anew, and growth of the "
        "first 30 s is measured over less.",
        0, Color::gray, style);
  }
  if (const double gaps = number_at(replay, "gaps").value_or(0); gaps > 0) {
    text +=
        line({{fmt::format("Something is missing at {:.0f} places.", gaps), Color::orange}}, style);
  }
  if (const auto damage = text_at(replay, "damage")) {
    text += wrapped(*damage, 0, Color::orange, style);
  }
  return text;
}

std::string rows_of(const Json& replay, const Style& style) {
  std::string text;
  for (const Json& event : list_at(replay, "events")) {
    const bool before = truth_at(event, "before").value_or(false);
    const bool after = truth_at(event, "after").value_or(false);
    if (before && after) {
      continue;
    }
    const auto at = parse_iso8601(text_at(event, "timestamp").value_or(""));
    const std::string severity = text_at(event, "severity").value_or("");
    text += line({{before ? "- " : "+ ", before ? Color::red : Color::green},
                  {at ? date_and_time(*at, style.utc) : "-", Color::gray},
                  {fmt::format("  {}{}  ", text_at(event, "kind").value_or("-"),
                               severity.empty() ? "" : " " + severity)},
                  {text_at(event, "message").value_or("")}},
                 style);
  }
  return text;
}

std::string counts_of(const Json& replay, const Style& style) {
  const std::string before = text_at(replay, "before").value_or("recorded");
  Table table({"EVENTS", before == "recorded" ? "RECORDED" : "AS IT WAS", "REPLAYED"});
  const Json& counts = member_at(replay, "counts");
  if (!counts.is_object() || counts.empty()) {
    return line({{"no events"}}, style);
  }
  for (const auto& [kind, count] : counts.items()) {
    const double then = number_at(count, "before").value_or(0);
    const double now = number_at(count, "after").value_or(0);
    table.add({{kind},
               {fmt::format("{:.0f}", then)},
               {fmt::format("{:.0f}", now), then == now ? Color::plain : Color::bold}});
  }
  return table.text(style);
}

}  // namespace

std::string render_replay(const Json& replay, const Style& style) {
  std::string text = head_of(replay, style);
  const std::string rows = rows_of(replay, style);
  if (!rows.empty()) {
    text += "\n" + rows;
  }
  text += "\n" + counts_of(replay, style) + "\n";
  if (const auto summary = text_at(replay, "summary")) {
    return text + line({{*summary, Color::bold}}, style);
  }
  const bool exact = truth_at(replay, "exact").value_or(false);
  return text + line({{exact ? "replayed exactly as it was recorded"
                             : "the replay differs from what was recorded",
                       exact ? Color::green : Color::orange}},
                     style);
}

std::string progress_bar(double done, const Style& style) {
  constexpr std::size_t kLongest = 60;
  constexpr std::size_t kBeside = 10;
  const std::size_t width =
      style.width == 0 ? kLongest
                       : std::clamp<std::size_t>(style.width, kBeside + 4, kLongest) - kBeside;
  const double share = std::clamp(done, 0.0, 1.0);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  return fmt::format("[{}{}] {:3.0f} %", std::string(filled, '#'), std::string(width - filled, ' '),
                     100 * share);
}

}  // namespace levee::cli
