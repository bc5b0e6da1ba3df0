#include "config/file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "config/settings.hpp"

namespace levee::config {
namespace {

std::unexpected<Error> cannot_read(const std::filesystem::path& file, std::error_code error) {
  const bool missing = error == std::errc::no_such_file_or_directory;
  const bool denied = error == std::errc::permission_denied;
  return fail(missing  ? ErrorCode::not_found
              : denied ? ErrorCode::permission_denied
                       : ErrorCode::unavailable,
              fmt::format("cannot read {}: {}", file.string(), error.message()),
              denied ? "make it readable for the user Levee runs as, or name another file"
                     : "check the path; without a name, Levee takes the usual files, if any");
}

}  // namespace

Result<std::string> read_settings_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return cannot_read(file, std::make_error_code(std::errc::no_such_file_or_directory));
  }
  if (error) {
    return cannot_read(file, error);
  }
  // A character device is allowed for /dev/null: "no file".
  if (status.type() != std::filesystem::file_type::regular &&
      status.type() != std::filesystem::file_type::character) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} is not a file", file.string()),
                "name the configuration file itself");
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  std::string text(kLongestDocument + 1, '\0');
  if (stream) {
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  }
  if (!stream.is_open() || stream.bad()) {
    return cannot_read(file, std::error_code(errno != 0 ? errno : EIO, std::generic_category()));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

}  // namespace levee::config
