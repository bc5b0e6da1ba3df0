// WeightFile: a regular file opened for reading; nothing else is, so that a pipe or a device under
// the name of a model cannot hold anybody up. Symbolic links are followed: the model caches are
// made of them. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "formats/byte_source.hpp"
#include "levee/result.hpp"
#include "sources/file.hpp"

namespace levee::formats {

class WeightFile final : public ByteSource {
 public:
  /// Errors name the file. `invalid_argument` for what is no regular file, `not_found` for what is
  /// not there or is a link to nothing.
  [[nodiscard]] static Result<WeightFile> open(const std::filesystem::path& path);

  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<char> buffer) override;

  /// The size at opening.
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }

  WeightFile(WeightFile&& other) noexcept : fd_(std::move(other.fd_)), size_(other.size_) {}

 private:
  WeightFile(sources::Fd fd, std::uint64_t size) : fd_(std::move(fd)), size_(size) {}

  sources::Fd fd_;
  std::uint64_t size_;
};

/// Bytes [offset, offset + length) of `file`; an error when it ends before. `length` is allocated:
/// the caller bounds it.
[[nodiscard]] Result<std::string> read_range(ByteSource& file, std::uint64_t offset,
                                             std::size_t length);

/// `error` of the file `path`.
[[nodiscard]] std::unexpected<Error> in_file(const std::filesystem::path& path, const Error& error);

/// `path` as a message may show it.
[[nodiscard]] std::string shown(const std::filesystem::path& path);

}  // namespace levee::formats
