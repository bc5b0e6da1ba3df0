#include <array>

#include "fuzz/fuzz_check.hpp"
#include "sources/proc_text.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const auto pressure = parse_pressure(text);
  if (!pressure) {
    return 0;
  }
  check(pressure->some || pressure->full, "one line at least");
  for (const auto& line : {pressure->some, pressure->full}) {
    for (const double average :
         line ? std::array{line->avg10, line->avg60, line->avg300} : std::array{0.0, 0.0, 0.0}) {
      check(average >= 0 && average <= 100, "0 <= average <= 100 %");
    }
  }
  return 0;
}
