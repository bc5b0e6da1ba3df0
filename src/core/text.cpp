// Times and sizes as text.
#include <fmt/core.h>

#include <array>
#include <charconv>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee {
namespace {

/// `digits` digits of `text` from `at` on.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  const char* const first = text.data() + at;
  const auto [end, error] = std::from_chars(first, first + digits, value);
  return error == std::errc{} && end == first + digits && *first != '-' ? std::optional(value)
                                                                        : std::nullopt;
}

}  // namespace

std::string to_iso8601(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::optional<WallTime> parse_iso8601(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000Z";
  if (text.size() != kForm.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] != '0' && text[i] != kForm[i]) {
      return std::nullopt;
    }
  }
  struct Part {
    std::size_t at;
    std::size_t digits;
    int most;
  };
  constexpr std::array kParts{Part{0, 4, 9999}, Part{5, 2, 12},  Part{8, 2, 31},  Part{11, 2, 23},
                              Part{14, 2, 59},  Part{17, 2, 59}, Part{20, 3, 999}};
  std::array<int, kParts.size()> values{};
  for (std::size_t i = 0; i < kParts.size(); ++i) {
    const auto value = digits_at(text, kParts.at(i).at, kParts.at(i).digits);
    if (!value || *value > kParts.at(i).most) {
      return std::nullopt;
    }
    values.at(i) = *value;
  }
  using namespace std::chrono;
  const year_month_day date{year{values[0]}, month{static_cast<unsigned>(values[1])},
                            day{static_cast<unsigned>(values[2])}};
  if (!date.ok()) {
    return std::nullopt;
  }
  return WallTime{sys_days{date} + hours{values[3]} + minutes{values[4]} + seconds{values[5]} +
                  milliseconds{values[6]}};
}

std::string format_duration(std::chrono::seconds duration) {
  using namespace std::chrono;
  const auto total = duration.count() < 0 ? 0 : duration.count();
  if (total < 60) {
    return fmt::format("{}s", total);
  }
  if (total < 3600) {
    return fmt::format("{}m {}s", total / 60, total % 60);
  }
  if (total < 86400) {
    return fmt::format("{}h {}m", total / 3600, total % 3600 / 60);
  }
  return fmt::format("{}d {}h", total / 86400, total % 86400 / 3600);
}

std::string format_bytes(Bytes bytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes.count < kKiB) {
    return fmt::format("{} B", bytes.count);
  }
  double value = static_cast<double>(bytes.count) / kKiB;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits.at(unit));
}

}  // namespace levee
