#include "cli/output.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "render/text.hpp"

namespace levee::cli {

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody left the pipe or terminal non-blocking: wait for room.
      pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      const int error = errno;
      return fail(
          error == EPIPE ? ErrorCode::unavailable : ErrorCode::resource_exhausted,
          fmt::format("cannot write the output: {}", std::generic_category().message(error)),
          error == ENOSPC ? "free some space, or write it elsewhere" : "");
    }
  }
  return {};
}

int print(std::string_view text, int exit_code) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (written) {
    return exit_code;
  }
  return written.error().code == ErrorCode::unavailable ? kFailed
                                                        : complain(written.error(), kFailed);
}

int complain(const Error& error, int exit_code) {
  std::string text = fmt::format("levee: {}\n", shown(error.message, Charset::utf8));
  if (!error.hint.empty()) {
    text += fmt::format("hint: {}\n", shown(error.hint, Charset::utf8));
  }
  static_cast<void>(write_all(STDERR_FILENO, text));
  return exit_code;
}

int complain(const Error& error) {
  return complain(error, error.code == ErrorCode::invalid_argument ? kMisuse : kFailed);
}

}  // namespace levee::cli
