#include "actions/speed_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace levee::actions {
namespace {

std::unexpected<Error> refused(const std::filesystem::path& path, int error) {
  return fail(error == EACCES || error == EPERM ? ErrorCode::permission_denied
              : error == ENOSPC                 ? ErrorCode::resource_exhausted
                                                : ErrorCode::unavailable,
              fmt::format("cannot write {}: {}", path.string(), std::strerror(error)),
              "the speed multipliers are in `levee status` and in the API, too");
}

}  // namespace

std::string speed_text(const std::vector<SpeedLine>& lines) {
  std::string text;
  for (const SpeedLine& line : lines) {
    text += fmt::format("{} {:.1f} {}{}{}\n", line.device, line.multiplier, to_string(line.level),
                        line.uuid.empty() ? "" : " ", line.uuid);
  }
  return text;
}

Result<void> SpeedFile::write(const std::vector<SpeedLine>& lines) {
  std::string text = speed_text(lines);
  if (text == written_) {
    return {};
  }
  const std::string fresh = path_.string() + ".new";
  ::unlink(fresh.c_str());
  const int file =
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) {
    return refused(path_, errno);
  }
  ::fchmod(file, 0644);
  const ssize_t count = ::write(file, text.data(), text.size());
  const int write_error = count < 0 ? errno : ENOSPC;
  ::close(file);
  if (count != static_cast<ssize_t>(text.size())) {
    ::unlink(fresh.c_str());
    return refused(path_, write_error);
  }
  if (::rename(fresh.c_str(), path_.c_str()) != 0) {
    const int rename_error = errno;
    ::unlink(fresh.c_str());
    return refused(path_, rename_error);
  }
  written_ = std::move(text);
  return {};
}

void SpeedFile::remove() noexcept {
  if (!written_.empty()) {
    ::unlink(path_.c_str());
    written_.clear();
  }
}

std::filesystem::path speed_path(std::filesystem::path socket) {
  return socket.replace_extension(".speed");
}

}  // namespace levee::actions
