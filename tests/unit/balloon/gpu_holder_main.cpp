// The holder as a program of its own: what `levee gpu-holder` is, without the rest of levee.
#include <unistd.h>

#include "balloon/run_holder.hpp"

int main(int argc, char** argv) {
  ::_exit(argc == 2 ? levee::balloon::run_holder(STDIN_FILENO, argv[1]) : 2);
}
