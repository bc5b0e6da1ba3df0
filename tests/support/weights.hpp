// Weight files made for a test: headers as the formats write them, and files whose data is a hole.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace levee::test {

/// A number as it lies in a file.
template <class T>
std::string little_endian(T value) {
  static_assert(std::is_arithmetic_v<T>);
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

/// A safetensors header with its length before it.
inline std::string safetensors_start(std::string_view json) {
  return little_endian<std::uint64_t>(json.size()).append(json);
}

/// Makes `file` of `header` and `data_bytes` of data that take no room on the disk.
inline void write_sparse(const std::filesystem::path& file, std::string_view header,
                         std::uint64_t data_bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << header;
  std::filesystem::resize_file(file, header.size() + data_bytes);
}

/// JSON of a safetensors header with tensors of 2 bytes a value, one after the other.
class SafetensorsJson {
 public:
  SafetensorsJson& add(std::string_view name, std::uint64_t rows, std::uint64_t columns) {
    const std::uint64_t end = end_ + 2 * rows * columns;
    members_.append(members_.empty() ? "" : ",")
        .append("\"")
        .append(name)
        .append(R"(":{"dtype":"BF16","shape":[)")
        .append(std::to_string(rows) + "," + std::to_string(columns))
        .append(R"(],"data_offsets":[)")
        .append(std::to_string(end_) + "," + std::to_string(end) + "]}");
    end_ = end;
    return *this;
  }
  [[nodiscard]] std::string text() const { return "{" + members_ + "}"; }
  [[nodiscard]] std::uint64_t data_bytes() const { return end_; }

  void write(const std::filesystem::path& file) const {
    write_sparse(file, safetensors_start(text()), end_);
  }

 private:
  std::string members_;
  std::uint64_t end_ = 0;
};

/// A GGUF header, field by field; what a test does not set is as in an ordinary file.
class GgufBytes {
 public:
  std::string magic = "GGUF";
  std::uint32_t version = 3;

  static std::string text(std::string_view value) {
    return little_endian<std::uint64_t>(value.size()).append(value);
  }

  /// `value` as it lies in the file, after its type.
  GgufBytes& key(std::string_view name, std::uint32_t type, std::string_view value) {
    metadata_ += text(name) + little_endian(type) + std::string(value);
    ++keys_;
    return *this;
  }
  GgufBytes& u16(std::string_view name, std::uint16_t value) {
    return key(name, 2, little_endian(value));
  }
  GgufBytes& u32(std::string_view name, std::uint32_t value) {
    return key(name, 4, little_endian(value));
  }
  GgufBytes& i32(std::string_view name, std::int32_t value) {
    return key(name, 5, little_endian(value));
  }
  GgufBytes& string(std::string_view name, std::string_view value) {
    return key(name, 8, text(value));
  }
  GgufBytes& array(std::string_view name, std::uint32_t element, std::uint64_t length,
                   std::string_view elements) {
    return key(name, 9, little_endian(element) + little_endian(length) + std::string(elements));
  }

  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& shape,
                    std::uint32_t type, std::uint64_t offset) {
    tensors_ += text(name) + little_endian(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t dimension : shape) {
      tensors_ += little_endian(dimension);
    }
    tensors_ += little_endian(type) + little_endian(offset);
    ++count_;
    return *this;
  }
  GgufBytes& claim_tensors(std::uint64_t count) {
    count_ = count;
    return *this;
  }
  GgufBytes& claim_keys(std::uint64_t count) {
    keys_ = count;
    return *this;
  }

  [[nodiscard]] std::string header() const {
    return magic + little_endian(version) + little_endian(count_) + little_endian(keys_) +
           metadata_ + tensors_;
  }
  /// The header up to where the data begins.
  [[nodiscard]] std::string padded(std::size_t alignment = 32) const {
    std::string bytes = header();
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment, '\0');
    return bytes;
  }
  /// The whole file, its data zeros.
  [[nodiscard]] std::string file(std::size_t data_bytes, std::size_t alignment = 32) const {
    return padded(alignment) + std::string(data_bytes, '\0');
  }

 private:
  std::string metadata_;
  std::string tensors_;
  std::uint64_t keys_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace levee::test
