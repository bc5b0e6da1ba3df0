// The header of one GGUF file: magic, version, counts, metadata, tensors.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/checked.hpp"
#include "formats/gguf.hpp"
#include "formats/gguf_values.hpp"

namespace levee::formats {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kUsualAlignment = 32;
constexpr std::uint64_t kGreatestAlignment = kGiB;
constexpr std::uint32_t kMostDimensions = 4;
constexpr std::string_view kDamaged =
    "the file is damaged or was not written by a model library; fetch or convert it again";

std::unexpected<Error> corrupt(std::string message) {
  return fail(ErrorCode::corrupt, std::move(message), std::string(kDamaged));
}

/// A tensor, and where its data begins, counted from the beginning of all data.
struct Placed {
  Tensor tensor;
  std::uint64_t offset = 0;
};

Result<std::uint32_t> read_version(ByteReader& reader) {
  const auto magic = reader.text(kMagic.size(), "the mark \"GGUF\"");
  if (!magic) {
    return std::unexpected(magic.error());
  }
  if (*magic != kMagic) {
    return fail(ErrorCode::corrupt,
                fmt::format("the file begins with {}, not with \"GGUF\"", in_quotes(*magic)),
                "it is no GGUF file; files of the older GGML, GGMF and GGJT must be converted");
  }
  const auto version = reader.number<std::uint32_t>("the version");
  if (!version || *version == 2 || *version == 3) {
    return version;
  }
  if ((*version & 0xffffU) == 0 && *version != 0) {
    return fail(ErrorCode::corrupt, "the file is big-endian",
                "convert it to little-endian (gguf_convert_endian)");
  }
  return *version == 1
             ? fail(ErrorCode::corrupt, "the file is of GGUF version 1",
                    "versions 2 and 3 are read; convert the model again")
             : fail(ErrorCode::corrupt,
                    fmt::format("the file is of GGUF version {}, which is not known", *version),
                    "versions 2 and 3 are read; a newer Levee may know more");
}

/// How many there are of something, while no more than `most`.
Result<std::uint64_t> read_count(ByteReader& reader, std::string_view what, std::uint64_t most) {
  auto count = reader.number<std::uint64_t>(what);
  if (count && *count > most) {
    return corrupt(
        fmt::format("the file says that {} is {}; up to {} are accepted", what, *count, most));
  }
  return count;
}

Result<GgufMetadata> read_metadata(ByteReader& reader, std::uint64_t count) {
  GgufMetadata::Map entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto key = read_gguf_text(reader, kLongestGgufKey, fmt::format("key {} of the metadata", i));
    if (!key) {
      return std::unexpected(std::move(key.error()));
    }
    if (key->empty()) {
      return corrupt(fmt::format("key {} of the metadata is empty", i));
    }
    const std::string what = fmt::format("metadata {}", in_quotes(*key));
    auto value = read_gguf_value(reader, what);
    if (!value) {
      return std::unexpected(std::move(value.error()));
    }
    if (!entries.try_emplace(std::move(*key), std::move(*value)).second) {
      return corrupt(what + " is there twice");
    }
  }
  return GgufMetadata(std::move(entries));
}

Result<std::uint64_t> alignment_of(const GgufMetadata& metadata) {
  constexpr std::string_view kKey = "general.alignment";
  if (!metadata.entries().contains(kKey)) {
    return kUsualAlignment;
  }
  const auto alignment = metadata.whole_number(kKey);
  if (!alignment || !std::has_single_bit(*alignment) || *alignment > kGreatestAlignment) {
    return corrupt(fmt::format("metadata \"{}\" is {}; it must be a power of two, up to {}", kKey,
                               alignment ? fmt::to_string(*alignment) : "no such number",
                               kGreatestAlignment));
  }
  return *alignment;
}

Result<ElementType> read_element_type(ByteReader& reader, std::string_view what) {
  const auto number = reader.number<std::uint32_t>(what);
  if (!number) {
    return std::unexpected(number.error());
  }
  if (const auto type = gguf_type(*number)) {
    return *type;
  }
  return is_removed_gguf_type(*number)
             ? fail(ErrorCode::corrupt,
                    fmt::format("{} is of type {}, which was taken out of the format", what,
                                *number),
                    "quantise the model again, to Q4_0 for example")
             : fail(ErrorCode::corrupt,
                    fmt::format("{} is of type {}, which is not known", what, *number),
                    "the file is damaged, or needs a newer Levee or is of a variant of the format");
}

Result<std::vector<std::uint64_t>> read_shape(ByteReader& reader, std::string_view what) {
  const auto dimensions = reader.number<std::uint32_t>(what);
  if (!dimensions) {
    return std::unexpected(dimensions.error());
  }
  if (*dimensions > kMostDimensions) {
    return corrupt(fmt::format("{} has {} dimensions; up to {} are accepted", what, *dimensions,
                               kMostDimensions));
  }
  std::vector<std::uint64_t> shape(*dimensions);
  for (std::uint64_t& dimension : shape) {
    const auto size = reader.number<std::uint64_t>(what);
    if (!size) {
      return std::unexpected(size.error());
    }
    dimension = *size;
  }
  return shape;
}

