#include "history/window.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/values.hpp"

namespace levee::history {
namespace {

using test::at;
using namespace std::chrono_literals;

struct Element {
  Now at;
  int number = 0;
};

/// The numbers the window holds, oldest first.
std::vector<int> numbers(std::span<const Element> elements) {
  std::vector<int> result;
  for (const Element& element : elements) {
    result.push_back(element.number);
  }
  return result;
}

TEST(Window, StartsEmpty) {
  const Window<Element> window(10s, 5);
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.size(), 0U);
  EXPECT_TRUE(window.all().empty());
}

TEST(Window, KeepsNoMoreThanItsCapacity) {
  Window<Element> window(1h, 3);
  for (int i = 1; i <= 4; ++i) {
    window.append({at(1s * i), i});
  }
  EXPECT_EQ(numbers(window.all()), (std::vector{2, 3, 4}));
}

TEST(Window, KeepsNothingOlderThanItsSpan) {
  Window<Element> window(10s, 100);
  window.append({at(0s), 1});
  window.append({at(10s), 2});
  EXPECT_EQ(numbers(window.all()), (std::vector{1, 2})) << "exactly as old as allowed";
  window.append({at(10'001ms), 3});
  EXPECT_EQ(numbers(window.all()), (std::vector{2, 3}));
}

TEST(Window, KeepsTheNewestWhateverTheBounds) {
  Window<Element> window(0s, 0);
  window.append({at(0s), 1});
  window.append({at(1h), 2});
  EXPECT_EQ(numbers(window.all()), std::vector{2});
}

TEST(Window, AMonotonicGapEmptiesItButForTheNewest) {
  Window<Element> window(15min, 100);
  window.append({at(0s), 1});
  window.append({at(1s), 2});
  window.append({at(8h), 3});  // the machine slept
  EXPECT_EQ(numbers(window.all()), std::vector{3});
}

TEST(Window, AWallClockThatJumpsChangesNothing) {
  Window<Element> window(10s, 100);
  window.append({at(0s), 1});
  window.append({at(1s, -24h), 2});
  window.append({at(2s, +24h), 3});
  EXPECT_EQ(numbers(window.all()), (std::vector{1, 2, 3}));
}

TEST(Window, StaysOrderedAndWithinBothBoundsOverALongTime) {
  Window<Element> window(50s, 40);
  for (int i = 0; i < 10'000; ++i) {
    // Ticks of irregular length, some at the same instant.
    const auto now = at(std::chrono::milliseconds{700 * i - 300 * (i % 3)});
    window.append({now, i});
    const auto all = window.all();
    ASSERT_LE(all.size(), 40U);
    ASSERT_EQ(all.size(), window.size());
    ASSERT_EQ(all.back().number, i);
    ASSERT_GE(all.front().at.mono, now.mono - 50s);
    ASSERT_TRUE(std::ranges::is_sorted(all, {}, &Element::number));
    // Nothing inside both bounds was dropped.
    ASSERT_EQ(all.front().number, i + 1 - static_cast<int>(all.size()));
    ASSERT_EQ(all.size(), static_cast<std::size_t>(std::min(i + 1, 40)));
  }
}

TEST(Window, NewBoundsHoldFromTheNextAppend) {
  Window<Element> window(1h, 100);
  for (int i = 1; i <= 50; ++i) {
    window.append({at(1s * i), i});
  }
  window.resize(1h, 2);
  window.append({at(51s), 51});
  EXPECT_EQ(numbers(window.all()), (std::vector{50, 51}));
  window.resize(1h, 4);
  window.append({at(52s), 52});
  window.append({at(53s), 53});
  window.append({at(54s), 54});
  EXPECT_EQ(numbers(window.all()), (std::vector{51, 52, 53, 54}));
  window.resize(1s, 4);
  window.append({at(55s), 55});
  EXPECT_EQ(numbers(window.all()), (std::vector{54, 55}));
}

TEST(Latest, ReturnsWhatIsNotOlderThanTheSpan) {
  Window<Element> window(1h, 100);
  for (int i = 1; i <= 5; ++i) {
    window.append({at(10s * i), i});
  }
  const MonoTime now = at(50s).mono;
  EXPECT_EQ(numbers(latest(window.all(), now, 20s)), (std::vector{3, 4, 5}));
  EXPECT_EQ(numbers(latest(window.all(), now, 19'999ms)), (std::vector{4, 5}));
  EXPECT_EQ(numbers(latest(window.all(), now, 0s)), std::vector{5});
  EXPECT_EQ(numbers(latest(window.all(), now, 1h)).size(), 5U);
  EXPECT_TRUE(latest(window.all(), now + 1h, 20s).empty());
  EXPECT_TRUE(latest(std::span<const Element>{}, now, 20s).empty());
}

}  // namespace
}  // namespace levee::history
