// levee serve: the daemon.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>

#include "cli/ask.hpp"
#include "cli/output.hpp"
#include "cli/sd_notify.hpp"
#include "cli/serve.hpp"
#include "engine/daemon.hpp"
#include "levee/version.hpp"

namespace levee::cli {
namespace {

/// The command line's layer of settings.
Result<std::map<std::string, std::string>> settings_of(const ServeOptions& options) {
  std::map<std::string, std::string> settings;
  for (const std::string& pair : options.pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::invalid_argument, fmt::format("--set is \"{}\"", pair),
                  "write --set key=value, for example --set cpu_memory_warning=75");
    }
    settings[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  const auto lay = [&](const char* key, const std::optional<std::string>& text) {
    if (text) {
      settings[key] = *text;
    }
  };
  lay("server.listen", options.listen);
  lay("server.socket", options.socket);
  lay("state_dir", options.state_dir);
  if (options.record) {
    settings["recorder.file"] = std::filesystem::absolute(*options.record).string();
  }
  return settings;
}

Result<engine::Daemon::Options> daemon_options(const ServeOptions& options,
                                               const Surroundings& surroundings) {
  auto command_line = settings_of(options);
  if (!command_line) {
    return std::unexpected(std::move(command_line.error()));
  }
  config::Inputs inputs = inputs_for(surroundings, options.config);
  inputs.command_line = std::move(*command_line);
  auto settings = config::Settings::load(std::move(inputs));
  if (!settings) {
    // Whatever is wrong with it, a file that cannot be read included, is for the user to mend.
    settings.error().code = ErrorCode::invalid_argument;
    return std::unexpected(std::move(settings.error()));
  }
  const config::Config& config = settings->config();
  const auto lookup = surroundings.lookup();
  const std::filesystem::path state_dir = config.state_dir.empty()
                                              ? client::default_state_dir(lookup, surroundings.uid)
                                              : std::filesystem::path(config.state_dir);
  if (state_dir == client::spare_directory(surroundings.uid)) {
    if (const auto made = engine::make_private_directory(state_dir); !made) {
      return std::unexpected(made.error());
    }
  }
  const bool is_named = !config.server.socket.empty() || surroundings.variable("LEVEE_SOCKET");
  const std::filesystem::path socket = config.server.socket.empty()
                                           ? client::default_socket(lookup, surroundings.uid)
                                           : std::filesystem::path(config.server.socket);
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  return engine::Daemon::Options{
      .settings = std::move(*settings),
      .state_dir = state_dir,
      .socket = socket,
      .spare_socket = is_named || surroundings.uid == 0
                          ? std::nullopt
                          : std::optional(client::spare_socket(surroundings.uid)),
      .root = sources::Root{},
      .gpu_helper = gpu_helper(),
      .gpu_holder = gpu_holder(),
      .log_to_stderr = true,
      .color = terminal && !surroundings.variable("NO_COLOR")};
}

/// The usual soft limit of 1024 is less than the connections that are allowed.
void raise_file_limit() {
  constexpr rlim_t kEnough = 4096;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < kEnough) {
    limit.rlim_cur = std::min(limit.rlim_max, kEnough);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

sigset_t handled_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ::sigaddset(&signals, signal);
  }
  return signals;
}

std::string announcement(const engine::Daemon& daemon, const engine::Daemon::Options& options) {
  const std::string& listen = options.settings.config().server.listen;
  // The port may have been 0; the host is as it was given.
  const std::string http =
      daemon.port() == 0
          ? std::string{}
          : fmt::format("http://{}:{} and ", listen.substr(0, listen.rfind(':')), daemon.port());
  return fmt::format("Levee {} listens on {}{}; state in {}\n", kVersion, http,
                     daemon.socket().string(), options.state_dir.string());
}

/// What the service manager is told; nothing without one.
class ServiceManager {
 public:
  explicit ServiceManager(const Surroundings& surroundings)
      : address_(surroundings.variable("NOTIFY_SOCKET").value_or("")),
        period_(watchdog_period(surroundings, ::getpid())) {}

  void tell(std::string_view state) {
    if (const auto told = sd_notify(address_, state); !told) {
      complain(told.error());
      address_.clear();  // Once is enough.
    }
  }

