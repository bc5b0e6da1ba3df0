// IncidentDir: the bundles of a state directory, one file each. A bundle is written below another
// name and renamed when it lies on the disk, so that none is ever half there; the oldest go when
// all of them become too large, those that somebody asked for first. One owner thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "levee/bytes.hpp"
#include "recorder/items.hpp"

namespace levee::recorder {

class IncidentDir {
 public:
  /// Takes away what an earlier run did not finish.
  explicit IncidentDir(std::filesystem::path directory);

  struct Entry {
    Incident incident;
    Bytes size;
    std::filesystem::path file;
  };

  /// The newest first. Files that are no bundles are left out.
  [[nodiscard]] std::vector<Entry> list() const;

  /// `not_found` for what is not there, or is no name of a bundle.
  [[nodiscard]] Result<std::filesystem::path> find(std::string_view id) const;

  /// Saves `incident` with what was recorded (`pieces`, without a head) and makes room, `most` for
  /// all of them. The file; where another has the id already, the incident gets a new one.
  [[nodiscard]] Result<std::filesystem::path> save(Incident incident, std::string_view pieces,
                                                   Bytes most);

  [[nodiscard]] Result<void> remove(std::string_view id);

 private:
  [[nodiscard]] Result<void> write(const std::filesystem::path& file, std::string_view head,
                                   std::string_view pieces) const;
  void make_room(Bytes most, std::string_view newest) const;

  std::filesystem::path directory_;
};

inline constexpr std::string_view kBundleSuffix = ".levee";

}  // namespace levee::recorder
