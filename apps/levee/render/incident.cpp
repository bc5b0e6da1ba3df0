#include "render/incident.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/time_text.hpp"
#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

/// More events than this would not leave the page one.
constexpr std::size_t kMostEvents = 16;

std::string bytes_text(const Json& json, const char* name) {
  const auto count = number_at(json, name);
  return count ? format_bytes(Bytes{static_cast<std::uint64_t>(std::max(*count, 0.0))}) : "-";
}

std::string clock_text(const Json& json, const char* name, const Style& style) {
  const auto time = parse_iso8601(text_at(json, name).value_or(""));
  return time ? time_of_day(*time, style.utc) : "-";
}

std::string date_text(const Json& json, const char* name, const Style& style) {
  const auto time = parse_iso8601(text_at(json, name).value_or(""));
  return time ? date_and_time(*time, style.utc) : "-";
}

std::string heading(const char* text, const Style& style) {
  return "\n" + line({{text, Color::bold}}, style);
}

std::string text_of(const Json& json) { return json.is_string() ? json.get<std::string>() : ""; }

std::string head_of(const Json& verdict, const Style& style) {
  const Json& incident = member_at(verdict, "incident");
  std::string text;
  if (!incident.is_object()) {
    text +=
        line({{"a recording of ", Color::bold}, {text_at(verdict, "host").value_or("-")}}, style);
  } else {
    text += line({{text_at(incident, "kind").value_or("-"), Color::red},
                  {fmt::format(" on {}, {}", text_at(verdict, "host").value_or("-"),
                               date_text(incident, "timestamp", style))}},
                 style);
    for (const Json& reason : list_at(incident, "reasons")) {
      text += wrapped(text_of(reason), 2, Color::plain, style);
    }
    if (const auto note = text_at(incident, "note")) {
      text += wrapped("note: " + *note, 2, Color::plain, style);
    }
    const double triggers = number_at(incident, "triggers").value_or(1);
    const double unsaved = number_at(incident, "unsaved_before").value_or(0);
    if (triggers > 1 || unsaved > 0) {
      text += line({{fmt::format("  {:.0f} triggers in all{}", triggers,
                                 unsaved > 0 ? fmt::format(", and {:.0f} before it, too soon after "
                                                           "the last one to be saved",
                                                           unsaved)
                                             : std::string()),
                     Color::gray}},
                   style);
    }
  }
  text += line({{fmt::format("  recorded from {} to {}", clock_text(verdict, "from", style),
                             clock_text(verdict, "to", style)),
                 Color::gray}},
               style);
  if (number_at(verdict, "lost").value_or(0) > 0) {
    text += line({{fmt::format("  {:.0f} moments are missing: the recorder could not keep up",
                               number_at(verdict, "lost").value_or(0)),
                   Color::orange}},
                 style);
  }
  if (const auto damage = text_at(verdict, "damage")) {
    text += wrapped(*damage, 2, Color::orange, style);
  }
  return text;
}

std::string filled_text(const Json& verdict, const Style& style) {
  std::string text = heading("What filled", style);
  for (const Json& filled : list_at(verdict, "filled")) {
    std::string sentence =
        fmt::format("{}: {} of {}", text_at(filled, "name").value_or("-"),
                    bytes_text(filled, "peak_bytes"), bytes_text(filled, "total_bytes"));
    if (text_at(filled, "peak_at")) {
      sentence += " at " + clock_text(filled, "peak_at", style);
    }
    if (text_at(filled, "since")) {
      sentence += fmt::format(", up from {} at {}", bytes_text(filled, "before_bytes"),
                              clock_text(filled, "since", style));
    }
    if (number_at(filled, "bytes_per_second")) {
      sentence += fmt::format(" ({}/s)", bytes_text(filled, "bytes_per_second"));
    }
    text += wrapped(sentence, 2, Color::plain, style);
  }
  return list_at(verdict, "filled").empty() ? text + line({{"  nothing of note"}}, style) : text;
}

