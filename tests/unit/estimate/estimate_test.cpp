// Terms, totals and the search for what fits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "estimate/search.hpp"

namespace levee::estimate {
namespace {

using testing::HasSubstr;

ModelFacts llama_2_7b() {
  ModelFacts facts;
  facts.layers = 32;
  facts.hidden = 4096;
  facts.heads = facts.kv_heads = 32;
  facts.head_dim = 128;
  facts.intermediate = 11008;
  facts.vocab = 32000;
  return facts;
}

WeightFormat format(std::string_view name) { return parse_weight_format(name).value(); }

double gibibytes(Bytes bytes) {
  return static_cast<double>(bytes.count) / static_cast<double>(kGiB);
}

Bytes weights(const ModelFacts& facts, std::string_view name) {
  Job job;
  job.weights = format(name);
  return estimate(facts, job).find(TermName::weights)->expected;
}

TEST(Weights, TakeTheBitsOfTheirFormat) {
  const ModelFacts facts = llama_2_7b();
  EXPECT_EQ(weights(facts, "bf16").count, 2 * 6'738'415'616U);
  EXPECT_EQ(weights(facts, "fp32").count, 4 * 6'738'415'616U);
  EXPECT_NEAR(gibibytes(weights(facts, "Q8_0")), 6.67, 0.02);
  EXPECT_NEAR(gibibytes(weights(facts, "q4_k_m")), 3.80, 0.05);
  EXPECT_LT(weights(facts, "int4"), weights(facts, "int8"));
}

TEST(Weights, LeaveAVisionTowerIn16Bits) {
  ModelFacts facts = llama_2_7b();
  facts.vision_parameters = 1'000'000'000;
  for (const char* name : {"bf16", "int8", "nf4"}) {
    EXPECT_EQ(weights(facts, name).count - weights(llama_2_7b(), name).count, 2'000'000'000U)
        << name;
  }
  Job split;
  split.framework = Framework::vllm;
  split.tensor_parallel = 2;
  const auto of_one = [&](const ModelFacts& model) {
    return estimate(model, split).find(TermName::weights)->expected.count;
  };
  EXPECT_EQ(of_one(facts) - of_one(llama_2_7b()), 1'000'000'000U);
}

TEST(Weights, OfLlamaCppHaveNoVisionTower) {
  ModelFacts facts = llama_2_7b();
  facts.vision_parameters = 1'000'000'000;
  const Job job{.framework = Framework::llama_cpp};
  EXPECT_EQ(estimate(facts, job).find(TermName::weights)->expected.count, 2 * 6'738'415'616U);
}

TEST(Weights, OfSeveralStagesAreThoseOfTheFullest) {
  ModelFacts facts = llama_2_7b();
  const auto held = [&](std::uint64_t stages) {
    return estimate(facts, Job{.pipeline_parallel = stages})
        .find(TermName::weights)
        ->expected.count;
  };
  // Embedding and output are as large as each other: two stages have one each.
  EXPECT_NEAR(static_cast<double>(held(2)), static_cast<double>(held(1)) / 2, 1);
  constexpr std::uint64_t kEnd = 2 * 32000 * 4096;
  const double layer = (static_cast<double>(held(1)) - 2 * kEnd) / 32;
  EXPECT_NEAR(static_cast<double>(held(3)), 11 * layer + kEnd, 1) << "11, 11 and 10 layers";
  EXPECT_NEAR(static_cast<double>(held(32)), layer + kEnd, 1);
  facts.tied_embeddings = true;
  EXPECT_NEAR(static_cast<double>(held(2)), 16 * layer + kEnd, 1) << "each end needs the matrix";
}

TEST(Weights, InMxfp4AreThoseOfExpertsOnly) {
  ModelFacts facts = llama_2_7b();
  EXPECT_EQ(weights(facts, "mxfp4"), weights(facts, "bf16")) << "there are none";
  facts.experts = Experts{.count = 8, .per_token = 2, .intermediate = 1024};
  const double experts = 32.0 * 8 * 3 * 4096 * 1024;
  EXPECT_NEAR(static_cast<double>(weights(facts, "bf16").count - weights(facts, "mxfp4").count),
              experts * (16 - 4.25) / 8, 1);
}

TEST(Weights, OfVllmComeWithATableOfAllPositions) {
  ModelFacts facts = llama_2_7b();
  facts.rotary_rows = 4096;
  const auto held = [&](Framework framework) {
    return estimate(facts, Job{.framework = framework}).find(TermName::weights)->expected.count;
  };
  EXPECT_EQ(held(Framework::vllm), held(Framework::transformers) + 4096 * 128 * 2);
  facts.stored = gib(7);
  EXPECT_EQ(held(Framework::vllm), gib(7).count + 4096 * 128 * 2) << "no file has it";
}

TEST(Activations, OfVllmHoldPicturesThatWereRead) {
  ModelFacts facts = llama_2_7b();
  const Job job{.framework = Framework::vllm, .version = Version{0, 19}};
  const auto held = [&] {
    return estimate(facts, job).find(TermName::activations)->expected.count;
  };
  const std::uint64_t text_only = held();
  facts.vision_parameters = 1;
  EXPECT_EQ(held() - text_only, 8192U * 4096 * 2) << "as many as a batch of tokens has room for";
}

TEST(Weights, HaveAnExactSizeWhereTheFilesAreThere) {
  ModelFacts facts = llama_2_7b();
  facts.stored = gib(7);
  Job job;
  EXPECT_EQ(estimate(facts, job).find(TermName::weights)->expected, gib(7));
  job.weights = format("fp32");  // Unless others are asked for.
  EXPECT_GT(estimate(facts, job).find(TermName::weights)->expected, gib(20));
}

TEST(Weights, AreGuessedWidelyByAName) {
  ModelFacts facts = llama_2_7b();
  facts.origin = FactsOrigin::name;
  facts.parameters = 14'000'000'000;
  const Estimate guess = estimate(facts, Job{});
  const Term& term = *guess.find(TermName::weights);
  EXPECT_NEAR(gibibytes(term.expected), 26.1, 0.1);
  EXPECT_NEAR(gibibytes(term.high) / gibibytes(term.expected), 1.2, 0.001);
  EXPECT_THAT(term.reason, HasSubstr("by the name"));
}

TEST(ParseWeightFormat, RefusesWhatIsNone) {
  for (const char* name : {"", "q4", "Q9_K", "bf 16", "fp8 "}) {
    const auto refused = parse_weight_format(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_THAT(refused.error().hint, HasSubstr("Q4_K_M"));
  }
  EXPECT_EQ(parse_weight_format("AWQ")->name, "int4");
}

TEST(Estimate, AddsItsTermsUp) {
  for (const Framework framework :
       {Framework::vllm, Framework::llama_cpp, Framework::transformers}) {
    Job job;
    job.framework = framework;
    const Estimate sum = estimate(llama_2_7b(), job);
    Term total;
    for (const Term& term : sum.terms) {
      EXPECT_LE(term.low, term.expected) << to_string(term.name);
      EXPECT_LE(term.expected, term.high) << to_string(term.name);
      EXPECT_FALSE(term.reason.empty());
      if (term.name != TermName::host) {
        total.low += term.low;
        total.expected += term.expected;
        total.high += term.high;
      }
    }
    EXPECT_EQ(sum.total.low, total.low);
    EXPECT_EQ(sum.total.expected, total.expected);
    EXPECT_EQ(sum.total.high, total.high);
  }
}

TEST(Estimate, IsWiderForAnUnknownVersion) {
  Job known;
  known.framework = Framework::vllm;
  known.version = Version{0, 19};
  Job unknown = known;
  unknown.version.reset();
  const Estimate sure = estimate(llama_2_7b(), known);
  const Estimate unsure = estimate(llama_2_7b(), unknown);
  EXPECT_GE(unsure.total.high, sure.total.high);
}

TEST(Training, TakesSixteenBytesForEachValueWithAdam) {
  Job job;
  job.training = Training{};
  const Estimate sum = estimate(llama_2_7b(), job);
  const double values = 6'738'415'616.0;
  const double states = gibibytes(sum.find(TermName::weights)->expected) +
                        gibibytes(sum.find(TermName::gradients)->expected) +
                        gibibytes(sum.find(TermName::optimizer)->expected);
  EXPECT_NEAR(states, 16 * values / static_cast<double>(kGiB), 0.1);
}

TEST(Training, IsSplitByZeroStageByStage) {
  Job job;
  Bytes last{std::numeric_limits<std::uint64_t>::max()};
  for (int stage = 0; stage <= 3; ++stage) {
    job.training = Training{.zero = stage, .ranks = 8, .adapter_values = {}};
    const Bytes total = estimate(llama_2_7b(), job).total.expected;
    EXPECT_LT(total, last) << stage;
    last = total;
  }
}

TEST(Training, OfAdaptersNeedsNoStatesOfTheModel) {
  Job job;
  job.training = Training{.adapter_values = 4'194'304};
  const Estimate sum = estimate(llama_2_7b(), job);
  EXPECT_LT(sum.find(TermName::optimizer)->expected, mib(100));
  EXPECT_GT(sum.find(TermName::weights)->expected, gib(12));
}

TEST(Training, KeepsLessWhereItRecomputes) {
  Job job;
  const auto kept = [&](Recompute recompute) {
    job.training = Training{.recompute = recompute, .adapter_values = {}};
    return estimate(llama_2_7b(), job).find(TermName::activations)->expected;
  };
  EXPECT_LT(kept(Recompute::full), kept(Recompute::selective));
  EXPECT_LT(kept(Recompute::selective), kept(Recompute::none));
}

// --- search

TEST(Judge, IsSafeAtItsWorst) {
  Estimate of;
  of.total = {.name = {}, .low = gib(1), .expected = gib(2), .high = gib(3), .reason = {}};
  EXPECT_EQ(judge(of, gib(3)), Fit::fits);
  EXPECT_EQ(judge(of, gib(3) - Bytes{1}), Fit::tight);
  EXPECT_EQ(judge(of, gib(2)), Fit::tight);
  EXPECT_EQ(judge(of, gib(2) - Bytes{1}), Fit::does_not_fit);
}

bool fits(const ModelFacts& facts, const Job& job, Bytes free) {
  return judge(estimate(facts, job), free) == Fit::fits;
}

TEST(Search, FindsTheLastBatchAndTheLastTokenThatFit) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    Job job;
    job.framework = static_cast<Framework>(random() % 3);
    job.context = 1 + random() % 20'000;
    job.batch = 1 + random() % 8;
    const Bytes free = gib(14 + random() % 200);
    Job most = job;
    most.batch = largest_batch(llama_2_7b(), job, free);
    EXPECT_TRUE(most.batch == 0 || fits(llama_2_7b(), most, free));
    ++most.batch;
    EXPECT_FALSE(fits(llama_2_7b(), most, free)) << most.batch;
    most = job;
    most.context = longest_context(llama_2_7b(), job, free);
    EXPECT_TRUE(most.context == 0 || fits(llama_2_7b(), most, free));
    ++most.context;
    EXPECT_FALSE(fits(llama_2_7b(), most, free)) << most.context;
  }
}

TEST(Search, GivesZeroAndNothingWhereNothingFits) {
  const Job job;
  EXPECT_EQ(largest_batch(llama_2_7b(), job, gib(1)), 0U);
  EXPECT_EQ(longest_context(llama_2_7b(), job, Bytes{}), 0U);
  EXPECT_EQ(best_format(llama_2_7b(), job, mib(500)), std::nullopt);
  EXPECT_EQ(fewest_devices(llama_2_7b(), job, mib(100)), std::nullopt);
}

TEST(Search, DoesNotGoBeyondWhatTheModelWasMadeFor) {
  ModelFacts facts = llama_2_7b();
  facts.max_context = 4096;
  EXPECT_EQ(longest_context(facts, Job{}, gib(1000)), 4096U);
}

TEST(Search, TakesTheFewestDevicesAndTheMostBits) {
  Job job;
  EXPECT_EQ(fewest_devices(llama_2_7b(), job, gib(24)), 1U);
  EXPECT_EQ(fewest_devices(llama_2_7b(), job, gib(12)), 2U);
  const auto found = best_format(llama_2_7b(), job, gib(12));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->name, "int8");
  job.framework = Framework::llama_cpp;
  EXPECT_EQ(best_format(llama_2_7b(), job, gib(12))->name, "Q8_0");
}

}  // namespace
}  // namespace levee::estimate
