#include "render/balloons.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee::cli {
namespace {

Bytes bytes_at(const Json& json, const char* name) {
  return Bytes{static_cast<std::uint64_t>(std::max(0.0, number_at(json, name).value_or(0)))};
}

std::string gpu_of(const Json& holding) {
  const auto index = number_at(holding, "gpu_id");
  return index ? fmt::format("GPU {:.0f}", *index) : text_at(holding, "uuid").value_or("a GPU");
}

std::string owner_of(const Json& balloon) {
  if (const auto account = text_at(balloon, "within")) {
    return "lease " + *account;
  }
  const auto pid = number_at(balloon, "owner_pid");
  return pid ? fmt::format("pid {:.0f}", *pid) : "nobody";
}

std::string time_left(const Json& balloon) {
  const auto seconds = number_at(balloon, "expires_in_seconds");
  return seconds ? format_duration(std::chrono::seconds(static_cast<std::int64_t>(*seconds))) : "-";
}

Span lost_of(const Json& holding) {
  const Bytes lost = bytes_at(holding, "lost_bytes");
  return lost == Bytes{} ? Span{"-"} : Span{format_bytes(lost), Color::red};
}

Span state_of(const Json& holding) {
  const std::string state = text_at(holding, "state").value_or("?");
  return {state, state == "held" || state == "passed" ? Color::green
                 : state == "failed"                  ? Color::red
                                                      : Color::orange};
}

}  // namespace

std::string held_of(const Json& balloon) {
  std::string text;
  for (const Json& each : list_at(balloon, "holdings")) {
    const Bytes wanted = bytes_at(each, "promised_bytes") - bytes_at(each, "passed_on_bytes");
    const Bytes held = bytes_at(each, "held_bytes");
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", format_bytes(wanted), gpu_of(each));
    if (held > wanted) {
      text += fmt::format(" ({} with the driver's rounding and context)", format_bytes(held));
    }
  }
  return text.empty() ? "nothing" : text;
}

std::string progress_of(const Json& balloon) {
  constexpr std::size_t kWidth = 30;
  Bytes wanted;
  Bytes held;
  for (const Json& each : list_at(balloon, "holdings")) {
    const Bytes wants = bytes_at(each, "promised_bytes") - bytes_at(each, "passed_on_bytes");
    wanted += wants;
    held += std::min(bytes_at(each, "held_bytes"), wants);
  }
  const double share =
      wanted.count == 0 ? 0 : static_cast<double>(held.count) / static_cast<double>(wanted.count);
  const auto filled = static_cast<std::size_t>(std::lround(share * kWidth));
  return fmt::format("holding {} of {} [{}{}]", format_bytes(held), format_bytes(wanted),
                     std::string(filled, '#'), std::string(kWidth - filled, '.'));
}

std::string render_balloons(const Json& answer, const Style& style) {
  const Json& balloons = list_at(answer, "balloons");
  if (balloons.empty()) {
    return line({{"no balloon: hold memory with `levee reserve 4GB`", Color::gray}}, style);
  }
  Table table({"BALLOON", "USER", "FOR", "GPU", "PROMISED", "PASSED ON", "LOST", "HELD", "STATE",
               "ENDS IN", ""});
  for (const Json& balloon : balloons) {
    const Json& holdings = list_at(balloon, "holdings");
    const std::string id = text_at(balloon, "id").value_or("?");
    const std::string user = text_at(balloon, "user").value_or("-");
    if (holdings.empty()) {
      table.add({{id, Color::bold},
                 {user},
                 {owner_of(balloon)},
                 {"-"},
                 {"-"},
                 {"-"},
                 {"-"},
                 {"-"},
                 {text_at(balloon, "state").value_or("?"), Color::orange},
                 {time_left(balloon)},
                 {""}});
    }
    for (const Json& each : holdings) {
      table.add({{id, Color::bold},
                 {user},
                 {owner_of(balloon)},
                 {gpu_of(each)},
                 {format_bytes(bytes_at(each, "promised_bytes"))},
                 {format_bytes(bytes_at(each, "passed_on_bytes"))},
                 lost_of(each),
                 {format_bytes(bytes_at(each, "held_bytes"))},
                 state_of(each),
                 {time_left(balloon)},
                 {text_at(each, "trouble").value_or(""), Color::red}});
    }
  }
  return table.text(style);
}

}  // namespace levee::cli
