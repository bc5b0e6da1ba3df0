#include "formats/gguf_values.hpp"

#include <fmt/core.h>

#include <type_traits>
#include <utility>

#include "formats/checked.hpp"

namespace levee::formats {
namespace {

constexpr std::string_view kDamaged =
    "the file is damaged or was not written by a model library; fetch or convert it again";

std::unexpected<Error> corrupt(std::string message) {
  return fail(ErrorCode::corrupt, std::move(message), std::string(kDamaged));
}

/// Bytes of one value; 0 for texts and arrays, which have a length of their own.
constexpr std::uint64_t width(GgufValueType type) {
  switch (type) {
    case GgufValueType::uint8:
    case GgufValueType::int8:
    case GgufValueType::boolean:
      return 1;
    case GgufValueType::uint16:
    case GgufValueType::int16:
      return 2;
    case GgufValueType::uint32:
    case GgufValueType::int32:
    case GgufValueType::float32:
      return 4;
    case GgufValueType::uint64:
    case GgufValueType::int64:
    case GgufValueType::float64:
      return 8;
    case GgufValueType::text:
    case GgufValueType::array:
      break;
  }
  return 0;
}

/// The next T, as the kind of number it is kept as.
template <class T>
Result<GgufNumber> number_as(ByteReader& reader, std::string_view what) {
  auto value = reader.number<T>(what);
  if (!value) {
    return std::unexpected(std::move(value.error()));
  }
  if constexpr (std::is_floating_point_v<T>) {
    return GgufNumber(static_cast<double>(*value));
  } else if constexpr (std::is_signed_v<T>) {
    return GgufNumber(std::int64_t{*value});
  } else {
    return GgufNumber(std::uint64_t{*value});
  }
}

Result<GgufNumber> read_truth(ByteReader& reader, std::string_view what) {
  const auto byte = reader.number<std::uint8_t>(what);
  if (!byte) {
    return std::unexpected(byte.error());
  }
  if (*byte > 1) {
    return corrupt(fmt::format("{} is a boolean of value {}; only 0 and 1 are", what, *byte));
  }
  return GgufNumber(*byte == 1);
}

Result<GgufNumber> read_number(ByteReader& reader, GgufValueType type, std::string_view what) {
  switch (type) {
    case GgufValueType::uint8:
      return number_as<std::uint8_t>(reader, what);
    case GgufValueType::int8:
      return number_as<std::int8_t>(reader, what);
    case GgufValueType::uint16:
      return number_as<std::uint16_t>(reader, what);
    case GgufValueType::int16:
      return number_as<std::int16_t>(reader, what);
    case GgufValueType::uint32:
      return number_as<std::uint32_t>(reader, what);
    case GgufValueType::int32:
      return number_as<std::int32_t>(reader, what);
    case GgufValueType::float32:
      return number_as<float>(reader, what);
    case GgufValueType::uint64:
      return number_as<std::uint64_t>(reader, what);
    case GgufValueType::int64:
      return number_as<std::int64_t>(reader, what);
    case GgufValueType::float64:
      return number_as<double>(reader, what);
    case GgufValueType::boolean:
      return read_truth(reader, what);
    case GgufValueType::text:
    case GgufValueType::array:
      break;
  }
  return corrupt(fmt::format("{} is no number", what));
}

Result<GgufValueType> read_type(ByteReader& reader, std::string_view what) {
  const auto number = reader.number<std::uint32_t>(what);
  if (!number) {
    return std::unexpected(number.error());
  }
  if (*number > static_cast<std::uint32_t>(GgufValueType::float64)) {
    return corrupt(fmt::format("{} is of type {}, which is not known", what, *number));
  }
  return static_cast<GgufValueType>(*number);
}

Result<void> skip_texts(ByteReader& reader, std::uint64_t count, std::string_view what) {
  const auto least = checked_multiply(count, sizeof(std::uint64_t));  // each has its length
  if (!least) {
    return corrupt(fmt::format("{} has {} elements", what, count));
  }
  if (auto there = reader.expect(*least, what); !there) {
    return there;
  }
  for (; count > 0; --count) {
    const auto length = reader.number<std::uint64_t>(what);
    if (!length) {
      return std::unexpected(length.error());
    }
    if (auto done = reader.skip(*length, what); !done) {
      return done;
    }
  }
  return {};
}

Result<void> skip_numbers(ByteReader& reader, std::uint64_t count, std::uint64_t each,
                          std::string_view what) {
  const auto bytes = checked_multiply(count, each);
  return bytes ? reader.skip(*bytes, what)
               : corrupt(fmt::format("{} has {} elements", what, count));
}

Result<GgufArray> read_array(ByteReader& reader, std::string_view what) {
  const auto element = read_type(reader, what);
  if (!element) {
    return std::unexpected(element.error());
  }
  if (*element == GgufValueType::array) {
    // The format allows it, but nothing writes it and the format's own reader refuses it.
    return corrupt(fmt::format("{} is an array of arrays", what));
  }
  const auto length = reader.number<std::uint64_t>(what);
  if (!length) {
    return std::unexpected(length.error());
  }
  GgufArray array{*element, *length, {}};
  if (*element == GgufValueType::text || *length > kMostGgufKept) {
    auto done = *element == GgufValueType::text
                    ? skip_texts(reader, *length, what)
                    : skip_numbers(reader, *length, width(*element), what);
    return done ? Result<GgufArray>(std::move(array)) : std::unexpected(std::move(done.error()));
  }
  array.values.reserve(static_cast<std::size_t>(*length));
  for (std::uint64_t i = 0; i < *length; ++i) {
    auto value = read_number(reader, *element, what);
    if (!value) {
      return std::unexpected(std::move(value.error()));
    }
    array.values.push_back(*value);
  }
  return array;
}

template <class T>
Result<GgufValue> as_value(Result<T> read) {
  return read ? Result<GgufValue>(std::move(*read)) : std::unexpected(std::move(read.error()));
}

}  // namespace

Result<std::string> read_gguf_text(ByteReader& reader, std::uint64_t most, std::string_view what) {
  const auto length = reader.number<std::uint64_t>(what);
  if (!length) {
    return std::unexpected(length.error());
  }
  if (*length > most) {
    return corrupt(fmt::format("{} has {} bytes; up to {} are accepted", what, *length, most));
  }
  return reader.text(static_cast<std::size_t>(*length), what);
}

Result<GgufValue> read_gguf_value(ByteReader& reader, std::string_view what) {
  const auto type = read_type(reader, what);
  if (!type) {
    return std::unexpected(type.error());
  }
  if (*type == GgufValueType::text) {
    return as_value(read_gguf_text(reader, kLongestGgufText, what));
  }
  if (*type == GgufValueType::array) {
    return as_value(read_array(reader, what));
  }
  const auto number = read_number(reader, *type, what);
  if (!number) {
    return std::unexpected(number.error());
  }
  return std::visit([](auto value) { return GgufValue(value); }, *number);
}

}  // namespace levee::formats
