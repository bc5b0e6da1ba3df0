// SocketFile: the daemon's Unix socket in the file system, and the lock that keeps two daemons from
// taking it at once. Made and destroyed by one thread.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "levee/result.hpp"
#include "sources/file.hpp"
#include "sources/root.hpp"

namespace levee::server {

class SocketFile {
 public:
  /// Binds and listens at `path`, mode 0666 (everybody may ask; the API decides who may do what). A
  /// missing directory is made, 0755. Whoever answers there, or holds "<path>.lock", wins:
  /// `already_exists` names its pid. A socket nobody answers on is replaced; a file that is no
  /// socket is never touched. `root` is where the holder's command is looked up.
  [[nodiscard]] static Result<SocketFile> make(std::filesystem::path path,
                                               const sources::Root& root);

  SocketFile(SocketFile&&) noexcept = default;
  SocketFile& operator=(SocketFile&&) = delete;
  ~SocketFile();

  /// The listening, non-blocking descriptor; still owned here.
  [[nodiscard]] int descriptor() const noexcept { return listener_.get(); }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  SocketFile(std::filesystem::path path, sources::Fd lock, sources::Fd listener, dev_t device,
             ino_t inode)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        listener_(std::move(listener)),
        device_(device),
        inode_(inode) {}

  std::filesystem::path path_;
  sources::Fd lock_;
  sources::Fd listener_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace levee::server
