# Warnings, sanitizers and the compiler cache: the same for every target.

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                    -Woverloaded-virtual -Wconversion -Wsign-conversion -Wnull-dereference
                    -Wdouble-promotion -Wformat=2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports null dereferences inside the standard library at -O2 that do not exist.
  add_compile_options(-Wno-null-dereference)
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
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
