#include "formats/byte_source.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>

namespace levee::formats {

// Numbers are copied as they lie in the file.
static_assert(std::endian::native == std::endian::little);

namespace {

Error ended(std::string_view what, std::uint64_t size) {
  return {ErrorCode::corrupt, fmt::format("the file ends after {} bytes, within {}", size, what),
          "it was not copied or downloaded to its end; fetch it again"};
}

}  // namespace

Result<std::size_t> MemorySource::read_at(std::uint64_t offset, std::span<char> buffer) {
  if (offset >= bytes_.size()) {
    return 0;
  }
  return bytes_.copy(buffer.data(), buffer.size(), offset);
}

Result<void> ByteReader::expect(std::uint64_t count, std::string_view what) const {
  const std::uint64_t at = position();
  if (const auto size = source_.size(); size && (at > *size || count > *size - at)) {
    return std::unexpected(ended(what, *size));
  }
  if (at > limit_ || count > limit_ - at) {
    return std::unexpected(limited_);
  }
  return {};
}

Result<void> ByteReader::refill(std::string_view what) {
  buffer_start_ += next_;
  next_ = 0;
  filled_ = 0;
  auto count = source_.read_at(buffer_start_, buffer_);
  if (!count) {
    return std::unexpected(std::move(count.error()));
  }
  if (*count == 0) {
    return std::unexpected(ended(what, buffer_start_));
  }
  filled_ = *count;
  return {};
}

Result<void> ByteReader::read(std::span<char> into, std::string_view what) {
  if (auto allowed = expect(into.size(), what); !allowed) {
    return allowed;
  }
  while (!into.empty()) {
    if (next_ == filled_) {
      if (auto done = refill(what); !done) {
        return done;
      }
    }
    const std::size_t count = std::min(into.size(), filled_ - next_);
    std::memcpy(into.data(), buffer_.data() + next_, count);
    next_ += count;
    into = into.subspan(count);
  }
  return {};
}

Result<std::string> ByteReader::text(std::size_t length, std::string_view what) {
  if (auto allowed = expect(length, what); !allowed) {
    return std::unexpected(std::move(allowed.error()));
  }
  std::string text(length, '\0');
  if (auto done = read(text, what); !done) {
    return std::unexpected(std::move(done.error()));
  }
  return text;
}

Result<void> ByteReader::skip(std::uint64_t count, std::string_view what) {
  if (auto allowed = expect(count, what); !allowed) {
    return allowed;
  }
  if (count <= filled_ - next_) {
    next_ += static_cast<std::size_t>(count);
    return {};
  }
  buffer_start_ = position() + count;
  filled_ = 0;
  next_ = 0;
  return {};
}

}  // namespace levee::formats
