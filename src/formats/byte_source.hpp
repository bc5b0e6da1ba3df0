// ByteSource: where the bytes of a weight file come from, a piece at a time; and ByteReader, which
// reads them in order. A header is read in pieces so that one of many megabytes is never held
// whole, and so that what it claims is never allocated before it is seen.
//
// One reader serves one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "levee/result.hpp"

namespace levee::formats {

class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  /// Reads into `buffer` from `offset` on; how many bytes came, 0 only at the end.
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset,
                                                    std::span<char> buffer) = 0;

  /// Bytes in all; nothing when not known.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
};

/// Bytes that are in memory already.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<char> buffer) override;
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

class ByteReader {
 public:
  /// Nothing at or beyond `limit` is read; `limited` is the error of whoever tries.
  ByteReader(ByteSource& source, std::uint64_t limit, Error limited)
      : source_(source), limit_(limit), limited_(std::move(limited)), buffer_(kChunk) {}

  /// The next bytes, all of them, or an error that names `what`.
  [[nodiscard]] Result<void> read(std::span<char> into, std::string_view what);

  /// The next little-endian number.
  template <class T>
  [[nodiscard]] Result<T> number(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    std::array<char, sizeof(T)> bytes{};
    if (auto done = read(bytes, what); !done) {
      return std::unexpected(std::move(done.error()));
    }
    T value{};
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  /// The next `length` bytes as text. `length` must be bounded by the caller: it is allocated.
  [[nodiscard]] Result<std::string> text(std::size_t length, std::string_view what);

  /// Passes over `count` bytes, reading none of them.
  [[nodiscard]] Result<void> skip(std::uint64_t count, std::string_view what);

  /// That `count` more bytes may be read; to be asked before anything is allocated for them.
  [[nodiscard]] Result<void> expect(std::uint64_t count, std::string_view what) const;

  /// Offset of the next byte.
  [[nodiscard]] std::uint64_t position() const noexcept { return buffer_start_ + next_; }

 private:
  static constexpr std::size_t kChunk = std::size_t{64} * 1024;

  [[nodiscard]] Result<void> refill(std::string_view what);

  ByteSource& source_;
  std::uint64_t limit_;
  Error limited_;
  std::vector<char> buffer_;
  std::uint64_t buffer_start_ = 0;  // offset of buffer_[0]
  std::size_t filled_ = 0;
  std::size_t next_ = 0;
};

}  // namespace levee::formats
