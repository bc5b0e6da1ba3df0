#include "fuzz/fuzz_check.hpp"
#include "gpus/fdinfo.hpp"

using namespace levee;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  if (const auto client = gpus::parse_fdinfo(text)) {
    check(!client->driver.empty(), "a client has a driver");
    for (const auto& [name, region] : client->regions) {
      check(!name.empty(), "a region has a name");
      check(region.in_use().has_value(), "a region has a figure");
    }
    for (const auto& [name, engine] : client->engines) {
      check(!name.empty(), "an engine has a name");
      check(engine.capacity > 0, "no capacity is zero");
    }
  }
  return 0;
}
