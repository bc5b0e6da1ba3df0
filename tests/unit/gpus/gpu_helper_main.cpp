// The GPU helper as a program of its own: what `levee gpu-helper` is, without the rest of levee.
#include <unistd.h>

#include "gpus/helper.hpp"

int main() {
  const int code = levee::gpus::run_helper(levee::gpus::find_drivers(levee::sources::Root{}), 0, 1);
  ::_exit(code);
}
