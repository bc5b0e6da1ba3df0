#include "fuzz/fuzz_check.hpp"
#include "sources/proc_text.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const std::size_t half = size / 2;
  const auto before = parse_stat(text.substr(0, half));
  const auto after = parse_stat(text.substr(half));
  for (const auto* times : {&before, &after}) {
    check(!*times || (*times)->busy <= (*times)->total, "busy <= total");
  }
  if (before && after) {
    const auto percent = cpu_percent(*before, *after);
    check(!percent || (*percent >= 0 && *percent <= 100), "0 <= CPU use <= 100 %");
  }
  return 0;
}
