#include "sources/regular_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "sources/proc_text.hpp"

namespace levee::sources {
namespace {

std::string shown(const std::filesystem::path& path) { return printable(path.string()); }

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
            "check the path"};
  }
  return file_error("cannot read " + shown(path), error);
}

std::optional<Error> no_regular_file(const std::filesystem::path& path, mode_t mode) {
  if (S_ISREG(mode)) {
    return std::nullopt;
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("{}: is {}, and no ordinary file", shown(path), kind_of(mode)),
               "name the file itself"};
}

}  // namespace

Result<RegularFile> open_regular_file(const std::filesystem::path& path) {
  // Looked at before it is opened, because opening a device may do something; and once more after,
  // because it may have been replaced meanwhile. O_NONBLOCK: opening a pipe would wait for a
  // writer.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return std::unexpected(why_not(path, errno));
  }
  if (auto error = no_regular_file(path, status.st_mode)) {
    return std::unexpected(std::move(*error));
  }
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return std::unexpected(why_not(path, errno));
  }
  if (auto error = no_regular_file(path, status.st_mode)) {
    return std::unexpected(std::move(*error));
  }
  return RegularFile{std::move(fd), static_cast<std::uint64_t>(status.st_size)};
}

Result<std::string> read_regular_file(const std::filesystem::path& path, std::size_t most) {
  const auto file = open_regular_file(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::string text;
  constexpr std::size_t kChunk = std::size_t{64} * 1024;
  while (text.size() <= most) {
    const std::size_t had = text.size();
    text.resize(had + kChunk);
    const ssize_t count = ::read(file->fd.get(), text.data() + had, kChunk);
    if (count < 0 && errno != EINTR) {
      return std::unexpected(file_error(fmt::format("cannot read {}", shown(path)), errno));
    }
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) {
      return text;
    }
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} has more than {} bytes", shown(path), most),
              "this is hardly the file that was meant");
}

}  // namespace levee::sources
