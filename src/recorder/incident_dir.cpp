#include "recorder/incident_dir.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "recorder/encoder.hpp"
#include "recorder/reader.hpp"
#include "sources/file.hpp"

namespace levee::recorder {
namespace {

constexpr std::string_view kUnfinished = ".unfinished";

std::unexpected<Error> failed(const std::string& doing, int error) {
  Error made = sources::file_error(doing, error);
  if (error == ENOSPC || error == EDQUOT) {
    made.code = ErrorCode::resource_exhausted;
    made.hint = "make room on that disk";
  }
  return std::unexpected(std::move(made));
}

Result<void> write_whole(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return failed("cannot write " + name, errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

/// What is written by a run of digits, letters, '-' and '_' only lies in our own directory.
bool is_possible_id(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

bool was_asked_for(IncidentKind kind) {
  return kind == IncidentKind::on_demand || kind == IncidentKind::job_killed;
}

}  // namespace

IncidentDir::IncidentDir(std::filesystem::path directory) : directory_(std::move(directory)) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    if (entry.path().extension() == kUnfinished) {
      std::filesystem::remove(entry.path(), ignored);
    }
  }
}

std::vector<IncidentDir::Entry> IncidentDir::list() const {
  std::vector<Entry> entries;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, ignored)) {
    if (entry.path().extension() != kBundleSuffix) {
      continue;
    }
    auto incident = read_incident(entry.path());
    const std::uintmax_t size = std::filesystem::file_size(entry.path(), ignored);
    if (incident && !ignored) {
      entries.push_back(
          {.incident = std::move(*incident), .size = Bytes{size}, .file = entry.path()});
    }
  }
  // By name: it begins with the time.
  std::ranges::sort(entries, std::ranges::greater{}, [](const Entry& e) { return e.file; });
  return entries;
}

Result<std::filesystem::path> IncidentDir::find(std::string_view id) const {
  const std::filesystem::path file = directory_ / fmt::format("{}{}", id, kBundleSuffix);
  std::error_code ignored;
  if (!is_possible_id(id) || !std::filesystem::is_regular_file(file, ignored)) {
    return fail(ErrorCode::not_found, fmt::format("there is no incident \"{}\"", id.substr(0, 128)),
                "`levee incidents list` shows those that are kept");
  }
  return file;
}

Result<std::filesystem::path> IncidentDir::save(Incident incident, std::string_view pieces,
                                                Bytes most) {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    return failed("cannot make " + directory_.string(), error.value());
  }
  static_cast<void>(::chmod(directory_.c_str(), 0750));
  const std::string wanted = incident.id;
  for (int copy = 2; find(incident.id); ++copy) {
    incident.id = fmt::format("{}-{}", wanted, copy);
  }
  const std::filesystem::path file = directory_ / (incident.id + std::string(kBundleSuffix));
  if (auto written = write(file, file_head() + encode_incident(incident), pieces); !written) {
    return std::unexpected(std::move(written.error()));
  }
  make_room(most, incident.id);
  return file;
}

Result<void> IncidentDir::write(const std::filesystem::path& file, std::string_view head,
                                std::string_view pieces) const {
  const std::string unfinished = file.string() + std::string(kUnfinished);
  // Command lines of everybody's processes are in it, as they are in `levee ps`.
  const sources::Fd fd(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  Result<void> done;
  if (!fd) {
    return failed("cannot make " + unfinished, errno);
  }
  done = write_whole(fd.get(), head, unfinished);
  if (done) {
    done = write_whole(fd.get(), pieces, unfinished);
  }
  if (done && ::fsync(fd.get()) != 0) {
    done = failed("cannot write " + unfinished, errno);
  }
  if (done && std::rename(unfinished.c_str(), file.c_str()) != 0) {
    done = failed("cannot rename " + unfinished, errno);
  }
  if (!done) {
    ::unlink(unfinished.c_str());
    return done;
  }
  const sources::Fd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ::fsync(directory.get());  // So that the name, too, outlives a loss of power.
  return done;
}

void IncidentDir::make_room(Bytes most, std::string_view newest) const {
  auto entries = list();
  Bytes all;
  for (const Entry& entry : entries) {
    all += entry.size;
  }
  // Who asks often must not drive out what happened by itself.
  std::ranges::stable_sort(
      entries, {}, [](const Entry& entry) { return was_asked_for(entry.incident.kind) ? 1 : 0; });
  while (all > most && !entries.empty()) {
    const Entry oldest = std::move(entries.back());
    entries.pop_back();
    std::error_code ignored;
    if (oldest.incident.id != newest && std::filesystem::remove(oldest.file, ignored)) {
      all -= oldest.size;
    }
  }
}

Result<void> IncidentDir::remove(std::string_view id) {
  const auto file = find(id);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::error_code error;
  if (!std::filesystem::remove(*file, error)) {
    return failed("cannot remove " + file->string(), error.value());
  }
  return {};
}

}  // namespace levee::recorder
