#include "policy/baton.hpp"

#include <algorithm>

namespace levee {

BatonStep pass_baton(const Baton& baton, const BatonSample& sample) noexcept {
  if (!sample.has_begun) {
    const BatonMove move = sample.balloon < baton.promised   ? BatonMove::take_back
                           : sample.balloon > baton.promised ? BatonMove::yield
                                                             : BatonMove::hold;
    return {move, baton.promised, Bytes{}};
  }
  if (!sample.owner_now) {
    return {BatonMove::hold, sample.balloon, Bytes{}};
  }
  const Bytes use = *sample.owner_now;
  const Bytes open = baton.promised - use - sample.balloon;
  const Bytes lost = sample.free ? open - *sample.free : Bytes{};
  if (use >= baton.promised) {
    return {BatonMove::passed, Bytes{}, lost};
  }
  const Bytes made_good = std::min({lost, sample.lost_before, baton.spare});
  const Bytes ahead = std::max(baton.step, sample.asked) + made_good;
  if (const Bytes wanted = baton.promised - use - ahead; wanted < sample.balloon) {
    return {BatonMove::yield, wanted, lost};
  }
  const Bytes lately = std::max(use, sample.owner_before.value_or(baton.promised));
  const Bytes wanted = baton.promised - lately - ahead;
  return wanted > sample.balloon ? BatonStep{BatonMove::take_back, wanted, lost}
                                 : BatonStep{BatonMove::hold, sample.balloon, lost};
}

}  // namespace levee
