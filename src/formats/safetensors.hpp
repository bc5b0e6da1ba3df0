// The header of safetensors files: which tensors a model holds, of which type and shape.
//
// A file is 8 bytes of length (little-endian), a JSON object of that length, and the data. Only the
// first two are read. What the format's own reader refuses is refused here: offsets that overlap,
// leave a hole or end elsewhere than the file. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensors.hpp"
#include "levee/result.hpp"

namespace levee::formats {

/// Bytes of JSON; the format's own limit.
inline constexpr std::uint64_t kMostSafetensorsHeader = 100'000'000;

/// `json` is the header without its length, `data_bytes` what follows it in the file. Tensors come
/// in the order of their data. Pure.
[[nodiscard]] Result<TensorList> parse_safetensors_header(std::string_view json,
                                                          std::uint64_t data_bytes);

/// One file. Errors name it.
[[nodiscard]] Result<TensorList> read_safetensors(const std::filesystem::path& path);

/// Which of several files ("model-00001-of-00030.safetensors") holds which tensor.
struct SafetensorsIndex {
  std::map<std::string, std::vector<std::string>, std::less<>> shards;  ///< file → sorted names
};

/// The text of a model.safetensors.index.json. Refuses files outside of the index's own folder.
/// Pure.
[[nodiscard]] Result<SafetensorsIndex> parse_safetensors_index(std::string_view json);

/// A model of several files.
struct ShardedTensors {
  TensorList list;
  std::vector<std::filesystem::path> files;
};

/// Reads the header of every file the index names, once. Refuses an index that does not name
/// exactly the tensors its files hold.
[[nodiscard]] Result<ShardedTensors> read_safetensors_shards(const std::filesystem::path& index);

/// The same, without the files.
[[nodiscard]] Result<TensorList> read_safetensors_index(const std::filesystem::path& index);

}  // namespace levee::formats
