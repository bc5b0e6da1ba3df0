// UserNames: uid → login name. /etc/passwd below the root first; on the real machine, users from
// a directory service (LDAP, SSSD) are asked of the C library on a thread of their own, because
// that call can block for long. Until the answer is there the number stands for the name.
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "sources/root.hpp"

namespace levee::sources {

class UserNames {
 public:
  explicit UserNames(const Root& root);
  ~UserNames();
  UserNames(const UserNames&) = delete;
  UserNames& operator=(const UserNames&) = delete;

  /// The name of `uid`, or its number as text while or if it has none. Never blocks.
  [[nodiscard]] std::string name(uid_t uid);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace levee::sources
