#include <algorithm>

#include "estimate/parameters.hpp"
#include "estimate/search.hpp"
#include "fuzz/fuzz_check.hpp"
#include "models/hf_config.hpp"

using namespace levee;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = models::facts_from_config(fuzz::as_text(data, size));
  if (!read) {
    check(!read.error().message.empty(), "a refusal says why");
    return 0;
  }
  const estimate::ModelFacts& facts = read->facts;
  const estimate::Parameters parameters = estimate::count_parameters(facts);
  check(parameters.active <= parameters.total(), "no token passes more than there is");
  for (const auto framework : {estimate::Framework::vllm, estimate::Framework::llama_cpp,
                               estimate::Framework::transformers}) {
    estimate::Job job;
    job.framework = framework;
    const estimate::Estimate sum = estimate::estimate(facts, job);
    for (const estimate::Term& term : sum.terms) {
      check(term.low <= term.expected && term.expected <= term.high, "bounds are in order");
    }
    check(estimate::largest_batch(facts, job, gib(80)) <= estimate::kMostSequences,
          "a batch has its limit");
  }
  return 0;
}
