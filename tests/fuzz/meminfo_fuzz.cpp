#include "fuzz/fuzz_check.hpp"
#include "sources/host.hpp"
#include "sources/proc_text.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  if (const auto info = parse_meminfo(text)) {
    check(info->total.count > 0, "a machine has memory");
    check(info->available <= info->total, "available <= total");
    const auto host = combine(*info, {});
    check(host.used() + host.available == host.total, "used = total - available");
  } else {
    check(!info.error().message.empty(), "an error tells what is wrong");
  }
  return 0;
}
