#include "estimate/calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace levee::estimate {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A job of 10 GiB that is fixed and 2 GiB that is not, and what it took.
JobRecord job(Bytes peak, std::string framework = "transformers") {
  JobRecord record;
  record.predicted = {.model = "m",
                      .framework = std::move(framework),
                      .is_training = false,
                      .fills_memory = false,
                      .fixed = gib(10),
                      .soft = gib(2),
                      .low = gib(11),
                      .expected = gib(12),
                      .high = gib(13)};
  record.peak = peak;
  return record;
}

/// The same job, whose soft terms were so many times what was expected.
JobRecord job_times(double ratio, std::string framework = "transformers") {
  return job(gib(10) + Bytes{static_cast<std::uint64_t>(
                           std::llround(ratio * static_cast<double>(gib(2).count)))},
             std::move(framework));
}

TEST(TurnoutOf, IsInsideFromLowToHigh) {
  EXPECT_EQ(turnout_of(job(gib(11))), Turnout::inside);
  EXPECT_EQ(turnout_of(job(gib(13))), Turnout::inside);
  EXPECT_EQ(turnout_of(job(gib(13) + Bytes{1})), Turnout::above);
  EXPECT_EQ(turnout_of(job(gib(11) - Bytes{1})), Turnout::below);
}

TEST(TurnoutOf, IsNoMissWhereThereIsNothingToCompare) {
  EXPECT_EQ(turnout_of(job(gib(4))), Turnout::unloaded);
  EXPECT_EQ(turnout_of(job(Bytes{})), Turnout::unloaded);
  JobRecord filling = job(gib(80), "vllm");
  filling.predicted.fills_memory = true;
  EXPECT_EQ(turnout_of(filling), Turnout::filling);
}

TEST(Learn, LearnsNothingFromNothing) {
  EXPECT_THAT(learn({}), IsEmpty());
  JobRecord filling = job(gib(80), "vllm");
  filling.predicted.fills_memory = true;
  JobRecord certain = job(gib(12));
  certain.predicted.soft = {};
  JobRecord foreign = job(gib(12), "some other framework");
  const std::vector<JobRecord> records{filling, certain, foreign, job(gib(9)), job(Bytes{})};
  EXPECT_THAT(learn(records), IsEmpty());
}

TEST(Learn, DrawsAFewJobsTowardsTheFormulas) {
  const std::vector<JobRecord> one{job_times(2)};
  const auto after_one = learn(one);
  ASSERT_THAT(after_one, SizeIs(1));
  EXPECT_NEAR(after_one[0].factor, std::pow(2.0, 1.0 / 3), 1e-6);
  EXPECT_EQ(after_one[0].jobs, 1U);
  EXPECT_FALSE(after_one[0].spread);
  const std::vector<JobRecord> many(30, job_times(2));
  EXPECT_NEAR(learn(many)[0].factor, std::pow(2.0, 30.0 / 32), 1e-6);
}

TEST(Learn, KeepsFrameworksAndTrainingApart) {
  JobRecord training = job_times(0.5);
  training.predicted.is_training = true;
  const std::vector<JobRecord> records{job_times(2, "vllm"), job_times(3, "llama.cpp"), training,
                                       job_times(1)};
  const auto corrections = learn(records);
  ASSERT_THAT(corrections, SizeIs(4));
  Job wanted;
  wanted.framework = Framework::llama_cpp;
  EXPECT_GT(correction_for(corrections, wanted)->factor, 1.3);
  wanted.framework = Framework::transformers;
  EXPECT_NEAR(correction_for(corrections, wanted)->factor, 1, 1e-9);
  wanted.training.emplace();
  EXPECT_LT(correction_for(corrections, wanted)->factor, 0.8);
  wanted.framework = Framework::vllm;
  EXPECT_FALSE(correction_for(corrections, wanted));
}

TEST(Learn, FollowsTheNewestJobs) {
  std::vector<JobRecord> records(100, job_times(0.5));
  records.insert(records.end(), kJobsLearned, job_times(2));
  EXPECT_GT(learn(records)[0].factor, 1.9);
}

