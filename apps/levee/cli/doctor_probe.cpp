// Gathering the doctor's facts.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "cli/ask.hpp"
#include "cli/doctor.hpp"
#include "cli/doctor_gpus.hpp"
#include "engine/clock.hpp"
#include "sources/device_holders.hpp"
#include "sources/holder_advice.hpp"
#include "sources/host.hpp"
#include "sources/processes.hpp"
#include "sources/psi_trigger.hpp"
#include "sources/users.hpp"

namespace levee::cli {
namespace {

namespace fs = std::filesystem;

Result<DaemonFacts> probe_daemon(const Connection& connection) {
  auto client = connect(connection);
  if (!client) {
    return std::unexpected(std::move(client.error()));
  }
  const auto get = [&](std::string_view target) -> Result<Json> {
    const auto reply = client->get(target);
    return reply ? parse_answer(reply->body) : std::unexpected(reply.error());
  };
  auto health = get("/healthz");
  // After a time-out another call would only wait as long again.
  const bool hangs = !health && health.error().code == ErrorCode::timed_out;
  const auto unless_it_hangs = [&](std::string_view target) {
    return hangs ? Result<Json>(std::unexpected(health.error())) : get(target);
  };
  auto overview = unless_it_hangs("/api/v1/overview");
  auto settings = unless_it_hangs("/api/v1/config");
  return DaemonFacts{client->socket(), std::move(health), std::move(overview), std::move(settings)};
}

/// The value of `key` in a running daemon, which may have been started with other options than
/// this user's; else `otherwise`.
std::string in_daemon(const Result<DaemonFacts>& daemon, std::string_view key,
                      const std::string& otherwise) {
  return daemon && daemon->settings
             ? text_at(*daemon->settings, "config", key, "value").value_or(otherwise)
             : otherwise;
}

Result<std::chrono::microseconds> probe_pressure(const sources::Root& root) {
  const auto trigger =
      sources::PsiTrigger::arm(root, std::chrono::milliseconds{150}, std::chrono::seconds{1});
  return trigger ? Result<std::chrono::microseconds>(trigger->window())
                 : std::unexpected(trigger.error());
}

/// Processes whose directory is there and whose contents are refused.
std::size_t count_hidden(const sources::Root& root) {
  std::size_t hidden = 0;
  std::error_code error;
  for (fs::directory_iterator it(root.at("/proc"), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) {
      const auto stat = root.read("/proc/" + name + "/stat");
      hidden += !stat && stat.error().code == ErrorCode::permission_denied ? 1U : 0U;
    }
  }
  return hidden;
}

Result<ProcessFacts> probe_processes(const sources::Root& root) {
  const auto users = std::make_shared<sources::UserNames>(root);
  sources::ProcessSource source(root, {}, users);
  const auto scan = source.scan(sources::Thoroughness::thorough, engine::read_clock().mono);
  if (!scan) {
    return std::unexpected(scan.error());
  }
  // Names from a directory service arrive a moment later.
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  ProcessFacts facts{.seen = scan->seen, .hidden = count_hidden(root), .nameless = 0};
  for (const ProcessReading& process : scan->processes) {
    const uid_t uid = process.identity->uid;
    facts.nameless += users->name(uid) == std::to_string(uid) ? 1U : 0U;
  }
  return facts;
}

StateDirFacts probe_state_dir(const fs::path& path) {
  StateDirFacts facts{.path = path, .exists = false, .writable = false, .free = {}};
  std::error_code error;
  facts.exists = fs::is_directory(path, error);
  fs::path nearest = fs::absolute(path, error);
  while (!fs::exists(nearest, error) && nearest.has_relative_path()) {
    nearest = nearest.parent_path();
  }
  facts.writable = fs::is_directory(nearest, error) &&
                   ::faccessat(AT_FDCWD, nearest.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  struct statvfs space{};
  if (::statvfs(nearest.c_str(), &space) == 0) {
    facts.free = Bytes{std::uint64_t{space.f_bavail} * space.f_frsize};
  }
  return facts;
}

std::optional<bool> probe_clock() {
  timex state{};
  const int result = ::adjtimex(&state);
  return result < 0 ? std::nullopt : std::optional(result != TIME_ERROR);
}

/// `gpu` of an overview, as far as the search for holders needs it.
sources::UnattributedMemory unattributed_of(const Json& gpu) {
  sources::UnattributedMemory memory;
  memory.gpu.uuid = text_at(gpu, "uuid").value_or("");
  memory.gpu.index = static_cast<int>(number_at(gpu, "gpu_id").value_or(0));
  memory.gpu.vendor =
      parse_gpu_vendor(text_at(gpu, "vendor").value_or("")).value_or(GpuVendor::nvidia);
  memory.gpu.pci_bus_id = text_at(gpu, "pci_bus_id").value_or("");
  if (const auto minor = number_at(gpu, "minor")) {
    memory.gpu.minor = static_cast<int>(*minor);
  }
  memory.amount =
      Bytes{static_cast<std::uint64_t>(number_at(gpu, "memory_unattributed_bytes").value_or(0))};
  for (const Json& process : list_at(gpu, "processes")) {
    memory.named.push_back(static_cast<pid_t>(number_at(process, "pid").value_or(0)));
  }
  return memory;
}

/// Searches the machine for holders of each device with memory that nobody answers for.
void advise_on(GpuFacts& facts, const sources::Root& root) {
  sources::UserNames users(root);
  for (const Json& gpu : facts.gpus) {
    if (number_at(gpu, "memory_unattributed_bytes").value_or(0) < kNotableUnattributed) {
      continue;
    }
    const auto memory = unattributed_of(gpu);
    const auto found =
        sources::find_device_holders(root, sources::gpu_files(root, memory.gpu), users);
    if (found) {
      facts.advice[memory.gpu.uuid] = sources::advise(memory, *found);
    }
  }
}

/// What is known of the GPUs: a daemon's word, else one look where the settings allow one.
Json overview_of(const Result<DaemonFacts>& daemon, const Result<config::Settings>& settings) {
  if (daemon && daemon->overview) {
    return *daemon->overview;
  }
  return settings ? look(*settings, "/api/v1/overview").value_or(Json()) : Json();
}

void complete(GpuFacts& facts, const Json& overview) {
  facts.gpus = list_at(overview, "gpus");
  for (const Json& each : list_at(overview, "troubles")) {
    const std::string source = text_at(each, "source").value_or("");
    if (source == "nvml" || source == "amdgpu" || source == "intel" || source == "gpu-helper") {
      facts.troubles.push_back(
          {source, Error{ErrorCode::unavailable, text_at(each, "detail").value_or(""),
                         text_at(each, "hint").value_or("")}});
    }
  }
}

}  // namespace

Facts probe(const Connection& connection, const std::optional<std::string>& config,
            const Surroundings& surroundings) {
  const sources::Root root;
  const auto inputs = inputs_for(surroundings, config);
  auto settings = config::Settings::load(inputs);
  const config::Config own = settings ? settings->config() : config::Config{};
  auto daemon = probe_daemon(connection);
  const std::string state_dir = in_daemon(daemon, "state_dir", own.state_dir);
  auto listen = server::parse_listen(in_daemon(daemon, "server.listen", own.server.listen));
  const bool has_port = listen && *listen && (*listen)->port != 0;
  std::vector<SourceTrouble> troubles;
  auto host = sources::HostSource(root).read(troubles);
  GpuFacts gpus = probe_gpus(root);
  gpus.wanted = own.gpu.enabled;
  complete(gpus, overview_of(daemon, settings));
  advise_on(gpus, root);
  auto port_holder = has_port ? sources::holder_of_port(root, (*listen)->port) : std::nullopt;
  return {.daemon = std::move(daemon),
          .host = std::move(host),
          .host_troubles = std::move(troubles),
          .pressure_window = probe_pressure(root),
          .processes = probe_processes(root),
          .state_dir = probe_state_dir(
              state_dir.empty() ? client::default_state_dir(surroundings.lookup(), surroundings.uid)
                                : fs::path(state_dir)),
          .listen = std::move(listen),
          .port_holder = std::move(port_holder),
          .protection = actions::probe_protection(),
          .now = engine::read_clock().wall,
          .clock_synchronised = probe_clock(),
          .config_candidates = inputs.default_files,
          .settings = std::move(settings),
          .gpus = std::move(gpus)};
}

}  // namespace levee::cli
