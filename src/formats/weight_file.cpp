#include "formats/weight_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "sources/proc_text.hpp"

namespace levee::formats {
namespace {

std::string_view kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a folder";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "something else";
  }
}

/// Why `path` cannot be opened, or said to be what it is.
Error why_not(const std::filesystem::path& path, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    std::error_code ignored;
    const bool is_link =
        std::filesystem::is_symlink(std::filesystem::symlink_status(path, ignored));
    return is_link ? Error{ErrorCode::not_found,
                           fmt::format("{}: is a link to a file that is not there", shown(path)),
                           "its download did not finish, or the cache was cleaned; fetch it again"}
                   : Error{ErrorCode::not_found, fmt::format("{}: is not there", shown(path)),
                           "check the path; a model of several files needs all of them"};
  }
  if (error == ELOOP || error == ENAMETOOLONG) {
    return {ErrorCode::invalid_argument,
            fmt::format("{}: {}", shown(path), std::generic_category().message(error)),
            "give the path of a weight file, or of the folder of a model"};
  }
  return sources::file_error("cannot read " + shown(path), error);
}

Result<void> refuse_unless_regular(const std::filesystem::path& path, mode_t mode) {
  if (S_ISREG(mode)) {
    return {};
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{}: is {}, and no weight file", shown(path), kind_of(mode)),
              "give the path of a .safetensors or .gguf file");
}

}  // namespace

std::string shown(const std::filesystem::path& path) { return sources::printable(path.string()); }

std::unexpected<Error> in_file(const std::filesystem::path& path, const Error& error) {
  return std::unexpected(error.within(shown(path)));
}

Result<WeightFile> WeightFile::open(const std::filesystem::path& path) {
  // Looked at before it is opened, because opening a device may do something; and once more after,
  // because it may have been replaced meanwhile. O_NONBLOCK: opening a pipe would wait for a
  // writer.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return std::unexpected(why_not(path, errno));
  }
  if (auto regular = refuse_unless_regular(path, status.st_mode); !regular) {
    return std::unexpected(std::move(regular.error()));
  }
  sources::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return std::unexpected(why_not(path, errno));
  }
  if (auto regular = refuse_unless_regular(path, status.st_mode); !regular) {
    return std::unexpected(std::move(regular.error()));
  }
  return WeightFile(std::move(fd), static_cast<std::uint64_t>(status.st_size));
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
