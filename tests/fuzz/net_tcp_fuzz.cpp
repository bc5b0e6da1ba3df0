#include "fuzz/fuzz_check.hpp"
#include "sources/sockets.hpp"

using namespace levee;
using namespace levee::sources;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  for (const TcpSocket& socket : parse_net_tcp(text)) {
    check(!socket.local.address.empty() && !socket.remote.address.empty(), "both ends are known");
    check(!socket.local.address.starts_with("::ffff:") ||
              socket.local.address.find('.') == std::string::npos,
          "a mapped address is written as IPv4");
  }
  return 0;
}
