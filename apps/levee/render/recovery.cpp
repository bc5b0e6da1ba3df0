#include "render/recovery.hpp"

#include <fmt/format.h>

#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

std::string bytes_of(const Json& json, const char* name) {
  const auto value = number_at(json, name);
  return value ? format_bytes(Bytes{static_cast<std::uint64_t>(*value)}) : std::string("-");
}

std::string text_of(const Json& json, const char* name) {
  return text_at(json, name).value_or("-");
}

Span pressure_of(const Json& device) {
  const auto pressure = text_at(device, "pressure");
  if (!pressure) {
    return {"no pressure", Color::green};
  }
  return {"pressure: " + *pressure, pressure == "warning" ? Color::orange : Color::red};
}

std::string remedies_of(const Json& device) {
  std::string text;
  for (const Json& remedy : list_at(device, "remedies")) {
    if (text_at(remedy, "step") == "notify") {
      continue;
    }
    text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", text_of(remedy, "step"),
                        text_of(remedy, "target"), bytes_of(remedy, "offer_bytes"));
  }
  return text.empty() ? "nobody has anything to give" : text;
}

std::string device_lines(const Json& device, const Style& style) {
  std::string text =
      line({{fmt::format("{}: {} in use, line at {}, ", text_of(device, "label"),
                         bytes_of(device, "used_bytes"), bytes_of(device, "line_bytes")),
             Color::plain},
            pressure_of(device)},
           style);
  const Json& under_way = member_at(device, "under_way");
  if (under_way.is_object()) {
    text += fmt::format("  now: {} {}\n", text_of(under_way, "step"), text_of(under_way, "target"));
  }
  if (member_at(device, "paused") == true) {
    text += "  work on it is told to pause\n";
  }
  return text + fmt::format("  could be done: {}\n", remedies_of(device));
}

std::string step_line(const Json& step, const Style& style) {
  const bool is_good = text_at(step, "result") == "done";
  return line({{fmt::format("{}  {}: {} {}, ", text_of(step, "timestamp"), text_of(step, "label"),
                            text_of(step, "step"), text_of(step, "who")),
                Color::plain},
               {fmt::format("{}{}, {} freed", member_at(step, "dry_run") == true ? "dry run, " : "",
                            text_of(step, "result"), bytes_of(step, "freed_bytes")),
                is_good ? Color::green : Color::orange}},
              style);
}

}  // namespace

std::string render_recovery(const Json& recovery, const Style& style) {
  std::string text = fmt::format("recovery is {}\n", text_of(recovery, "mode"));
  for (const Json& device : list_at(recovery, "devices")) {
    text += device_lines(device, style);
  }
  for (const Json& step : list_at(recovery, "recent")) {
    text += step_line(step, style);
  }
  return text;
}

std::string render_cleanup(const Json& cleanup, const Style& style) {
  std::string text = line({{text_of(cleanup, "message"), Color::plain}}, style);
  for (const Json& step : list_at(cleanup, "steps")) {
    text += fmt::format("  {}: {} {} ({})\n", text_of(step, "label"), text_of(step, "step"),
                        text_of(step, "target"), bytes_of(step, "offer_bytes"));
  }
  return text;
}

}  // namespace levee::cli
