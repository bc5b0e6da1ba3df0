// Headers and indexes of safetensors. The first two bytes are the size of the data.
#include <cstdint>
#include <set>
#include <string>

#include "formats/safetensors.hpp"
#include "fuzz/fuzz_check.hpp"

using namespace levee;
using namespace levee::formats;
using fuzz::check;

namespace {

void check_error(const Error& error) {
  check(error.code == ErrorCode::corrupt, "what is refused is corrupt");
  check(!error.hint.empty() && error.message.size() < 2000, "an error is short and has a hint");
}

void check_list(const TensorList& list, std::uint64_t data_bytes) {
  check(list.bytes == Bytes{data_bytes}, "the tensors fill the data");
  std::uint64_t values = 0;
  std::uint64_t bytes = 0;
  std::set<std::string> names;
  for (const Tensor& tensor : list.tensors) {
    values += tensor.values;
    bytes += tensor.bytes.count;
    check(names.insert(tensor.name).second, "no name is there twice");
    check(
        tensor.bytes.count * block_values(tensor.type) == tensor.values * block_bytes(tensor.type),
        "the bytes are those of the values");
  }
  check(values == list.values && bytes == list.bytes.count, "totals equal sums");
  for (const TypeTotal& total : list.by_type) {
    check(total.tensors > 0, "a type in the summary has tensors");
    values -= total.values;
    bytes -= total.bytes.count;
  }
  check(values == 0 && bytes == 0, "the types add up to the totals");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const auto data_bytes = static_cast<std::uint64_t>(data[0] | data[1] << 8U);
  const std::string_view json = fuzz::as_text(data + 2, size - 2);
  if (const auto list = parse_safetensors_header(json, data_bytes)) {
    check_list(*list, data_bytes);
  } else {
    check_error(list.error());
  }
  if (const auto index = parse_safetensors_index(json)) {
    for (const auto& [shard, names] : index->shards) {
      const std::filesystem::path path = ("/models" / std::filesystem::path(shard));
      check(path.lexically_normal().string().starts_with("/models/"), "files stay in the folder");
      check(!names.empty(), "a file has tensors");
    }
  } else {
    check_error(index.error());
  }
  return 0;
}
