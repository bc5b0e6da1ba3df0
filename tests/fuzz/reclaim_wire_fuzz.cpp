// What processes say of the memory they can give back: whatever decodes has a text of its own,
// which decodes to the same; whatever does not is told why.
#include "fuzz/fuzz_check.hpp"
#include "reclaim/wire.hpp"

using namespace levee;
using namespace levee::reclaim;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  static_cast<void>(wire::choose_protocol(text));
  const auto message = wire::decode(text);
  if (!message) {
    check(message.error().code == ErrorCode::invalid_argument, "what is refused is wrong");
    check(!message.error().message.empty() && message.error().message.size() < 1024,
          "the refusal says why, and quotes little");
    return 0;
  }
  if (const auto* update = std::get_if<wire::Update>(&*message)) {
    check(update->offers.size() <= wire::kMostOffers, "offers are bounded");
  }
  std::string line = wire::encode(*message);
  check(line.find('\n') == line.size() - 1, "one line");
  line.pop_back();
  check(line.size() <= wire::kLongestLine, "a line is never too long to be read");
  const auto again = wire::decode(line);
  check(again.has_value(), "what is encoded decodes");
  check(*again == *message, "and says the same");
  return 0;
}
