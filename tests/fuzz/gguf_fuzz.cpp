// GGUF files, whole in memory, and the same bytes from a source that gives few at a time.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "formats/gguf.hpp"
#include "fuzz/fuzz_check.hpp"

using namespace levee;
using namespace levee::formats;
using fuzz::check;

namespace {

class Trickle final : public ByteSource {
 public:
  explicit Trickle(std::string_view bytes) : bytes_(bytes), all_(bytes.size()) {}
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> buffer) override {
    return bytes_.read_at(offset, buffer.first(std::min<std::size_t>(buffer.size(), 7)));
  }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return all_; }

 private:
  MemorySource bytes_;
  std::uint64_t all_;
};

void check_list(const GgufHeader& header, std::uint64_t size) {
  const TensorList& list = header.tensors;
  std::uint64_t values = 0;
  std::uint64_t bytes = 0;
  std::set<std::string> names;
  for (const Tensor& tensor : list.tensors) {
    values += tensor.values;
    bytes += tensor.bytes.count;
    check(tensor.shape.size() <= 4, "four dimensions at most");
    check(names.insert(tensor.name).second, "no name is there twice");
  }
  check(values == list.values && bytes == list.bytes.count, "totals equal sums");
  check(bytes == 0 || (header.data_begin <= size && bytes <= size - header.data_begin),
        "the tensors fit into the data");
}

void check_metadata(const GgufMetadata& metadata) {
  for (const auto& [key, value] : metadata.entries()) {
    check(!key.empty() && key.size() <= kLongestGgufKey, "a key has a name");
    if (const auto* array = std::get_if<GgufArray>(&value)) {
      check(array->values.empty() || array->values.size() == array->length,
            "all or nothing is kept");
      check(array->values.size() <= kMostGgufKept, "long arrays are not kept");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::as_text(data, size);
  MemorySource memory(bytes);
  const auto header = parse_gguf(memory);
  if (header) {
    check_list(*header, size);
    check_metadata(header->metadata);
  } else {
    check(header.error().code == ErrorCode::corrupt, "what is refused is corrupt");
    check(!header.error().hint.empty() && header.error().message.size() < 2000,
          "an error is short and has a hint");
  }
  Trickle trickle(bytes);
  const auto again = parse_gguf(trickle);
  check(again.has_value() == header.has_value(), "pieces mean the same as the whole");
  check(!again || again->tensors == header->tensors, "and hold the same");
  return 0;
}
