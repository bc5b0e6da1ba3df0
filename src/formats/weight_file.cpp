#include "formats/weight_file.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <utility>

#include "sources/proc_text.hpp"
#include "sources/regular_file.hpp"

namespace levee::formats {

std::string shown(const std::filesystem::path& path) { return sources::printable(path.string()); }

std::unexpected<Error> in_file(const std::filesystem::path& path, const Error& error) {
  return std::unexpected(error.within(shown(path)));
}

Result<WeightFile> WeightFile::open(const std::filesystem::path& path) {
  auto file = sources::open_regular_file(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  return WeightFile(std::move(file->fd), file->size);
}

Result<std::size_t> WeightFile::read_at(std::uint64_t offset, std::span<char> buffer) {
  if (!std::in_range<off_t>(offset)) {
    return 0;
  }
  while (true) {
    const ssize_t count =
        ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count >= 0) {
      return static_cast<std::size_t>(count);
    }
    if (errno != EINTR) {
      return std::unexpected(sources::file_error("cannot be read", errno));
    }
  }
}

Result<std::string> read_range(ByteSource& file, std::uint64_t offset, std::size_t length) {
  std::string bytes(length, '\0');
  std::size_t filled = 0;
  while (filled < length) {
    auto count = file.read_at(offset + filled, std::span(bytes).subspan(filled));
    if (!count) {
      return std::unexpected(std::move(count.error()));
    }
    if (*count == 0) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the file ends after {} bytes, within its header", offset + filled),
                  "it was not copied or downloaded to its end; fetch it again");
    }
    filled += *count;
  }
  return bytes;
}

}  // namespace levee::formats
