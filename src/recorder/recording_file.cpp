#include "recorder/recording_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "recorder/frames.hpp"

namespace levee::recorder {

Result<RecordingFile> RecordingFile::make(std::filesystem::path file) {
  RecordingFile made(std::move(file));
  if (auto begun = made.begin_part(); !begun) {
    return std::unexpected(std::move(begun.error()));
  }
  return made;
}

Result<void> RecordingFile::begin_part() {
  struct stat found{};
  if (::lstat(file_.c_str(), &found) == 0) {
    if (!S_ISREG(found.st_mode)) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{} is no ordinary file", file_.string()),
                  "give recorder.file the path of a file that may be made");
    }
    if (std::rename(file_.c_str(), (file_.string() + ".1").c_str()) != 0) {
      return std::unexpected(sources::file_error("cannot rename " + file_.string(), errno));
    }
  }
  // What everybody's processes are called is in it.
  fd_ = sources::Fd(
      ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd_) {
    return std::unexpected(sources::file_error("cannot make " + file_.string(), errno));
  }
  size_ = {};
  return write(file_head());
}

Result<void> RecordingFile::write(std::string_view frame) {
  while (!frame.empty()) {
    const ssize_t written = ::write(fd_.get(), frame.data(), frame.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return std::unexpected(sources::file_error("cannot write " + file_.string(), errno));
    }
    size_ += Bytes{static_cast<std::uint64_t>(written)};
    frame.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace levee::recorder