  void tell_reloading() {
    // The steady clock is CLOCK_MONOTONIC, which sd_notify wants.
    const auto now = std::chrono::floor<std::chrono::microseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
  }

  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const {
    return address_.empty() ? std::nullopt : period_;
  }

 private:
  std::string address_;
  std::optional<std::chrono::microseconds> period_;
};

/// The daemon's own word, over its own socket: a stalled engine or server is not kept alive.
bool is_alive(const std::filesystem::path& socket) {
  const Connection connection{.socket = socket.string(), .timeout = "2"};
  return ask_daemon(connection, "/healthz").has_value();
}

/// The next of `signals`; 0 when the watchdog is due.
int next_signal(const sigset_t& signals, std::optional<std::chrono::microseconds> watchdog) {
  if (!watchdog) {
    return ::sigwaitinfo(&signals, nullptr);
  }
  const auto whole = std::chrono::floor<std::chrono::seconds>(*watchdog);
  const timespec due{.tv_sec = whole.count(),
                     .tv_nsec = std::chrono::nanoseconds(*watchdog - whole).count()};
  const int signal = ::sigtimedwait(&signals, nullptr, &due);
  return signal < 0 && errno == EAGAIN ? 0 : signal;
}

/// A second Ctrl-C while the daemon ends: the user has waited long enough.
void let_interrupt_kill() {
  struct sigaction end{};
  end.sa_handler = [](int) { ::_exit(130); };
  ::sigaction(SIGINT, &end, nullptr);
  sigset_t interrupt;
  ::sigemptyset(&interrupt);
  ::sigaddset(&interrupt, SIGINT);
  ::pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
}

void wait_for_the_end(engine::Daemon& daemon, const std::filesystem::path& socket,
                      const sigset_t& signals, ServiceManager& manager) {
  while (true) {
    switch (next_signal(signals, manager.watchdog())) {
      case SIGTERM:
      case SIGINT:
        return;
      case SIGHUP:
        manager.tell_reloading();
        daemon.reload();
        manager.tell("READY=1");
        break;
      case 0:
        if (is_alive(socket)) {
          manager.tell("WATCHDOG=1");
        }
        break;
      default:
        break;  // Interrupted, by a debugger for example.
    }
  }
}

}  // namespace

int serve(const ServeOptions& options, const Surroundings& surroundings) {
  raise_file_limit();
  const auto prepared = daemon_options(options, surroundings);
  if (!prepared) {
    return complain(prepared.error());
  }
  // Blocked before the first thread starts, so that every thread inherits it.
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto daemon = engine::Daemon::make(*prepared);
  if (!daemon) {
    return complain(daemon.error());
  }
  (*daemon)->start();
  static_cast<void>(write_all(STDERR_FILENO, announcement(**daemon, *prepared)));
  ServiceManager manager(surroundings);
  manager.tell("READY=1");
  wait_for_the_end(**daemon, (*daemon)->socket(), signals, manager);
  manager.tell("STOPPING=1");
  let_interrupt_kill();
  (*daemon)->stop();
  return kOk;
}

void declare_serve(CLI::App& root, Run& chosen) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* const command = root.add_subcommand("serve", "Run the daemon");
  command->add_option("--config", options->config, "Configuration file")->type_name("FILE");
  command
      ->add_option("--listen", options->listen,
                   "Loopback address for HTTP; port 0 picks one; off: the socket only")
      ->type_name("HOST:PORT");
  command->add_option("--socket", options->socket, "Unix socket")->type_name("PATH");
  command->add_option("--state-dir", options->state_dir, "Directory for history and logs")
      ->type_name("DIR");
  command->add_option("--record", options->record, "Record everything there, for levee replay")
      ->type_name("FILE");
  command->add_option("--set", options->pairs, "Any setting; may be repeated")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_footer(*command,
             "levee serve\n"
             "levee serve --listen 127.0.0.1:9000 --state-dir /srv/levee\n"
             "levee serve --config levee.toml --set monitoring_interval=0.5",
             "0 ended by SIGTERM or Ctrl-C, 1 could not start, 2 wrong use or bad settings.\n"
             "SIGHUP reads the configuration file again.");
  command->callback([options, &chosen] {
    chosen = [options](const Surroundings& surroundings) { return serve(*options, surroundings); };
  });
}

}  // namespace levee::cli
