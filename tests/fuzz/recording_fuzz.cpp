// Recordings: whatever bytes follow a good head are read to their end or to a damage that is told;
// what is read is written again as it was read.
#include <string>

#include "fuzz/fuzz_check.hpp"
#include "recorder/reader.hpp"

using namespace levee;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string text(fuzz::as_text(data, size));
  // As a file that somebody handed us.
  if (auto reader = recorder::Reader::of(text)) {
    const auto items = recorder::read_all(*reader);
    check(items.size() <= size, "every item takes a frame");
  }
  // As the content of a frame whose checksum is good: the first byte says of which kind.
  constexpr std::string_view kKinds = "OTSECGI";
  const recorder::Frame frame{
      .kind = static_cast<recorder::FrameKind>(kKinds[data[0] % kKinds.size()]),
      .content = text.substr(1),
      .length = 0};
  recorder::Decoder decoder;
  if (const auto item = decoder.decode(frame)) {
    recorder::Encoder encoder;
    check(!encoder.encode(*item).empty(), "what is decoded can be encoded");
  } else {
    check(item.error().code == ErrorCode::corrupt, "what is refused is corrupt");
  }
  return 0;
}
