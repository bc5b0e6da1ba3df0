#include "sources/root.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sources/file.hpp"

namespace levee::sources {

std::string Root::at(std::string_view absolute) const {
  return is_real() ? std::string(absolute) : path_.native() + std::string(absolute);
}

Result<std::string> Root::read(std::string_view absolute, std::size_t limit) const {
  const std::string path = at(absolute);
  const auto failed = [&](int error) {
    return std::unexpected(file_error(fmt::format("cannot read {}", path), error));
  };
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return failed(errno);
  }
  // Kernel files tell no size beforehand, and hand out a page or less at a time.
  constexpr std::size_t kStep = std::size_t{16} * 1024;
  std::string text;
  while (text.size() < limit) {
    const std::size_t before = text.size();
    text.resize(std::min(limit, before + kStep));
    const ssize_t count = ::read(file.get(), text.data() + before, text.size() - before);
    const int error = count < 0 ? errno : 0;
    text.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
    if (error != 0 && error != EINTR) {
      return failed(error);
    }
    if (count == 0) {
      break;
    }
  }
  return text;
}

}  // namespace levee::sources
