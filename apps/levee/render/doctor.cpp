#include "render/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace levee::cli {
namespace {

Color color_of(Grade grade) {
  switch (grade) {
    case Grade::ok:
      return Color::green;
    case Grade::info:
      return Color::blue;
    case Grade::warn:
      return Color::orange;
    case Grade::fail:
      return Color::red;
  }
  return Color::plain;
}

}  // namespace

std::string_view to_string(Grade grade) noexcept {
  switch (grade) {
    case Grade::ok:
      return "ok";
    case Grade::info:
      return "info";
    case Grade::warn:
      return "warn";
    case Grade::fail:
      return "fail";
  }
  return "fail";
}

bool is_well(const std::vector<Check>& checks) {
  return std::ranges::none_of(checks, [](const Check& c) { return c.grade == Grade::fail; });
}

std::string render_doctor(const std::vector<Check>& checks, const Style& style) {
  constexpr std::size_t kIndent = 6;
  std::string result;
  for (const Check& check : checks) {
    // Long details are wrapped, not cut: here every word may matter.
    const std::string head = fmt::format("{:<4}  ", to_string(check.grade));
    std::string body = wrapped(check.what + ": " + check.detail, kIndent, Color::plain, style);
    body.erase(0, std::min(kIndent, body.size()));
    std::string mark =
        line({{head, color_of(check.grade)}},
             Style{.width = 0, .color = style.color, .charset = style.charset, .utc = style.utc});
    mark.pop_back();
    result += mark + body;
    if (!check.hint.empty()) {
      result += wrapped("hint: " + check.hint, kIndent, Color::gray, style);
    }
  }
  const auto count = [&](Grade grade) { return std::ranges::count(checks, grade, &Check::grade); };
  return result + line({{fmt::format("{} checks: {} ok, {} to know, {} to look at, {} failed",
                                     checks.size(), count(Grade::ok), count(Grade::info),
                                     count(Grade::warn), count(Grade::fail)),
                         Color::bold}},
                       style);
}

Json doctor_json(const std::vector<Check>& checks) {
  Json list = Json::array();
  for (const Check& check : checks) {
    list.push_back({{"grade", to_string(check.grade)},
                    {"what", check.what},
                    {"detail", check.detail},
                    {"hint", check.hint.empty() ? Json() : Json(check.hint)}});
  }
  return {{"ok", is_well(checks)}, {"checks", std::move(list)}};
}

}  // namespace levee::cli