TEST(Learn, IsNotLedAstrayByOneJob) {
  std::vector<JobRecord> records;
  for (int i = 0; i < 9; ++i) {
    records.push_back(job_times(1.1 + 0.02 * i));
  }
  const Correction before = learn(records)[0];
  records.push_back(job(gib(10'000)));
  const Correction after = learn(records)[0];
  EXPECT_NEAR(after.factor, before.factor, 0.02);
  EXPECT_NEAR(*after.spread, *before.spread, 0.05);
  const std::vector<JobRecord> only_absurd(50, job(gib(10'000)));
  EXPECT_LE(learn(only_absurd)[0].factor, 4);
}

// Jobs of a machine whose soft terms are 1.5 times the formulas', give or take: what is learned
// from the first half must hold the second half, far more often than the formulas do.
TEST(Learn, BringsTheNextJobsInsideTheirBounds) {
  std::mt19937 random(7);
  std::normal_distribution<double> scatter(std::log(1.5), 0.1);
  std::size_t inside = 0;
  std::size_t inside_uncorrected = 0;
  constexpr std::size_t kMachines = 200;
  for (std::size_t machine = 0; machine < kMachines; ++machine) {
    std::vector<JobRecord> records;
    for (int i = 0; i < 12; ++i) {
      records.push_back(job_times(std::exp(scatter(random))));
    }
    std::vector<Term> terms{{TermName::slack, gib(2), gib(2), gib(2), ""}};
    terms[0].low = mib(1638);
    terms[0].high = mib(2458);
    const double next = std::exp(scatter(random)) * static_cast<double>(gib(2).count);
    const auto holds = [next](const Term& term) {
      return static_cast<double>(term.low.count) <= next &&
             next <= static_cast<double>(term.high.count);
    };
    inside_uncorrected += holds(terms[0]) ? 1U : 0U;
    correct(learn(records)[0], terms);
    inside += holds(terms[0]) ? 1U : 0U;
  }
  EXPECT_GT(inside, kMachines * 9 / 10);
  EXPECT_LT(inside_uncorrected, kMachines / 5);
}

TEST(Correct, TouchesSoftTermsOnlyAndSaysSo) {
  ModelFacts facts;
  facts.layers = 32;
  facts.hidden = 4096;
  facts.heads = facts.kv_heads = 32;
  facts.head_dim = 128;
  facts.intermediate = 11008;
  facts.vocab = 32000;
  Job job;
  const Estimate plain = estimate(facts, job);
  job.correction = Correction{.framework = Framework::transformers,
                              .is_training = false,
                              .jobs = 7,
                              .factor = 2,
                              .spread = std::log(1.5)};
  const Estimate corrected = estimate(facts, job);
  Bytes sum;
  for (std::size_t i = 0; i < plain.terms.size(); ++i) {
    const Term& before = plain.terms[i];
    const Term& after = corrected.terms[i];
    if (!is_soft(before.name)) {
      EXPECT_EQ(after.expected, before.expected);
      EXPECT_EQ(after.high, before.high);
      EXPECT_EQ(after.reason, before.reason);
    } else {
      EXPECT_EQ(after.expected.count, 2 * before.expected.count);
      EXPECT_NEAR(static_cast<double>(after.high.count),
                  1.5 * static_cast<double>(after.expected.count), 2);
      EXPECT_THAT(after.reason, HasSubstr("times 2.00, by 7 jobs of this machine"));
    }
    sum += before.name == TermName::host ? Bytes{} : after.expected;
  }
  EXPECT_EQ(corrected.total.expected, sum);
}

TEST(Correct, KeepsTheFormulasBoundsWhileThereAreFewJobs) {
  std::vector<Term> terms{{TermName::context, gib(1), gib(2), gib(4), ""}};
  correct(
      {.framework = Framework::vllm, .is_training = false, .jobs = 1, .factor = 1.5, .spread = {}},
      terms);
  EXPECT_EQ(terms[0].low, mib(1536));
  EXPECT_EQ(terms[0].expected, gib(3));
  EXPECT_EQ(terms[0].high, gib(6));
}

TEST(ParseTermName, KnowsEveryTerm) {
  for (const TermName name :
       {TermName::weights, TermName::kv_cache, TermName::activations, TermName::compute_buffer,
        TermName::gradients, TermName::optimizer, TermName::logits, TermName::context,
        TermName::graphs, TermName::slack, TermName::host}) {
    EXPECT_EQ(parse_term_name(to_string(name)), name);
  }
  EXPECT_FALSE(parse_term_name("total"));
  EXPECT_FALSE(parse_term_name(""));
}

}  // namespace
}  // namespace levee::estimate
