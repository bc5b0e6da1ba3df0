#include "sources/regular_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace levee::sources {

Result<Fd> open_regular_file(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    return std::unexpected(file_error(fmt::format("cannot read {}", path.string()), errno));
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return std::unexpected(file_error(fmt::format("cannot read {}", path.string()), errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{} is a {}", path.string(),
                            S_ISDIR(status.st_mode) ? "folder" : "special file"),
                "name an ordinary file");
  }
  return file;
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
    const ssize_t count = ::read(file->get(), text.data() + had, kChunk);
    if (count < 0 && errno != EINTR) {
      return std::unexpected(file_error(fmt::format("cannot read {}", path.string()), errno));
    }
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count == 0) {
      return text;
    }
  }
  return fail(ErrorCode::invalid_argument,
              fmt::format("{} has more than {} bytes", path.string(), most),
              "this is hardly the file that was meant");
}

}  // namespace levee::sources
