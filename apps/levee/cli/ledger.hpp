// Asking the ledger: the daemon's, or, without one, this user's own on the same file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/json.hpp"
#include "cli/options.hpp"
#include "engine/local_ledger.hpp"
#include "levee/client.hpp"
#include "levee/result.hpp"

namespace levee::cli {

class Ledger {
 public:
  /// Finds the daemon, or opens the user's own ledger. A socket that was named must answer.
  [[nodiscard]] static Result<Ledger> open(const Connection& connection,
                                           const std::optional<std::string>& config,
                                           const Surroundings& surroundings);
  [[nodiscard]] static Result<Ledger> open(const Showing& showing,
                                           const Surroundings& surroundings) {
    return open(showing.connection, showing.config, surroundings);
  }

  /// An answer of 400 or above comes back as the Error it carries.
  [[nodiscard]] Result<Json> call(std::string_view method, std::string_view target,
                                  const Json& body = {});

  [[nodiscard]] bool is_daemon() const noexcept { return client_.has_value(); }
  /// A line that says whose promises these are, where no daemon makes them; else empty.
  [[nodiscard]] std::string note() const;

 private:
  std::optional<Client> client_;
  std::unique_ptr<engine::LocalLedger> local_;
};

/// What is asked for on the command line, common to `run` and `lease grant`.
struct LeaseWish {
  std::optional<std::string> gpu_mem;
  std::optional<std::string> fit;   ///< What `levee fit` would be called with.
  std::optional<std::string> gpus;  ///< A number.
  std::vector<std::string> gpu;     ///< Names.
  std::optional<std::string> host_mem;
  std::optional<std::string> placement;
  std::optional<std::string> min_compute;
  std::optional<std::string> priority;
  std::optional<std::string> name;
  std::optional<std::string> id;
  std::optional<std::string> wait;
};

void add_lease_wish(CLI::App& command, LeaseWish& wish);

/// The body of POST /api/v1/leases; with `fit`, what add_estimate() adds is yet to come.
[[nodiscard]] Result<Json> to_body(const LeaseWish& wish);

/// POST; patient with a daemon that has just started and knows nothing yet.
[[nodiscard]] Result<Json> request_lease(Ledger& ledger, const Json& body,
                                         std::string_view path = "/api/v1/leases");

/// Waits until a request in line is granted; `tell` hears of its place whenever that changes.
/// timed_out with the reason when it is over instead.
[[nodiscard]] Result<Json> wait_for_grant(Ledger& ledger, const std::string& id,
                                          const std::function<void(const Json&)>& tell);

}  // namespace levee::cli
