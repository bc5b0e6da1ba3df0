// What both formats of a metrics page must obey.
#pragma once

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace levee::api {

/// What a page must obey in either format; returns its samples by full name with labels.
inline std::map<std::string, double> check(const std::string& page, bool openmetrics) {
  std::map<std::string, double> samples;
  std::set<std::string> families;
  std::string family;
  std::string type;
  std::istringstream lines(page);
  std::string line;
  bool ended = false;
  while (std::getline(lines, line)) {
    EXPECT_FALSE(ended) << "after the end: " << line;
    std::istringstream words(line);
    std::string word;
    std::string keyword;
    std::string name;
    words >> word;
    if (word == "#") {
      words >> keyword >> name;
      if (keyword == "EOF") {
        ended = true;
      } else if (keyword == "HELP") {
        EXPECT_TRUE(families.insert(name).second) << "declared twice: " << name;
        EXPECT_GT(line.size(), std::string("# HELP ").size() + name.size() + 1) << "no help";
        family = name;
      } else if (keyword == "TYPE") {
        words >> type;
        EXPECT_EQ(name, family);
        const bool has_total = family.ends_with("_total");
        EXPECT_EQ(has_total, type == "counter" && !openmetrics) << family;
      } else {
        EXPECT_EQ(keyword, "UNIT") << line;
        EXPECT_TRUE(openmetrics);
        words >> word;
        EXPECT_EQ(name, family);
        EXPECT_TRUE(family.ends_with("_" + word)) << line;
      }
      continue;
    }
    const std::string sample = line.substr(0, line.rfind(' '));
    const std::string text = line.substr(line.rfind(' ') + 1);
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    EXPECT_TRUE(parsed.ec == std::errc{} && std::isfinite(value)) << line;
    EXPECT_TRUE(samples.emplace(sample, value).second) << "twice: " << sample;
    const std::string suffix = !openmetrics        ? ""
                               : type == "counter" ? "_total"
                               : type == "info"    ? "_info"
                                                   : "";
    EXPECT_EQ(sample.substr(0, sample.find('{')), family + suffix);
  }
  EXPECT_EQ(ended, openmetrics);
  EXPECT_TRUE(page.ends_with('\n'));
  return samples;
}

}  // namespace levee::api
