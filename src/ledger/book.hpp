// Book: all leases and requests, and what has changed since the last commit. Pure; one owner.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/lease.hpp"

namespace levee::ledger {

class Book {
 public:
  using Leases = std::map<std::string, Lease, std::less<>>;

  Book() = default;
  explicit Book(std::vector<Lease> leases);

  [[nodiscard]] const Leases& leases() const noexcept { return leases_; }
  /// Null when there is none.
  [[nodiscard]] const Lease* find(std::string_view id) const;
  /// Who waits, in the order in which they are served: by priority, then by arrival.
  [[nodiscard]] std::vector<const Lease*> queue() const;

  /// Gives it the next ticket.
  void add(Lease lease);
  /// Replaces what has the same id.
  void put(Lease lease);
  void erase(std::string_view id);

  /// What a lease was before its first change since the last commit; nothing: it was not there.
  using Changes = std::map<std::string, std::optional<Lease>, std::less<>>;
  [[nodiscard]] const Changes& changes() const noexcept { return changes_; }
  void commit();
  void roll_back();

 private:
  void note(const std::string& id);

  Leases leases_;
  Changes changes_;
  std::uint64_t last_ticket_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace levee::ledger