Result<Placed> read_tensor(ByteReader& reader, std::uint64_t number) {
  auto name =
      read_gguf_text(reader, kLongestGgufTensorName, fmt::format("the name of tensor {}", number));
  if (!name) {
    return std::unexpected(std::move(name.error()));
  }
  const std::string what = "tensor " + in_quotes(*name);
  auto shape = read_shape(reader, what);
  if (!shape) {
    return std::unexpected(std::move(shape.error()));
  }
  const auto type = read_element_type(reader, what);
  if (!type) {
    return std::unexpected(type.error());
  }
  const auto offset = reader.number<std::uint64_t>(what);
  if (!offset) {
    return std::unexpected(offset.error());
  }
  // Blocks do not cross rows, and the first dimension is a row.
  const std::uint64_t row = shape->empty() ? 1 : shape->front();
  if (row % block_values(*type) != 0) {
    return corrupt(
        fmt::format("{}: rows of {} values are no whole number of blocks of {} "
                    "({} values each)",
                    what, row, to_string(*type), block_values(*type)));
  }
  auto tensor = make_tensor(std::move(*name), *type, std::move(*shape));
  if (!tensor) {
    return std::unexpected(std::move(tensor.error()));
  }
  return Placed{std::move(*tensor), *offset};
}

Result<std::vector<Placed>> read_tensors(ByteReader& reader, std::uint64_t count) {
  std::vector<Placed> tensors;  // grows with what is there, not with what is claimed
  for (std::uint64_t i = 0; i < count; ++i) {
    auto tensor = read_tensor(reader, i);
    if (!tensor) {
      return std::unexpected(std::move(tensor.error()));
    }
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}

/// That every tensor is aligned, lies within the data, and shares no byte with another.
Result<void> check_places(const std::vector<Placed>& tensors, std::uint64_t alignment,
                          std::optional<std::uint64_t> data_bytes) {
  std::vector<const Placed*> in_order;
  in_order.reserve(tensors.size());
  for (const Placed& placed : tensors) {
    in_order.push_back(&placed);
  }
  std::ranges::sort(in_order, {}, [](const Placed* placed) {
    return std::pair(placed->offset, placed->tensor.bytes);
  });
  std::uint64_t free_from = 0;
  for (const Placed* placed : in_order) {
    const auto& [tensor, offset] = *placed;
    if (offset % alignment != 0) {
      return corrupt(fmt::format("tensor {}: its data begins at byte {}, no multiple of {}",
                                 in_quotes(tensor.name), offset, alignment));
    }
    if (offset < free_from) {
      return corrupt(
          fmt::format("tensor {}: its data begins at byte {}, within that of another, "
                      "which ends at {}",
                      in_quotes(tensor.name), offset, free_from));
    }
    const auto end = checked_add(offset, tensor.bytes.count);
    if (!end || (data_bytes && *end > *data_bytes)) {
      return fail(ErrorCode::corrupt,
                  fmt::format("tensor {}: {} bytes from byte {} on are beyond the {} bytes of data "
                              "in the file",
                              in_quotes(tensor.name), tensor.bytes.count, offset,
                              data_bytes ? fmt::to_string(*data_bytes) : "2^64"),
                  "the file was not copied or downloaded to its end; fetch it again");
    }
    free_from = *end;
  }
  return {};
}

/// Everything up to the data; what must be checked against the file's size comes after.
Result<GgufHeader> read_fields(ByteReader& reader, std::vector<Placed>& placed) {
  GgufHeader header;
  const auto version = read_version(reader);
  if (!version) {
    return std::unexpected(version.error());
  }
  header.version = *version;
  const auto tensors = read_count(reader, "the number of tensors", kMostGgufTensors);
  if (!tensors) {
    return std::unexpected(tensors.error());
  }
  const auto keys = read_count(reader, "the number of metadata keys", kMostGgufMetadata);
  if (!keys) {
    return std::unexpected(keys.error());
  }
  auto metadata = read_metadata(reader, *keys);
  if (!metadata) {
    return std::unexpected(std::move(metadata.error()));
  }
  header.metadata = std::move(*metadata);
  auto read = read_tensors(reader, *tensors);
  if (!read) {
    return std::unexpected(std::move(read.error()));
  }
  placed = std::move(*read);
  return header;
}

}  // namespace

Result<GgufHeader> parse_gguf(ByteSource& source) {
  ByteReader reader(
      source, kMostGgufHeader,
      Error{ErrorCode::corrupt, fmt::format("the header has more than {} bytes", kMostGgufHeader),
            std::string(kDamaged)});
  std::vector<Placed> placed;
  auto header = read_fields(reader, placed);
  if (!header) {
    return header;
  }
  const auto alignment = alignment_of(header->metadata);
  if (!alignment) {
    return std::unexpected(alignment.error());
  }
  header->alignment = *alignment;
  header->data_begin = (reader.position() + *alignment - 1) / *alignment * *alignment;
  std::optional<std::uint64_t> data_bytes = source.size();
  if (data_bytes) {
    // A file without tensors need not be padded up to where its data would begin.
    data_bytes = *data_bytes - std::min(*data_bytes, header->data_begin);
  }
  if (auto fine = check_places(placed, *alignment, data_bytes); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  std::vector<Tensor> tensors;
  tensors.reserve(placed.size());
  for (Placed& each : placed) {
    tensors.push_back(std::move(each.tensor));
  }
  auto list = make_tensor_list(std::move(tensors));
  if (!list) {
    return std::unexpected(std::move(list.error()));
  }
  header->tensors = std::move(*list);
  return header;
}

}  // namespace levee::formats
