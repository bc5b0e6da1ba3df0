#include "render/config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/settings.hpp"

namespace levee::cli {
namespace {

/// A setting's value as one types it.
std::string value_text(const Json& value) {
  if (value.is_null()) {
    return "-";
  }
  if (value.is_number_float()) {
    return fmt::format("{}", value.get<double>());  // 70, not 70.0.
  }
  const std::string text = value.is_string()
                               ? value.get<std::string>()
                               : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.empty() ? "\"\"" : text;
}

}  // namespace

std::string render_config(const Json& answer, std::string_view who, const Style& style) {
  const std::string file = text_at(answer, "file").value_or("none");
  std::string result = line({{fmt::format("# {}; file: {}", who, file), Color::gray}}, style);
  Table table({"KEY", "VALUE", "ORIGIN"});
  for (const auto& [name, key] : member_at(answer, "config").items()) {
    const std::string origin = text_at(key, "origin").value_or("-");
    const std::string where = text_at(key, "where").value_or("");
    const bool is_set = origin != to_string(config::Origin::builtin);
    table.add({{name},
               {value_text(member_at(key, "value")), is_set ? Color::bold : Color::plain},
               {where.empty() || where == origin ? origin : fmt::format("{} ({})", origin, where),
                is_set ? Color::plain : Color::gray}});
  }
  result += table.text(style);
  for (const Json& note : list_at(answer, "notes")) {
    result += line({{fmt::format("note: {}", value_text(note)), Color::orange}}, style);
  }
  return result;
}

std::string render_change(const Json& answer, const Style& style) {
  const Json& changed = list_at(answer, "changed");
  const Json& waiting = list_at(answer, "needs_restart");
  if (changed.empty()) {
    return line({{"nothing changed: the daemon already has these values"}}, style);
  }
  std::string result;
  for (const Json& name : changed) {
    const std::string key = value_text(name);
    const bool waits = std::ranges::find(waiting, name) != waiting.end();
    result +=
        line({{fmt::format("{} = {}", key, value_text(member_at(answer, "config", key, "value")))},
              {waits ? "  (from the next start of the daemon)" : "", Color::orange}},
             style);
  }
  return result;
}

}  // namespace levee::cli
