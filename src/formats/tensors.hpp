// TensorList: what a model's weight files hold, by name, type and size, without the data.
//
// Sums are checked: a file whose sizes do not fit 64 bits is refused, never counted wrong. Pure
// values; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/element_type.hpp"
#include "levee/bytes.hpp"
#include "levee/result.hpp"

namespace levee::formats {

struct Tensor {
  std::string name;
  ElementType type = ElementType::f32;
  /// Dimensions as the file lists them: safetensors begins with the outermost (rows, columns), GGUF
  /// with the innermost. Empty for a single value.
  std::vector<std::uint64_t> shape;
  std::uint64_t values = 0;  ///< The product of `shape`.
  Bytes bytes;               ///< As stored.

  bool operator==(const Tensor&) const = default;
};

/// What all tensors of one type come to.
struct TypeTotal {
  ElementType type = ElementType::f32;
  std::size_t tensors = 0;
  std::uint64_t values = 0;
  Bytes bytes;

  bool operator==(const TypeTotal&) const = default;
};

struct TensorList {
  std::vector<Tensor> tensors;
  std::uint64_t values = 0;
  Bytes bytes;
  std::vector<TypeTotal> by_type;  ///< The type with the most bytes first.

  bool operator==(const TensorList&) const = default;
};

/// A tensor with its size. Refuses sizes beyond 64 bits, and a number of values that does not fill
/// whole blocks of `type`.
[[nodiscard]] Result<Tensor> make_tensor(std::string name, ElementType type,
                                         std::vector<std::uint64_t> shape);

/// The tensors with their totals. Refuses two of one name, and totals beyond 64 bits.
[[nodiscard]] Result<TensorList> make_tensor_list(std::vector<Tensor> tensors);

/// `text` of a file as a message may show it: in quotes, cut when long, nothing unprintable.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// "[4096, 14336]"
[[nodiscard]] std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace levee::formats
