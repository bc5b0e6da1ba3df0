#include "formats/tensors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "formats/checked.hpp"
#include "sources/proc_text.hpp"

namespace levee::formats {
namespace {

constexpr std::size_t kMostShown = 120;  ///< Bytes of a text from a file that a message quotes.

constexpr std::size_t kMostDimensionsShown = 8;

constexpr std::string_view kDamaged =
    "the file is damaged or was not written by a model library; fetch or convert it again";

/// The first name that two tensors have.
std::optional<std::string_view> repeated_name(const std::vector<Tensor>& tensors) {
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const Tensor& tensor : tensors) {
    names.emplace_back(tensor.name);
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  return twice == names.end() ? std::nullopt : std::optional(*twice);
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const bool is_long = text.size() > kMostShown;
  return fmt::format("\"{}{}\"", sources::printable(text.substr(0, kMostShown)),
                     is_long ? "…" : "");
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  const auto shown = std::span(shape).first(std::min(shape.size(), kMostDimensionsShown));
  return fmt::format("[{}{}]", fmt::join(shown, ", "), shown.size() < shape.size() ? ", …" : "");
}

Result<Tensor> make_tensor(std::string name, ElementType type, std::vector<std::uint64_t> shape) {
  std::optional<std::uint64_t> values = 1;
  for (const std::uint64_t dimension : shape) {
    values = values ? checked_multiply(*values, dimension) : std::nullopt;
  }
  if (values && *values % block_values(type) != 0) {
    return fail(
        ErrorCode::corrupt,
        fmt::format("tensor {}: shape {} holds {} values, which fill no whole number of blocks of "
                    "{} ({} values each)",
                    in_quotes(name), shape_text(shape), *values, to_string(type),
                    block_values(type)),
        std::string(kDamaged));
  }
  const auto bytes =
      values ? checked_multiply(*values / block_values(type), block_bytes(type)) : std::nullopt;
  if (!bytes) {
    return fail(ErrorCode::corrupt,
                fmt::format("tensor {}: the size of shape {} in {} is beyond 64 bits",
                            in_quotes(name), shape_text(shape), to_string(type)),
                std::string(kDamaged));
  }
  return Tensor{std::move(name), type, std::move(shape), *values, Bytes{*bytes}};
}

Result<TensorList> make_tensor_list(std::vector<Tensor> tensors) {
  if (const auto twice = repeated_name(tensors)) {
    return fail(ErrorCode::corrupt, fmt::format("tensor {} is there twice", in_quotes(*twice)),
                "give the files of one model only; they must not hold the same tensor");
  }
  TensorList list;
  std::array<TypeTotal, kElementTypes> totals;
  for (const Tensor& tensor : tensors) {
    const auto values = checked_add(list.values, tensor.values);
    const auto bytes = checked_add(list.bytes.count, tensor.bytes.count);
    if (!values || !bytes) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the sizes of {} tensors add up beyond 64 bits", tensors.size()),
                  std::string(kDamaged));
    }
    list.values = *values;
    list.bytes = Bytes{*bytes};
    // These cannot pass the totals that were just checked.
    TypeTotal& total = totals[static_cast<std::size_t>(tensor.type)];
    total.type = tensor.type;
    ++total.tensors;
    total.values += tensor.values;
    total.bytes.count += tensor.bytes.count;
  }
  std::ranges::copy_if(totals, std::back_inserter(list.by_type),
                       [](const TypeTotal& total) { return total.tensors > 0; });
  std::ranges::sort(list.by_type, [](const TypeTotal& a, const TypeTotal& b) {
    return std::pair(b.bytes, a.type) < std::pair(a.bytes, b.type);
  });
  list.tensors = std::move(tensors);
  return list;
}

}  // namespace levee::formats
