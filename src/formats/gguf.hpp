// The header of GGUF files: the model's metadata, and which tensors it holds.
//
// Versions 2 and 3, little-endian. A header holds the tokeniser's vocabulary and may have tens of
// megabytes; it is read in pieces, and of its arrays only short ones of numbers are kept. The data
// is never read. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/byte_source.hpp"
#include "formats/tensors.hpp"
#include "levee/result.hpp"

namespace levee::formats {

// What a header may hold; well beyond what any model has, so that a hostile one ends early.
inline constexpr std::uint64_t kMostGgufHeader = 256 * kMiB;
inline constexpr std::uint64_t kMostGgufTensors = 1'000'000;
inline constexpr std::uint64_t kMostGgufMetadata = 4'096;
inline constexpr std::uint64_t kLongestGgufKey = 65'535;        // the specification's limit
inline constexpr std::uint64_t kLongestGgufTensorName = 1'024;  // the specification says 64
inline constexpr std::uint64_t kLongestGgufText = 16 * kMiB;
inline constexpr std::uint64_t kMostGgufKept = 4'096;  ///< Longer arrays are passed over.

/// Types of metadata, by their number in the file.
enum class GgufValueType : std::uint32_t {
  uint8 = 0,
  int8 = 1,
  uint16 = 2,
  int16 = 3,
  uint32 = 4,
  int32 = 5,
  float32 = 6,
  boolean = 7,
  text = 8,
  array = 9,
  uint64 = 10,
  int64 = 11,
  float64 = 12,
};

/// A number or truth value: unsigned types, signed types, floating-point types, booleans.
using GgufNumber = std::variant<std::uint64_t, std::int64_t, double, bool>;

struct GgufArray {
  GgufValueType element = GgufValueType::uint8;
  std::uint64_t length = 0;
  std::vector<GgufNumber> values;  ///< Empty for texts and for arrays beyond kMostGgufKept.

  bool operator==(const GgufArray&) const = default;
};

using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

/// "llama.block_count" → 32
class GgufMetadata {
 public:
  using Map = std::map<std::string, GgufValue, std::less<>>;

  GgufMetadata() = default;
  explicit GgufMetadata(Map entries) : entries_(std::move(entries)) {}

  [[nodiscard]] const Map& entries() const noexcept { return entries_; }

  // Each gives nothing when the key is missing or its value is of another kind.

  /// An integer of either kind that is not negative.
  [[nodiscard]] std::optional<std::uint64_t> whole_number(std::string_view key) const;

  /// Any number.
  [[nodiscard]] std::optional<double> number(std::string_view key) const;

  [[nodiscard]] std::optional<bool> truth(std::string_view key) const;
  [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const;

  /// How many elements an array has, kept or not.
  [[nodiscard]] std::optional<std::uint64_t> array_length(std::string_view key) const;

  /// All elements of a kept array of integers that are not negative, or of truth values as 0 and 1:
  /// "llama.attention.head_count_kv", one for each layer.
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> whole_numbers(std::string_view key) const;

 private:
  [[nodiscard]] const GgufValue* find(std::string_view key) const;

  Map entries_;
};

struct GgufHeader {
  std::uint32_t version = 0;
  std::uint64_t alignment = 0;   ///< Of each tensor's data; a power of two.
  std::uint64_t data_begin = 0;  ///< Offset of the data in the file.
  GgufMetadata metadata;
  TensorList tensors;  ///< In the order of the header.
};

/// Reads the header from the start of `source`. Where its size is known, the tensors must end
/// within.
[[nodiscard]] Result<GgufHeader> parse_gguf(ByteSource& source);

/// A model in one file or in several ("x-00001-of-00003.gguf").
struct GgufModel {
  GgufHeader header;  ///< Of the first file; `tensors` are those of all files.
  std::vector<std::filesystem::path> files;
};

/// `path` is any one of the model's files; the others are found beside it. Errors name the file.
[[nodiscard]] Result<GgufModel> read_gguf(const std::filesystem::path& path);

}  // namespace levee::formats