std::string growers_text(const Json& verdict, const Style& style) {
  std::string text = heading("Who grew", style);
  if (list_at(verdict, "growers").empty()) {
    return text + line({{"  nobody of note"}}, style);
  }
  Table table({"  PID", "USER", "GREW BY", "PEAK", "", "LEASE", "COMMAND"});
  for (const Json& grower : list_at(verdict, "growers")) {
    const bool killed = truth_at(grower, "killed").value_or(false);
    const char* state = killed                                      ? "killed by the kernel"
                        : truth_at(grower, "ended").value_or(false) ? "ended"
                        : truth_at(grower, "began").value_or(false) ? "new"
                                                                    : "";
    table.add({{fmt::format("  {:.0f}", number_at(grower, "pid").value_or(0))},
               {text_at(grower, "user").value_or("-")},
               {bytes_text(grower, "grown_bytes")},
               {bytes_text(grower, "peak_bytes")},
               {state, killed ? Color::red : Color::plain},
               {text_at(grower, "lease").value_or("-")},
               {text_at(grower, "command").value_or("-")}});
  }
  text += table.text(style);
  const Json& users = list_at(verdict, "users");
  if (users.size() > 1) {
    std::string sentence = "by user: ";
    for (const Json& user : users) {
      sentence += fmt::format("{}{} {}", &user == &users.front() ? "" : ", ",
                              text_at(user, "user").value_or("-"), bytes_text(user, "grown_bytes"));
    }
    text += wrapped(sentence, 2, Color::plain, style);
  }
  for (const Json& over : list_at(verdict, "over_promise")) {
    text += wrapped(
        fmt::format("lease {} of {} used {} of {}, {} more than promised",
                    text_at(over, "lease").value_or("-"), text_at(over, "user").value_or("-"),
                    bytes_text(over, "used_bytes"), text_at(over, "resource").value_or("-"),
                    format_bytes(Bytes{static_cast<std::uint64_t>(
                        number_at(over, "used_bytes").value_or(0) -
                        number_at(over, "promised_bytes").value_or(0))})),
        2, Color::orange, style);
  }
  return text;
}

std::string events_text(const Json& verdict, const Style& style) {
  std::string text = heading("What Levee saw and did", style);
  const Json& events = list_at(verdict, "events");
  if (events.empty()) {
    return text + line({{"  nothing"}}, style);
  }
  const std::size_t first = events.size() > kMostEvents ? events.size() - kMostEvents : 0;
  const double left_out =
      number_at(verdict, "events_left_out").value_or(0) + static_cast<double>(first);
  if (left_out > 0) {
    text += line({{fmt::format("  {:.0f} earlier ones; --json shows more", left_out), Color::gray}},
                 style);
  }
  for (std::size_t i = first; i < events.size(); ++i) {
    const Json& event = events[i];
    const std::string severity = text_at(event, "severity").value_or("");
    text += line({{fmt::format("  {}  ", clock_text(event, "timestamp", style)), Color::gray},
                  {fmt::format("{}{}  ", text_at(event, "kind").value_or("-"),
                               severity.empty() ? "" : " " + severity),
                   severity.empty() ? Color::plain : color_of_severity(severity)},
                  {text_at(event, "message").value_or("")}},
                 style);
  }
  return text;
}

std::string helps_text(const Json& verdict, const Style& style) {
  std::string text = heading("What would have helped", style);
  const Json& helps = list_at(verdict, "would_have_helped");
  for (const Json& help : helps) {
    text += wrapped("- " + text_of(help), 2, Color::plain, style);
  }
  return helps.empty() ? text + line({{"  nothing that follows from these figures"}}, style) : text;
}

}  // namespace

std::string render_incidents(const Json& answer, const Style& style) {
  const Json& incidents = list_at(answer, "incidents");
  std::string text;
  if (incidents.empty()) {
    text = line({{"no incidents are kept"}}, style);
  } else {
    Table table({"TIME", "ID", "SIZE", "WHAT HAPPENED"});
    for (const Json& incident : incidents) {
      const Json& reasons = list_at(incident, "reasons");
      table.add({{date_text(incident, "timestamp", style)},
                 {text_at(incident, "id").value_or("-")},
                 {bytes_text(incident, "size_bytes")},
                 {reasons.empty() ? "-" : text_of(reasons.front())}});
    }
    text = table.text(style);
  }
  const double unsaved = number_at(answer, "unsaved").value_or(0);
  return unsaved > 0
             ? text +
                   line({{fmt::format("{:.0f} more came too soon after one of their kind", unsaved),
                          Color::gray}},
                        style)
             : text;
}

std::string render_incident(const Json& verdict, const Style& style) {
  return head_of(verdict, style) + filled_text(verdict, style) + growers_text(verdict, style) +
         events_text(verdict, style) + helps_text(verdict, style);
}

}  // namespace levee::cli
