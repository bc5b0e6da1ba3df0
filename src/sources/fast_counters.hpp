// FastCounters: the few figures the guard thread reads, through descriptors that are kept open.
//
// One look costs two to five reads of small kernel files, opens nothing and allocates nothing.
// One owner thread (the guard's).
#pragma once

#include <memory>

#include "levee/bytes.hpp"
#include "levee/result.hpp"
#include "sources/root.hpp"

namespace levee::sources {

class FastCounters {
 public:
  struct Look {
    Bytes available;  ///< As HostReading::available (contract G1).
    Bytes total;      ///< As HostReading::total.
  };

  /// Opens /proc/meminfo and the usage, limit and stat files of each cgroup limit above us.
  [[nodiscard]] static Result<FastCounters> open(const Root& root);

  [[nodiscard]] Result<Look> look() noexcept;

  FastCounters(FastCounters&&) noexcept;
  FastCounters& operator=(FastCounters&&) noexcept;
  ~FastCounters();

 private:
  struct Impl;
  explicit FastCounters(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace levee::sources
