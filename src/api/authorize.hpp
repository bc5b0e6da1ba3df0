// Who may do what: one function, one table (contract G10). Pure; thread-safe.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

#include "levee/result.hpp"

namespace levee::api {

/// What a request wants. Every route names one.
enum class Action {
  read,        ///< Look at anything.
  book_own,    ///< Take a lease for oneself.
  manage_own,  ///< Release or change what one owns.
  administer,  ///< Change settings, clean up, act on others' things.
};

/// Who asks. The user of a Unix socket comes from its credentials, that of a loopback connection
/// from the owner of the peer's socket; unknown when it could not be found.
struct Peer {
  enum class Via { unix_socket, loopback };
  Via via = Via::loopback;
  std::optional<uid_t> uid;
};

/// The user the daemon runs as.
struct Authority {
  uid_t daemon_uid = 0;
};

/// Nothing if `peer` may do `action`, else permission_denied with what would be needed.
[[nodiscard]] Result<void> authorize(const Authority& authority, const Peer& peer, Action action);

/// Nothing if `peer` may act on what belongs to the user `owner`: that user, or who may administer.
[[nodiscard]] Result<void> authorize(const Authority& authority, const Peer& peer, uid_t owner);

/// Refuses requests that a web page on another origin could cause (DNS rebinding, cross-site
/// forms): Host must be a loopback name, Origin, when sent, must be the same host. `host` and
/// `origin` are the headers as sent, empty when absent. A Unix socket needs neither.
[[nodiscard]] Result<void> check_origin(Peer::Via via, std::string_view host,
                                        std::string_view origin);

}  // namespace levee::api
