# Warnings, sanitizers and the compiler cache: the same for every target.

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                    -Wnull-dereference -Wdouble-promotion -Wformat=2)
add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Wold-style-cast;-Woverloaded-virtual>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # At -O2 GCC 12 reports null dereferences and uninitialised optionals inside the standard library
  # that do not exist; clang, which does not, sees every file too.
  add_compile_options(-Wno-null-dereference -Wno-maybe-uninitialized)
endif()

if(LEVEE_SANITIZE)
  add_compile_options(-fsanitize=${LEVEE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${LEVEE_SANITIZE})
  if(LEVEE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
