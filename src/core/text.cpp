// Times and sizes as text.
#include <fmt/core.h>

#include <array>

#include "core/time.hpp"
#include "levee/bytes.hpp"

namespace levee {

std::string to_iso8601(WallTime time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int{date.year()},
                     unsigned{date.month()}, unsigned{date.day()}, clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
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
