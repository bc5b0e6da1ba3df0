// What the GPU helper says: whatever decodes has a text of its own, which decodes to the same.
#include <string>

#include "fuzz/fuzz_check.hpp"
#include "gpus/wire.hpp"

using namespace levee;
using namespace levee::gpus;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = wire::decode(fuzz::as_text(data, size));
  if (!message) {
    check(message.error().code == ErrorCode::corrupt, "what is refused is corrupt");
    return 0;
  }
  if (const auto* answer = std::get_if<wire::Answer>(&*message)) {
    check(!answer->readings.empty(), "an answer holds a reading");
    for (const GpuReading& reading : answer->readings) {
      check(reading.identity != nullptr, "a reading says of which device");
    }
  }
  std::string line = wire::encode(*message);
  check(line.find('\n') == line.size() - 1, "one line");
  line.pop_back();
  const auto again = wire::decode(line);
  check(again.has_value(), "what is encoded decodes");
  check(wire::encode(*again) == line + "\n", "and says the same");
  return 0;
}
