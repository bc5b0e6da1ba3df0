#include "estimate/model_facts.hpp"

namespace levee::estimate {

std::string_view to_string(Quantization quantization) noexcept {
  switch (quantization) {
    case Quantization::none:
      return "none";
    case Quantization::fp8:
      return "fp8";
    case Quantization::int8:
      return "int8";
    case Quantization::int4_grouped:
      return "int4";
    case Quantization::nf4:
      return "nf4";
    case Quantization::nf4_double:
      return "nf4-dq";
    case Quantization::mxfp4:
      return "mxfp4";
  }
  return "none";
}

std::string_view to_string(FactsOrigin origin) noexcept {
  switch (origin) {
    case FactsOrigin::weight_files:
      return "weight files";
    case FactsOrigin::configuration:
      return "configuration";
    case FactsOrigin::catalogue:
      return "built-in table";
    case FactsOrigin::name:
      return "name";
  }
  return "name";
}

}  // namespace levee::estimate
