#include "core/exec.hpp"

#include <fmt/core.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace levee {

std::vector<char*> exec_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> array;
  array.reserve(texts.size() + 1);
  for (const std::string& text : texts) {
    array.push_back(const_cast<char*>(text.c_str()));  // exec does not write to the strings
  }
  array.push_back(nullptr);
  return array;
}

Error exec_error(const std::string& program, int error) {
  std::string message =
      fmt::format("cannot run \"{}\": {}", program, std::system_category().message(error));
  switch (error) {
    case ENOENT:
      return {ErrorCode::not_found, std::move(message),
              "want a program that is in PATH, or its full path; a script is not found either when "
              "the interpreter of its first line is missing"};
    case EACCES:
    case EPERM:
    case ENOEXEC:
    case ENOTDIR:
    case EISDIR:
    case ELIBBAD:
      return {ErrorCode::permission_denied, std::move(message),
              "make the file executable; a script needs a first line such as #!/bin/sh"};
    case E2BIG:
      return {ErrorCode::invalid_argument, std::move(message),
              "the kernel takes 128 KiB in one argument, and a quarter of the stack limit "
              "(ulimit -s) in all arguments and the environment; hand the rest over in a file"};
    case ENAMETOOLONG:
      return {ErrorCode::invalid_argument, std::move(message), "shorten the program's path"};
    default:
      return {ErrorCode::resource_exhausted, std::move(message), {}};
  }
}

}  // namespace levee
