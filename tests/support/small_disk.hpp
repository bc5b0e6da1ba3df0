// A disk that is really full, for tests of what writes files.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/temp_dir.hpp"

namespace levee::test {

/// A disk of a fixed size (tmpfs), which only root can mount: is_mounted() says whether it worked.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& size)
      : mounted_(::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0) {
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) {
      ::umount2(dir_.path().c_str(), MNT_DETACH);
    }
  }

  [[nodiscard]] bool is_mounted() const noexcept { return mounted_; }
  std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }

  /// Takes every free byte; free_up() gives them back.
  void fill() const {
    std::ofstream ballast(dir_ / "ballast", std::ios::binary | std::ios::app);
    const std::string block(4096, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void free_up() const { std::filesystem::remove(dir_ / "ballast"); }

 private:
  TempDir dir_;
  bool mounted_;
};

}  // namespace levee::test
